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
THROUGHPUT_KEPT = timedelta(hours=1)
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
    told = [one | {"triggered_at": _milliseconds(one["triggered_at"])} for one in newest.pop("checkpoints")]
    long_ago = _milliseconds(now - THROUGHPUT_KEPT)
    kept.measured_at, kept.newest = now, newest
    kept.throughput = [point for point in kept.throughput if point[0] > long_ago]
    kept.throughput.append([_milliseconds(now), figures.records_read])
    kept.checkpoints = _joined(kept.checkpoints, told)[-CHECKPOINTS_KEPT:]
    kept.save()


def _joined(known: list[dict[str, Any]], told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return checkpoints by their number. Of those before some that nobody has seen, none stay: what is shown has no holes."""
    first = min((one["number"] for one in told), default=0)
    if known and known[-1]["number"] < first - 1:
        known = []
    found = {one["number"]: one for one in [*known, *told]}
    return [found[number] for number in sorted(found)]


def _milliseconds(at: Any) -> int:
    return int(at.timestamp() * 1000)
