"""What every act shares: claiming, moving and noting an operation, each by compare-and-set.

Whoever holds several rows locks them in this order: workspace, folder, job, cluster, operation, run, snapshot.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import IntEnum, unique
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from clusters.engine import EngineError, Statement
from clusters.models import FlinkEndpoint
from jobs.advice import known_of, line_of
from jobs.masking import mask
from jobs.models import Job, Operation, OperationStep, Problem, Run, Snapshot
from jobs.secrets import secret_values
from jobs.states import Step
from workspaces import clock
from workspaces.pooler import TOLD, doubt
from workspaces.prepared import Prepared, ask, columns

log = logging.getLogger(__name__)
Event = OperationStep.Event

# How long after the click the watcher looks for an operation that nobody has begun (a message was lost).
FALLBACK_SECONDS = 3
FOLLOW_UP_SECONDS, FOLLOW_UP_CLICK_SECONDS, FOLLOW_UP_MORE_SECONDS, FOLLOW_UP_LAST_SECONDS = 0.25, 0.06, 1.5, 0.1
FEW = 8
# The details of these are our own words: ids, numbers, an outcome, a place below a directory that we named.
TOLD_BY_US = frozenset({Event.ASKED, Event.WAITING_FOR_SLOTS, Event.SNAPSHOT_COMPLETED, Event.ENDED})


@unique
class Lock(IntEnum):
    """Namespaces of our advisory locks, each with ids of its own kind."""

    OPERATION = 1
    ENDPOINT = 2
    BATCH = 3
    MEASURE = 4  # of an endpoint
    SILENT = 5  # of an endpoint
    RECOVERY = 6  # of a job
    SLOTS = 7  # of an endpoint
    SEAL = 90  # of nothing: 0
    RETENTION = 91  # of nothing: 0


def wake(task: str, *args: object, countdown: float = 0) -> None:
    """Send a task. A broker that is away costs a second, not the act: the next tick finds the row."""
    try:
        current_app.send_task(task, args=args, countdown=countdown or None)
    except OperationalError as error:
        log.warning("The broker is away (%s); the next tick will find what is due.", error)


def follow_up(endpoint: FlinkEndpoint, operations: Collection[Operation]) -> None:
    """Let the watcher look at `endpoint` in a moment, because of these; however many ask for it, it looks once."""
    if at := claim_follow_up(endpoint, operations):
        wake_for(endpoint.pk, at)


def wake_for(endpoint_id: int, at: datetime) -> None:
    """Send for the follow-up look that was claimed."""
    wake("jobs.watch", endpoint_id, True, countdown=max(0.0, (at - clock.now()).total_seconds()))


def claim_follow_up(
    endpoint: FlinkEndpoint, operations: Collection[Operation], least: float = 0, passed: float = 0
) -> datetime | None:
    """Return when the caller is to look at `endpoint` once more, because of these; None if somebody else is about to.

    `least`: the seconds to wait in any case; `passed`: so many of them are over.
    """
    now = clock.now()
    at = now + timedelta(seconds=max(0, max(least, _pause(endpoint, operations)) - passed))
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW_UP, [at, at, endpoint.pk, now - timedelta(seconds=2), at])
        return at if cursor.rowcount else None


# Unless somebody is about to look before that. A look that was due two seconds ago does not come any more. Until then the tick waits.
FOLLOW_UP = """
    UPDATE clusters_flinkendpoint SET follow_up_at = %s, look_at = GREATEST(look_at, %s)
    WHERE id = %s AND (follow_up_at IS NULL OR follow_up_at <= %s OR follow_up_at > %s)
"""


# Whether anything is on its way to an endpoint.
SUBMITTING = Prepared(
    lambda endpoint: (
        Operation.objects.filter(ended_at=None, step=Step.SUBMITTING, run__endpoint=endpoint)
        .order_by()
        .values_list("pk")[:1]
    ),
    endpoint=-1,
)


def _pause(endpoint: FlinkEndpoint, operations: Collection[Operation]) -> float:
    """Return how many seconds to wait: somebody waits for a single click; a batch is better served by fewer looks that find more."""
    if not any(one.batch_id for one in operations):
        return FOLLOW_UP_CLICK_SECONDS
    is_of_starts = all(one.batch_id and one.step == Step.STARTING for one in operations)
    if is_of_starts and SUBMITTING.rows(endpoint=endpoint.pk):
        # More of their kind is on its way, and nobody stands in line for what these wait for.
        return FOLLOW_UP_MORE_SECONDS
    if not any(one.step == Step.SNAPSHOTTING for one in operations):
        return FOLLOW_UP_LAST_SECONDS
    return FOLLOW_UP_SECONDS * (1 + (len(operations) > FEW))


@contextmanager
def alone(namespace: Lock, pk: int) -> Iterator[bool]:
    """Hold an advisory lock; yield False when somebody else has it. It dies with the process, so nothing stays claimed.

    It only keeps two workers from doing the same work twice; what keeps the rows right are the compare-and-sets.
    """
    with alone_with(namespace, [pk]) as mine:
        yield bool(mine)


@contextmanager
def alone_with(namespace: Lock, pks: Collection[int]) -> Iterator[list[int]]:
    """Hold an advisory lock on each of these; yield those that nobody else has."""
    keys = [(namespace << 48) + pk for pk in pks]
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, pg_try_advisory_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])
        mine = [key for key, is_mine in cursor.fetchall() if is_mine]
    try:
        yield [key - (namespace << 48) for key in mine]
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(key) FROM unnest(%s::bigint[]) AS key", [mine])
                had = all(is_mine for (is_mine,) in cursor.fetchall())
            if not had:
                log.error("A lock was lost. %s", TOLD)
                doubt()


def alone_until_commit(namespace: Lock, pk: int) -> None:
    """Wait for an advisory lock, which this transaction then has. Not to be held while Flink is asked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [(namespace << 48) + pk])


