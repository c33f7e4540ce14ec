"""What was thrown in the current run of a job, as Flink remembers it: a restart that healed by itself is seen here."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs import operations
from jobs.advice import explain
from jobs.known_errors import FALLBACK
from jobs.models import Job, Measurement, Problem
from jobs.operations.measure import FRESH, MEASURED_EVERY, NOW_AND_THEN_SECONDS, SOON_SECONDS, moment
from jobs.views.visit import Request, job_of
from workspaces import clock


@require_GET
def exceptions(request: Request, serial: str) -> HttpResponse:
    """Answer the part of the page when there is something new in it since the page was last told, or 204."""
    context = exceptions_of(job_of(request, serial))
    if request.GET.get("seen") == context["exceptions"]["mark"]:
        return HttpResponse(status=204)
    return render(request, "jobs/_exceptions.html", context)


def exceptions_of(job: Job) -> dict[str, Any]:
    """Return what the part needs, and let Flink be asked anew if it is time."""
    run = job.current_run
    found = Measurement.objects.filter(run=run).first() if run else None
    if run:
        operations.want_exceptions(run, found)
    is_live = bool(run and run.submitted_at and not run.ended_at)
    is_away = is_live and job.endpoint.unreachable_since is not None
    seen_at = found.exceptions_seen_at if found else None
    is_old = seen_at is None or clock.now() - seen_at > FRESH
    is_asked = is_live and is_old and not is_away
    told = found.exceptions or [] if found else []
    shown = (run and run.number, seen_at is None, told, is_live, is_away, is_asked)
    context = {
        "mark": hashlib.sha256(repr(shown).encode()).hexdigest()[:16],
        "every": SOON_SECONDS if is_asked else NOW_AND_THEN_SECONDS,
        "seconds": MEASURED_EVERY.seconds,
        "is_live": is_live,
        "is_away": is_away,
        "is_asked": is_asked,
        "seen_at": seen_at,
        "rows": [_shown(one) for one in told],
    }
    return {"job": job, "run": run, "exceptions": context}


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    """Return an exception with its time and, where it is known, what it means."""
    problem = Problem(code="flink", values=one["known"], summary=one["summary"], trace=one["trace"])
    return one | {
        # By it the page keeps open what is open.
        "key": hashlib.sha256(repr(one).encode()).hexdigest()[:16],
        "at": moment(one["at"]),
        "explanation": None if one["known"].get("known") == FALLBACK.title else explain(problem),
        "beside": [_shown(other) for other in one["beside"]],
    }
