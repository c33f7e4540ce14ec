"""Who works together and who may see and do what."""

from __future__ import annotations

from enum import Enum, auto

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from workspaces.serials import new_serial

Visitor = AbstractBaseUser | AnonymousUser


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
    name = models.CharField(_("name"), max_length=50, unique=True)
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
        """Tell whether `user` may do this here; the role of a member decides, a super admin may all."""
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
            models.UniqueConstraint(fields=["workspace", "user"], name="workspaces_member_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="workspaces_member_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"
