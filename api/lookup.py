"""What a call names, fetched through the caller: what he does not see does not exist, what he only sees he may not change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import ApiError, Code
from clusters.models import Cluster
from jobs.models import Folder, Job
from workspaces.models import May, Workspace, is_super_admin

ROOT = "root"


def workspace_of(caller: Caller, asked: dict[str, Any]) -> Workspace:
    """Return the named workspace; without a name the caller's only one. Raise ApiError."""
    seen = Workspace.objects.visible_to(caller.user)
    if serial := asked.get("WorkSpaceId"):
        if found := seen.filter(serial=serial).first():
            return found
        raise not_found(_("There is no workspace %(name)s."), Code.RESOURCE_NOT_FOUND, serial)
    mine = list(seen[:2])
    if len(mine) == 1:
        return mine[0]
    raise ApiError(Code.MISSING_PARAMETER, _("The parameter %(name)s is missing."), name="WorkSpaceId")


def workspaces_of(caller: Caller, asked: dict[str, Any]) -> list[int]:
    """Return the ids of the workspaces to look in: the named one, else all that the caller sees. Raise ApiError."""
    if asked.get("WorkSpaceId"):
        return [workspace_of(caller, asked).pk]
    return list(Workspace.objects.visible_to(caller.user).order_by().values_list("pk", flat=True))


def may(caller: Caller, workspace: Workspace, what: May = May.OPERATE) -> None:
    """Raise ApiError unless the caller's role in `workspace` allows it."""
    if not workspace.may(caller.user, what):
        raise unauthorized()


def must_be_super_admin(caller: Caller) -> None:
    if not is_super_admin(caller.user):
        raise unauthorized()


def unauthorized() -> ApiError:
    return ApiError(Code.UNAUTHORIZED_OPERATION, _("Your role does not allow this."))


def job_of(caller: Caller, asked: dict[str, Any], name: str = "JobId") -> Job:
    """Return a job that the caller sees, with all that is told of it. Raise ApiError."""
    return jobs_of(caller, [asked.get(name, "")], asked)[0]


def operable_job_of(caller: Caller, asked: dict[str, Any]) -> Job:
    return operable_jobs_of(caller, [asked["JobId"]], asked)[0]


def jobs_of(caller: Caller, serials: Sequence[str], asked: dict[str, Any]) -> list[Job]:
    """Return the jobs in the order named. Raise ApiError for one that the caller does not see, or that is elsewhere."""
    seen = Job.objects.visible_to(caller.user).for_rows().filter(serial__in=serials)
    if workspace := asked.get("WorkSpaceId"):
        seen = seen.filter(workspace__serial=workspace)
    found = {job.serial: job for job in seen}
    for serial in serials:
        if serial not in found:
            raise not_found(_("There is no job %(name)s."), Code.NO_JOB, serial)
    return [found[serial] for serial in serials]


def operable_jobs_of(caller: Caller, serials: Sequence[str], asked: dict[str, Any]) -> list[Job]:
    """Return the jobs in the order named. Raise ApiError also for one that the caller may only look at."""
    jobs = jobs_of(caller, serials, asked)
    for workspace in {job.workspace_id: job.workspace for job in jobs}.values():
        may(caller, workspace)
    return jobs


def cluster_of(caller: Caller, serial: str) -> Cluster:
    """Return a cluster that the caller sees. Raise ApiError."""
    if found := Cluster.objects.visible_to(caller.user).filter(serial=serial).first():
        return found
    raise not_found(_("There is no cluster %(name)s."), Code.NO_CLUSTER, serial)


def folder_of(workspace: Workspace, serial: str) -> Folder | None:
    """Return a folder of the workspace; None for the root. Raise ApiError."""
    if serial in ("", ROOT):
        return None
    if found := Folder.objects.select_related("workspace", "parent").filter(workspace=workspace, serial=serial).first():
        return found
    raise not_found(_("There is no folder %(name)s."), Code.RESOURCE_NOT_FOUND, serial)


def folders_of(caller: Caller, serials: Sequence[str], asked: dict[str, Any]) -> list[Folder]:
    """Return folders of whatever workspaces of the caller, in the order named. Raise ApiError."""
    seen = Folder.objects.select_related("workspace", "parent").filter(
        workspace__in=workspaces_of(caller, asked), serial__in=serials
    )
    found = {folder.serial: folder for folder in seen}
    for serial in serials:
        if serial not in found:
            raise not_found(_("There is no folder %(name)s."), Code.RESOURCE_NOT_FOUND, serial)
    return [found[serial] for serial in serials]


def not_found(sentence: object, code: Code, name: str) -> ApiError:
    return ApiError(code, sentence, name=name[:100])
