"""The watcher's judgement: whether and how an operation ends, by what Flink shows of its job.

What is returned ends together with others (ending.py); None means that the operation goes on.
"""

from dataclasses import replace
from typing import Any

from clusters.engine import Engine, JobSight, JobState, NotFound, Refused
from clusters.flink import plain_path
from jobs.advice import recognize
from jobs.models import Operation, Run, Snapshot
from jobs.operations.causes import Causes
from jobs.operations.ending import Ending, withdrawn
from jobs.operations.record import Event, is_late, note, problem, update_job, waited_seconds
from jobs.operations.steps import move
from jobs.states import Action, Outcome, RunEnd, Step
from workspaces import clock

# A cancellation that was accepted is repeated when the job shows nothing of it for so long.
ASK_AGAIN_SECONDS = 2.0
# Flink is at it: asking again would change nothing.
ENDING_STATES = (JobState.CANCELLING, JobState.FAILING)


def settle_start(operation: Operation, engine: Engine, sight: JobSight, causes: Causes) -> Ending | None:
    """Judge a start by what Flink shows."""
    run = operation.run
    assert run is not None
    if sight.state == JobState.FAILED:
        return Ending(operation, Outcome.FAILED, causes.of(run), RunEnd.FAILED)
    if _is_hopeless(operation, engine, run, sight):
        return None
    started_at = sight.started_at or clock.now()
    if sight.state == JobState.FINISHED:
        return Ending(operation, Outcome.SUCCEEDED, run_end=RunEnd.FINISHED, started_at=started_at)
    if sight.state == JobState.CANCELED:
        return Ending(operation, Outcome.FAILED, problem("cancelled-outside"), RunEnd.CANCELLED)
    if sight.is_up and _is_restored(run, engine):
        return Ending(operation, Outcome.SUCCEEDED, started_at=started_at)
    if is_late(operation):
        _withdraw_late(operation, causes, run)
    elif sight.state == JobState.RESTARTING and not operation.job.problem_id:
        # It may still come up, so the operation goes on; but the user sees why it takes so long, and may cancel.
        update_job(operation.job_id, problem=causes.of(run))
    return None


def _is_hopeless(operation: Operation, engine: Engine, run: Run, sight: JobSight) -> bool:
    """Withdraw a run at once that restarts for ever, because the state it was given does not fit; tell whether it was so."""
    if not run.restored_from_id or not (sight.is_up or sight.state == JobState.RESTARTING):
        return False
    try:
        failure = engine.failure(run.flink_job_id)
    except NotFound:
        return False
    if not recognize(f"{failure.summary}\n{failure.trace}").is_hopeless:
        return False
    why = problem("flink", failure.summary, failure.trace, of=run)
    Operation.objects.filter(pk=operation.pk, ended_at=None).update(problem=why)
    move(operation, Step.WITHDRAWING, Event.HOPELESS, failure.summary)
    return True


def _withdraw_late(operation: Operation, causes: Causes, run: Run) -> None:
    why = operation.job.problem or causes.of(run)
    if not why.summary:
        why = problem("start-too-slow") if causes.has_slots() else problem("no-taskmanager")
    Operation.objects.filter(pk=operation.pk, ended_at=None).update(problem=why)
    move(operation, Step.WITHDRAWING, Event.TOO_LATE)


def _is_restored(run: Run, engine: Engine) -> bool:
    """Tell whether Flink confirms that it began where it was told to, or has gone on since from a checkpoint of its own."""
    if not run.restored_from:
        return True
    told = plain_path(engine.restored_from(run.flink_job_id))
    return told == plain_path(run.restored_from.location) or run.flink_job_id in told.split("/")


