"""Measuring a running job while somebody looks at its figures: he asks, a worker measures, and his page finds it in the database."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from clusters.engine import EngineError, Figures
from jobs.models import Measurement, Run
from jobs.operations.record import alone, wake

# As often as Flink gathers its metrics, by default.
MEASURED_EVERY = timedelta(seconds=10)
# An hour of looking.
POINTS_KEPT = 360
CHECKPOINTS_KEPT = 60
MEASURE_LOCK = 4  # namespace of the advisory lock


def want_figures(run: Run) -> None:
    """Let a worker measure this run, unless somebody has wanted that a moment ago or its Flink does not answer."""
    if run.ended_at or not run.submitted_at or run.endpoint.unreachable_since:
        return
    now = timezone.now()
    Measurement.objects.get_or_create(run=run)
    is_due = Q(asked_at=None) | Q(asked_at__lte=now - MEASURED_EVERY)
    if Measurement.objects.filter(is_due, run=run).update(asked_at=now):
        wake("jobs.measure", run.pk)


def measure(run_id: int) -> None:
    """Ask Flink for the figures of a run and keep them. Without an answer those that are there stay, with their time."""
    run = Run.objects.select_related("endpoint").filter(pk=run_id, ended_at=None).first()
    if run is None:
        return
    # One at a time on an endpoint: a Flink that hangs holds up one thread of a worker, whoever looks.
    with alone(MEASURE_LOCK, run.endpoint_id) as mine:
        if not mine:
            Measurement.objects.filter(run=run).update(asked_at=None)
            return
        try:
            figures = run.endpoint.engine().figures(run.flink_job_id)
        except EngineError:
            return
    _keep(run, figures)


@transaction.atomic
def _keep(run: Run, figures: Figures) -> None:
    now = timezone.now()
    kept = Measurement.objects.select_for_update().get(run=run)
    newest = asdict(figures)
    found: dict[int, dict[str, Any]] = {one["number"]: one for one in kept.checkpoints}
    for one in newest.pop("checkpoints"):
        found[one["number"]] = one | {"triggered_at": _milliseconds(one["triggered_at"])}
    kept.measured_at, kept.newest = now, newest
    kept.throughput = [*kept.throughput, [_milliseconds(now), figures.records_read]][-POINTS_KEPT:]
    kept.checkpoints = [found[number] for number in sorted(found)][-CHECKPOINTS_KEPT:]
    kept.save()


def _milliseconds(at: Any) -> int:
    return int(at.timestamp() * 1000)
