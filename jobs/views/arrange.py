"""Where a job lies and what it is called: copy, move, rename, describe; a dialog each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from jobs import operations
from jobs.folder_forms import CopyForm, DescribeJobForm, MoveJobForm, RenameJobForm
from jobs.models import Draft, Job
from jobs.views.answers import show_dialog
from jobs.views.visit import Request, operable_job_of, page_under
from workspaces.answers import leave_to, sent
from workspaces.visit import time_at

asks_and_does = require_http_methods(["GET", "POST"])


@asks_and_does
def copy(request: Request, serial: str) -> HttpResponse:
    """Copy the job. The choices may come along in a GET: then the dialog shows what would change with them."""
    job = operable_job_of(request, serial)
    initial = {
        "folder": job.folder.serial if job.folder else "",
        "cluster": job.cluster.serial,
        "name": operations.name_of_copy(job, time_at(request)),
    }
    form = CopyForm(sent(request), job=job, initial=initial | request.GET.dict())

    def do() -> HttpResponse:
        chosen = form.cleaned_data
        new, changes = operations.copy(request.user, job, chosen["cluster"], chosen["name"], chosen["folder"])
        if not request.htmx:
            return leave_to(request, redirect("job", new.serial), _("This is the copy of %(job)s.") % {"job": job.name})
        context = {"job": job, "workspace": job.workspace, "new": new, "changes": changes}
        return show_dialog(request, "jobs/_copied.html", context)

    return _dialog(request, job, "copy", form, do, _changes(job, form))


@asks_and_does
def move(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)
    form = MoveJobForm(sent(request), job=job, initial={"folder": job.folder.serial if job.folder else ""})

    def do() -> HttpResponse:
        operations.move_job(request.user, job, form.cleaned_data["folder"])
        return _back(request, job, _("%(job)s was moved.") % {"job": job.name})

    return _dialog(request, job, "move", form, do, {})


@asks_and_does
def rename(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)
    form = RenameJobForm(sent(request), initial={"name": job.name})

    def do() -> HttpResponse:
        renamed = operations.rename_job(request.user, job, form.cleaned_data["name"])
        return _back(request, job, _("The job is called %(name)s now.") % {"name": renamed.name})

    return _dialog(request, job, "rename", form, do, {})


@asks_and_does
def describe(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)
    form = DescribeJobForm(sent(request), initial={"description": job.description})

    def do() -> HttpResponse:
        operations.describe_job(request.user, job, form.cleaned_data["description"])
        return _back(request, job, _("The description of %(job)s was saved.") % {"job": job.name})

    return _dialog(request, job, "describe", form, do, {})


def _changes(job: Job, form: CopyForm) -> dict[str, Any]:
    """Tell what a copy to the chosen cluster would have otherwise."""
    clusters = list(form.fields["cluster"].queryset)  # type: ignore[attr-defined]
    wanted = form["cluster"].value()
    cluster = next((one for one in clusters if one.serial == wanted), clusters[0] if clusters else None)
    version = operations.published_definition(job)
    context: dict[str, Any] = {"version": version, "target": cluster, "changes": [], "cannot": ""}
    if cluster:
        definition = version or Draft.objects.filter(job=job).first()
        try:
            context["changes"] = operations.changes_of_copy(job, cluster, definition)
        except operations.Refusal as no:
            context["cannot"] = no.message
    return context


def _dialog(
    request: Request, job: Job, act: str, form: forms.BaseForm, do: Callable[[], HttpResponse], context: dict[str, Any]
) -> HttpResponse:
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            return do()
        except operations.Refusal as no:
            refusal = no.message
    shared = {"job": job, "workspace": job.workspace, "form": form, "refusal": refusal}
    return show_dialog(request, f"jobs/_{act}.html", shared | context, invalid=request.method == "POST")


def _back(request: Request, job: Job, message: str) -> HttpResponse:
    """Go back to the page under the dialog, as it is now."""
    page = page_under(request)
    return leave_to(
        request, redirect(page) if page.startswith(("/spaces/", "/jobs/")) else redirect("job", job.serial), message
    )
