"""Follow a snapshot until it is surely there or surely not, wherever the answer has to be looked for (G3)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from django.db.models import F

from clusters.engine import (
    Engine,
    EngineError,
    JobSight,
    JobState,
    NotFound,
    Refused,
    SavepointSight,
)
from jobs.models import Operation, Snapshot
from jobs.operations.at_once import while_answered
from jobs.operations.disk import find_on_disk, size_on_disk
from jobs.operations.record import Event, complete_snapshot, fail_snapshot, problem, waited_seconds
from jobs.operations.steps import move
from jobs.states import Action, Step
from workspaces import clock
from workspaces.prepared import ask, columns

# A stop ends its job, which shows in the look: until then it is asked how its snapshot stands only now and then.
STOPS_SHOW_WITHIN_SECONDS = 1.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 5.0
# So often Flink is asked for a snapshot that it forgets each time: it may be what brings the JobManager down.
MOST_TAKEN = 3


def is_to_be_asked(snapshot: Snapshot, operation: Operation | None, sight: JobSight | None) -> bool:
    """Tell whether to ask now how a snapshot stands; `operation` is the open one of its job, if any."""
    if operation is None or operation.snapshot_id != snapshot.pk or sight is None or sight.state != JobState.RUNNING:
        return True
    if operation.action == Action.STOP and waited_seconds(operation) < STOPS_SHOW_WITHIN_SECONDS:
        return False
    return operation.look_at is None or operation.look_at <= clock.now()


def ask_later(operation: Operation) -> None:
    """Let some time pass before it is asked again, more each time."""
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(operation.attempts, 5))
    Operation.objects.filter(pk=operation.pk, ended_at=None).update(
        look_at=clock.now() + timedelta(seconds=pause), attempts=F("attempts") + 1
    )


Answers = Mapping[str, SavepointSight | EngineError]


def ask_triggers(snapshots: Sequence[Snapshot], engine: Engine) -> Answers:
    """Ask how these snapshots stand, several at a time; return trigger id -> what was answered."""
    asked = [partial(engine.savepoint_sight, one.run.flink_job_id, one.trigger_id) for one in snapshots]
    return dict(zip((one.trigger_id for one in snapshots), while_answered(asked), strict=True))


# What is known already stays.
COMPLETED = """
    UPDATE jobs_snapshot SET state = %s, location = told.location, size_bytes = told.size, ended_at = %s
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS told (id, location, size)
    WHERE jobs_snapshot.id = told.id AND state = %s
    RETURNING jobs_snapshot.id, told.location, told.size
"""


def complete_all(snapshots: Sequence[Snapshot], answers: Answers) -> None:
    """Write down where those lie whose triggers tell it (G3), and tell it the objects; the others are left to be followed."""
    told = [(one, answers[one.trigger_id]) for one in snapshots]
    there = [(one, found.location) for one, found in told if isinstance(found, SavepointSight) and found.location]
    if not there:
        return
    rows = [(one.pk, location, size_on_disk(location)) for one, location in there]
    completed, now = str(Snapshot.State.COMPLETED), clock.now()
    written = ask(COMPLETED, [completed, now, *columns(rows), str(Snapshot.State.CREATING)])
    by_key = {one.pk: one for one, _location in there}
    for pk, location, size in written:
        one = by_key[pk]
        one.state, one.location, one.size_bytes, one.ended_at = Snapshot.State.COMPLETED, location, size, now


def follow(
    snapshot: Snapshot,
    engine: Engine,
    sight: JobSight | None,
    operation: Operation | None,
    is_gone: bool,
    answers: Answers,
) -> None:
    """Settle `snapshot` if that can be done now: by its trigger's answer, then the job's history, then the directory.

    `operation` is the one that waits for it, if any; `sight` the job as Flink shows it; `is_gone`: it won't come back.
    """
    found = answers[snapshot.trigger_id]
    if snapshot.state != Snapshot.State.CREATING:
        return
    if isinstance(found, NotFound):
        _trigger_forgotten(snapshot, engine, sight, operation, is_gone)
        return
    if isinstance(found, EngineError):
        raise found
    if found.location:
        complete_snapshot(snapshot, found.location, size_on_disk(found.location))
    elif found.failure and not found_elsewhere(snapshot, engine):
        # A failed trigger may still have written a snapshot: stop-with-savepoint whose job failed afterwards.
        fail_snapshot(snapshot, problem("flink", found.failure, found.trace, of=snapshot.run))
    elif not found.failure and operation and operation.snapshot_id == snapshot.pk:
        ask_later(operation)


def _trigger_forgotten(
    snapshot: Snapshot, engine: Engine, sight: JobSight | None, operation: Operation | None, is_gone: bool
) -> None:
    if found_elsewhere(snapshot, engine):
        return
    is_waited_for = operation is not None and operation.snapshot_id == snapshot.pk
    if operation and is_waited_for and sight and not sight.state.is_over:
        # The request was forgotten with nothing to show for it: ask again, under the same trigger id. A new JobManager that is
        # still bringing the job back would refuse it.
        if sight.is_up and operation.steps.filter(step=Step.SNAPSHOTTING).count() >= MOST_TAKEN:
            fail_snapshot(snapshot, problem("snapshot-vanished"))
        elif sight.is_up:
            move(operation, Step.ASKING, Event.UNANSWERED)
    elif sight is not None or is_gone:
        fail_snapshot(snapshot, problem("snapshot-vanished"))


def found_elsewhere(snapshot: Snapshot, engine: Engine) -> bool:
    """Complete `snapshot` from the job's history or the directory; tell whether it was there."""
    try:
        location = engine.find_savepoint(snapshot.run.flink_job_id, snapshot.directory)
    except NotFound:
        location = ""
    except Refused:
        # No history: not yet, of a job that a new JobManager brings back; not any more, of one that had ended before it came.
        location = find_on_disk(snapshot.directory)
        if not location:
            raise
    location = location or find_on_disk(snapshot.directory)
    return bool(location) and complete_snapshot(snapshot, location, size_on_disk(location))
