"""What Celery wakes up. The truth is in PostgreSQL: any of these may be lost, doubled or late."""

from collections import defaultdict
from datetime import datetime, timedelta

from celery import shared_task
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Operation
from jobs.operations.opening import ASKED_TOGETHER
from jobs.operations.record import wake
from jobs.states import ASKING_STEPS
from oceanus_console.heartbeat import record_heartbeat

# A failure is to be shown within five seconds, also when a hundred jobs fail.
BUSY_SECONDS, QUIET_SECONDS = 1, 4
# As the schedule says (settings.py).
FIND_ORPHANS_SECONDS = 600
# An operation that a worker has in hand is offered again after this; if he lives, the second one goes away at once.
REOFFER_SECONDS = 3


@shared_task(name="jobs.tick")
def tick() -> None:
    """Find what is due: operations that nobody carries on, endpoints that nobody has looked at (G5, G6)."""
    record_heartbeat("worker")
    now = timezone.now()
    for some in due_operations(now):
        wake("jobs.perform", *some)
    for pk in operations.due_recoveries():
        wake("jobs.recover", pk)
    for pk in operations.due_batches():
        wake("jobs.advance", pk)
    busy = Operation.objects.filter(ended_at=None, run__endpoint=OuterRef("pk"))
    due = FlinkEndpoint.objects.filter(Q(look_at=None) | Q(look_at__lte=now)).annotate(busy=Exists(busy))
    for endpoint in due:
        pause = timedelta(seconds=BUSY_SECONDS if endpoint.busy else QUIET_SECONDS)
        # A quarter second of slack: the next tick comes a hair early as often as late.
        same = FlinkEndpoint.objects.filter(pk=endpoint.pk, look_at=endpoint.look_at)
        if same.update(look_at=now + pause - timedelta(seconds=0.25)):
            wake("jobs.watch", endpoint.pk)


# Of two ticks at once, one gets a row. What somebody has locked is being carried on.
DUE = """
    UPDATE jobs_operation AS operation SET look_at = %s
    FROM jobs_run AS run
    WHERE run.id = operation.run_id AND operation.id IN (
        SELECT id FROM jobs_operation
        WHERE ended_at IS NULL AND step = ANY(%s) AND look_at <= %s
        ORDER BY id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING operation.id, run.endpoint_id
"""


def due_operations(now: datetime) -> list[list[int]]:
    """Take the operations that nobody has carried on for a while, those on one endpoint in sets; they are due again later."""
    with connection.cursor() as cursor:
        cursor.execute(DUE, [now + timedelta(seconds=REOFFER_SECONDS), [str(step) for step in ASKING_STEPS], now])
        due: dict[int, list[int]] = defaultdict(list)
        for pk, endpoint in sorted(cursor.fetchall()):
            due[endpoint].append(pk)
    return [
        some[first : first + ASKED_TOGETHER] for some in due.values() for first in range(0, len(some), ASKED_TOGETHER)
    ]


@shared_task(name="jobs.perform")
def perform(*operation_ids: int) -> None:
    operations.perform(*operation_ids)


@shared_task(name="jobs.watch")
def watch(endpoint_id: int) -> None:
    operations.watch(endpoint_id)


@shared_task(name="jobs.recover")
def recover(job_id: int) -> None:
    operations.recover(job_id)


@shared_task(name="jobs.advance")
def advance(batch_id: int) -> None:
    operations.advance(batch_id)


@shared_task(name="jobs.find_orphans")
def find_orphans() -> None:
    # The clock says whose turn it is, so nobody has to remember.
    operations.find_all_orphans(int(timezone.now().timestamp()) // FIND_ORPHANS_SECONDS)
