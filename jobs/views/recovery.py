"""The switch of a job's auto recovery."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from jobs import operations
from jobs.views.job import overview_context
from jobs.views.visit import Request, job_of, operable_job_of
from workspaces.answers import leave_to


@require_POST
def recovery(request: Request, serial: str) -> HttpResponse:
    """Switch auto recovery on or off, as the button said; the overview shows what is now so."""
    job = operable_job_of(request, serial)
    on = request.POST.get("on") == "1"
    try:
        operations.switch_recovery(request.user, job, on)
    except operations.Refusal as no:
        told = no.message
    else:
        told = _told(on) % {"job": job.name}
    if not request.htmx:
        return leave_to(request, redirect("job", serial), told)
    context = overview_context(request, job_of(request, serial)) | {"message": told, "oob": True}
    return render(request, "jobs/_recovered.html", context)


def _told(on: bool) -> str:
    return _("%(job)s is run again automatically from now on.") if on else _("%(job)s is not run again automatically.")
