"""Find jobs by a part of their name or ID: the index of pieces leads to those that may match, then each is looked at."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import StrIndex, Upper

from jobs.models import JobQuerySet, SearchEntry

# No more than these are counted and can be turned to.
REACHABLE = 1000
LONGEST_PIECE = 3  # as in migration 0008


def matching(jobs: JobQuerySet, search: str) -> JobQuerySet:
    """Keep the jobs with `search` in their name or ID, whatever the case.

    That is what LIKE does too, but of strpos the planner expects many matches, and so it walks an index in the order that
    is asked for, which ends with the page. Where there are few matches, `reachable` has found them before.
    """
    sought = Upper(Value(search))
    found: Any = jobs.alias(in_name=StrIndex(Upper("name"), sought), in_serial=StrIndex(Upper("serial"), sought))
    return found.filter(Q(in_name__gt=0) | Q(in_serial__gt=0))


def reachable(jobs: JobQuerySet, workspace: int, search: str) -> list[tuple[int, str]]:
    """Return primary key and status of the jobs, all `matching` and in this workspace, in any order; if there are more than REACHABLE, some of them."""
    if len(search) > 1:  # one letter is in nearly every name
        jobs = jobs.filter(pk__in=_entries(workspace, search).values("job"))
    return list(jobs.order_by().values_list("pk", "status")[: REACHABLE + 1])


def among(jobs: JobQuerySet, pks: list[int]) -> JobQuerySet:
    """Keep the jobs with these primary keys, however many: they are one parameter of the query."""
    return jobs.filter(RawSQL("jobs_job.id = ANY(%s)", [pks], BooleanField()))


def _entries(workspace: int, search: str) -> QuerySet[SearchEntry]:
    """Return the entries that the index gives for the pieces of `search`, as far as these stand side by side there."""
    sought = _pieces(Value(workspace), Value(search), min(len(search), LONGEST_PIECE))
    entries: Any = SearchEntry.objects.alias(
        pieces=_pieces(F("workspace_id"), F("words"), 2), place=StrIndex(Upper("words"), Upper(Value(search)))
    )
    return entries.filter(pieces__contains=sought, place__gt=0)


def _pieces(workspace: Any, text: Any, shortest: int) -> Func:
    return Func(workspace, text, Value(shortest), function="jobs_pieces", output_field=ArrayField(TextField()))
