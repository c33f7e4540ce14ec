"""What our book says of the runs on an endpoint, in few words: enough to tell which of them Flink shows otherwise.

Most looks find nothing new, with any number of runs. So all runs are read by one statement and as plain values; whole rows
are for those that changed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from clusters.engine import JobSight
from clusters.models import FlinkEndpoint
from jobs.models import Operation, Run, Snapshot
from jobs.operations.checkpoints import ASK_AGAIN_SECONDS, is_due
from jobs.states import Status
from workspaces import clock
from workspaces.prepared import Prepared, among


class Entry(NamedTuple):
    """An open run as we know it, and its job."""

    pk: int
    flink_job_id: str
    flink_state: str
    tasks_up: int
    tasks_total: int
    missing_since: datetime | None
    is_unseen_here: bool
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
    now = clock.now()
    rows = ENTRIES.rows(endpoint=endpoint.pk, now=now, long_ago=now - timedelta(seconds=ASK_AGAIN_SECONDS))
    return [Entry(*row) for row in rows]


def _entries(endpoint: int, now: datetime, long_ago: datetime) -> QuerySet[Run, tuple[Any, ...]]:
    open_ones = Run.objects.filter(endpoint=endpoint, ended_at=None).annotate(due=is_due(now, long_ago))
    fields = ("pk", "flink_job_id", "flink_state", "tasks_up", "tasks_total", "missing_since", "is_unseen_here")
    waiting_longest = Coalesce("checkpoints_seen_at", "started_at").asc(nulls_last=True)
    return open_ones.order_by(waiting_longest, "pk").values_list(*fields, F("job__status"), F("job__action"), "due")


ENTRIES = Prepared(
    _entries, endpoint=-1, now=datetime(1970, 1, 1, tzinfo=UTC), long_ago=datetime(1970, 1, 2, tzinfo=UTC)
)
ENDPOINT = Prepared(lambda pk: FlinkEndpoint.objects.filter(pk=pk).order_by(), pk=-1)
# Whether somebody was to look at an endpoint by now, and has not.
OVERDUE = Prepared(
    lambda pk, now: FlinkEndpoint.objects.filter(pk=pk, follow_up_at__lte=now).order_by().values_list("pk"),
    pk=-1,
    now=datetime(1970, 1, 1, tzinfo=UTC),
)
# Snapshots that Flink may be writing, and open operations in few words.
SNAPSHOTS = Prepared(
    lambda endpoint: (
        Snapshot.objects.filter(state=Snapshot.State.CREATING, run__endpoint=endpoint, asked_at__isnull=False)
        .select_related("run")
        .order_by("pk")
    ),
    endpoint=-1,
)
WAITING = Prepared(
    lambda endpoint: (
        Operation.objects.filter(ended_at=None, run__endpoint=endpoint)
        .only("run", "job", "batch", "snapshot", "action", "step", "deadline_at", "look_at")
        .order_by()
    ),
    endpoint=-1,
)
OPERATIONS = Prepared(
    lambda runs: (
        Operation.objects.filter(among("jobs_operation.run_id", runs), ended_at=None)
        .select_related("job__problem", "problem", "snapshot__run", "run__restored_from", "run__endpoint__cluster")
        .order_by()
    ),
    runs=[-1],
)
RUNS = Prepared(
    lambda pks: (
        Run.objects.filter(among("jobs_run.id", pks), ended_at=None).select_related("job", "version").order_by("pk")
    ),
    pks=[-1],
)
