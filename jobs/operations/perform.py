"""A worker's part: ask Flink once, record, and end."""

import logging

from clusters.engine import EngineError, Unreachable
from jobs.log_records import subject
from jobs.models import Operation, Run
from jobs.operations.record import OPERATION_LOCK, Event, alone, look_again
from jobs.operations.run import submit
from jobs.operations.stop import ask, withdraw
from jobs.states import ASKING_STEPS, Step

log = logging.getLogger(__name__)

STEPS = {Step.SUBMITTING: submit, Step.ASKING: ask, Step.WITHDRAWING: withdraw}


def perform(operation_id: int) -> None:
    """Do the asking step in which the operation stands. Anybody may call this at any time, any number of times."""
    with alone(OPERATION_LOCK, operation_id) as mine:
        operation = (
            Operation.objects.select_related(
                "job",
                "snapshot__run",
                "run__version",
                "run__restored_from",
                "run__endpoint__cluster",
                "run__job",
                "problem",
            )
            .filter(pk=operation_id, ended_at=None, step__in=ASKING_STEPS)
            .first()
        )
        if not mine or operation is None or operation.run is None:
            return
        with subject(operation=operation.serial, job=operation.job.serial):
            _ask(operation, operation.run)


def _ask(operation: Operation, run: Run) -> None:
    try:
        STEPS[Step(operation.step)](operation, run.endpoint.engine())
    except Unreachable as error:
        look_again(operation, Event.UNREACHABLE, error.summary)
    except EngineError as error:
        # Also a look that was refused: whatever it means, it tells nothing of the job.
        look_again(operation, Event.UNANSWERED, error.summary)
    except Exception:
        # Here it is known of which operation; the watcher offers it again.
        log.exception("Could not carry on %s", operation)
        raise
