"""Steps: operations are taken from one to the next by compare-and-set, many of them by one statement."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from django.db import transaction

from jobs.models import Operation
from jobs.operations.record import Event, deadline, follow_up, wake, without_secrets
from jobs.states import WATCHED_STEPS, Step
from workspaces import clock
from workspaces.prepared import ask, columns

LOCK = "SELECT id FROM jobs_job WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE"
MOVE = """
    WITH told AS (
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS told (id, step, detail)
    ), moved AS (
        UPDATE jobs_operation AS operation SET step = %s, deadline_at = %s, look_at = %s, attempts = 0
        FROM told
        WHERE operation.id = told.id AND operation.step = told.step AND operation.ended_at IS NULL
        RETURNING operation.id, operation.job_id, told.detail
    ), noted AS (
        INSERT INTO jobs_operationstep (operation_id, at, step, event, detail)
        SELECT id, %s, %s, event, detail FROM moved, unnest(%s::text[]) AS event
    ), shown AS (
        UPDATE jobs_job SET step = %s, changed_at = statement_timestamp() FROM moved WHERE jobs_job.id = moved.job_id
    )
    SELECT id FROM moved
"""


def lock_jobs_of(operations: Collection[Operation]) -> None:
    """Lock the jobs of these operations until the transaction ends; rows that name them may be inserted meanwhile."""
    ask(LOCK, [[one.job_id for one in operations]])


def move(operation: Operation, step: Step, event: Event | None = None, detail: str = "") -> bool:
    """Take the operation from the step it was read in to `step`; False when it isn't there any more."""
    return bool(move_all([operation], step, event, detail))


def move_all(
    operations: Sequence[Operation],
    step: Step,
    event: Event | None = None,
    detail: str = "",
    known: Callable[[], object] = lambda: None,
) -> int:
    """Take operations from the steps they were read in to `step`; return how many were still there.

    `known` writes down, at the same moment, what is known of all of them.
    """
    rows = [(one.pk, str(one.step), without_secrets(one, event, detail) if event else "") for one in operations]
    now, events = clock.now(), [str(event)] if event else []
    with transaction.atomic():
        lock_jobs_of(operations)
        known()
        found = ask(MOVE, [*columns(rows), str(step), deadline(step), now, now, str(step), events, str(step)])
    pks = {pk for (pk,) in found}
    moved = [one for one in operations if one.pk in pks]
    for one in moved:
        one.step = step
        if step not in WATCHED_STEPS:
            transaction.on_commit(partial(wake, "jobs.perform", one.pk))
    return len(moved)


def hand_over(operation: Operation, step: Step, event: Event | None = None, detail: str = "") -> None:
    """Take the operation to a step that the watcher judges, and let him look in a moment."""
    hand_over_all([operation], step, event, detail)


def hand_over_all(
    operations: Sequence[Operation],
    step: Step,
    event: Event | None = None,
    detail: str = "",
    known: Callable[[], object] = lambda: None,
) -> None:
    """Take operations on one endpoint to a step that the watcher judges, and let him look in a moment."""
    assert operations[0].run is not None, "what Flink was asked for has a run"
    if move_all(operations, step, event, detail, known):
        follow_up(operations[0].run.endpoint, operations)
