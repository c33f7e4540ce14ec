"""Who works together and who may see and do what."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from workspaces.sealed import unseal
from workspaces.serials import new_serial

Visitor = AbstractBaseUser | AnonymousUser

VALUE_LENGTH = 10_000
valid_variable_name = RegexValidator(
    r"^[A-Za-z][A-Za-z0-9_.-]{0,49}\Z",
    _("Use 1 to 50 letters, digits, underscores, hyphens and full stops, with a letter first."),
)


class May(Enum):
    """What a role may do in a workspace."""

    SEE = auto()
    OPERATE = auto()  # jobs and folders: create, edit, publish, run, stop, snapshot, copy, delete
    MANAGE_MEMBERS = auto()


class Role(models.TextChoices):
    ADMIN = "admin", _("Workspace admin")
    DEVELOPER = "developer", _("Developer")
    VIEWER = "viewer", _("Viewer")


ROLE_MAY = {
    Role.ADMIN: frozenset({May.SEE, May.OPERATE, May.MANAGE_MEMBERS}),
    Role.DEVELOPER: frozenset({May.SEE, May.OPERATE}),
    Role.VIEWER: frozenset({May.SEE}),
}


def new_workspace_serial() -> str:
    return new_serial("space")


def new_variable_serial() -> str:
    return new_serial("var")


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, user: Visitor) -> WorkspaceQuerySet:
        """Keep the workspaces that `user` is a member of; a super admin sees all."""
        if is_super_admin(user):
            return self
        return self.filter(members__user_id=user.pk) if user.pk else self.none()


def is_super_admin(user: Visitor) -> bool:
    return bool(user.is_active and getattr(user, "is_superuser", False))


class Workspace(models.Model):
    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_workspace_serial, editable=False)
    name = models.CharField(
        _("name"),
        max_length=50,
        unique=True,
        error_messages={"unique": _("There is already a workspace with this name.")},
    )
    description = models.CharField(_("description"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def may(self, user: Visitor, what: May) -> bool:
        """Tell whether `user` may do this here; the role of a member decides, a super admin may all, who can't sign in nothing."""
        if not user.is_active:
            return False
        if is_super_admin(user):
            return True
        member = self.members.filter(user_id=user.pk).first() if user.pk else None
        return member is not None and what in ROLE_MAY[Role(member.role)]


