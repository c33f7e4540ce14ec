"""The figures of a running job: what it reads, how its tasks get on, how its checkpoints go."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.views.decorators.http import require_GET

from jobs import operations
from jobs.charts import WIDE, Chart, chart
from jobs.models import Job, Measurement
from jobs.operations.measure import FRESH, MEASURED_EVERY, NOW_AND_THEN_SECONDS, SOON_SECONDS, moment
from jobs.templatetags.figures import milliseconds, rate
from jobs.views.job import head_context
from jobs.views.visit import Request, job_of
from workspaces import clock

# So many checkpoints stand in the table.
CHECKPOINTS_SHOWN = 20


@require_GET
def monitoring(request: Request, serial: str) -> HttpResponse:
    job = job_of(request, serial)
    return render(request, "jobs/monitoring.html", head_context(request, job, "monitoring") | _figures(request, job))


@require_GET
def figures(request: Request, serial: str) -> HttpResponse:
    """Answer the body of the page when it was measured anew since the page was last told, or 204."""
    job = job_of(request, serial)
    context = _figures(request, job)
    if request.GET.get("seen") == context["mark"]:
        return HttpResponse(status=204)
    return render(request, "jobs/_figures.html", context | {"job": job})


def _figures(request: Request, job: Job) -> dict[str, Any]:
    run = job.current_run
    known = Measurement.objects.filter(run=run).first() if run else None
    if run:
        operations.want_figures(run, known)
    found = known if known and known.measured_at else None
    is_over = bool(run is None or run.ended_at)
    shown = (run and run.number, found and found.measured_at, is_over, job.endpoint.unreachable_since)
    mark = "-".join(f"{one.timestamp():.3f}" if isinstance(one, datetime) else str(one or 0) for one in shown)
    is_old = found is None or not found.measured_at or clock.now() - found.measured_at > FRESH
    waits = is_old and not is_over and not job.endpoint.unreachable_since
    context = {
        "run": run,
        "measured": found,
        "is_over": is_over,
        "mark": mark,
        "seconds": MEASURED_EVERY.seconds,
        "every": SOON_SECONDS if waits else NOW_AND_THEN_SECONDS,
    }
    if found is None:
        return context
    return context | {
        "as_table": request.GET.get("as") == "table",
        "throughput": _throughput(found),
        "durations": _of_checkpoints(found, "duration_ms", milliseconds),
        "sizes": _of_checkpoints(found, "size_bytes", filesizeformat, thousand=1024),
        "checkpoints": [
            one | {"at": moment(one["triggered_at"])} for one in found.checkpoints[: -CHECKPOINTS_SHOWN - 1 : -1]
        ],
    }


def _throughput(found: Measurement) -> Chart | None:
    return chart([(moment(at), value, False) for at, value in found.throughput], rate, width=WIDE, gap=FRESH)


def _of_checkpoints(found: Measurement, name: str, told: Any, thousand: int = 1000) -> Chart | None:
    over = [one for one in found.checkpoints if one["state"] != "IN_PROGRESS"]
    return chart(
        [(moment(one["triggered_at"]), one[name], one["state"] == "FAILED") for one in over], told, thousand=thousand
    )
