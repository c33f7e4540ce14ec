"""Workspaces and who works in them, as the API tells of them."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Prefetch, Q

from api.caller import Caller
from api.clusters import described_briefly
from api.errors import ApiError, Code
from api.lookup import must_be_super_admin, workspace_of
from api.shapes import Shape, Text, Whole
from api.spelling import FILTERS, LIMIT, OFFSET, clock, exactly, filtered, page, partly
from clusters.models import Cluster
from workspaces import acts
from workspaces.forms import WorkspaceForm
from workspaces.models import Member, Role, Workspace

USABLE, ENABLED = 2, 2
# Of a role only its name is the product's; the number is its place in the product's list of roles.
PERMISSION = {Role.ADMIN: 2, Role.DEVELOPER: 3, Role.VIEWER: 4}

CREATE_WORKSPACE = Shape(WorkSpaceName=Text(required=True), Description=Text())
MODIFY_WORKSPACE = Shape(WorkSpaceId=Text(required=True), WorkSpaceName=Text(), Description=Text())
DELETE_WORKSPACE = Shape(WorkSpaceId=Text(required=True))
DESCRIBE_WORKSPACES = Shape(
    Offset=OFFSET,
    OrderType=Whole(one_of=(0, 1, 2, 3, 4), code=Code.INVALID_ORDER_TYPE),
    Limit=LIMIT,
    Filters=FILTERS,
)
DESCRIBE_WORKSPACE_USERS = Shape(WorkSpaceId=Text(required=True), AuthSubAccountUin=Text())


def create_workspace(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Create an empty workspace. It can use no cluster until a super admin binds one to it."""
    must_be_super_admin(caller)
    name, description = _names(asked["WorkSpaceName"], asked.get("Description", ""), None)
    return {"WorkSpaceId": acts.create_workspace(caller.user, name, description).serial}


def modify_workspace(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    workspace = workspace_of(caller, asked)
    must_be_super_admin(caller)
    name = asked.get("WorkSpaceName") or workspace.name
    acts.change_workspace(
        caller.user, workspace, *_names(name, asked.get("Description", workspace.description), workspace)
    )
    return {}


def delete_workspace(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    workspace = workspace_of(caller, asked)
    must_be_super_admin(caller)
    acts.delete_workspace(caller.user, workspace)
    return {"Delete": True}


def _names(name: str, description: str, workspace: Workspace | None) -> tuple[str, str]:
    """Return name and description as the form of the page takes them. Raise ApiError."""
    form = WorkspaceForm({"name": name, "description": description}, instance=workspace)
    if form.is_valid():
        return form.cleaned_data["name"], form.cleaned_data["description"]
    codes = {error.code for error in form.errors.as_data().get("name", [])}
    code = Code.TAKEN_WORKSPACE_NAME if codes == {"unique"} else Code.BAD_WORKSPACE_NAME
    raise ApiError(code if codes else Code.INVALID_PARAMETER_VALUE, " ".join(_sentences(form)))


def _sentences(form: WorkspaceForm) -> list[str]:
    return [str(message) for errors in form.errors.values() for message in errors]


def describe_workspaces(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell of the workspaces that the caller sees. WorkSpaceName is the whole name, ItemSpaceName a part of it."""
    by = {
        "WorkSpaceName": exactly("name"),
        "ItemSpaceName": partly("name"),
        "SerialId": exactly("serial"),
        "WorkSpaceId": exactly("serial"),
    }
    rows = filtered(Workspace.objects.visible_to(caller.user), asked, by)
    # All are usable, so by status they stand as by time.
    newest_first = asked.get("OrderType", 1) in (0, 1, 3)
    ordered = rows.order_by("-created_at" if newest_first else "created_at", "pk")
    live = Count("jobs", filter=Q(jobs__deleted_at=None))
    counted = ordered.alias(n=live).annotate(job_count=F("n"))
    shown = page(counted, asked).prefetch_related(
        Prefetch("members", Member.objects.select_related("user").order_by("user__username")),
        Prefetch("clusters", Cluster.objects.with_use().order_by("name")),
    )
    return {"WorkSpaceSetItem": [_described(one, caller) for one in shown], "TotalCount": rows.count()}


def _described(workspace: Any, caller: Caller) -> dict[str, Any]:
    members = list(workspace.members.all())
    return {
        "SerialId": workspace.serial,
        "AppId": 0,
        "OwnerUin": "",
        "CreatorUin": "",
        "WorkSpaceName": workspace.name,
        "Region": caller.region,
        "CreateTime": clock(workspace.created_at),
        "UpdateTime": clock(workspace.created_at),
        "Status": USABLE,
        "Description": workspace.description,
        "ClusterGroupSetItem": [described_briefly(one, caller) for one in workspace.clusters.all()],
        "RoleAuth": [_role(one, workspace) for one in members],
        "RoleAuthCount": len(members),
        "WorkSpaceId": workspace.serial,
        "JobsCount": workspace.job_count,
    }


def describe_workspace_users(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell who works in a workspace, by user names; super admins are in all of them and in no list."""
    workspace = workspace_of(caller, asked)
    members = workspace.members.select_related("user").order_by("user__username")
    if name := asked.get("AuthSubAccountUin"):
        members = members.filter(user__username=name)
    return {"RoleAuths": [_role(one, workspace) for one in members]}


def _role(member: Member, workspace: Workspace) -> dict[str, Any]:
    role = Role(member.role)
    return {
        "AppId": 0,
        "WorkSpaceSerialId": workspace.serial,
        "OwnerUin": "",
        "CreatorUin": "",
        "AuthSubAccountUin": member.user.get_username(),
        "Permission": PERMISSION[role],
        "CreateTime": "",
        "UpdateTime": "",
        "Status": ENABLED,
        "Id": member.pk,
        "WorkSpaceId": workspace.pk,
        "RoleName": str(role.label),
    }
