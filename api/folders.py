"""Folders of jobs, and the tree that they make."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from api.caller import Caller
from api.errors import ApiError, Code
from api.jobs import JOB_FILTERS, SQL_JOB, published_number, status_code
from api.lookup import ROOT, folder_of, folders_of, may, operable_jobs_of, workspace_of
from api.shapes import Ignored, Many, Shape, Text, Whole, api_limit
from api.spelling import FILTERS, MEMORY_OF_CU, filtered
from jobs import operations
from jobs.folder_forms import RenameFolderForm
from jobs.models import Folder, Job
from jobs.tree import Branch, Tree
from workspaces.models import Workspace

MOST_JOBS = 2000
# 0 is a folder of jobs; there are none of dependencies here.
JOB_FOLDER = 0
FOLDER_TYPE = Ignored(Whole(), only=(JOB_FOLDER,))

CREATE_FOLDER = Shape(
    FolderName=Text(required=True), ParentId=Text(required=True), FolderType=FOLDER_TYPE, WorkSpaceId=Text()
)
MODIFY_FOLDER = Shape(
    SourceFolderId=Text(),
    TargetFolderId=Text(),
    FolderName=Text(),
    FolderType=FOLDER_TYPE,
    SourceJobIds=Many(Text(), most=api_limit),
    WorkSpaceId=Text(),
)
DELETE_FOLDERS = Shape(FolderIds=Many(Text(), required=True, most=100), FolderType=FOLDER_TYPE, WorkSpaceId=Text())
DESCRIBE_FOLDER = Shape(FolderId=Text(required=True), WorkSpaceId=Text(required=True), FolderType=Whole(required=True))
DESCRIBE_TREE_JOBS = Shape(Filters=FILTERS, WorkSpaceId=Text(), FlatMode=Whole(one_of=(0, 1)))
OF_DEPENDENCIES = 1


def create_folder(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    parent, workspace = _parent_of(caller, asked)
    may(caller, workspace)
    name = _name(asked["FolderName"])
    _refuse_taken(workspace, name, parent)
    return {"FolderId": operations.create_folder(caller.user, workspace, name, parent).serial}


def _parent_of(caller: Caller, asked: dict[str, Any]) -> tuple[Folder | None, Workspace]:
    """Return the parent and its workspace; only the root needs the workspace named."""
    if asked["ParentId"] in ("", ROOT):
        return None, workspace_of(caller, asked)
    parent = folders_of(caller, [asked["ParentId"]], asked)[0]
    return parent, parent.workspace


def modify_folder(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Rename a folder, move it, or move jobs into one: all of them, or none."""
    if asked.get("SourceJobIds"):
        _move_jobs(caller, asked)
        return {}
    if not asked.get("SourceFolderId") or not (asked.get("TargetFolderId") or asked.get("FolderName")):
        sentence = gettext_lazy(
            "Name SourceFolderId with FolderName or TargetFolderId, or SourceJobIds with TargetFolderId."
        )
        raise ApiError(Code.UNSUPPORTED_COMPOSITE, sentence)
    folder = folders_of(caller, [asked["SourceFolderId"]], asked)[0]
    may(caller, folder.workspace)
    target = folder_of(folder.workspace, asked["TargetFolderId"]) if asked.get("TargetFolderId") else folder.parent
    name = _name(asked["FolderName"]) if asked.get("FolderName") else ""
    _refuse_taken(folder.workspace, name or folder.name, target, folder)
    if asked.get("TargetFolderId"):
        operations.move_folder(caller.user, folder, target, name)
    else:
        operations.rename_folder(caller.user, folder, name)
    return {}


@transaction.atomic
def _move_jobs(caller: Caller, asked: dict[str, Any]) -> None:
    if asked.get("SourceFolderId") or asked.get("FolderName") or not asked.get("TargetFolderId"):
        sentence = gettext_lazy("SourceJobIds goes with TargetFolderId only.")
        raise ApiError(Code.UNSUPPORTED_COMPOSITE, sentence)
    jobs = operable_jobs_of(caller, asked["SourceJobIds"], asked)
    for job in sorted(jobs, key=lambda one: one.pk):
        operations.move_job(caller.user, job, folder_of(job.workspace, asked["TargetFolderId"]))


