"""What our book says of the runs on an endpoint, in few words: enough to tell which of them Flink shows otherwise.

Most looks find nothing new, with any number of runs. So all runs are read by one statement and as plain values; whole rows
are for those that changed.
"""

from datetime import datetime
from typing import NamedTuple

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from clusters.engine import JobSight
from clusters.models import FlinkEndpoint
from jobs.models import Run
from jobs.operations.checkpoints import is_due
from jobs.states import Status


class Entry(NamedTuple):
    """An open run as we know it, and its job."""

    pk: int
    flink_job_id: str
    flink_state: str
    tasks_up: int
    tasks_total: int
    missing_since: datetime | None
    status: str
    action: str  # of the open operation, if there is one
    may_have_checkpoint: bool | None  # that we don't know of

    def is_as_shown(self, sight: JobSight | None) -> bool:
        """Tell whether Flink shows a run that runs on as we know it already, so that nothing is to be done."""
        return (
            sight is not None
            and not sight.state.is_over
            and (self.flink_state, self.tasks_up, self.tasks_total) == (sight.state, sight.tasks_up, sight.tasks_total)
            and self.missing_since is None
            and self.status == Status.RUNNING
        )


def entries(endpoint: FlinkEndpoint) -> list[Entry]:
    """Return the open runs of an endpoint; those first whose newest checkpoint has not been asked for the longest time."""
    open_ones = Run.objects.filter(endpoint=endpoint, ended_at=None).annotate(due=is_due(timezone.now()))
    fields = ("pk", "flink_job_id", "flink_state", "tasks_up", "tasks_total", "missing_since")
    waiting_longest = Coalesce("checkpoints_seen_at", "started_at").asc(nulls_last=True)
    rows = open_ones.order_by(waiting_longest, "pk").values_list(*fields, F("job__status"), F("job__action"), "due")
    return [Entry(*row) for row in rows]
