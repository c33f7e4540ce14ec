"""What Celery wakes up. The truth is in PostgreSQL: any of these may be lost, doubled or late."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from typing import Any

from celery import shared_task
from celery.signals import worker_init
from django.db import connection

from jobs import operations
from jobs.operations.opening import ASKED_TOGETHER, in_sets
from jobs.operations.reach import next_look
from jobs.operations.record import wake, wake_for
from jobs.operations.silence import Threads
from jobs.operations.watch import BUSY_SECONDS, QUIET_SECONDS
from jobs.states import ASKING_STEPS
from oceanus_console.heartbeat import record_heartbeat
from workspaces import clock

log = logging.getLogger(__name__)

# As the schedule says (settings.py).
FIND_ORPHANS_SECONDS = 600
# An operation that a worker has in hand is offered again after this; if he lives, the second one goes away at once.
REOFFER_SECONDS = 3
# Who ends an operation carries its batch on; what he has left undone is found within about this.
OFFER_BATCH_SECONDS = 3
BATCHES_A_TICK = 50
# A batch that somebody else has in hand is looked at once more, for what he may not have seen.
ADVANCE_AGAIN_SECONDS = 0.1
# Who looks at a Flink follows up himself, so long and with such pauses: after that he sends a message, and is free to be ended.
LOOKS_ON_SECONDS, LONGEST_PAUSE_SECONDS = 5, 0.5
# So many at a time in a process: the threads of a worker are for what is asked for, however many Flinks are busy.
LOOKING_ON = BoundedSemaphore(4)


@worker_init.connect
def share_threads(sender: Any, **_told: Any) -> None:
    Threads.share(sender.concurrency)


@shared_task(name="jobs.tick")
def tick() -> None:
    """Find what is due: operations that nobody carries on, endpoints that nobody has looked at (G5, G6)."""
    record_heartbeat("worker")
    now = clock.now()
    for some in due_operations(now):
        wake("jobs.perform", *some)
    for pk in operations.due_recoveries():
        wake("jobs.recover", pk)
    offer_batches(now)
    for pk in due_endpoints(now):
        wake("jobs.watch", pk)


def offer_batches(now: datetime) -> None:
    """Let the batches that are not over be carried on, each when its turn comes: then none is ever stuck."""
    turn = int(now.timestamp()) % OFFER_BATCH_SECONDS
    for pk in operations.due_batches(turn, OFFER_BATCH_SECONDS, BATCHES_A_TICK):
        wake("jobs.advance", pk)


# Of two ticks at once, one gets a row. What somebody has locked is being carried on.
DUE_OPERATIONS = """
    UPDATE jobs_operation AS operation SET look_at = %s
    FROM jobs_run AS run
    WHERE run.id = operation.run_id AND operation.id IN (
        SELECT id FROM jobs_operation
        WHERE ended_at IS NULL AND step = ANY(%s) AND look_at <= %s
        ORDER BY id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING operation.id, run.endpoint_id
"""


def due_operations(now: datetime) -> list[Sequence[int]]:
    """Take the operations that nobody has carried on for a while, those on one endpoint in sets; they are due again later."""
    with connection.cursor() as cursor:
        cursor.execute(
            DUE_OPERATIONS, [now + timedelta(seconds=REOFFER_SECONDS), [str(step) for step in ASKING_STEPS], now]
        )
        due: dict[int, list[int]] = defaultdict(list)
        for pk, endpoint in sorted(cursor.fetchall()):
            due[endpoint].append(pk)
    return [some for pks in due.values() for some in in_sets(pks, ASKED_TOGETHER)]


DUE_ENDPOINTS = """
    UPDATE clusters_flinkendpoint AS endpoint SET look_at = CASE WHEN EXISTS (
        SELECT 1 FROM jobs_operation AS operation JOIN jobs_run AS run ON run.id = operation.run_id
        WHERE operation.ended_at IS NULL AND run.endpoint_id = endpoint.id
    ) THEN %s ELSE %s END::timestamptz
    WHERE id IN (
        SELECT id FROM clusters_flinkendpoint WHERE look_at IS NULL OR look_at <= %s FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING id
"""


def due_endpoints(now: datetime) -> list[int]:
    """Take the endpoints that are to be looked at now; they are due again soon if somebody waits there, else somewhat later."""
    soon, later = (next_look(now, seconds) for seconds in (BUSY_SECONDS, QUIET_SECONDS))
    with connection.cursor() as cursor:
        cursor.execute(DUE_ENDPOINTS, [soon, later, now])
        return sorted(pk for (pk,) in cursor.fetchall())


@shared_task(name="jobs.perform")
def perform(*operation_ids: int) -> None:
    _carry_on(operations.perform(*operation_ids))


@shared_task(name="jobs.watch")
def watch(endpoint_id: int, follows_up: bool = False) -> None:
    """Look, and look once more where something may be over in a moment: a message for it would take its time, too."""
    at = operations.watch(endpoint_id, follows_up, _carry_on)
    if at and LOOKING_ON.acquire(blocking=False):
        try:
            at = _look_on(endpoint_id, at)
        finally:
            LOOKING_ON.release()
    if at:
        wake_for(endpoint_id, at)


def _look_on(endpoint_id: int, at: datetime | None) -> datetime | None:
    """Look on from `at`; return when somebody else is to, if anybody is."""
    end = time.monotonic() + LOOKS_ON_SECONDS
    while at and time.monotonic() < end:
        pause = max(0.0, (at - clock.now()).total_seconds())
        if pause > LONGEST_PAUSE_SECONDS:
            break
        time.sleep(pause)
        at = operations.watch(endpoint_id, True, _carry_on)
    return at


def _carry_on(batches: Collection[int]) -> None:
    """Advance batches right here: a message costs as much as the deed, and its time."""
    for pk in batches:
        try:
            is_mine = operations.advance(pk)
        except Exception:
            log.exception("Could not carry on batch %s", pk)  # the tick offers it again
            continue
        if not is_mine:
            wake("jobs.advance", pk, countdown=ADVANCE_AGAIN_SECONDS)


@shared_task(name="jobs.recover")
def recover(job_id: int) -> None:
    operations.recover(job_id)


@shared_task(name="jobs.advance")
def advance(batch_id: int) -> None:
    operations.advance(batch_id)


@shared_task(name="jobs.measure")
def measure(run_id: int) -> None:
    operations.measure(run_id)


@shared_task(name="jobs.see_exceptions")
def see_exceptions(run_id: int) -> None:
    operations.see_exceptions(run_id)


@shared_task(name="jobs.find_orphans")
def find_orphans() -> None:
    # The clock says whose turn it is, so nobody has to remember.
    operations.find_all_orphans(int(clock.now().timestamp()) // FIND_ORPHANS_SECONDS)
