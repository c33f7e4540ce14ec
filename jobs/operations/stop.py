"""Stop, with or without a snapshot; Snapshot; Cancel of a run under way: the clicks. ask.py asks Flink, settle.py judges."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from jobs.models import Batch, Job, Operation, Snapshot
from jobs.operations.opening import lock_job, only, open_operations, record_done, sort_out
from jobs.operations.record import Event
from jobs.operations.steps import move
from jobs.states import Action, Outcome, RunEnd, Step
from workspaces.models import Visitor
from workspaces.refusal import Refusal


def stop(user: Visitor, job: Job, with_snapshot: bool, pause: bool = False) -> Operation:
    """Ask for the job's end, after a snapshot if asked for. Raise Refusal.

    With `pause` the job ends as paused instead of stopped, to be resumed from its snapshot; that takes one.
    """
    assert with_snapshot or not pause, "a pause keeps the state"
    return only(stop_many(user, [job.pk], with_snapshot, pause))


@transaction.atomic
def stop_many(
    user: Visitor, job_ids: Collection[int], with_snapshot: bool, pause: bool = False, batch: Batch | None = None
) -> dict[int, Operation | Refusal]:
    """Ask for the end of jobs, in a number of statements that does not depend on theirs; tell of each what came of it."""
    jobs, refusals = sort_out(job_ids, Action.STOP)
    snapshots = _new_snapshots(jobs, Snapshot.Source.STOP) if with_snapshot else {}

    def fields(job: Job) -> dict[str, Any]:
        new = snapshots.get(job.pk)
        params = {"with_snapshot": with_snapshot} | ({"snapshot": new.serial} if new else {})
        return {"run": job.current_run, "snapshot": new, "params": params | ({"pause": True} if pause else {})}

    return refusals | open_operations(jobs, Action.STOP, user, Step.ASKING, batch, fields)


def snapshot_of_pause(job: Job) -> Snapshot | None:
    """Return the snapshot that a paused job was paused with; None when it is not there any more."""
    run = job.current_run
    if run is None or run.end != RunEnd.PAUSED:
        return None
    pauses = run.operations.filter(action=Action.STOP, params__pause=True, outcome=Outcome.SUCCEEDED)
    return run.snapshots.filter(operations__in=pauses, state=Snapshot.State.COMPLETED).first()


def snapshot(user: Visitor, job: Job, description: str) -> Operation:
    """Ask for a snapshot of the running job. Raise Refusal."""
    return only(snapshot_many(user, [job.pk], description))


@transaction.atomic
def snapshot_many(
    user: Visitor, job_ids: Collection[int], description: str, batch: Batch | None = None
) -> dict[int, Operation | Refusal]:
    """Ask for snapshots of running jobs, in a number of statements that does not depend on theirs."""
    jobs, refusals = sort_out(job_ids, Action.SNAPSHOT)
    snapshots = _new_snapshots(jobs, Snapshot.Source.MANUAL, description)

    def fields(job: Job) -> dict[str, Any]:
        new = snapshots[job.pk]
        params = {"description": description, "snapshot": new.serial}
        return {"run": job.current_run, "snapshot": new, "params": params}

    return refusals | open_operations(jobs, Action.SNAPSHOT, user, Step.ASKING, batch, fields)


@transaction.atomic
def cancel(user: Visitor, job: Job) -> Operation:
    """Take back a run that is under way; it ends as cancelled, on Flink too. Raise Refusal."""
    job = lock_job(job, Action.CANCEL)
    operation = Operation.objects.select_for_update(of=("self",), no_key=True).filter(job=job, ended_at=None).first()
    if operation is None:
        raise Refusal(_("The operation has just ended."))
    operation.cancelled_by_id = user.pk
    operation.save(update_fields=["cancelled_by"])
    move(operation, Step.WITHDRAWING, Event.CANCEL_REQUESTED)
    record_done(job, Action.CANCEL, user, operation=operation.serial)
    return operation


def _new_snapshots(jobs: Sequence[Job], source: Snapshot.Source, description: str = "") -> dict[int, Snapshot]:
    """Write down the snapshots that are to be asked for; return job id -> snapshot."""
    new = [Snapshot(job=job, run=job.current_run, source=source, description=description) for job in jobs]
    for one in new:
        # A directory of its own: whatever appears below it is this snapshot, also when every answer was lost.
        one.directory = f"{one.job.cluster.snapshot_directory.rstrip('/')}/{one.job.serial}/{one.serial}"
    return {one.job_id: one for one in Snapshot.objects.bulk_create(new)}
