"""Measuring a running job, and hearing of its exceptions, while somebody looks: he asks, a worker asks Flink, and his page finds it in the database."""

from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from clusters.engine import Engine, EngineError, Figures, PastException
from jobs.advice import known_of
from jobs.masking import mask
from jobs.models import Measurement, Run
from jobs.operations.record import Lock, alone, wake
from jobs.secrets import secret_values
from workspaces import clock

# As often as Flink gathers its metrics, by default.
MEASURED_EVERY = timedelta(seconds=10)
# What was told longer ago than this is past.
FRESH = 3 * MEASURED_EVERY
# Flink begins to gather when it is first asked, and needs about a second. Whoever has nothing after FRESH gathers nothing.
ASKED_AGAIN_AFTER = timedelta(seconds=2)
# How often a page asks for what is new: while Flink is being asked; and else.
SOON_SECONDS, NOW_AND_THEN_SECONDS = 1, 5
THROUGHPUT_KEPT = timedelta(hours=1)
CHECKPOINTS_KEPT = 60
# Of each exception, and of those beside it, this many characters; its cause stands at the end of a trace.
TRACE_KEPT, TRACE_BESIDE_KEPT, WORDS_KEPT, BESIDE_KEPT = 8_000, 3_000, 1_000, 5


def want_figures(run: Run, known: Measurement | None = None) -> None:
    """Let a worker measure this run, unless somebody has wanted that a moment ago or its Flink does not answer; `known`: its row."""
    _want(run, known, "asked_at", "jobs.measure")


def want_exceptions(run: Run, known: Measurement | None = None) -> None:
    """Let a worker ask what was thrown in this run, under the same conditions."""
    _want(run, known, "exceptions_asked_at", "jobs.see_exceptions")


def measure(run_id: int) -> None:
    """Ask Flink for the figures of a run and keep them. Without an answer those that are there stay, with their time."""
    _ask(run_id, "asked_at", lambda engine, job_id: engine.figures(job_id), _keep)


def see_exceptions(run_id: int) -> None:
    """Ask Flink what was thrown in a run and keep it, in the same way."""
    _ask(run_id, "exceptions_asked_at", lambda engine, job_id: engine.exceptions(job_id), _keep_exceptions)


def _want(run: Run, known: Measurement | None, asked_at: str, task: str) -> None:
    if run.ended_at or not run.submitted_at or run.endpoint.unreachable_since:
        return
    now = clock.now()
    lately = now - MEASURED_EVERY
    if known is None:
        Measurement.objects.bulk_create([Measurement(run=run)], ignore_conflicts=True)
    elif (last := getattr(known, asked_at)) and last > lately:
        return
    is_due = Q(**{asked_at: None}) | Q(**{f"{asked_at}__lte": lately})
    if Measurement.objects.filter(is_due, run=run).update(**{asked_at: now}):
        wake(task, run.pk)


def _ask(run_id: int, asked_at: str, ask: Callable[[Engine, str], Any], keep: Callable[[Run, Any], None]) -> None:
    run = Run.objects.select_related("endpoint", "version__job").filter(pk=run_id, ended_at=None).first()
    if run is None:
        return
    # One at a time on an endpoint: a Flink that hangs holds up one thread of a worker, whoever looks.
    with alone(Lock.MEASURE, run.endpoint_id) as mine:
        if not mine:
            Measurement.objects.filter(run=run).update(**{asked_at: None})
            return
        try:
            told = ask(run.endpoint.engine(), run.flink_job_id)
        except EngineError:
            return
    keep(run, told)


@transaction.atomic
def _keep(run: Run, figures: Figures) -> None:
    now = clock.now()
    kept = Measurement.objects.select_for_update().get(run=run)
    blank_since = kept.newest.get("blank_since", _milliseconds(now)) if figures.are_blank else None
    if blank_since and now - moment(blank_since) < FRESH:
        kept.asked_at = now - MEASURED_EVERY + ASKED_AGAIN_AFTER
        kept.newest["blank_since"] = blank_since
        kept.save(update_fields=["asked_at", "newest"])
        return
    newest, secrets = asdict(figures), secret_values(run.version)
    # Flink can be told to name tasks by all that they do, conditions with their values included.
    newest["tasks"] = [one | {"name": mask(one["name"], secrets)} for one in newest["tasks"]]
    told = [one | {"triggered_at": _milliseconds(one["triggered_at"])} for one in newest.pop("checkpoints")]
    if blank_since:
        newest["blank_since"] = blank_since
    long_ago = _milliseconds(now - THROUGHPUT_KEPT)
    kept.measured_at, kept.newest = now, newest
    kept.throughput = [point for point in kept.throughput if point[0] > long_ago]
    kept.throughput.append([_milliseconds(now), figures.records_read])
    kept.checkpoints = _joined(kept.checkpoints, told)[-CHECKPOINTS_KEPT:]
    kept.save()


def _keep_exceptions(run: Run, told: Collection[PastException]) -> None:
    secrets = secret_values(run.version)
    newest_first = sorted(told, key=lambda one: one.at, reverse=True)
    kept = [_plain(one, secrets, TRACE_KEPT) for one in newest_first]
    Measurement.objects.filter(run=run).update(exceptions=kept, exceptions_seen_at=clock.now())


def _plain(one: PastException, secrets: Collection[str], trace_kept: int) -> dict[str, Any]:
    """Return an exception as it is kept: of bounded size, without secrets, and recognized while its trace is whole."""
    summary, trace = mask(one.summary, secrets), mask(one.trace, secrets)
    beside = [_plain(other, secrets, TRACE_BESIDE_KEPT) for other in one.beside[:BESIDE_KEPT]]
    return {
        "at": _milliseconds(one.at),
        "name": mask(one.name, secrets)[:WORDS_KEPT],
        "summary": summary[:WORDS_KEPT],
        "trace": _without_its_middle(trace, trace_kept),
        "task": mask(one.task, secrets)[:WORDS_KEPT],
        "place": mask(one.place, secrets)[:WORDS_KEPT],
        "known": known_of(summary + "\n" + trace),
        "beside": beside,
        "more": len(one.beside) - len(beside),
    }


def _without_its_middle(text: str, kept: int) -> str:
    return text if len(text) <= kept else f"{text[: kept // 2]}\n…\n{text[-kept // 2 :]}"


def _joined(known: list[dict[str, Any]], told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return checkpoints by their number. Of those before some that nobody has seen, none stay: what is shown has no holes."""
    first = min((one["number"] for one in told), default=0)
    if known and known[-1]["number"] < first - 1:
        known = []
    found = {one["number"]: one for one in [*known, *told]}
    return [found[number] for number in sorted(found)]


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def moment(milliseconds: int) -> datetime:
    """Return the time that is kept as `milliseconds`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
