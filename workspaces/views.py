"""Signing in, the way to a workspace, and the workspaces themselves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from workspaces import acts
from workspaces.answers import ask_or_do, leave_to, sent
from workspaces.forms import WorkspaceForm
from workspaces.models import Workspace, is_super_admin
from workspaces.visit import Request, require_super_admin, ruled_workspace_of

PAGE_SIZE = 50
_sign_in_page = LoginView.as_view(template_name="login.html", redirect_authenticated_user=True)


@login_not_required
def sign_in(request: HttpRequest) -> Any:
    """Show the form. What a page asks for itself lands here when its session is over: the page decides what becomes of it."""
    if getattr(request, "htmx", False):
        return HttpResponse(status=401)
    return _sign_in_page(request)


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Lead to the workspace that the user was in last, as a cookie of his browser tells; else to his first."""
    mine = Workspace.objects.visible_to(request.user)
    last = request.COOKIES.get("workspace", "").replace("\0", "")
    workspace = mine.filter(serial=last).first() or mine.first()
    return redirect("jobs", workspace.serial) if workspace else render(request, "home.html")


@require_GET
def workspaces(request: Request) -> HttpResponse:
    """List the user's workspaces; a super admin's are all."""
    page = Paginator(_counted(Workspace.objects.visible_to(request.user)), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "section": "workspaces",
        "may_rule": is_super_admin(request.user),
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
    }
    return render(request, "workspaces/workspaces.html", context)


@require_http_methods(["GET", "POST"])
def new(request: Request) -> HttpResponse:
    require_super_admin(request)
    form = WorkspaceForm(sent(request))

    def do() -> HttpResponse:
        made = acts.create_workspace(request.user, form.cleaned_data["name"], form.cleaned_data["description"])
        told = _("The workspace %(name)s was created. Add its members.") % {"name": made.name}
        return leave_to(request, redirect("members", made.serial), told)

    return ask_or_do(request, "workspaces/_new.html", form, do, {"back": reverse("workspaces")})


@require_http_methods(["GET", "POST"])
def edit(request: Request, serial: str) -> HttpResponse:
    workspace = ruled_workspace_of(request, serial)
    form = WorkspaceForm(sent(request), instance=workspace)

    def do() -> HttpResponse:
        values = form.cleaned_data
        acts.change_workspace(request.user, workspace, values["name"], values["description"])
        return leave_to(request, redirect("workspaces"), _("The workspace was changed."))

    context = {"subject": workspace, "back": reverse("workspaces")}
    return ask_or_do(request, "workspaces/_edit.html", form, do, context)


@require_http_methods(["GET", "POST"])
def delete(request: Request, serial: str) -> HttpResponse:
    workspace = ruled_workspace_of(request, serial)
    form = forms.Form(sent(request))

    def do() -> HttpResponse:
        acts.delete_workspace(request.user, workspace)
        return leave_to(
            request, redirect("workspaces"), _("The workspace %(name)s was deleted.") % {"name": workspace.name}
        )

    context = {
        "subject": workspace,
        "refusal": acts.why_not_delete(workspace),
        "members": workspace.members.count(),
        "back": reverse("workspaces"),
    }
    return ask_or_do(request, "workspaces/_delete.html", form, do, context)


def _counted(workspaces: QuerySet[Workspace]) -> QuerySet[Any]:
    """Count members, clusters and jobs, each by a query of its own within the one: joined, they would multiply."""
    same = Workspace.objects.filter(pk=OuterRef("pk")).order_by()

    def count(what: str, **only: Any) -> Subquery:
        return Subquery(same.annotate(n=Count(what, filter=Q(**only) if only else None)).values("n"))

    return workspaces.annotate(
        member_count=count("members"),
        cluster_count=count("bindings"),
        job_count=count("jobs", jobs__deleted_at=None),
        running_count=count("jobs", jobs__deleted_at=None, jobs__status="running"),
    )
