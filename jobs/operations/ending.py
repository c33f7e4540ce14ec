"""The end of operations, one or many in few statements: the first ending counts, and then the job shows what we know of Flink."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from jobs.models import Job, Operation, OperationStep, Problem, Run
from jobs.operations.back_off import breaks, came_to_nothing, plan
from jobs.operations.record import Event, line_of_record, lock_operations, update_jobs, wake, write_rows
from jobs.states import Outcome, RunEnd, Status, status_after
from workspaces.prepared import Prepared, among

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an operation ends, and its run with it when `run_end` says how.

    `event` and `detail`: what happened just before, for the record; `started_at`: since when its run works, if that is news.
    """

    operation: Operation
    outcome: Outcome
    problem: Problem | None = None
    run_end: RunEnd | None = None
    event: Event | None = None
    detail: str = ""
    started_at: datetime | None = None


def withdrawn(operation: Operation, run_end: RunEnd) -> Ending:
    """Return how a run ends that was taken back: cancelled by a person, or failed because it did not come up or never would."""
    if operation.cancelled_by_id:
        return Ending(operation, Outcome.CANCELLED, run_end=run_end)
    if operation.steps.filter(event=Event.HOPELESS).exists():
        return Ending(operation, Outcome.FAILED, operation.problem, RunEnd.FAILED)
    return Ending(operation, Outcome.FAILED, operation.problem, run_end)


def end(operation: Operation, outcome: Outcome, problem: Problem | None = None, run_end: RunEnd | None = None) -> bool:
    """End an operation and show the true state; False when it had ended already."""
    return bool(end_all([Ending(operation, outcome, problem, run_end)]))


def end_all(endings: Sequence[Ending], tells_batches: bool = True) -> int:
    """End operations, of different jobs, and show the true state of each; return how many had not ended already.

    `tells_batches`: somebody is woken to carry their batches on.
    """
    if not endings:
        return 0
    with transaction.atomic():
        jobs, steps = lock_operations([one.operation for one in endings])
        counting = [one for one in endings if one.operation.pk in steps]
        if not counting:
            return 0
        told = {one.operation.pk: _told(one, jobs[one.operation.job_id]) for one in counting}
        _end_operations(counting, told)
        OperationStep.objects.bulk_create(line for one in counting for line in _lines(one))
        _note_starts(counting)
        _close_runs(counting, told)
        _show(counting, told)
        for batch_id in batches_of(one.operation for one in counting) if tells_batches else ():
            transaction.on_commit(partial(wake, "jobs.advance", batch_id))
    return len(counting)


def batches_of(operations: Iterable[Operation]) -> set[int]:
    return {one.batch_id for one in operations if one.batch_id}


def _told(ending: Ending, job: Job) -> dict[str, Any]:
    """Return what the job is told with the end: the problem, and when it is run again, if it is."""
    if breaks(ending.operation, ending.outcome, ending.run_end):
        return plan(job, ending.problem)
    return {"problem": ending.problem}


def _lines(ending: Ending) -> list[OperationStep]:
    before = [line_of_record(ending.operation, ending.event, ending.detail)] if ending.event else []
    return [*before, line_of_record(ending.operation, Event.ENDED, str(ending.outcome))]


def _end_operations(endings: Sequence[Ending], told: dict[int, dict[str, Any]]) -> None:
    for outcome, problem, some in _alike(endings, told, lambda one: one.outcome):
        ids = [one.operation.pk for one in some]
        Operation.objects.filter(pk__in=ids, ended_at=None).update(
            ended_at=timezone.now(), outcome=outcome, problem=problem, look_at=None
        )


STARTED = """
    UPDATE jobs_run SET started_at = told.at FROM unnest(%s::bigint[], %s::timestamptz[]) AS told (id, at)
    WHERE jobs_run.id = told.id AND started_at IS NULL
"""


def _note_starts(endings: Sequence[Ending]) -> None:
    started = [(one.operation.run_id, one.started_at) for one in endings if one.started_at]
    if started:
        write_rows(STARTED, started)


def _close_runs(endings: Sequence[Ending], told: dict[int, dict[str, Any]]) -> None:
    closing = [one for one in endings if one.run_end and one.operation.run_id]
    for run_end, problem, some in _alike(closing, told, lambda one: one.run_end):
        close_runs([one.operation.run_id for one in some if one.operation.run_id], run_end, problem)


def _alike(endings: Sequence[Ending], told: dict[int, dict[str, Any]], how: Any) -> list[tuple[Any, Any, list[Ending]]]:
    """Return endings in groups that are written in the same way: (how, problem, those)."""

    def key(one: Ending) -> tuple[str, int]:
        problem = told[one.operation.pk]["problem"]
        return str(how(one)), problem.pk if problem else 0

    groups = [list(some) for _key, some in groupby(sorted(endings, key=key), key)]
    return [(how(some[0]), told[some[0].operation.pk]["problem"], some) for some in groups]


def _show(endings: Sequence[Ending], told: dict[int, dict[str, Any]]) -> None:
    """Let each job show its true state; those that show the same by one statement."""
    statuses = true_statuses([one.operation.job_id for one in endings])
    shown: dict[tuple[Any, ...], tuple[list[int], dict[str, Any]]] = {}
    for one in endings:
        fields = {"action": "", "step": "", "status": statuses[one.operation.job_id], **told[one.operation.pk]}
        shown.setdefault(tuple(fields.items()), ([], fields))[0].append(one.operation.job_id)
    for ids, fields in shown.values():
        update_jobs(ids, **fields)


def close_run(run_id: int, end: RunEnd, problem: Problem | None = None) -> bool:
    """Write down how a run ended; False when that was already known."""
    return bool(close_runs([run_id], end, problem))


def close_runs(ids: Collection[int], end: RunEnd, problem: Problem | None = None) -> int:
    return Run.objects.filter(pk__in=ids, ended_at=None).update(ended_at=timezone.now(), end=end, problem=problem)


def true_status(job_id: int) -> Status:
    """Return the status of a job without an open operation: what we last knew of it on Flink."""
    return true_statuses([job_id])[job_id]


def true_statuses(job_ids: Collection[int]) -> dict[int, Status]:
    return {job.pk: _status(job, job.current_run) for job in JOBS.objects(pks=list(job_ids))}


JOBS = Prepared(
    lambda pks: Job.objects.filter(among("jobs_job.id", pks)).select_related("current_run").order_by(), pks=[-1]
)


def _status(job: Job, run: Run | None) -> Status:
    if run is None:
        return Status.STOPPED if job.last_version_number else Status(job.status)
    # A run that Flink has never confirmed isn't shown as running; it stays open until we know (G2).
    while_open = Status.RUNNING if run.flink_state else Status.STOPPED
    status = status_after(RunEnd(run.end)) if run.ended_at else while_open
    # An automatic run that came to nothing leaves the job as broken as it was.
    return Status.FAILED if status == Status.STOPPED and came_to_nothing(run) else status


def together(do: Callable[[list[T]], object], all_of_them: list[T]) -> None:
    """Do it with all at once; if that fails, with each alone, so that only the one that it fails with stays as it is."""
    try:
        if all_of_them:
            do(all_of_them)
    except Exception:
        log.exception("Could not end %d together, the first of them %r", len(all_of_them), all_of_them[0])
        for one in all_of_them if len(all_of_them) > 1 else []:
            together(do, [one])
