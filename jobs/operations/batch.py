"""Batch: one act on many jobs. The click writes a row per job and ends; items then take their turn, each on its own.

An item is the same act as a single click, by the same function; what that refuses is the item's outcome, never the batch's end.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext_lazy as _

from jobs.models import Batch, BatchItem, Job, Operation, Snapshot
from jobs.models.batch import UNSUCCESSFUL
from jobs.operations.record import Lock, alone, wake
from jobs.operations.together import ITEMS_TOGETHER, begin_together
from jobs.states import ASKING_STEPS, Action, Step
from workspaces import clock
from workspaces.models import May, Workspace
from workspaces.prepared import Prepared, ask
from workspaces.refusal import Refusal

State = BatchItem.State


@transaction.atomic
def request_batch(
    user: Any,
    workspace: Workspace,
    action: Action,
    jobs: QuerySet[Job],
    params: dict[str, Any] | None = None,
    key: uuid.UUID | None = None,
    order: Sequence[int] = (),
    snapshots: dict[int, int] | None = None,
    retry_of: Batch | None = None,
) -> Batch:
    """Write a batch down, with an item for each of `jobs`, in a number of statements that does not depend on theirs.

    `order`: job ids in the order ticked; `snapshots`: job id -> snapshot id to start from. The same `key` gives the same batch.
    """
    key = key or uuid.uuid4()
    batch, created = Batch.objects.get_or_create(
        key=key,
        defaults={
            "workspace": workspace,
            "action": action,
            "params": params or {},
            "requested_by": user,
            "retry_of": retry_of,
        },
    )
    if not created:
        if batch.requested_by_id != user.pk or batch.workspace_id != workspace.pk:
            raise Refusal(_("This form was already used."))
        return batch
    ids = list(jobs.filter(workspace=workspace, deleted_at=None).values_list("pk", flat=True))
    if not ids:
        raise Refusal(_("No job is selected."))
    rank = {pk: position for position, pk in enumerate(order)}
    ids.sort(key=lambda pk: rank.get(pk, len(rank)))
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [batch.pk, ids, [(snapshots or {}).get(pk) for pk in ids]])
    Batch.objects.filter(pk=batch.pk).update(total=len(ids))
    batch.total = len(ids)
    transaction.on_commit(lambda: wake("jobs.advance", batch.pk))
    return batch


def retry_failed(user: Any, batch: Batch, key: uuid.UUID | None = None) -> Batch:
    """Ask for the same once more on the jobs where it did not succeed. Raise Refusal."""
    again = batch.items.filter(state__in=UNSUCCESSFUL)
    return request_batch(
        user,
        batch.workspace,
        Action(batch.action),
        Job.objects.filter(pk__in=again.values("job")),
        batch.params,
        key,
        order=list(again.values_list("job", flat=True)),
        snapshots={job: snapshot for job, snapshot in again.values_list("job", "snapshot") if snapshot},
        retry_of=batch,
    )


def run_from_snapshots(user: Any, batch: Batch, key: uuid.UUID | None = None) -> Batch:
    """Run the jobs that this batch stopped, each from the snapshot it took then. Raise Refusal."""
    stopped = batch.items.filter(state=State.SUCCEEDED, operation__snapshot__state=Snapshot.State.COMPLETED)
    snapshots = dict(stopped.values_list("job", "operation__snapshot"))
    return request_batch(
        user,
        batch.workspace,
        Action.RUN,
        Job.objects.filter(pk__in=snapshots),
        {"start": "chosen", "from_batch": batch.serial},
        key,
        order=list(snapshots),
        snapshots=snapshots,
    )


@transaction.atomic
def cancel_waiting(user: Any, batch: Batch) -> int:
    """Take back the items that have not begun; return how many. The batch tells who did."""
    now = clock.now()
    count = batch.items.filter(state=State.WAITING).update(state=State.CANCELLED, changed_at=now)
    if count:
        Batch.objects.filter(pk=batch.pk).update(cancelled_by=user.pk, cancelled_at=now)
    transaction.on_commit(lambda: wake("jobs.advance", batch.pk))
    return count


OPEN = Prepared(
    lambda pk: Batch.objects.filter(pk=pk, ended_at=None).select_related("requested_by", "workspace").order_by(), pk=-1
)


def advance(batch_id: int) -> bool:
    """Collect what has ended, start what may begin. Anybody may call this at any time, any number of times.

    Return False when somebody else is at it, who may not have seen yet what the caller knows of.
    """
    with alone(Lock.BATCH, batch_id) as mine:
        for batch in OPEN.objects(pk=batch_id) if mine else []:
            _collect(batch)
            begun = _begin(batch)
            if not _end_if_over(batch) and begun and batch.action not in ON_FLINK:
                wake("jobs.advance", batch.pk)
    return mine


# An item for each job, in this order, with what it starts from.
WRITE = """
    INSERT INTO jobs_batchitem (batch_id, job_id, position, state, snapshot_id, reasons, changes, changed_at)
    SELECT %s, job, position, 'waiting', snapshot, '{}', '[]', statement_timestamp()
    FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS asked (job, snapshot, position)
