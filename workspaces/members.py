"""The pages of a workspace's members."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from workspaces import acts
from workspaces.answers import ask_or_do, leave_to, sent
from workspaces.forms import AddMemberForm, OwnRightsForm, RoleForm
from workspaces.models import Event, May, Member, Role, Workspace, is_super_admin
from workspaces.record_pages import events_shown
from workspaces.visit import Request, manageable_workspace_of, workspace_of

PAGE_SIZE = 50


@require_GET
def members(request: Request, serial: str) -> HttpResponse:
    workspace = workspace_of(request, serial)
    rows = workspace.members.select_related("user").order_by("user__username")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "section": "members",
        "workspace": workspace,
        "can_manage": workspace.may(request.user, May.MANAGE_MEMBERS),
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
    } | events_shown(request, Event.objects.filter(about=workspace.serial))
    return render(request, "workspaces/members.html", context)


@require_http_methods(["GET", "POST"])
def add(request: Request, serial: str) -> HttpResponse:
    workspace = manageable_workspace_of(request, serial)
    form = AddMemberForm(sent(request))

    def do() -> HttpResponse:
        member = acts.add_member(
            request.user, workspace, form.cleaned_data["username"], Role(form.cleaned_data["role"])
        )
        told = _("%(user)s was added as %(role)s.") % {"user": member.user, "role": member.get_role_display()}
        return leave_to(request, redirect("members", serial), told)

    context = _context(workspace)
    return ask_or_do(request, "workspaces/_add_member.html", form, do, context)


@require_http_methods(["GET", "POST"])
def change(request: Request, serial: str, member: int) -> HttpResponse:
    workspace = manageable_workspace_of(request, serial)
    found = _member_of(workspace, member)
    is_own = _is_own(request, found)
    form = RoleForm(sent(request), member=found, is_own=is_own)

    def do() -> HttpResponse:
        acts.change_role(request.user, found, Role(form.cleaned_data["role"]))
        told = _("The role of %(user)s was changed.") % {"user": found.user}
        return leave_to(request, redirect("members", serial), told)

    context = _context(workspace) | {"member": found, "is_own": is_own}
    return ask_or_do(request, "workspaces/_change_role.html", form, do, context)


@require_http_methods(["GET", "POST"])
def remove(request: Request, serial: str, member: int) -> HttpResponse:
    workspace = manageable_workspace_of(request, serial)
    found = _member_of(workspace, member)
    is_own = _is_own(request, found)
    form = OwnRightsForm(sent(request), is_own=is_own)

    def do() -> HttpResponse:
        acts.remove_member(request.user, found)
        told = _("%(user)s was removed from the workspace.") % {"user": found.user}
        return leave_to(request, redirect("home") if is_own else redirect("members", serial), told)

    context = _context(workspace) | {"member": found, "is_own": is_own}
    return ask_or_do(request, "workspaces/_remove_member.html", form, do, context)


def _context(workspace: Workspace) -> dict[str, Any]:
    return {"workspace": workspace, "section": "members", "back": reverse("members", args=[workspace.serial])}


def _member_of(workspace: Workspace, pk: int) -> Member:
    return get_object_or_404(workspace.members.select_related("user"), pk=pk)


def _is_own(request: Request, member: Member) -> bool:
    """Tell whether the user would take rights from himself; a super admin's don't come from a membership."""
    return member.user_id == request.user.pk and not is_super_admin(request.user)