def look_again(operation: Operation, event: Event, detail: str = "", seconds: float | None = None) -> None:
    """Leave the operation where it is, and note when to come back: after `seconds`, else with growing distance up to 10 s."""
    pause = seconds if seconds is not None else min(10.0, 0.5 * 2 ** min(operation.attempts, 5))
    last = operation.steps.last()
    if last is None or last.event != event:
        note(operation, event, detail)
    operation.look_at = clock.now() + timedelta(seconds=pause)
    Operation.objects.filter(pk=operation.pk, ended_at=None).update(
        look_at=operation.look_at, attempts=F("attempts") + 1
    )


def note(operation: Operation, event: Event, detail: str = "") -> None:
    """Write a line of the record."""
    line_of_record(operation, event, detail).save()


def line_of_record(operation: Operation, event: Event, detail: str = "") -> OperationStep:
    """Return a line of the record, without the secrets that Flink's words may repeat."""
    return OperationStep(
        operation=operation, step=operation.step, event=event, detail=without_secrets(operation, event, detail)
    )


def without_secrets(operation: Operation, event: Event, detail: str) -> str:
    """Return what the record may tell of an event."""
    if detail and operation.run and event not in TOLD_BY_US:
        return mask(detail, secret_values(operation.run.version))
    return detail


def write_rows(sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Write rows by one statement that unnests them: it gets a list for each column."""
    with connection.cursor() as cursor:
        cursor.execute(sql, columns(rows))


def update_job(job_id: int, **fields: Any) -> None:
    update_jobs([job_id], **fields)


def update_jobs(ids: Collection[int], **fields: Any) -> None:
    """Change jobs that the caller has locked."""
    Job.objects.filter(pk__in=ids).update(**fields, changed_at=Now())


# By itself an UPDATE locks rows as they lie in the table. Who locks them in their order may then wait for it, and it for him.
TOUCH = """
    WITH theirs AS (SELECT id FROM jobs_job WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE)
    UPDATE jobs_job SET changed_at = statement_timestamp() FROM theirs WHERE jobs_job.id = theirs.id RETURNING jobs_job.id
"""


def touch(ids: Iterable[int]) -> None:
    """Let pages show these jobs anew."""
    ask(TOUCH, [list(ids)])


def problem_of(error: EngineError, run: Run, statements: Sequence[Statement] = ()) -> Problem:
    """Keep what the engine said of a run, with the line of the script that it is about, where that can be told."""
    line = line_of(error.summary, error.trace, statements)
    return problem("flink", error.summary, error.trace, of=run, **({"line": line} if line else {}))


def problem(code: str, summary: str = "", trace: str = "", of: Run | None = None, **values: Any) -> Problem:
    """Keep a problem: a code of ours (jobs/advice.py), or "flink" with Flink's words `of` a run, without its secrets."""
    return problem_without(secret_values(of.version) if of else (), code, summary, trace, **values)


def problem_without(
    secrets: Collection[str], code: str, summary: str, trace: str, known: Mapping[str, str] | None = None, **values: Any
) -> Problem:
    """Keep a problem whose words must not tell these secrets; `known`: what `known_of` says of them, if it was asked already."""
    if code == "flink":
        known = known or known_of(summary + "\n" + trace)
        values |= {name: word if name == "known" else mask(word or "", secrets) for name, word in known.items()}
    return Problem.objects.create(code=code, values=values, summary=mask(summary, secrets), trace=mask(trace, secrets))


def deadline(step: Step) -> datetime:
    return clock.now() + timedelta(seconds=_allowed_seconds(step))


def _allowed_seconds(step: Step) -> float:
    return settings.STEP_DEADLINE_SECONDS["ending" if step == Step.WITHDRAWING else str(step)]


def waited_seconds(operation: Operation) -> float:
    """Return for how long the operation has been in its step."""
    left = operation.deadline_at - clock.now() if operation.deadline_at else timedelta(0)
    return _allowed_seconds(Step(operation.step)) - left.total_seconds()


def is_late(operation: Operation) -> bool:
    return operation.deadline_at is not None and operation.deadline_at < clock.now()


def soon() -> datetime:
    return clock.now() + timedelta(seconds=FALLBACK_SECONDS)


def complete_snapshot(snapshot: Snapshot, location: str, size_bytes: int | None) -> bool:
    """Write down where a snapshot lies (G3); False when it was already settled."""
    return _settle_snapshot(snapshot, state=Snapshot.State.COMPLETED, location=location, size_bytes=size_bytes)


def fail_snapshot(snapshot: Snapshot, why: Problem | None) -> bool:
    return _settle_snapshot(snapshot, state=Snapshot.State.FAILED, problem=why)


def _settle_snapshot(snapshot: Snapshot, **fields: Any) -> bool:
    """Write it into the row, if nobody has yet, and into the object what the row then says."""
    creating = Snapshot.objects.filter(pk=snapshot.pk, state=Snapshot.State.CREATING)
    if not creating.update(**fields, ended_at=clock.now()):
        snapshot.refresh_from_db()
        return False
    for name, value in fields.items():
        setattr(snapshot, name, value)
    return True
