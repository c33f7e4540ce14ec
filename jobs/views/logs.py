"""The logs of a job: how it was started, and the end of what the processes of its Flink write."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_
from django.views.decorators.http import require_GET

from jobs.flink_logs import ERROR, MOST_BYTES, WARN
from jobs.look_into_logs import LISTED, STARTUP, Choice, Look, look
from jobs.models import Job, Operation
from jobs.shared_flinks import is_shared
from jobs.states import Action
from jobs.views.job import head_context
from jobs.views.visit import Request, job_of
from workspaces.models import is_super_admin

DOWNLOADED_CHARACTERS = 4 * 1024 * 1024
# What to look for first when a job misbehaves.
SEARCHES = {
    "from RUNNING to FAILED": N_("tasks that failed"),
    "exception | caused by": N_("exceptions and their causes"),
    "checkpoint declined | checkpoint expired | checkpoint failed": N_("checkpoints that failed"),
    "OutOfMemoryError | heartbeat timed out | no longer reachable": N_("TaskManagers that were lost"),
}


@require_GET
def logs(request: Request, serial: str) -> HttpResponse:
    """Answer the page at once, and a log when the address asks for something, or when the page asks for its part."""
    job = job_of(request, serial)
    is_part = request.htmx.target == "logs"
    if not is_part and not request.GET:
        return render(request, "jobs/logs.html", head_context(request, job, "logs") | {"is_coming": True})
    context = head_context(request, job, "logs") | _context(request, job)
    return render(request, "jobs/_logs.html" if is_part else "jobs/logs.html", context)


@require_GET
def lines(request: Request, serial: str) -> HttpResponse:
    """Answer only what is new to a page that follows a log. What it shows stays when nothing could be read."""
    context = _context(request, job_of(request, serial), is_again=True)
    if context["look"] is None:
        return HttpResponse(status=204)
    answer = render(request, "jobs/_log_lines.html", context | {"is_again": True})
    if context["look"].unread:
        answer["HX-Reswap"] = "none"
    return answer


@require_GET
def download(request: Request, serial: str) -> HttpResponse:
    """Answer a larger part of the end of a log as a file; without one, the page that says why."""
    job = job_of(request, serial)
    found: Look | None = _context(request, job, DOWNLOADED_CHARACTERS, is_again=True)["look"]
    if found is None or found.end is None or found.unread or not found.end.is_whole:
        messages.error(request, (found and found.unread) or _("There is no log to download."))
        return redirect(f"{reverse('logs', args=[job.serial])}?{request.GET.urlencode()}")
    parts = [job.serial, found.place or found.process, found.file.removeprefix(LISTED)]
    name = re.sub(r"[^\w.-]+", "_", "-".join(parts), flags=re.ASCII)
    text = "\n".join(found.end.records) + "\n"
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.txt"'
    return answer


def _context(request: Request, job: Job, *most: int, is_again: bool = False) -> dict[str, Any]:
    run, choice = job.current_run, Choice.made_in(request.GET)
    sees_all = is_super_admin(request.user)
    is_hidden = bool(run and is_shared(run) and not sees_all)
    never_came_up = bool(run and run.ended_at and not run.started_at)
    is_startup = choice.process == STARTUP or is_hidden or (never_came_up and not choice.process)
    return {
        "job": job,
        "run": run,
        "choice": choice,
        "is_hidden": is_hidden,
        "is_startup": is_startup,
        "start": _last_start(job) if is_startup and not is_again else None,
        "look": look(run, choice, *most, is_again=is_again, sees_all=sees_all) if run and not is_startup else None,
        "levels": [(WARN, _("Warnings and errors")), (ERROR, _("Errors only"))],
        "searches": [
            *([(run.flink_job_id, _("this run"))] if run else []),
            *((one, _(SEARCHES[one])) for one in SEARCHES),
        ],
        "most": MOST_BYTES,
    }


def _last_start(job: Job) -> Operation | None:
    told = job.operations.filter(action=Action.RUN).select_related("requested_by", "cancelled_by", "problem")
    return told.prefetch_related("steps").first()
