"""Stop, with or without a snapshot; Snapshot; Cancel of a run under way; and the end of a job that was asked to end."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.engine import Engine, EngineError, JobSight, JobState, NotFound, Refused, Unreachable
from jobs.models import Job, Operation, Run, Snapshot
from jobs.operations.follow import found_elsewhere
from jobs.operations.record import (
    Event,
    Refusal,
    end,
    fail_snapshot,
    hand_over,
    is_late,
    lock_job,
    move,
    note,
    open_operation,
    problem,
    problem_of,
    record_done,
    wake,
)
from jobs.operations.run import failure_of
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


def ask(operation: Operation, engine: Engine) -> None:
    """Ask Flink for the end or the snapshot; asking again with the same trigger id does nothing twice."""
    run = operation.run
    assert run is not None
    if operation.snapshot:
        _ask_for_snapshot(operation, operation.snapshot, run, engine)
    elif is_late(operation):
        _not_reached(operation)
    else:
        _ask_for_end(operation, run, engine)


def _ask_for_end(operation: Operation, run: Run, engine: Engine) -> None:
    note(operation, Event.ASKED)
    try:
        engine.cancel(run.flink_job_id)
    except (NotFound, Refused) as gone:
        # Perhaps over already, perhaps a JobManager that has not brought its jobs back yet: the watcher will tell.
        hand_over(operation, Step.ENDING, Event.REFUSED, gone.summary)
    else:
        hand_over(operation, Step.ENDING, Event.ACCEPTED)


def _ask_for_snapshot(operation: Operation, snapshot: Snapshot, run: Run, engine: Engine) -> None:
    if snapshot.asked_at and _is_known(operation, snapshot, run, engine):
        hand_over(operation, Step.SNAPSHOTTING, Event.ADOPTED)
        return
    if is_late(operation):
        if not snapshot.asked_at:
            fail_snapshot(snapshot, None)
        _not_reached(operation)
        return
    first = Snapshot.objects.filter(pk=snapshot.pk, asked_at=None).update(asked_at=timezone.now())
    note(operation, Event.ASKED, f"trigger {snapshot.trigger_id}")
    request = engine.stop if operation.action == Action.STOP else engine.savepoint
    try:
        request(run.flink_job_id, snapshot.directory, snapshot.trigger_id)
    except NotFound as gone:
        hand_over(operation, Step.SNAPSHOTTING, Event.REFUSED, gone.summary)
    except Refused as refusal:
        if _is_triggered(snapshot, run, engine):
            # It says no, and does it: what came of it is followed like any other (G3).
            hand_over(operation, Step.SNAPSHOTTING, Event.ADOPTED)
            return
        why = problem_of(refusal, run)
        note(operation, Event.REFUSED, refusal.summary)
        fail_snapshot(snapshot, why)
        end(operation, Outcome.FAILED, why)
    except Unreachable:
        if first:
            Snapshot.objects.filter(pk=snapshot.pk).update(asked_at=None)
        raise
    else:
        hand_over(operation, Step.SNAPSHOTTING, Event.ACCEPTED)


def _is_known(operation: Operation, snapshot: Snapshot, run: Run, engine: Engine) -> bool:
    """Tell whether an earlier request arrived: Flink knows the trigger, or shows what came of it."""
    try:
        if _is_triggered(snapshot, run, engine) or found_elsewhere(snapshot, engine):
            return True
        return engine.job(run.flink_job_id).state.is_over
    except NotFound:
        return True
    except EngineError:
        if is_late(operation):
            return False
        raise


def _is_triggered(snapshot: Snapshot, run: Run, engine: Engine) -> bool:
    try:
        engine.savepoint_sight(run.flink_job_id, snapshot.trigger_id)
    except NotFound:
        return False
    return True


def _not_reached(operation: Operation) -> None:
    note(operation, Event.TOO_LATE)
    assert operation.run is not None
    last = operation.steps.filter(event__in=[Event.UNREACHABLE, Event.UNANSWERED]).last()
    why = problem(
        "cluster-unreachable", summary=last.detail if last else "", cluster=operation.run.endpoint.cluster.name
    )
    end(operation, Outcome.FAILED, why)


def withdraw(operation: Operation, engine: Engine) -> None:
    """Cancel on Flink what the run has started, if it has started anything."""
    run = operation.run
    assert run is not None
    if not run.submitted_at:
        end_withdrawn(operation, RunEnd.NEVER_STARTED)
        return
    if is_late(operation):
        _not_reached(operation)
        return
    note(operation, Event.ASKED)
    try:
        engine.cancel(run.flink_job_id)
    except NotFound:
        if not run.flink_state:
            # Asked, but never confirmed, and not there. Should it appear after all, the watcher cancels it as a stray.
            end_withdrawn(operation, RunEnd.NEVER_STARTED)
            return
    except Refused:
        pass  # it is over already; the watcher will tell how
    hand_over(operation, Step.ENDING, Event.ACCEPTED)


def end_withdrawn(operation: Operation, run_end: RunEnd) -> None:
    """End a run that was taken back: cancelled by a person, or failed because it did not come up in time or never would."""
    if operation.cancelled_by_id:
        end(operation, Outcome.CANCELLED, run_end=run_end)
    elif operation.steps.filter(event=Event.HOPELESS).exists():
        end(operation, Outcome.FAILED, operation.problem, RunEnd.FAILED)
    else:
        end(operation, Outcome.FAILED, operation.problem, run_end)


def settle_end(operation: Operation, engine: Engine, sight: JobSight | None, is_gone: bool) -> None:
    """Judge the end of a job that was asked to end; `is_gone`: missing for so long that it won't come back."""
    run = operation.run
    assert run is not None
    if is_gone or (sight and sight.state == JobState.CANCELED):
        _end_as_asked(operation, _end_by_stop(operation) if operation.action == Action.STOP else RunEnd.CANCELLED)
    elif sight and sight.state == JobState.FINISHED:
        with_snapshot = operation.action == Action.STOP and operation.snapshot_id
        _end_as_asked(operation, _end_by_stop(operation) if with_snapshot else RunEnd.FINISHED)
    elif sight and sight.state == JobState.FAILED:
        end(operation, Outcome.FAILED, failure_of(engine, run), RunEnd.FAILED)
    elif is_late(operation):
        note(operation, Event.TOO_LATE)
        end(operation, Outcome.FAILED, problem("end-too-slow"))
    elif sight and sight.state not in ENDING_STATES and not operation.snapshot_id:
        _ask_again(operation, engine, run)


