"""Stop, with or without a snapshot; Snapshot; Cancel of a run under way; and the end of a job that was asked to end."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from jobs.models import Job, Operation, Snapshot
from jobs.operations.record import (
    Event,
    Refusal,
    lock_job,
    move,
    open_operation,
    record_done,
)
from jobs.states import Action, Outcome, RunEnd, Step
from workspaces.models import Visitor


@transaction.atomic
def stop(user: Visitor, job: Job, with_snapshot: bool, pause: bool = False) -> Operation:
    """Ask for the job's end, after a snapshot if asked for. Raise Refusal.

    With `pause` the job ends as paused instead of stopped, to be resumed from its snapshot; that takes one.
    """
    assert with_snapshot or not pause, "a pause keeps the state"
    job = lock_job(job, Action.STOP)
    fields: dict[str, Any] = {"snapshot": _new_snapshot(job, Snapshot.Source.STOP)} if with_snapshot else {}
    params = {"with_snapshot": with_snapshot} | ({"snapshot": fields["snapshot"].serial} if with_snapshot else {})
    params |= {"pause": True} if pause else {}
    return open_operation(job, Action.STOP, user, Step.ASKING, run=job.current_run, params=params, **fields)


def snapshot_of_pause(job: Job) -> Snapshot | None:
    """Return the snapshot that a paused job was paused with; None when it is not there any more."""
    run = job.current_run
    if run is None or run.end != RunEnd.PAUSED:
        return None
    pauses = run.operations.filter(action=Action.STOP, params__pause=True, outcome=Outcome.SUCCEEDED)
    return run.snapshots.filter(operations__in=pauses, state=Snapshot.State.COMPLETED).first()


@transaction.atomic
def snapshot(user: Visitor, job: Job, description: str) -> Operation:
    """Ask for a snapshot of the running job. Raise Refusal."""
    job = lock_job(job, Action.SNAPSHOT)
    new = _new_snapshot(job, Snapshot.Source.MANUAL, description)
    params = {"description": description, "snapshot": new.serial}
    return open_operation(job, Action.SNAPSHOT, user, Step.ASKING, run=job.current_run, snapshot=new, params=params)


@transaction.atomic
def cancel(user: Visitor, job: Job) -> Operation:
    """Take back a run that is under way; it ends as cancelled, on Flink too. Raise Refusal."""
    job = lock_job(job, Action.CANCEL)
    operation = Operation.objects.select_for_update(of=("self",)).filter(job=job, ended_at=None).first()
    if operation is None:
        raise Refusal(_("The operation has just ended."))
    operation.cancelled_by_id = user.pk
    operation.save(update_fields=["cancelled_by"])
    move(operation, Step.WITHDRAWING, Event.CANCEL_REQUESTED)
    record_done(job, Action.CANCEL, user, operation=operation.serial)
    return operation


def _new_snapshot(job: Job, source: Snapshot.Source, description: str = "") -> Snapshot:
    run = job.current_run
    assert run is not None, "a running job has a run"
    new = Snapshot(job=job, run=run, source=source, description=description)
    # A directory of its own: whatever appears below it is this snapshot, also when every answer was lost.
    new.directory = f"{job.cluster.snapshot_directory.rstrip('/')}/{job.serial}/{new.serial}"
    new.save()
    return new
