"""What a worker asks Flink for: how it is sent, and what follows from a refusal. Submissions are in submit.py."""

from collections.abc import Callable
from dataclasses import dataclass

from clusters.engine import Engine, EngineError, NotFound, Refused
from jobs.models import Operation, Run, Snapshot
from jobs.operations.ending import end, end_all, withdrawn
from jobs.operations.follow import found_elsewhere
from jobs.operations.record import Event, fail_snapshot, is_late, note, problem, problem_of
from jobs.operations.steps import hand_over
from jobs.states import Action, Outcome, RunEnd, Step

# Flink has taken it all the same: the event for the record, and a detail.
Taken = tuple[Event, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that is about to be sent for an operation.

    `send` speaks to Flink and touches no row. `judge` is given what Flink said instead of yes: it settles the operation, or
    returns how Flink has taken the request all the same, or raises the error: then it is asked again later.
    """

    operation: Operation
    send: Callable[[], object]
    then: Step
    judge: Callable[[EngineError], Taken | None]
    detail: str = ""
    slots: int = 0  # that must be free for it


def ask(operation: Operation, engine: Engine) -> Ask | None:
    """Return how to ask for the end or the snapshot; None when there is nothing to ask, and the operation is settled."""
    run = operation.run
    assert run is not None
    if operation.snapshot:
        return _ask_for_snapshot(operation, operation.snapshot, run, engine)
    if is_late(operation):
        not_reached(operation)
        return None
    # Refused: perhaps over already, perhaps a JobManager that has not brought its jobs back yet. The watcher will tell.
    return Ask(operation, lambda: engine.cancel(run.flink_job_id), Step.ENDING, _gone_or_refused)


def _gone_or_refused(error: EngineError) -> Taken:
    if isinstance(error, NotFound | Refused):
        return Event.REFUSED, error.summary
    raise error


def _ask_for_snapshot(operation: Operation, snapshot: Snapshot, run: Run, engine: Engine) -> Ask | None:
    """Asking again with the same trigger id does nothing twice."""
    if snapshot.asked_at and _is_known(operation, snapshot, run, engine):
        hand_over(operation, Step.SNAPSHOTTING, Event.ADOPTED)
        return None
    if is_late(operation):
        if not snapshot.asked_at:
            fail_snapshot(snapshot, None)
        not_reached(operation)
        return None

    def judge(error: EngineError) -> Taken | None:
        if isinstance(error, NotFound):
            return Event.REFUSED, error.summary
        if not isinstance(error, Refused):
            raise error
        if _is_triggered(snapshot, run, engine):
            # It says no, and does it: what came of it is followed like any other (G3).
            return Event.ADOPTED, ""
        why = problem_of(error, run)
        note(operation, Event.REFUSED, error.summary)
        fail_snapshot(snapshot, why)
        end(operation, Outcome.FAILED, why)
        return None

    request = engine.stop if operation.action == Action.STOP else engine.savepoint
    return Ask(
        operation,
        lambda: request(run.flink_job_id, snapshot.directory, snapshot.trigger_id),
        Step.SNAPSHOTTING,
        judge,
        f"trigger {snapshot.trigger_id}",
    )


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


def not_reached(operation: Operation) -> None:
    note(operation, Event.TOO_LATE)
    assert operation.run is not None
    last = operation.steps.filter(event__in=[Event.UNREACHABLE, Event.UNANSWERED]).last()
    why = problem(
        "cluster-unreachable", summary=last.detail if last else "", cluster=operation.run.endpoint.cluster.name
    )
    end(operation, Outcome.FAILED, why)


def withdraw(operation: Operation, engine: Engine) -> Ask | None:
    """Return how to cancel on Flink what the run has started; None when it has started nothing, or in vain."""
    run = operation.run
    assert run is not None
    if not run.submitted_at:
        end_all([withdrawn(operation, RunEnd.NEVER_STARTED)])
        return None
    if is_late(operation):
        not_reached(operation)
        return None

    def judge(error: EngineError) -> Taken | None:
        if isinstance(error, NotFound) and not run.flink_state:
            # Asked, but never confirmed, and not there. Should it appear after all, the watcher cancels it as a stray.
            end_all([withdrawn(operation, RunEnd.NEVER_STARTED)])
            return None
        return _gone_or_refused(error)

    return Ask(operation, lambda: engine.cancel(run.flink_job_id), Step.ENDING, judge)
