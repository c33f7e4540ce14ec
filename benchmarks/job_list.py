"""`list` and `poll`: the pages that people look at all day, with more and more jobs behind them."""

import html
import itertools
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db.models.functions import Now

from benchmarks import ROWS
from benchmarks.measure import Page, Result, Visitor, by_turns
from benchmarks.rows import WORDS, Space
from jobs.models import Job
from jobs.states import Status

LIKE_AT_A_TENTH = 1.15  # the largest size against the one before it
PEOPLE = 8
# So far that no poll is answered with what was made for the one before; and such that polls and lists pay alike for the counts
# of many jobs, which are good for up to two seconds.
APART_SECONDS = 0.7
# Nobody searches for the same all the time: each turn looks for another word.
COMMON = [part for word in WORDS for part in (word, word[1:], word[:-1])]


@dataclass(frozen=True)
class Case:
    """A question to both lists: what stands behind "?" in our address, and in the admin's."""

    name: str
    budget: float | None
    ours: Callable[[], str]
    admins: Callable[[], str]


def cases(space: Space) -> list[Case]:
    pages, folder = max(1, -(-space.count // ROWS)), space.folders[3]
    rare = (f"{n * 7919 % space.count:07}" for n in itertools.count())
    return [
        _case("first page", 0.5, "", ""),
        _case("middle page", None, f"page={(pages + 1) // 2}", f"p={(pages + 1) // 2}"),
        _case("last page", 0.3, f"page={pages}", f"p={pages}"),
        _case("filter by status", 0.5, "status=failed", f"status__exact={Status.FAILED}"),
        _case("folder", 0.5, f"folder={folder.serial}", f"folder__id__exact={folder.pk}"),
        _search("search, a common word", 0.3, itertools.cycle(COMMON)),
        _search("search, one hit", 0.7, rare),
        _search("search, no hit", 0.7, (f"nothing-{n}" for n in itertools.count())),
    ]


def _case(name: str, budget: float | None, ours: str, admins: str) -> Case:
    return Case(name, budget, lambda: ours, lambda: admins)


def _search(name: str, budget: float, words: Iterator[str]) -> Case:
    return Case(name, budget, lambda: f"q={next(words)}", lambda: f"q={next(words)}")


def list_of(space: Space) -> str:
    return f"/spaces/{space.workspace.serial}/jobs/?size={ROWS}&"


def bench_list(page: Page, visitor: Visitor, space: Space, turns: int, before: dict[str, float]) -> dict[str, float]:
    """Measure all cases; `before`: what they took at a tenth of the size. Return what they take now."""
    admin = f"/admin/jobs/job/?workspace__id__exact={space.workspace.pk}&"
    now = {}
    for case in cases(space):
        ours, theirs = by_turns(
            lambda case=case: visitor.get(list_of(space) + case.ours()),  # type: ignore[misc]
            lambda case=case: visitor.get(admin + case.admins()),  # type: ignore[misc]
            turns,
            in_a_row=2,
        )
        now[case.name] = ours
        page.add(Result("list", f"{space.count:,}: {case.name}", ours / theirs, case.budget, ours, theirs))
    if before:
        for name in ("first page", "filter by status", "last page"):
            value, was = now[name] / before[name], before[name]
            case_name = f"{space.count:,} : a tenth, {name}"
            page.add(Result("list", case_name, value, LIKE_AT_A_TENTH, now[name], was))
    return now


def bench_poll(page: Page, visitor: Visitor, others: list[Visitor], space: Space, turns: int, seconds: float) -> None:
    """Measure a poll with nothing new, many at a time, and one that brings as many changed cells as there are rows."""
    first = list_of(space)
    visitor.get(first)
    found = re.search(r'hx-get="([^"]*/poll/[^"]*)"', visitor.text)
    assert found, "the list asks for what is new"
    poll = html.unescape(found.group(1))
    ours, theirs = by_turns(lambda: visitor.get(poll), lambda: visitor.get(first), turns, in_a_row=3)
    assert not visitor_says(visitor, poll), "nothing is new"
    page.add(Result("poll", f"{space.count:,}: nothing new", ours / theirs, 0.15, ours, theirs))
    rate = _rate(others, poll, seconds)
    page.add(Result("poll", f"{space.count:,}: nothing new, {PEOPLE} people", rate, 300, unit="/s", at_least=True))

    serials = re.findall(r"row=([^&]+)", poll)
    rows = Job.objects.filter(serial__in=serials)

    def after_changes(path: str, is_first: bool) -> float:
        """Ask for it when all rows have just changed, and nobody has asked for anything for a while, or others have: both sides alike.

        So many others that some of them are on connections to each of the web server's processes, which share nothing.
        """
        time.sleep(APART_SECONDS)
        rows.update(changed_at=Now())
        for other in () if is_first else others:
            other.get(path)
        return visitor.get(path)

    for is_first, who in ((True, "first to ask"), (False, "others did")):
        ours, theirs = by_turns(
            lambda is_first=is_first: after_changes(poll, is_first),  # type: ignore[misc]
            lambda is_first=is_first: after_changes(first, is_first),  # type: ignore[misc]
            turns,
        )
        case = f"{space.count:,}: {len(serials)} rows changed, {who}"
        page.add(Result("poll", case, ours / theirs, 0.35, ours, theirs))


def visitor_says(visitor: Visitor, path: str) -> str:
    visitor.get(path)
    return visitor.text


def _rate(people: list[Visitor], path: str, seconds: float) -> float:
    """Return how many answers per second people get who ask all at once, again and again."""
    until = time.monotonic() + seconds

    def ask(one: Visitor) -> int:
        for count in itertools.count():
            if time.monotonic() > until:
                return count
            one.get(path)
        return 0

    with ThreadPoolExecutor(len(people)) as pool:
        return sum(pool.map(ask, people)) / seconds
