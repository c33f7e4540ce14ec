"""The end of operations, one or many in few statements: the first ending counts, and then the job shows what we know of Flink."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.db import transaction

from jobs.models import Job, Operation, Problem, Run
from jobs.operations.back_off import breaks, came_to_nothing, plan
from jobs.operations.record import Event, wake, without_secrets, write_rows
from jobs.operations.steps import lock_jobs_of
from jobs.states import Outcome, RunEnd, Status, status_after
from workspaces import clock
from workspaces.prepared import Prepared, among, ask, columns

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
        lock_jobs_of([one.operation for one in endings])
        told = _told(endings)
        ended = _end_operations(endings, told)
        counting = [one for one in endings if one.operation.pk in ended]
        _note_starts(counting)
        _close_runs(counting, told)
        show({one.operation.job_id: told[one.operation.pk] for one in counting})
        for batch_id in batches_of(one.operation for one in counting) if tells_batches else ():
            transaction.on_commit(partial(wake, "jobs.advance", batch_id))
    return len(counting)


def batches_of(operations: Iterable[Operation]) -> set[int]:
    return {one.batch_id for one in operations if one.batch_id}


def _told(endings: Sequence[Ending]) -> dict[int, dict[str, Any]]:
    """Return what the job of each operation is told with its end: the problem, and when it is run again, if it is."""
    told: dict[int, dict[str, Any]] = {one.operation.pk: {"problem": one.problem} for one in endings}
    broken = [one for one in endings if breaks(one.operation, one.outcome, one.run_end)]
    still_open = {"operations__in": [one.operation.pk for one in broken], "operations__ended_at": None}
    jobs = {job.pk: job for job in Job.objects.filter(**still_open)} if broken else {}
    for one in broken:
        if job := jobs.get(one.operation.job_id):
            told[one.operation.pk] = plan(job, one.problem)
    return told


ENDED = """
    WITH told AS (
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[])
            AS told (id, outcome, problem_id, event, detail)
    ), ended AS (
        UPDATE jobs_operation AS operation
        SET ended_at = %s, outcome = told.outcome, problem_id = told.problem_id, look_at = NULL
        FROM told WHERE operation.id = told.id AND operation.ended_at IS NULL
        RETURNING operation.id, operation.step, told.outcome, told.event, told.detail
    ), noted AS (
        INSERT INTO jobs_operationstep (operation_id, at, step, event, detail)
        SELECT id, %s, step, event, detail FROM (
            SELECT id, step, event, detail, 1 AS place FROM ended WHERE event <> ''
            UNION ALL SELECT id, step, %s, outcome, 2 FROM ended
        ) AS lines ORDER BY id, place
    )
    SELECT id FROM ended
"""


def _end_operations(endings: Sequence[Ending], told: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """End those that have not ended yet, with their lines of the record; return which."""
    now = clock.now()
    rows = [
        (
            one.operation.pk,
            str(one.outcome),
            key_of(told[one.operation.pk]["problem"]),
            str(one.event or ""),
            without_secrets(one.operation, one.event, one.detail) if one.event else "",
        )
        for one in endings
    ]
    return {pk for (pk,) in ask(ENDED, [*columns(rows), now, now, str(Event.ENDED)])}


def key_of(problem: Problem | None) -> int | None:
    return problem.pk if problem else None


STARTED = """
    UPDATE jobs_run SET started_at = told.at FROM unnest(%s::bigint[], %s::timestamptz[]) AS told (id, at)
    WHERE jobs_run.id = told.id AND started_at IS NULL
"""


def _note_starts(endings: Sequence[Ending]) -> None:
    started = [(one.operation.run_id, one.started_at) for one in endings if one.started_at]
    if started:
        write_rows(STARTED, started)


def _close_runs(endings: Sequence[Ending], told: Mapping[int, Mapping[str, Any]]) -> None:
    closing: dict[tuple[RunEnd, int | None], list[int]] = {}
    for one in endings:
        if one.run_end and one.operation.run_id:
            how = one.run_end, key_of(told[one.operation.pk]["problem"])
            closing.setdefault(how, []).append(one.operation.run_id)
    for (run_end, problem), runs in closing.items():
        close_runs(runs, run_end, problem)


SHOWN = """
    UPDATE jobs_job
    SET action = '', step = '', status = told.status, problem_id = told.problem_id, recover_at = told.recover_at,
        changed_at = statement_timestamp()
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::timestamptz[]) AS told (id, status, problem_id, recover_at)
    WHERE jobs_job.id = told.id
"""


def show(told: Mapping[int, Mapping[str, Any]]) -> None:
    """Let jobs without an open operation show their true state, and what they are told (job id -> fields). Hold their rows."""
    rows = [
        (job.pk, str(status), key_of(told[job.pk]["problem"]), told[job.pk].get("recover_at", job.recover_at))
        for job, status in _true_statuses(told)
    ]
    if rows:
        write_rows(SHOWN, rows)


def close_runs(ids: Collection[int], end: RunEnd, problem: int | None) -> int:
    """Write down how runs ended, where that was not known already."""
    return Run.objects.filter(pk__in=ids, ended_at=None).update(ended_at=clock.now(), end=end, problem=problem)


def true_status(job_id: int) -> Status:
    """Return the status of a job without an open operation: what we last knew of it on Flink."""
    ((_job, status),) = _true_statuses([job_id])
    return status


JOBS = Prepared(
    lambda pks: Job.objects.filter(among("jobs_job.id", pks)).select_related("current_run").order_by(), pks=[-1]
)


def _true_statuses(job_ids: Collection[int]) -> list[tuple[Job, Status]]:
    found = [(job, _status(job, job.current_run)) for job in JOBS.objects(pks=list(job_ids))]
    # An automatic run that came to nothing leaves the job as broken as it was.
    in_vain = came_to_nothing(
        [job.current_run for job, status in found if status == Status.STOPPED and job.current_run]
    )
    return [(job, Status.FAILED if job.current_run_id in in_vain else status) for job, status in found]


def _status(job: Job, run: Run | None) -> Status:
    if run is None:
        return Status.STOPPED if job.last_version_number else Status(job.status)
    # A run that Flink has never confirmed isn't shown as running; it stays open until we know (G2).
    while_open = Status.RUNNING if run.flink_state else Status.STOPPED
    return status_after(RunEnd(run.end)) if run.ended_at else while_open


def together(do: Callable[[list[T]], object], all_of_them: list[T]) -> None:
    """Do it with all at once; if that fails, with each alone, so that only the one that it fails with stays as it is."""
    try:
        if all_of_them:
            do(all_of_them)
    except Exception:
        log.exception("Could not settle %d together, the first of them %r", len(all_of_them), all_of_them[0])
        for one in all_of_them if len(all_of_them) > 1 else []:
            together(do, [one])