class Member(models.Model):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="members", verbose_name=_("workspace"))
    user = models.ForeignKey("auth.User", models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.DEVELOPER)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "user"],
                name="workspaces_member_once",
                violation_error_message=_("This user is a member already."),
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="workspaces_member_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class Variable(models.Model):
    """A text that jobs of the workspace name as ${name}. The value of a hidden one is sealed, and no page ever shows it."""

    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_variable_serial, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="variables", verbose_name=_("workspace"))
    name = models.CharField(_("name"), max_length=50, validators=[valid_variable_name])
    value = models.TextField(_("value"), blank=True)
    is_hidden = models.BooleanField(_("hidden"), default=False)
    description = models.CharField(_("description"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey("auth.User", models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    changed_by = models.ForeignKey("auth.User", models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("variable")
        verbose_name_plural = _("variables")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="workspaces_variable_name_in_workspace"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def reference(self) -> str:
        return f"${{{self.name}}}"

    def clear_value(self) -> str:
        """Return the value as Flink gets it. Raise Unreadable for a hidden one whose key is gone."""
        return unseal(self.value) if self.is_hidden else self.value


class RetiredValue(models.Model):
    """What a hidden variable was until it got another value or went: jobs may still run with it, so it stays masked."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    value = models.TextField()  # sealed
    retired_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.retired_at}"


class Event(models.Model):
    """One line of the record of a workspace or a cluster. Triggers in the database refuse to change or delete it (G9)."""

    class Code(models.TextChoices):
        WORKSPACE_CREATED = "workspace-created", _("The workspace %(name)s was created.")
        WORKSPACE_CHANGED = "workspace-changed", _("The workspace %(before)s was changed; it is called %(after)s.")
        WORKSPACE_DELETED = "workspace-deleted", _("The workspace %(name)s was deleted.")
        MEMBER_ADDED = "member-added", _("%(user)s was added as %(role)s.")
        ROLE_CHANGED = "role-changed", _("%(user)s, until then %(old_role)s, became %(role)s.")
        MEMBER_REMOVED = "member-removed", _("%(user)s, until then %(role)s, was removed.")
        CLUSTER_CREATED = "cluster-created", _("The cluster %(cluster)s was created.")
        CLUSTER_CHANGED = "cluster-changed", _("The cluster %(cluster)s was changed.")
        MAINTENANCE_BEGUN = "maintenance-begun", _("The maintenance of %(cluster)s began: %(reason)s")
        MAINTENANCE_ENDED = "maintenance-ended", _("The maintenance of %(cluster)s ended.")
        CLUSTER_DELETED = "cluster-deleted", _("The cluster %(cluster)s was deleted.")
        CLUSTER_BOUND = "cluster-bound", _("The cluster %(cluster)s was bound to the workspace %(workspace)s.")
        CLUSTER_UNBOUND = "cluster-unbound", _("The cluster %(cluster)s was unbound from the workspace %(workspace)s.")
        ENDPOINT_ADDED = "endpoint-added", _("Flink %(version)s at %(address)s was added.")
        ENDPOINT_CHANGED = "endpoint-changed", _("Flink %(version)s at %(address)s was changed.")
        ENDPOINT_REMOVED = "endpoint-removed", _("Flink %(version)s at %(address)s was removed.")
        VARIABLE_CREATED = "variable-created", _("The variable %(name)s was created.")
        VARIABLE_CHANGED = "variable-changed", _("The value of the variable %(name)s was changed.")
        VARIABLE_DESCRIBED = "variable-described", _("The description of the variable %(name)s was changed.")
        VARIABLE_DELETED = "variable-deleted", _("The variable %(name)s was deleted.")
        FOLDER_CREATED = "folder-created", _("The folder %(name)s was created.")
        FOLDER_RENAMED = "folder-renamed", _("The folder %(before)s was renamed to %(after)s.")
        FOLDER_MOVED = "folder-moved", _("The folder %(before)s was moved; its path is now %(after)s.")
        FOLDER_DELETED = "folder-deleted", _("The folder %(name)s was deleted.")
        KEY_MADE = "key-made", _("The access key %(key)s was made.")
        KEY_REVOKED = "key-revoked", _("The access key %(key)s was revoked.")
        USER_CREATED = "user-created", _("The user %(user)s was created.")
        USER_RENAMED = "user-renamed", _("The user %(before)s was renamed to %(user)s.")
        USER_RAISED = "user-raised", _("The user %(user)s became a super admin.")
        USER_LOWERED = "user-lowered", _("The user %(user)s is no super admin any more.")
        USER_LOCKED = "user-locked", _("The user %(user)s may not sign in any more.")
        USER_UNLOCKED = "user-unlocked", _("The user %(user)s may sign in again.")
        PASSWORD_SET = "password-set", _("The user %(user)s was given another password.")
        USER_DELETED = "user-deleted", _("The user %(user)s was deleted.")

    # The serial of the workspace, cluster or access key (of a user "user-" and the number), not a foreign key: the record outlives
    # what it tells about.
    about = models.CharField(_("about"), max_length=32)
    at = models.DateTimeField(_("time"), auto_now_add=True)
    by = models.ForeignKey("auth.User", models.PROTECT, related_name="+", verbose_name=_("by"))
    code = models.CharField(_("event"), max_length=20, choices=Code.choices)
    params: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(_("parameters"), default=dict)

    class Meta:
        verbose_name = _("record of workspaces and clusters")
        verbose_name_plural = _("records of workspaces and clusters")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["about", "-id"], name="workspaces_event_about")]

    def __str__(self) -> str:
        """Tell in the reader's language what happened."""
        words = self.params | {key: _role_label(self.params[key]) for key in ("role", "old_role") if key in self.params}
        return str(self.get_code_display()) % words


def _role_label(value: str) -> str:
    return str(Role(value).label) if value in Role.values else value