@transaction.atomic
def delete_folders(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Delete empty folders: all of them, or none. A folder and all below it may be named together."""
    folders = folders_of(caller, asked["FolderIds"], asked)
    for folder in folders:
        may(caller, folder.workspace)
    # Workspace by workspace, always in the same order, and in each from the leaves up.
    for folder in sorted(set(folders), key=lambda one: (one.workspace_id, -len(operations.path_of(one)))):
        operations.delete_folder(caller.user, folder)
    return {}


def describe_folder(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    if asked["FolderType"] == OF_DEPENDENCIES:
        raise ApiError(Code.UNSUPPORTED_OPERATION, gettext_lazy("This console has no folders of dependencies."))
    workspace = workspace_of(caller, asked)
    folder = folder_of(workspace, asked["FolderId"])
    below = Folder.objects.filter(workspace=workspace, parent=folder).order_by("name")
    return {
        "FolderId": folder.serial if folder else ROOT,
        "FolderName": folder.name if folder else _("Job list"),
        "ParentId": "" if folder is None else folder.parent.serial if folder.parent else ROOT,
        "FolderType": JOB_FOLDER,
        "WorkSpaceId": workspace.serial,
        "SubFolderInfo": [{"FolderId": one.serial, "FolderName": one.name} for one in below],
    }


def _name(name: str) -> str:
    form = RenameFolderForm({"name": name})
    if form.is_valid():
        return str(form.cleaned_data["name"])
    raise ApiError(Code.INVALID_PARAMETER_VALUE, " ".join(str(one) for one in form.errors["name"]))


def _refuse_taken(workspace: Workspace, name: str, parent: Folder | None, but: Folder | None = None) -> None:
    """Give a taken name its own code; what comes in between meets the rule of the act."""
    same = Folder.objects.filter(workspace=workspace, parent=parent, name=name)
    if (same.exclude(pk=but.pk) if but else same).exists():
        raise ApiError(Code.TAKEN_FOLDER_NAME, gettext_lazy("There is already a folder with this name here."))


def describe_tree_jobs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell of a workspace's jobs in their folders; with FlatMode all in one list, each with its path."""
    workspace = workspace_of(caller, asked)
    rows = Job.objects.visible_to(caller.user).filter(workspace=workspace).for_rows()
    # The cut protects both sides; a workspace is read whole with DescribeJobs.
    jobs = list(filtered(rows, asked, JOB_FILTERS).order_by("name")[:MOST_JOBS])
    tree = Tree(Folder.objects.filter(workspace=workspace).values("id", "serial", "name", "parent"), {})
    if asked.get("FlatMode"):
        paths = {one.pk: "/".join(step.name for step in one.path) for one in tree}
        flat = [_leaf(job) | {"FolderPath": paths.get(job.folder_id or 0, "")} for job in jobs]
        return _node("", ROOT, _("Job list"), flat, [])
    leaves: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
    for job in jobs:
        leaves[job.folder_id].append(_leaf(job))
    children = [_branch(one, 1, leaves, caller) for one in tree.branches]
    return _node("", ROOT, _("Job list"), leaves[None], children)


def _branch(
    branch: Branch, level: int, leaves: dict[int | None, list[dict[str, Any]]], caller: Caller
) -> dict[str, Any]:
    parent = branch.parent.serial if branch.parent else ROOT
    children = [_branch(one, level + 1, leaves, caller) for one in branch.listed(level)]
    return _node(parent, branch.serial, branch.name, leaves[branch.pk], children) | {"RequestId": caller.request_id}


def _node(parent: str, serial: str, name: str, jobs: list[Any], children: list[Any]) -> dict[str, Any]:
    return {"ParentId": parent, "Id": serial, "Name": name, "JobSet": jobs, "Children": children}


def _leaf(job: Job) -> dict[str, Any]:
    cu = float(job.current_run.cu) if job.live_run and job.current_run else 0.0
    return {
        "JobId": job.serial,
        "Name": job.name,
        "JobType": SQL_JOB,
        "RunningCu": cu,
        "Status": status_code(job),
        "ScalingType": 0,
        "RunningCpu": cu,
        "RunningMem": cu * MEMORY_OF_CU,
        "PublishedJobConfigId": published_number(job),
    }
