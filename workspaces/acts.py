"""What is done to workspaces and their members, for views and admin alike.

Every act takes who asks for it first, raises Refusal with a sentence for the user, and puts itself on record.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from workspaces.models import Event, Member, Role, Workspace
from workspaces.prepared import ask
from workspaces.refusal import NameTaken, Refusal


def record(user: User, about: str, code: Event.Code, /, **params: str) -> None:
    """Put an act on record; `about` is the serial of the workspace or cluster."""
    Event.objects.create(by=user, about=about, code=code, params=params)


def record_user(user: User, before: User | None, after: User) -> None:
    """Put on record what became of a user: who there is, who may sign in, and who may do everything."""

    def told(code: Event.Code, **more: str) -> None:
        record(user, f"user-{after.pk}", code, user=after.username, **more)

    if before is None:
        told(Event.Code.USER_CREATED)
    elif before.username != after.username:
        told(Event.Code.USER_RENAMED, before=before.username)
    if after.is_superuser != (before is not None and before.is_superuser):
        told(Event.Code.USER_RAISED if after.is_superuser else Event.Code.USER_LOWERED)
    if after.is_active != (before is None or before.is_active):
        told(Event.Code.USER_UNLOCKED if after.is_active else Event.Code.USER_LOCKED)


def delete_user(user: User, other: User) -> None:
    """Delete a user, out of the workspaces too. Raise ProtectedError for one who is on record."""
    with transaction.atomic():
        for member in Member.objects.filter(user=other):
            remove_member(user, member)
        record(user, f"user-{other.pk}", Event.Code.USER_DELETED, user=other.username)
        other.delete()


@transaction.atomic
def create_workspace(user: User, name: str, description: str) -> Workspace:
    """Create an empty workspace. Raise Refusal for a taken name."""
    workspace = _saved(Workspace(name=name, description=description))
    record(user, workspace.serial, Event.Code.WORKSPACE_CREATED, name=name)
    return workspace


@transaction.atomic
def change_workspace(user: User, workspace: Workspace, name: str, description: str) -> Workspace:
    """Rename and describe a workspace. Raise Refusal for a taken name."""
    before = locked(workspace.pk)
    if (before.name, before.description) == (name, description):
        return before
    after = _saved(Workspace(pk=before.pk, serial=before.serial, name=name, description=description))
    record(user, before.serial, Event.Code.WORKSPACE_CHANGED, before=before.name, after=name)
    return after


@transaction.atomic
def delete_workspace(user: User, workspace: Workspace) -> None:
    """Delete a workspace with its folders, members and bindings. Raise Refusal while it has jobs, or a record of some."""
    locked(workspace.pk)
    if reason := why_not_delete(workspace):
        raise Refusal(reason)
    record(user, workspace.serial, Event.Code.WORKSPACE_DELETED, name=workspace.name)
    # A folder keeps its parent, also where old ones lie in each other; side by side they need names of their own.
    workspace.folders.update(parent=None, name=F("serial"))
    workspace.delete()


def why_not_delete(workspace: Workspace) -> str:
    """Return why a workspace can't be deleted now, for the user; "" when it can."""
    if jobs := workspace.jobs.filter(deleted_at=None).count():
        told = ngettext(
            "The workspace still has %(count)s job. Delete it first.",
            "The workspace still has %(count)s jobs. Delete them first.",
            jobs,
        )
        return told % {"count": jobs}
    if kept := workspace.jobs.count():
        return _("The record of what was done to %(count)s deleted jobs of this workspace stays, so it does, too.") % {
            "count": kept
        }
    return ""


@transaction.atomic
def add_member(user: User, workspace: Workspace, other: User, role: Role) -> Member:
    """Let `other` into the workspace. Raise Refusal if he is in it already."""
    hold(workspace.pk)
    try:
        with transaction.atomic():
            member = Member.objects.create(workspace=workspace, user=other, role=role)
    except IntegrityError as error:
        raise Refusal(_("%(user)s is a member already.") % {"user": other}) from error
    record(user, workspace.serial, Event.Code.MEMBER_ADDED, user=other.username, role=role)
    return member


@transaction.atomic
def change_role(user: User, member: Member, role: Role) -> None:
    """Give a member another role. Raise Refusal if he is no member any more."""
    now = _locked(member)
    if now.role != role:
        Member.objects.filter(pk=now.pk).update(role=role)
        names = {"user": now.user.username, "old_role": now.role, "role": role}
        record(user, now.workspace.serial, Event.Code.ROLE_CHANGED, **names)


@transaction.atomic
def remove_member(user: User, member: Member) -> None:
    """Take a member out of the workspace. Raise Refusal if he is no member any more."""
    now = _locked(member)
    record(user, now.workspace.serial, Event.Code.MEMBER_REMOVED, user=now.user.username, role=now.role)
    now.delete()


def _locked(member: Member) -> Member:
    rows = Member.objects.select_for_update(of=("self",)).select_related("workspace", "user")
    if now := rows.filter(pk=member.pk).first():
        return now
    raise Refusal(_("This user is not a member any more."))


def locked(pk: int, no_key: bool = False) -> Workspace:
    """Return the row as it is now, locked until the transaction ends. Raise Refusal if it is gone.

    `no_key`: whoever only refers to the workspace goes on meanwhile.
    """
    if now := Workspace.objects.select_for_update(no_key=no_key).filter(pk=pk).first():
        return now
    raise Refusal(_("This workspace has been deleted."))


HOLD = "SELECT id FROM workspaces_workspace WHERE id = %s FOR KEY SHARE"


def hold(pk: int) -> None:
    """See to it that a workspace stays until what is put into it is there: who deletes it waits. Raise Refusal if it is gone.

    To be called before a cluster or a job is locked.
    """
    if not ask(HOLD, [pk]):
        raise Refusal(_("This workspace has been deleted."))


def _saved(workspace: Workspace) -> Workspace:
    try:
        with transaction.atomic():
            if workspace.pk:
                workspace.save(update_fields=["name", "description"])
            else:
                workspace.save()
    except IntegrityError as error:
        raise NameTaken(_("There is already a workspace with this name.")) from error
    return workspace
