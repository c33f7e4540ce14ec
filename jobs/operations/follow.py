"""Follow a snapshot until it is surely there or surely not, wherever the answer has to be looked for (G3)."""

from clusters.engine import Engine, JobSight, NotFound
from jobs.models import Operation, Snapshot
from jobs.operations.disk import find_on_disk, size_on_disk
from jobs.operations.record import Event, complete_snapshot, fail_snapshot, move, problem
from jobs.states import Step


def follow(
    snapshot: Snapshot, engine: Engine, sight: JobSight | None, operation: Operation | None, is_gone: bool
) -> None:
    """Settle `snapshot` if that can be done now: ask the trigger, then the job's history, then the directory.

    `operation` is the one that waits for it, if any; `sight` the job as Flink shows it; `is_gone`: it won't come back.
    """
    job_id = snapshot.run.flink_job_id
    try:
        found = engine.savepoint_sight(job_id, snapshot.trigger_id)
    except NotFound:
        _trigger_forgotten(snapshot, engine, sight, operation, is_gone)
        return
    if found.location:
        complete_snapshot(snapshot, found.location, size_on_disk(found.location))
    elif found.failure and not found_elsewhere(snapshot, engine):
        # A failed trigger may still have written a snapshot: stop-with-savepoint whose job failed afterwards.
        fail_snapshot(snapshot, problem("flink", found.failure, found.trace, of=snapshot.run))


def _trigger_forgotten(
    snapshot: Snapshot, engine: Engine, sight: JobSight | None, operation: Operation | None, is_gone: bool
) -> None:
    if found_elsewhere(snapshot, engine):
        return
    is_alive = sight is not None and not sight.state.is_over
    if is_alive and operation and operation.snapshot_id == snapshot.pk:
        # The request was forgotten with nothing to show for it: ask again, under the same trigger id.
        move(operation, Step.ASKING, Event.UNANSWERED)
    elif is_alive or sight is not None or is_gone:
        fail_snapshot(snapshot, problem("snapshot-vanished"))


def found_elsewhere(snapshot: Snapshot, engine: Engine) -> bool:
    """Complete `snapshot` from the job's history or the directory; tell whether it was there."""
    try:
        location = engine.find_savepoint(snapshot.run.flink_job_id, snapshot.directory)
    except NotFound:
        location = ""
    location = location or find_on_disk(snapshot.directory)
    return bool(location) and complete_snapshot(snapshot, location, size_on_disk(location))
