"""How views answer: a dialog as a fragment or as a page, and what follows a dialog that did its work."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import trigger_client_event

from jobs.models import Job
from jobs.views.visit import Request, job_of, page_under
from workspaces.answers import is_alone, leave_to


def show_dialog(request: Request, fragment: str, context: dict[str, Any], *, invalid: bool = False) -> HttpResponse:
    """Answer the fragment to htmx, and a page around it to who opens the address by itself; 422 when the form was refused."""
    template = fragment if request.htmx else "jobs/dialog.html"
    context |= {"fragment": fragment, "is_alone": is_alone(request)}
    return render(request, template, context, status=422 if invalid else 200)


def close_dialog(request: Request, job: Job, message: str) -> HttpResponse:
    """Close the dialog, show `message`, and swap what the page under it shows of the job; without htmx go to the job."""
    target = HttpResponseRedirect(reverse("job", args=[job.serial]))
    if not request.htmx:
        return leave_to(request, target, message)
    job = job_of(request, job.serial)
    is_list = page_under(request).startswith("/spaces/")
    context = {
        "job": job,
        "workspace": job.workspace,
        "can_operate": True,
        "message": message,
        "is_list": is_list,
        "oob": True,
    }
    answer = render(request, "jobs/_done.html", context)
    answer["HX-Reswap"] = "none"
    return trigger_client_event(answer, "console:close-dialog", after="swap")