"""
# What an item and its operation are called by when they have ended is the same.
COLLECT = """
    UPDATE jobs_batchitem AS item
    SET state = operation.outcome, problem_id = operation.problem_id, changed_at = statement_timestamp()
    FROM jobs_operation AS operation
    WHERE item.batch_id = %s AND item.state = 'working'
      AND operation.id = item.operation_id AND operation.ended_at IS NOT NULL
"""
END = """
    UPDATE jobs_batch AS batch SET ended_at = statement_timestamp()
    WHERE id = %s AND ended_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM jobs_batchitem WHERE batch_id = batch.id AND state IN ('waiting', 'working')
    )
"""


def _collect(batch: Batch) -> None:
    """Write the outcomes of ended operations into their items, all in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(COLLECT, [batch.pk])


def _end_if_over(batch: Batch) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(END, [batch.pk])
        return bool(cursor.rowcount)


def _begin(batch: Batch) -> int:
    """Start waiting items in their order, as many as their clusters take at a time; return how many were begun."""
    due = _due_on_flink(batch) if batch.action in ON_FLINK else _next(batch)
    if due and not batch.workspace.may(batch.requested_by, May.OPERATE):
        why = Refusal(_("%(user)s may no longer operate jobs here."), user=batch.requested_by)
        waiting = batch.items.filter(state=State.WAITING)
        waiting.update(state=State.REFUSED, reasons=why.in_all_languages(), changed_at=clock.now())
        return 0
    return begin_together(batch, due)


def _next(batch: Batch) -> list[int]:
    waiting = batch.items.filter(state=State.WAITING).order_by("position")
    return list(waiting.values_list("pk", flat=True)[:ITEMS_TOGETHER])


ON_FLINK = (Action.RUN, Action.STOP, Action.SNAPSHOT)
# Where an operation keeps a place at its endpoint: until Flink has it in hand.
IN_LINE = (*ASKING_STEPS, Step.SNAPSHOTTING)


# Flink cancels at once what it takes its time to start or to save.
CANCELS_AT_A_TIME = 100
# Endpoint id -> how many stand in line there for the same act: starts that wait for slots keep no place from the stops that make room.
LINES = Prepared(
    lambda action: (
        Operation.objects.filter(ended_at=None, batch__isnull=False, step__in=IN_LINE, run__isnull=False, action=action)
        .order_by()
        .values_list("run__endpoint")
        .annotate(Count("pk"))
    ),
    action="any",
)
# Item id and endpoint id of those that wait, the first so many of each endpoint.
FIRST = Prepared(
    lambda batch, most: (
        BatchItem.objects.filter(batch=batch, state=State.WAITING)
        .annotate(place=Window(RowNumber(), partition_by="job__endpoint", order_by="position"))
        .filter(place__lte=most)
        .order_by("position")
        .values_list("pk", "job__endpoint")
    ),
    batch=-1,
    most=-2,
)


def _due_on_flink(batch: Batch) -> list[int]:
    """Return the items that may begin: so many that each endpoint always has some to take up, and not one by one."""
    is_quick = batch.action == Action.STOP and not batch.params.get("with_snapshot")
    limit = CANCELS_AT_A_TIME if is_quick else settings.BATCH_PARALLEL_PER_ENDPOINT
    if batch.action == Action.RUN:
        limit *= 2  # of these, the driver sends no more than the limit at a time
    waiting: dict[int, list[int]] = defaultdict(list)
    for pk, endpoint in FIRST.rows(batch=batch.pk, most=2 * limit):
        waiting[endpoint].append(pk)
    in_line = dict(LINES.rows(action=batch.action)) if waiting else {}
    due: list[int] = []
    for endpoint, pks in waiting.items():
        count = in_line.get(endpoint, 0)
        if count <= limit:
            due += pks[: 2 * limit - count]
    return due


def due_batches(turn: int, of: int, most: int) -> list[int]:
    """Return batches that are not over, at most so many of those whose turn it is, `of` which there are: so none is ever stuck.

    Drawn by lot, so that a hundred that wait for a Flink keep no other one from its turn.
    """
    return [pk for (pk,) in ask(DUE, [of, turn, most])]


DUE = """
    SELECT id FROM jobs_batch WHERE ended_at IS NULL AND total > 0 AND id %% %s::bigint = %s ORDER BY random() LIMIT %s
"""
