"""A worker's part: ask Flink once, record, and end."""

import logging

from clusters.engine import EngineError, Unreachable
from jobs.models import Operation
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
        try:
            STEPS[Step(operation.step)](operation, operation.run.endpoint.engine())
        except Unreachable as error:
            look_again(operation, Event.UNREACHABLE, error.summary)
        except EngineError as error:
            # Also a look that was refused: whatever it means, it tells nothing of the job.
            look_again(operation, Event.UNANSWERED, error.summary)