def _end_by_stop(operation: Operation) -> RunEnd:
    """Return how a job ended that was to be stopped: as paused only when that was asked for and its snapshot is complete."""
    snapshot = operation.snapshot
    is_kept = snapshot is not None and snapshot.state == Snapshot.State.COMPLETED
    return RunEnd.PAUSED if operation.params.get("pause") and is_kept else RunEnd.STOPPED


# Flink is at it: asking again would change nothing.
ENDING_STATES = (JobState.CANCELLING, JobState.FAILING)


def _ask_again(operation: Operation, engine: Engine, run: Run) -> None:
    """Repeat a cancellation that met a JobManager without its jobs. Never for a stop with a snapshot (G4)."""
    try:
        engine.cancel(run.flink_job_id)
    except (NotFound, Refused):
        return  # over since our look, or gone again: the next look tells
    last = operation.steps.last()
    if last is None or last.event != Event.ASKED:
        note(operation, Event.ASKED)


def _end_as_asked(operation: Operation, run_end: RunEnd) -> None:
    if operation.action == Action.STOP:
        end(operation, Outcome.SUCCEEDED, run_end=run_end)
    else:
        end_withdrawn(operation, run_end)


def settle_snapshot(operation: Operation, engine: Engine, sight: JobSight | None) -> None:
    """Carry on an operation whose snapshot has been settled (or not in time)."""
    run, snapshot = operation.run, operation.snapshot
    assert run is not None
    assert snapshot is not None
    snapshot.refresh_from_db()
    if snapshot.state == Snapshot.State.COMPLETED:
        if operation.action == Action.STOP:
            if move(operation, Step.ENDING, Event.SNAPSHOT_COMPLETED, snapshot.location):
                wake("jobs.watch", run.endpoint_id)
        else:
            note(operation, Event.SNAPSHOT_COMPLETED, snapshot.location)
            end(operation, Outcome.SUCCEEDED)
    elif snapshot.state == Snapshot.State.FAILED:
        note(operation, Event.SNAPSHOT_FAILED, snapshot.problem.summary if snapshot.problem else "")
        end(operation, Outcome.FAILED, snapshot.problem, _end_of(sight))
    elif is_late(operation):
        # The snapshot stays "creating" and is followed on: should Flink complete it after all, it is recorded (G3).
        note(operation, Event.TOO_LATE)
        end(operation, Outcome.FAILED, problem("snapshot-too-slow"))


def _end_of(sight: JobSight | None) -> RunEnd | None:
    """Return how the run ended if the job died while it was being snapshotted."""
    if sight is None:
        return None
    ends = {JobState.FAILED: RunEnd.FAILED, JobState.FINISHED: RunEnd.FINISHED, JobState.CANCELED: RunEnd.CANCELLED}
    return ends.get(sight.state)
