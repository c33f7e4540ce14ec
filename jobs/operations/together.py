"""Items of a batch that are done at once: many in one transaction, by a set of statements that does not grow with them.

If that fails unexpectedly, each half takes its turn, down to the item that stands in the way: only that one fails.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster
from jobs.log_records import subject
from jobs.models import Batch, BatchItem
from jobs.operations.copy import Copy, copy_many
from jobs.operations.record import Refusal
from jobs.states import Action

log = logging.getLogger(__name__)
State = BatchItem.State

# Their jobs are locked for so long: about half a second.
ITEMS_TOGETHER = 300

Outcome = Copy | Refusal


def begin_together(batch: Batch, items: Sequence[int]) -> int:
    """Do the act of the batch on the jobs of these items, as far as they still wait; return how many items there are."""
    try:
        with subject(batch=batch.serial):
            _begin(batch, items)
    except Exception as error:
        half = len(items) // 2
        if half:
            log.info("Batch %s goes on with less at a time: %s", batch.serial, error)
            for part in (items[:half], items[half:]):
                begin_together(batch, part)
        else:
            log.exception("Could not begin item %s of batch %s", items[0], batch.serial)
            with transaction.atomic():
                why = Refusal(_("An internal error; the log of the worker tells more."))
                _settle(dict.fromkeys(_claim(items).values(), why), State.FAILED)
    return len(items)


@transaction.atomic
def _begin(batch: Batch, items: Sequence[int]) -> None:
    """Do it and write it into the items: in one transaction, so neither is ever without the other."""
    claimed = _claim(items)
    # What an act writes (the note of a copy) is in the language of the one who asked.
    with translation.override(batch.params.get("language") or settings.LANGUAGE_CODE):
        try:
            outcomes = TOGETHER[Action(batch.action)](batch, claimed.keys())
        except Refusal as refusal:
            outcomes = dict.fromkeys(claimed, refusal)
    _settle({claimed[job]: outcome for job, outcome in outcomes.items()})


def _claim(items: Collection[int]) -> dict[int, int]:
    """Return job id -> item id, locked, of those that still wait. Who is cancelling them right now keeps them."""
    waiting = BatchItem.objects.select_for_update(skip_locked=True).filter(pk__in=items, state=State.WAITING)
    return dict(waiting.values_list("job", "pk"))


def _copy(batch: Batch, jobs: Collection[int]) -> Mapping[int, Outcome]:
    cluster = Cluster.objects.filter(serial=batch.params["cluster"]).first()
    if cluster is None:
        raise Refusal(_("The target cluster does not exist any more."))
    return copy_many(batch.requested_by, batch.workspace, jobs, cluster, batch.created_at)


TOGETHER: dict[Action, Callable[[Batch, Collection[int]], Mapping[int, Outcome]]] = {Action.COPY: _copy}

SETTLE = """
    UPDATE jobs_batchitem AS item
    SET state = told.state, copy_id = told.copy_id, changes = told.changes, reasons = told.reasons, changed_at = %s
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::jsonb[], %s::jsonb[])
        AS told (id, state, copy_id, changes, reasons)
    WHERE item.id = told.id AND item.state = 'waiting'
"""


def _settle(outcomes: Mapping[int, Outcome], refused: BatchItem.State = State.REFUSED) -> None:
    """Write item id -> outcome into the items, all in one statement."""
    rows = [(pk, *_columns(outcome, refused)) for pk, outcome in outcomes.items()]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(SETTLE, [timezone.now(), *map(list, zip(*rows, strict=True))])


def _columns(outcome: Outcome, refused: BatchItem.State) -> tuple[str, int | None, str, str]:
    """Return state, copy, changes and reasons of an item."""
    if isinstance(outcome, Refusal):
        return str(refused), None, "[]", json.dumps(outcome.in_all_languages())
    return str(State.SUCCEEDED), outcome.new.pk, json.dumps([one.as_json() for one in outcome.changes]), "{}"
