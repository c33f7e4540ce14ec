"""What is old and over leaves the database: expired sessions and old failed sign-ins always, the record of acts where OCEANUS_KEEP_RECORDS_DAYS
says after how long. In portions, each a short transaction of its own.

Of the record stay what a job's current run consists of, the last act of each job, and what has no seal yet. Jobs, versions, runs
and snapshots always stay. The database itself (migration 0003) gives away nothing younger than 30 days, and notes what goes
in a Removal, which is on record like any act: so `verify_audit` can tell it from what somebody else took away.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from psycopg import sql

from clusters.models import Outage
from jobs.models import Batch, BatchItem, Job, Operation, OperationStep, Problem, Restart, Run, Snapshot
from jobs.operations.record import Lock, alone
from oceanus_console import ended
from oceanus_console.models import Unsealed
from workspaces.models import Event

log = logging.getLogger(__name__)

PORTION = 5000  # rows in one transaction
PORTIONS_IN_A_TURN = 20
KEEP_FAILED_SIGN_INS = timedelta(days=30)

Rows = QuerySet[Any, Any]


def remove_old() -> None:
    """Remove what is old, so much in a turn; the next turn goes on. One at a time does it."""
    with alone(Lock.RETENTION, 0) as mine:
        if mine:
            portions = _portions()
            for _turn in range(PORTIONS_IN_A_TURN):
                if next(portions, None) is None:
                    break


def _portions() -> Iterator[int]:
    """Yield how many rows each portion has taken away."""
    now = timezone.now()
    yield from _removed(Session.objects.filter(expire_date__lt=now), _remove_plain)
    long_ago = now - max(KEEP_FAILED_SIGN_INS, settings.AXES_COOLOFF_TIME)
    yield from _removed(AccessAttempt.objects.filter(attempt_time__lt=long_ago), _remove_plain)
    if settings.KEEP_RECORDS_DAYS:
        since = now - timedelta(days=settings.KEEP_RECORDS_DAYS)
        for old in OLD:
            rows = old(since)
            waits = Unsealed.objects.filter(table_name=rows.model._meta.db_table, row_id=OuterRef("pk"))
            yield from _removed(rows.filter(~Exists(waits)), lambda some: _remove_from_record(some, since))
        # What the watcher saw is nobody's act, and has no seal.
        for seen in (Outage.objects.filter(ended_at__lt=since), Restart.objects.filter(last_at__lt=since)):
            yield from _removed(seen, _remove_plain)


def _removed(rows: Rows, remove: Callable[[Rows], None]) -> Iterator[int]:
    ids: list[Any] = []
    while not ids or len(ids) == PORTION:
        with transaction.atomic():
            ids = list(rows.order_by("pk").values_list("pk", flat=True)[:PORTION])
            if not ids:
                return
            remove(rows.model._base_manager.filter(pk__in=ids))
        log.info("Removed %s old rows of %s.", len(ids), rows.model._meta.db_table)
        yield len(ids)


def _remove_plain(rows: Rows) -> None:
    rows.delete()


def _remove_from_record(rows: Rows, since: datetime) -> None:
    ids = [row.pk for row in rows.only("pk")]
    if rows.model is Operation:
        ended.keep_count(ids)
    if rows.model is Problem:
        for shows_it in (Run, Snapshot):
            shows_it._base_manager.filter(problem__in=ids).update(problem=None)
    statement = sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(sql.Identifier(rows.model._meta.db_table))
    with connection.cursor() as cursor:
        # For this transaction only.
        cursor.execute("SELECT set_config('oceanus.records_are_kept_since', %s, TRUE)", [since.isoformat()])
        cursor.execute(statement, [ids])


# --- What of the record is old; in this order nothing is removed before what refers to it ---


def _items(since: datetime) -> Rows:
    over = _batches_over(since).filter(pk=OuterRef("batch"))
    return BatchItem.objects.filter(Exists(over), changed_at__lt=since)


def _steps(since: datetime) -> Rows:
    over = _operations_over(since).filter(pk=OuterRef("operation"))
    return OperationStep.objects.filter(Exists(over), at__lt=since)


def _operations(since: datetime) -> Rows:
    return _operations_over(since).filter(~_refers(BatchItem, "operation"), ~_refers(OperationStep, "operation"))


def _batches(since: datetime) -> Rows:
    return _batches_over(since).filter(~_refers(BatchItem, "batch"), ~_refers(Operation, "batch"))


def _problems(since: datetime) -> Rows:
    """Problems that only runs and snapshots of the past still show."""
    shown = [_refers(model, "problem") for model in (Job, Operation, BatchItem)]
    of_current = Job.objects.filter(current_run__problem=OuterRef("pk"))
    # A snapshot belongs to a run: while that one is current, all of it stays.
    of_its_snapshots = Job.objects.filter(current_run__snapshots__problem=OuterRef("pk"))
    return Problem.objects.filter(
        *(~one for one in shown), ~Exists(of_current), ~Exists(of_its_snapshots), created_at__lt=since
    )


def _events(since: datetime) -> Rows:
    return Event.objects.filter(at__lt=since)


OLD: tuple[Callable[[datetime], Rows], ...] = (_items, _steps, _operations, _batches, _problems, _events)


def _refers(model: type[models.Model], field: str) -> Exists:
    return Exists(model._base_manager.filter(**{field: OuterRef("pk")}))


def _operations_over(since: datetime) -> QuerySet[Operation]:
    """Operations that ended before, but for the last one of each job and all of its current run."""
    newer = Operation.objects.filter(job=OuterRef("job"), pk__gt=OuterRef("pk"))
    current = Job.objects.filter(current_run=OuterRef("run"))
    return Operation.objects.filter(Exists(newer), ~Exists(current), ended_at__lt=since)


def _batches_over(since: datetime) -> QuerySet[Batch]:
    """Batches that ended before and go as a whole: a job that still runs by one of them, or its retry, holds it."""
    holding = Operation.objects.filter(
        batch=OuterRef("pk"), run__in=Job.objects.exclude(current_run=None).values("current_run")
    )
    return Batch.objects.filter(~_refers(Batch, "retry_of"), ~Exists(holding), ended_at__lt=since)
