"""The pages of a workspace's variables. The value of a hidden one leaves the database for Flink only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from workspaces import variables as acts
from workspaces.answers import ask_or_do, leave_to, sent
from workspaces.forms import ChangeVariableForm, VariableForm
from workspaces.models import Event, May, Variable, Workspace
from workspaces.record_pages import events_shown
from workspaces.visit import Request, operable_workspace_of, workspace_of

PAGE_SIZE = 50
JOBS_NAMED = 20


@require_GET
def variables(request: Request, serial: str) -> HttpResponse:
    workspace = workspace_of(request, serial)
    rows = workspace.variables.select_related("changed_by")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    mentions = acts.mentions(workspace)
    told = Event.objects.filter(about=workspace.serial, code__startswith="variable-")
    context = {
        "section": "variables",
        "workspace": workspace,
        "can_operate": workspace.may(request.user, May.OPERATE),
        "page": page,
        "rows": [(one, mentions.get(one.name, [])) for one in page],
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
    } | events_shown(request, told)
    return render(request, "workspaces/variables.html", context)


@require_http_methods(["GET", "POST"])
def new(request: Request, serial: str) -> HttpResponse:
    workspace = operable_workspace_of(request, serial)
    form = VariableForm(sent(request))

    def do() -> HttpResponse:
        made = acts.create(request.user, workspace, **form.cleaned_data)
        return _back(request, workspace, _("The variable %(name)s was created.") % {"name": made.name})

    return ask_or_do(request, "workspaces/_new_variable.html", form, do, _context(workspace))


@require_http_methods(["GET", "POST"])
def edit(request: Request, serial: str, variable: str) -> HttpResponse:
    workspace = operable_workspace_of(request, serial)
    found = _variable_of(workspace, variable)
    form = ChangeVariableForm(sent(request), variable=found)

    def do() -> HttpResponse:
        acts.change(request.user, found, form.new_value(), form.cleaned_data["description"])
        return _back(request, workspace, _("The variable %(name)s was changed.") % {"name": found.name})

    context = _context(workspace) | {"variable": found, "jobs": _jobs_with(workspace, found)}
    return ask_or_do(request, "workspaces/_edit_variable.html", form, do, context)


@require_http_methods(["GET", "POST"])
def delete(request: Request, serial: str, variable: str) -> HttpResponse:
    workspace = operable_workspace_of(request, serial)
    found = _variable_of(workspace, variable)

    def do() -> HttpResponse:
        acts.delete(request.user, found)
        return _back(request, workspace, _("The variable %(name)s was deleted.") % {"name": found.name})

    context = _context(workspace) | {"variable": found, "jobs": _jobs_with(workspace, found)}
    return ask_or_do(request, "workspaces/_delete_variable.html", forms.Form(sent(request)), do, context)


def _context(workspace: Workspace) -> dict[str, Any]:
    return {"workspace": workspace, "section": "variables", "back": reverse("variables", args=[workspace.serial])}


def _back(request: Request, workspace: Workspace, message: str) -> HttpResponse:
    return leave_to(request, redirect("variables", workspace.serial), message)


def _variable_of(workspace: Workspace, serial: str) -> Variable:
    return get_object_or_404(workspace.variables, serial=serial)


def _jobs_with(workspace: Workspace, variable: Variable) -> list[str]:
    """Return the names of jobs that mention the variable, a long list cut."""
    names = acts.mentions(workspace).get(variable.name, [])
    return names if len(names) <= JOBS_NAMED else [*names[:JOBS_NAMED], "…"]
