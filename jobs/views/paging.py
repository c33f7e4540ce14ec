"""Pages of the list that cost little wherever they lie, and counts that are made once for each state of a workspace."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.cache.backends.locmem import LocMemCache
from django.core.paginator import EmptyPage, PageNotAnInteger, Paginator

from jobs.models import JobQuerySet
from workspaces import clock

T = TypeVar("T")

# A change becomes visible at its commit, up to this long after the time it carries.
COMMIT_LAG = timedelta(seconds=5)
KEPT_SECONDS, KEPT_WHILE_CHANGING_SECONDS = 10, 1
# Of this process alone: what it holds is quicker counted anew than asked of another machine.
_counts = LocMemCache("counts of jobs", {"OPTIONS": {"MAX_ENTRIES": 1000}})


def counted_once(newest: datetime, about: object, count: Callable[[], T]) -> T:
    """Return what `count` returns, made once for each value of `about`, which must name all that it depends on.

    `newest`: the time of the newest change, which `about` names too. As long as another change may still come in with an
    older time, what was counted is good for a second.
    """
    key = hashlib.blake2b(repr((newest, about)).encode(), digest_size=20).hexdigest()
    found: T | None = _counts.get(key)
    if found is None:
        is_settled = newest < clock.now() - COMMIT_LAG
        found = count()
        _counts.set(key, found, KEPT_SECONDS if is_settled else KEPT_WHILE_CHANGING_SECONDS)
    return found


class PageNumbers(Paginator):
    """Knows how many jobs there are without asking for them; `there_are_more`: that can't be turned to."""

    def __init__(self, count: int, size: int, *, there_are_more: bool = False) -> None:
        super().__init__(range(count), size)
        self.there_are_more = there_are_more

    def nearest(self, number: str) -> int:
        """Return the number of the page that is asked for: the first for nonsense, the last for one beyond it."""
        try:
            return self.validate_number(number)
        except PageNotAnInteger:
            return 1
        except EmptyPage:
            return self.num_pages


def page_of(jobs: JobQuerySet | list[int], numbers: PageNumbers, number: int) -> list[int]:
    """Return the primary keys of the jobs of one page, in their order, found from the end that is nearer."""
    first = (number - 1) * numbers.per_page
    last = min(first + numbers.per_page, numbers.count)
    if isinstance(jobs, list):
        return jobs[first:last]
    is_nearer_to_the_end = first > numbers.count // 2 and not numbers.there_are_more
    here = slice(numbers.count - last, numbers.count - first) if is_nearer_to_the_end else slice(first, last)
    ordered = jobs.reverse() if is_nearer_to_the_end else jobs
    found = list(ordered.values_list("pk", flat=True)[here]) if numbers.count else []
    return found[::-1] if is_nearer_to_the_end else found
