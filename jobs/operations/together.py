"""Items of a batch begun together: many in one transaction, by a set of statements that does not grow with them.

If that fails unexpectedly, each half takes its turn, down to the item that stands in the way: only that one fails.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from django.conf import settings
from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster
from jobs.log_records import subject
from jobs.models import Batch, BatchItem, Folder, Job, Operation, Snapshot, Version
from jobs.operations.copy import Copy, copy_many
from jobs.operations.draft import delete_many, publish_many
from jobs.operations.folders import move_many
from jobs.operations.restore import best, refuse_if_gone
from jobs.operations.run import Start, open_runs
from jobs.operations.stop import snapshot_many, stop_many
from jobs.states import Action
from workspaces import clock
from workspaces.prepared import Prepared, among
from workspaces.refusal import Refusal
from workspaces.zones import time_in

log = logging.getLogger(__name__)
State = BatchItem.State

# Their jobs are locked for so long: about half a second.
ITEMS_TOGETHER = 300

# Of a job: it was copied, its operation was opened, its act is done and on record, or why not.
Outcome = Copy | Operation | Refusal
# From where the run of a job begins, or why it can't.
Starts = Mapping[int, Snapshot | Refusal | None]


def begin_together(batch: Batch, items: Sequence[int]) -> int:
    """Do the act of the batch on the jobs of these items, as far as they still wait; return how many items there are."""
    if not items:
        return 0
    try:
        with subject(batch=batch.serial):
            _begin(batch, items, look_at_starts(batch, items) if batch.action == Action.RUN else {})
    except Exception as error:
        half = len(items) // 2
        if half:
            log.info("Batch %s goes on with less at a time: %s", batch.serial, error)
            for part in (items[:half], items[half:]):
                begin_together(batch, part)
        else:
            item = BatchItem.objects.select_related("job").get(pk=items[0])
            with subject(batch=batch.serial, job=item.job.serial):
                log.exception("Could not begin item %s of batch %s", item.position, batch.serial)
            with transaction.atomic():
                why = Refusal(_("An internal error; the log of the worker tells more."))
                _settle(dict.fromkeys(_claim(items).values(), why), State.FAILED)
    return len(items)


@transaction.atomic
def _begin(batch: Batch, items: Sequence[int], starts: Starts) -> None:
    """Do it and write it into the items: in one transaction, so neither is ever without the other."""
    claimed = _claim(items)
    # What an act writes (the note of a copy) is in the language of the one who asked.
    with translation.override(batch.params.get("language") or settings.LANGUAGE_CODE):
        try:
            outcomes = TOGETHER[Action(batch.action)](batch, claimed.keys(), starts)
        except Refusal as refusal:
            outcomes = dict.fromkeys(claimed, refusal)
    _settle({claimed[job]: outcome for job, outcome in outcomes.items()})


def _claim(items: Collection[int]) -> dict[int, int]:
    """Return job id -> item id, locked, of those that still wait. Who is cancelling them right now keeps them."""
    return dict(CLAIMED.rows(pks=list(items)))


CLAIMED = Prepared(
    lambda pks: (
        BatchItem.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(among("jobs_batchitem.id", pks), state=State.WAITING)
        .values_list("job", "pk")
    ),
    pks=[-1],
)


def _copy(batch: Batch, jobs: Collection[int], starts: Starts) -> Mapping[int, Outcome]:
    cluster = Cluster.objects.filter(serial=batch.params["cluster"]).first()
    if cluster is None:
        raise Refusal(_("The target cluster does not exist any more."))
    at = time_in(batch.params.get("zone", ""), batch.created_at)
    return copy_many(batch.requested_by, batch.workspace, jobs, cluster, at)


def look_at_starts(batch: Batch, items: Collection[int]) -> Starts:
    """Find out, before anything is locked, from where each run begins: a look at the disk takes its time."""
    if batch.params.get("start") == "none":
        return {}
    waiting = BatchItem.objects.filter(pk__in=items, state=State.WAITING)
    if batch.params.get("start") == "latest":
        # The latest snapshot where there is one; a job that never had one starts without state.
        return {item.job_id: _best(item.job) for item in waiting.select_related("job__current_run")}
    chosen = waiting.filter(snapshot__isnull=False).select_related("snapshot")
    return {item.job_id: _unless_gone(item.snapshot) for item in chosen if item.snapshot}


def _best(job: Job) -> Snapshot | Refusal | None:
    try:
        return best(job)
    except Refusal as refusal:
        return refusal


def _unless_gone(snapshot: Snapshot) -> Snapshot | Refusal:
    try:
        refuse_if_gone(snapshot)
    except Refusal as refusal:
        return refusal
    return snapshot


# The newest version of each of these jobs.
PUBLISHED = Prepared(
    lambda jobs: (
        Version.objects.filter(among("jobs_version.job_id", jobs))
        .order_by("job_id", "-number")
        .distinct("job_id")
        .defer("sql", "properties")
    ),
    jobs=[-1],
)


def _run(batch: Batch, jobs: Collection[int], starts: Starts) -> Mapping[int, Outcome]:
    versions = {one.job_id: one for one in PUBLISHED.objects(jobs=list(jobs))}
    refused: dict[int, Outcome] = {}
    possible = []
    for job in jobs:
        start = starts.get(job)
        if isinstance(start, Refusal):
            refused[job] = start
        elif job not in versions:
            refused[job] = Refusal(_("The job has no published version."))
        else:
            possible.append(Start(job, versions[job], start))
    return refused | open_runs(batch.requested_by, possible, batch)


def _stop(batch: Batch, jobs: Collection[int], starts: Starts) -> Mapping[int, Outcome]:
    return stop_many(batch.requested_by, jobs, bool(batch.params.get("with_snapshot")), batch=batch)


def _snapshot(batch: Batch, jobs: Collection[int], starts: Starts) -> Mapping[int, Outcome]:
    return snapshot_many(batch.requested_by, jobs, str(batch.params.get("description", "")), batch)


def _publish(batch: Batch, jobs: Collection[int], starts: Starts) -> Mapping[int, Outcome]:
    return publish_many(batch.requested_by, jobs, batch.params["note"])


def _delete(batch: Batch, jobs: Collection[int], starts: Starts) -> Mapping[int, Outcome]:
    return delete_many(batch.requested_by, jobs)


def _move(batch: Batch, jobs: Collection[int], starts: Starts) -> Mapping[int, Outcome]:
    serial = batch.params.get("folder")
    folder = Folder.objects.filter(serial=serial, workspace=batch.workspace).first() if serial else None
    if serial and folder is None:
        raise Refusal(_("The target folder does not exist any more."))
    return move_many(batch.requested_by, jobs, folder)


TOGETHER: dict[Action, Callable[[Batch, Collection[int], Starts], Mapping[int, Outcome]]] = {
    Action.PUBLISH: _publish,
    Action.DELETE: _delete,
    Action.MOVE: _move,
    Action.COPY: _copy,
    Action.RUN: _run,
    Action.STOP: _stop,
    Action.SNAPSHOT: _snapshot,
}

SETTLE = """
    UPDATE jobs_batchitem AS item
    SET state = told.state, copy_id = told.copy_id, operation_id = told.operation_id, changes = told.changes,
        reasons = told.reasons, changed_at = %s
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::jsonb[], %s::jsonb[])
        AS told (id, state, copy_id, operation_id, changes, reasons)
    WHERE item.id = told.id AND item.state = 'waiting'
"""


def _settle(outcomes: Mapping[int, Outcome], refused: BatchItem.State = State.REFUSED) -> None:
    """Write item id -> outcome into the items, all in one statement."""
    rows = [(pk, *_columns(outcome, refused)) for pk, outcome in outcomes.items()]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(SETTLE, [clock.now(), *map(list, zip(*rows, strict=True))])


def _columns(outcome: Outcome, refused: BatchItem.State) -> tuple[str, int | None, int | None, str, str]:
    """Return state, copy, operation, changes and reasons of an item."""
    if isinstance(outcome, Refusal):
        return str(refused), None, None, "[]", json.dumps(outcome.in_all_languages())
    if isinstance(outcome, Operation):
        return ("succeeded", None, None, "[]", "{}") if outcome.ended_at else ("working", None, outcome.pk, "[]", "{}")
    changes = json.dumps([one.as_json() for one in outcome.changes])
    return str(State.SUCCEEDED), outcome.new.pk, None, changes, "{}"
