"""Seals over the record of acts: a chain of digests that shows whether a row was changed, removed or slipped in afterwards.

Sealed are the rows of RECORD as soon as they are settled, with all their columns: events at once, operations, batches and
their items when they have ended, the steps of an operation each for itself. People stand there by their ids. Of a version that
was deleted (only one that never ran can be) a later seal holds that it is gone; of what was removed because of its age
(oceanus_console/retention.py) a Removal, which is sealed as well, tells so.

Each seal holds the digest of each of its rows, and its own: SHA-256 over number, time, columns and rows of this seal and the
digest of the one before, as canonical JSON. Who rewrites a row must rewrite all seals from there on; who has noted a digest
elsewhere then sees it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone
from psycopg import sql

from jobs.models import Batch, BatchItem, Operation, OperationStep, Problem, Version
from jobs.operations.record import Lock, alone
from oceanus_console.models import Removal, Seal, Unsealed
from workspaces.models import Event

# What is on record -> when a row is settled; the triggers of migrations 0002 and 0003 say the same.
RECORD: dict[type[models.Model], str] = {
    Event: "TRUE",
    Operation: "ended_at IS NOT NULL",
    OperationStep: "TRUE",
    Problem: "TRUE",
    Version: "TRUE",
    Batch: "ended_at IS NOT NULL",
    BatchItem: "state NOT IN ('waiting', 'working')",
    Removal: "TRUE",
}
MODELS = {model._meta.db_table: model for model in RECORD}
MOST_ROWS = 1000  # in one seal
ROWS_AT_A_TIME = 100  # read from the database; a row may hold a long text


def seal() -> Seal | None:
    """Seal what waits, the oldest first and MOST_ROWS at most; None when nothing waits or somebody else is at it."""
    with alone(Lock.SEAL, 0) as mine:
        return _seal() if mine else None


@transaction.atomic
def _seal() -> Seal | None:
    waiting = list(Unsealed.objects.order_by("pk")[:MOST_ROWS])
    if not waiting:
        return None
    ids = defaultdict(set)
    for one in waiting:
        ids[one.table_name].add(one.row_id)
    columns = {table: [field.attname for field in MODELS[table]._meta.concrete_fields] for table in ids}
    last = Seal.objects.order_by("-number").only("number", "digest").first()
    new = Seal(
        number=last.number + 1 if last else 1,
        at=timezone.now(),
        previous=last.digest if last else "",
        columns=columns,
        # A row that is gone already is sealed as such.
        rows={
            table: dict.fromkeys(map(str, ids[table]), "") | _digests(table, ids[table], columns[table])
            for table in ids
        },
    )
    new.digest = digest_of(new)
    new.save(force_insert=True)
    Unsealed.objects.filter(pk__in=[one.pk for one in waiting]).delete()
    return new


def digest_of(one: Seal) -> str:
    """Return what the digest of a seal has to be."""
    content = {"number": one.number, "at": one.at, "previous": one.previous, "columns": one.columns, "rows": one.rows}
    return _digest(content)


def _digests(table: str, ids: Iterable[int], columns: list[str]) -> dict[str, str]:
    """Return id -> digest, of the rows that there are."""
    rows = MODELS[table]._base_manager.filter(pk__in=ids).values("pk", *columns)
    return {str(row.pop("pk")): _digest(row) for row in rows.iterator(chunk_size=ROWS_AT_A_TIME)}


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)


# --- To verify ---


def faults(expected: tuple[int, str] | None = None) -> Iterator[str]:
    """Yield what is not as it was sealed, seal by seal, then what has come in past the seals.

    `expected`: number and digest of a seal as somebody noted them elsewhere.
    """
    if expected and not Seal.objects.filter(number=expected[0], digest=expected[1]).exists():
        yield f"Seal {expected[0]} is not the one that was noted: the chain was rewritten or cut off."
    before, number = "", 0
    for one in Seal.objects.order_by("number").iterator(chunk_size=1):
        if one.number != number + 1:
            yield f"Seal {number + 1} was removed."
        elif one.previous != before:
            yield f"Seal {one.number} does not follow from the one before it: one of the two was rewritten."
        if one.digest != digest_of(one):
            yield f"Seal {one.number} was changed."
        yield from _faults_in_rows(one)
        before, number = one.digest, one.number
    for model in RECORD:
        yield from _faults_past_the_seals(model)


def _faults_in_rows(one: Seal) -> Iterator[str]:
    when = f"which seal {one.number} holds since {one.at:%Y-%m-%d %H:%M:%S} UTC"
    for table, sealed in sorted(one.rows.items()):
        found = _digests(table, map(int, sealed), one.columns[table])
        of_age = _removed_of_age(table, [int(pk) for pk in sealed if pk not in found])
        for pk in sorted(sealed, key=int):
            if pk not in found and int(pk) not in of_age and not _may_be_gone(table, pk):
                yield f"Row {pk} of {table}, {when}, was removed."
            elif pk in found and found[pk] != sealed[pk]:
                yield f"Row {pk} of {table}, {when}, was changed."


def _removed_of_age(table: str, missing: list[int]) -> set[int]:
    """Return those of the rows that went because of their age, as the triggers have written down and had sealed."""
    if not missing:
        return set()
    removals = Removal.objects.filter(table_name=table, first__lte=max(missing), last__gte=min(missing))
    return {pk for one in removals.iterator(chunk_size=1) for pk in one.ids}.intersection(missing)


def _may_be_gone(table: str, pk: str) -> bool:
    """Tell whether a version was deleted as the console does it: the triggers have had it sealed that it is gone."""
    if table != Version._meta.db_table:
        return False
    waits = Unsealed.objects.filter(table_name=table, row_id=int(pk))
    return waits.exists() or Seal.objects.filter(rows__contains={table: {pk: ""}}).exists()


PAST_THE_SEALS = sql.SQL("""
    SELECT id FROM {table} WHERE {is_settled}
    EXCEPT (SELECT jsonb_object_keys(rows -> {name})::bigint FROM oceanus_console_seal
            UNION ALL SELECT row_id FROM oceanus_console_unsealed WHERE table_name = {name})
    ORDER BY id LIMIT 100
""")


def _faults_past_the_seals(model: type[models.Model]) -> Iterator[str]:
    table = model._meta.db_table
    is_settled = sql.SQL(RECORD[model])
    query = PAST_THE_SEALS.format(table=sql.Identifier(table), is_settled=is_settled, name=sql.Literal(table))
    with connection.cursor() as cursor:
        cursor.execute(query)
        for (pk,) in cursor.fetchall():
            yield f"Row {pk} of {table} is in no seal and waits for none: it was inserted past the triggers."
