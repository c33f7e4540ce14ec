"""A dialog per act: GET asks, POST does. The same address answers a fragment to htmx and a page to everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from jobs import operations
from jobs.advice import explain
from jobs.forms import PublishForm, RunForm, SnapshotForm, StopForm
from jobs.models import Job, Snapshot
from jobs.states import Action
from jobs.views.answers import close_dialog, show_dialog
from jobs.views.visit import Request, job_of, operable_job_of
from workspaces.answers import leave_to, sent

asks_and_does = require_http_methods(["GET", "POST"])


@asks_and_does
def publish(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)
    form = PublishForm(sent(request))

    def do() -> HttpResponse:
        version = operations.publish(request.user, job, form.cleaned_data["note"], form.cleaned_data["number"])
        return _go_on(request, job, version.number)

    draft, latest = getattr(job, "draft", None), job.versions.first()
    same = latest if draft and latest and draft.is_like(latest) else None
    context = {"draft": draft, "same": same, "next_number": job.last_version_number + 1}
    return _dialog(request, job, Action.PUBLISH, form, do, context)


@asks_and_does
def run(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)
    form = RunForm(sent(request), job=job, initial={"version": _wanted_version(request, job)})
    form.initial.update(_wanted_start(request, form))
    form.initial["allow_non_restored_state"] = request.GET.get("allow") == "1"

    def do() -> HttpResponse:
        chosen = form.cleaned_data
        operations.run(
            request.user,
            job,
            chosen["version"],
            chosen["snapshot"],
            allow_non_restored_state=chosen["allow_non_restored_state"],
        )
        return close_dialog(request, job, _("%(job)s is being started.") % {"job": job.name})

    context = {"support_url": settings.SUPPORT_URL}
    return _dialog(request, job, Action.RUN, form, do, context)


@asks_and_does
def stop(request: Request, serial: str) -> HttpResponse:
    """Stop the job; with ?next=3 the dialog goes on to running version 3."""
    job = operable_job_of(request, serial)
    form = StopForm(sent(request), initial={"with_snapshot": request.GET.get("snapshot") != "0"})
    next_number = request.GET.get("next", "")
    if not (next_number.isdecimal() and len(next_number) < 9):
        next_number = ""

    def do() -> HttpResponse:
        operations.stop(request.user, job, form.cleaned_data["with_snapshot"])
        if next_number:
            return _go_on(request, job, int(next_number))
        return close_dialog(request, job, _("%(job)s is being stopped.") % {"job": job.name})

    return _dialog(request, job, Action.STOP, form, do, {"next_number": next_number})


@asks_and_does
def snapshot(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)
    form = SnapshotForm(sent(request))

    def do() -> HttpResponse:
        operations.snapshot(request.user, job, form.cleaned_data["description"])
        return close_dialog(request, job, _("A snapshot of %(job)s is being created.") % {"job": job.name})

    return _dialog(request, job, Action.SNAPSHOT, form, do)


@asks_and_does
def cancel(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)

    def do() -> HttpResponse:
        operations.cancel(request.user, job)
        return close_dialog(request, job, _("The start of %(job)s is being cancelled.") % {"job": job.name})

    return _dialog(request, job, Action.CANCEL, forms.Form(sent(request)), do)


@asks_and_does
def delete(request: Request, serial: str) -> HttpResponse:
    job = operable_job_of(request, serial)

    def do() -> HttpResponse:
        operations.delete(request.user, job)
        return leave_to(request, redirect("jobs", job.workspace.serial), _("%(job)s was deleted.") % {"job": job.name})

    context = {"snapshots": job.snapshots.filter(state=Snapshot.State.COMPLETED).count()}
    return _dialog(request, job, Action.DELETE, forms.Form(sent(request)), do, context)


@require_GET
def next_step(request: Request, serial: str, number: int) -> HttpResponse:
    """Show what comes after a publication: run the new version, or stop the one that runs first and follow its end."""
    job = job_of(request, serial)
    get_object_or_404(job.versions, number=number)
    context = {
        "job": job,
        "workspace": job.workspace,
        "number": number,
        "form": StopForm(),
        "explanation": explain(job.problem) if job.problem else None,
    }
    return show_dialog(request, "jobs/_next.html", context)


def _dialog(
    request: Request,
    job: Job,
    action: Action,
    form: forms.Form,
    do: Callable[[], HttpResponse],
    context: dict[str, Any] | None = None,
) -> HttpResponse:
    """Do the act when its form was sent and is right; else show the dialog, with the reason when it can't be done."""
    refusal = job.why_not(action)
    if request.method == "POST" and form.is_valid():
        try:
            return do()
        except operations.Refusal as no:
            refusal = no.message
    shared = {"job": job, "workspace": job.workspace, "form": form, "refusal": refusal, "is_possible": job.may(action)}
    return show_dialog(request, f"jobs/_{action}.html", shared | (context or {}), invalid=request.method == "POST")


def _wanted_version(request: Request, job: Job) -> int:
    wanted = request.GET.get("version", "")
    return int(wanted) if wanted.isdecimal() and len(wanted) < 9 else job.last_version_number


def _wanted_start(request: Request, form: RunForm) -> dict[str, str]:
    """Return how the dialog proposes to start. With ?snapshot= from that one, and from none if it can't be chosen (any more)."""
    if wanted := request.GET.get("snapshot"):
        is_there = any(point.snapshot.serial == wanted for point in form.points)
        return {"start": RunForm.CHOSEN, "snapshot": wanted} if is_there else {"start": ""}
    wants_none = request.GET.get("start") == RunForm.NONE
    return {"start": RunForm.LATEST if form.points and not wants_none else RunForm.NONE}


def _go_on(request: Request, job: Job, number: int) -> HttpResponse:
    if request.htmx:
        return next_step.__wrapped__(request, job.serial, number)  # type: ignore[attr-defined]
    return redirect("next-step", job.serial, number)