def settle_end(
    operation: Operation, engine: Engine, sight: JobSight | None, is_gone: bool, causes: Causes
) -> Ending | None:
    """Judge the end of a job that was asked to end; `is_gone`: missing for so long that it won't come back."""
    run = operation.run
    assert run is not None
    is_stop = operation.action == Action.STOP
    if is_gone or (sight and sight.state == JobState.CANCELED):
        return _as_asked(operation, _end_by_stop(operation) if is_stop else RunEnd.CANCELLED)
    if sight and sight.state == JobState.FINISHED:
        return _as_asked(operation, _end_by_stop(operation) if is_stop and operation.snapshot_id else RunEnd.FINISHED)
    if sight and sight.state == JobState.FAILED:
        return Ending(operation, Outcome.FAILED, causes.of(run), RunEnd.FAILED)
    is_untouched = sight is not None and sight.state not in ENDING_STATES
    if sight and is_untouched and operation.snapshot_id and _is_forgotten(operation, run, sight):
        return Ending(operation, Outcome.FAILED, problem("stop-forgotten"))
    if is_late(operation):
        return Ending(operation, Outcome.FAILED, problem("end-too-slow"), event=Event.TOO_LATE)
    if is_untouched and not operation.snapshot_id:
        _ask_again(operation, engine, run)
    return None


def _is_forgotten(operation: Operation, run: Run, sight: JobSight) -> bool:
    """Tell whether a new JobManager has brought the job back since it was asked to stop: that one knows nothing of it."""
    # Flink's clock first, so that one that is ahead of ours makes none of this out of a job that was never interrupted.
    if not sight.started_at or not run.started_at or sight.started_at <= run.started_at:
        return False
    asked = operation.steps.filter(event=Event.ASKED).last()
    return asked is not None and sight.started_at > asked.at


def _end_by_stop(operation: Operation) -> RunEnd:
    """Return how a job ended that was to be stopped: as paused only when that was asked for and its snapshot is complete."""
    snapshot = operation.snapshot
    is_kept = snapshot is not None and snapshot.state == Snapshot.State.COMPLETED
    return RunEnd.PAUSED if operation.params.get("pause") and is_kept else RunEnd.STOPPED


def _as_asked(operation: Operation, run_end: RunEnd) -> Ending:
    if operation.action == Action.STOP:
        return Ending(operation, Outcome.SUCCEEDED, run_end=run_end)
    return withdrawn(operation, run_end)


def _ask_again(operation: Operation, engine: Engine, run: Run) -> None:
    """Repeat a cancellation that met a JobManager without its jobs. Never for a stop with a snapshot (G4)."""
    last = operation.steps.last()
    if last and last.event == Event.ACCEPTED and waited_seconds(operation) < ASK_AGAIN_SECONDS:
        return  # it was taken just now
    try:
        engine.cancel(run.flink_job_id)
    except (NotFound, Refused):
        return  # over since our look, or gone again: the next look tells
    if last is None or last.event != Event.ASKED:
        note(operation, Event.ASKED)


def settle_snapshot(operation: Operation, sight: JobSight | None) -> Ending | None:
    """Carry on an operation whose snapshot has been settled (or not in time)."""
    snapshot = operation.snapshot
    assert snapshot is not None
    completed: dict[str, Any] = {"event": Event.SNAPSHOT_COMPLETED, "detail": snapshot.location}
    if snapshot.state == Snapshot.State.COMPLETED and operation.action == Action.STOP:
        if sight and sight.state == JobState.FINISHED:
            return replace(_as_asked(operation, _end_by_stop(operation)), **completed)
        move(operation, Step.ENDING, **completed)
        return None
    if snapshot.state == Snapshot.State.COMPLETED:
        return Ending(operation, Outcome.SUCCEEDED, **completed)
    if snapshot.state == Snapshot.State.FAILED:
        cause = snapshot.problem.summary if snapshot.problem else ""
        run_end = _end_of(sight)
        return Ending(operation, Outcome.FAILED, snapshot.problem, run_end, Event.SNAPSHOT_FAILED, cause)
    if is_late(operation):
        # The snapshot stays "creating" and is followed on: should Flink complete it after all, it is recorded (G3).
        return Ending(operation, Outcome.FAILED, problem("snapshot-too-slow"), event=Event.TOO_LATE)
    return None


def _end_of(sight: JobSight | None) -> RunEnd | None:
    """Return how the run ended if the job died while it was being snapshotted."""
    if sight is None:
        return None
    ends = {JobState.FAILED: RunEnd.FAILED, JobState.FINISHED: RunEnd.FINISHED, JobState.CANCELED: RunEnd.CANCELLED}
    return ends.get(sight.state)
