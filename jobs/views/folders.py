"""The folders of a workspace: new, rename, move, delete; a dialog each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from jobs import operations
from jobs.folder_forms import MoveFolderForm, NewFolderForm, RenameFolderForm
from jobs.models import Folder
from jobs.views.answers import show_dialog
from jobs.views.visit import Request, workspace_of
from workspaces.answers import leave_to, sent
from workspaces.models import May, Workspace

asks_and_does = require_http_methods(["GET", "POST"])


@asks_and_does
def new(request: Request, serial: str) -> HttpResponse:
    workspace = workspace_of(request, serial)
    _refuse_viewers(request, workspace)
    form = NewFolderForm(sent(request), workspace=workspace, initial={"parent": request.GET.get("parent", "")})

    def do() -> HttpResponse:
        made = operations.create_folder(request.user, workspace, form.cleaned_data["name"], form.cleaned_data["parent"])
        return _go_to(request, made, _("The folder %(name)s was created.") % {"name": made.name})

    return _dialog(request, workspace, "new", form, do)


@asks_and_does
def rename(request: Request, serial: str) -> HttpResponse:
    folder = _folder_of(request, serial)
    form = RenameFolderForm(sent(request), initial={"name": folder.name})

    def do() -> HttpResponse:
        operations.rename_folder(request.user, folder, form.cleaned_data["name"])
        return _go_to(request, folder, _("The folder was renamed."))

    return _dialog(request, folder.workspace, "rename", form, do, folder)


@asks_and_does
def move(request: Request, serial: str) -> HttpResponse:
    folder = _folder_of(request, serial)
    parent = folder.parent.serial if folder.parent else ""
    form = MoveFolderForm(sent(request), folder=folder, initial={"parent": parent})

    def do() -> HttpResponse:
        operations.move_folder(request.user, folder, form.cleaned_data["parent"])
        return _go_to(request, folder, _("The folder %(name)s was moved.") % {"name": folder.name})

    return _dialog(request, folder.workspace, "move", form, do, folder)


@asks_and_does
def delete(request: Request, serial: str) -> HttpResponse:
    folder = _folder_of(request, serial)
    parent = folder.parent

    def do() -> HttpResponse:
        operations.delete_folder(request.user, folder)
        told = _("The folder %(name)s was deleted.") % {"name": folder.name}
        if parent:
            return _go_to(request, parent, told)
        return leave_to(request, redirect("jobs", folder.workspace.serial), told)

    return _dialog(request, folder.workspace, "delete", forms.Form(sent(request)), do, folder)


def _dialog(
    request: Request,
    workspace: Workspace,
    act: str,
    form: forms.Form,
    do: Callable[[], HttpResponse],
    folder: Folder | None = None,
) -> HttpResponse:
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            return do()
        except operations.Refusal as no:
            refusal = no.message
    context: dict[str, Any] = {"workspace": workspace, "form": form, "refusal": refusal, "folder": folder}
    return show_dialog(request, f"jobs/_folder_{act}.html", context, invalid=request.method == "POST")


def _folder_of(request: Request, serial: str) -> Folder:
    """Return a folder that the user may change; raise 404 when he does not see it and 403 when he may only look."""
    seen = Workspace.objects.visible_to(request.user)
    found = Folder.objects.filter(workspace__in=seen).select_related("workspace", "parent")
    folder = get_object_or_404(found, serial=serial)
    _refuse_viewers(request, folder.workspace)
    return folder


def _refuse_viewers(request: Request, workspace: Workspace) -> None:
    if not workspace.may(request.user, May.OPERATE):
        raise PermissionDenied


def _go_to(request: Request, folder: Folder, message: str) -> HttpResponse:
    address = reverse("jobs", args=[folder.workspace.serial])
    return leave_to(request, redirect(f"{address}?folder={folder.serial}"), message)
