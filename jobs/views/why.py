"""The dialog "Why this status?": what was seen last, which rule made the status of it, and all that a ticket needs."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from jobs.advice import explain
from jobs.models import Job, Operation
from jobs.states import Action
from jobs.views.answers import show_dialog
from jobs.views.visit import Request, job_of
from jobs.why import reason
from workspaces.models import May

TOUCHES_FLINK = [Action.RUN, Action.STOP, Action.SNAPSHOT]


@require_GET
def why(request: Request, serial: str) -> HttpResponse:
    job = job_of(request, serial)
    context = {
        "job": job,
        "workspace": job.workspace,
        "can_operate": job.workspace.may(request.user, May.OPERATE),
        "reason": reason(job),
        "explanation": explain(job.problem) if job.problem else None,
        "operation": _last_operation(job),
    }
    return show_dialog(request, "jobs/_why.html", context | {"report": _report(context)})


def _last_operation(job: Job) -> Operation | None:
    """Return the newest operation that touched Flink, with all that its record shows."""
    told = job.operations.filter(action__in=TOUCHES_FLINK).select_related("requested_by", "cancelled_by", "problem")
    return told.prefetch_related("steps").first()


def _report(context: dict[str, Any]) -> str:
    """Write it all down as plain text, for pasting into a ticket."""
    return render_to_string("jobs/why.txt", context).strip()
