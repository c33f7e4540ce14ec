"""All benchmarks in their order, on one database that grows."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from benchmarks import real_flink
from benchmarks.batches import bench_accept, bench_copy
from benchmarks.browsers import bench_browsers
from benchmarks.footprint import bench_footprint
from benchmarks.ground import web_server
from benchmarks.job_list import PEOPLE, bench_list, bench_poll
from benchmarks.measure import HEAD, Page, Visitor, tell
from benchmarks.rows import Space, fill, new_space, settle
from benchmarks.watching import bench_watch

SPACES = 4
TURNS_OF_BATCHES = 5
REAL_JOBS = 100


def measure_all(
    names: Sequence[str],
    sizes: Sequence[int],
    count: int,
    turns: int,
    seconds: float,
    watch_seconds: float,
    load_seconds: float,
) -> Page:
    """Measure what `names` says: lists with each of `sizes`, batches with `count` jobs."""
    call_command("migrate", interactive=False, verbosity=0)
    user = User.objects.create_superuser("bench")
    spaces = [new_space(f"Space {n}", user) for n in range(1, SPACES + 1)]
    page = Page()
    tell(HEAD)
    if {"list", "poll"} & set(names):
        _lists(page, names, spaces, user, sizes, turns, seconds)
    if "footprint" in names:
        bench_footprint(page, load_seconds)
    if "browsers" in names:
        bench_browsers(page, user, watch_seconds)
    if "watch" in names:
        bench_watch(page, user, count, turns, watch_seconds)
    if on_flink := set(real_flink.NAMES) & set(names):
        real_flink.bench_real_flink(page, on_flink, user, min(count, REAL_JOBS), turns)
    if not {"batch-accept", "copy"} & set(names):
        connection.close()
        return page
    work = new_space("Batches", user)
    fill(work, 2 * count)
    settle()
    few = min(turns, TURNS_OF_BATCHES)
    if "batch-accept" in names:
        bench_accept(page, work, count, few)
    if "copy" in names:
        bench_copy(page, work, count, few)
    connection.close()
    return page


def _lists(
    page: Page,
    names: Sequence[str],
    spaces: Sequence[Space],
    user: User,
    sizes: Sequence[int],
    turns: int,
    seconds: float,
) -> None:
    before: dict[str, float] = {}
    with web_server() as port:
        for size in sizes:
            for space in spaces:
                fill(space, size)
            settle()
            visitor = Visitor(port, user)  # anew: the server closes a connection that was idle meanwhile
            if "list" in names:
                before = bench_list(page, visitor, spaces[0], turns, before if size >= 1000 else {})
            if "poll" in names:
                others = [Visitor(port, user) for _n in range(PEOPLE)]
                bench_poll(page, visitor, others, spaces[0], turns, seconds)
