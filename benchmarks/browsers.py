"""`browsers`: many people with an open list of jobs, while a batch works on what the lists show."""

import html
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import quantiles

from django.contrib.auth.models import User

from benchmarks.footprint import command_of, tree
from benchmarks.ground import whole_console
from benchmarks.job_list import list_of
from benchmarks.many_flinks import many_flinks
from benchmarks.measure import POLL, Clicker, Page, Result, Visitor
from benchmarks.rows import Space, fill, new_space, settle
from benchmarks.watching import processor_seconds
from clusters.models import FlinkEndpoint
from jobs.models import Batch, Job, Run
from jobs.states import Status

PEOPLE = 200
JOBS = 100
# Whoever opens a list brings its cells along; what follows is what the budget is about.
OPENED_WITHIN_SECONDS = 4.0


def bench_browsers(page: Page, user: User, seconds: float) -> None:
    """Let so many lists ask for what is new as often as they do, while batches start and stop all jobs that they show."""
    space = new_space("Browsers", user)
    fill(space, JOBS)
    # Nothing runs yet: every job is stopped, with a published version.
    Run.objects.filter(job__workspace=space.workspace).delete()
    Job.objects.filter(workspace=space.workspace).update(status=Status.STOPPED, problem=None, current_run=None)
    settle()
    with many_flinks(1) as flinks:
        FlinkEndpoint.objects.filter(pk=space.endpoint.pk).update(rest_url=flinks.urls()[0])
        with whole_console() as port, _people(port, user, space) as taken:
            time.sleep(OPENED_WITHIN_SECONDS)
            taken.clear()
            web = [pid for pid in tree(os.getpid()) if "gunicorn" in command_of(pid)]
            before, began = sum(map(processor_seconds, web)), time.monotonic()
            batches = _work(Clicker(port, user), space, seconds)
            lasted = time.monotonic() - began
            share = (sum(map(processor_seconds, web)) - before) / lasted
    about = f"{PEOPLE} lists, {batches} batches of {JOBS}"
    page.add(Result("browsers", f"{about}: poll, p95", quantiles(taken, n=20)[-1], 100, unit="ms"))
    page.add(Result("browsers", "polls", len(taken) / lasted, unit="/s"))
    page.add(Result("browsers", "web server, of a core", share * 100, 100, unit="%"))


@contextmanager
def _people(port: int, user: User, space: Space) -> Iterator[list[float]]:
    """Open the lists for the length of a block; yield the milliseconds that each poll took, as they come."""
    taken: list[float] = []
    over = threading.Event()
    people = [Visitor(port, user) for _n in range(PEOPLE)]
    first = people[0]
    first.get(list_of(space))
    threads = [threading.Thread(target=_look, args=[one, first.text, taken, over]) for one in people]
    for thread in threads:
        thread.start()
    try:
        yield taken
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _look(visitor: Visitor, live: str, taken: list[float], over: threading.Event) -> None:
    over.wait(random.uniform(0, 2))  # people don't come all at once
    while not over.is_set():
        found = POLL.search(live)
        assert found, "the list asks for what is new"
        path, number, unit = found.groups()
        taken.append(visitor.get(html.unescape(path)))
        live = visitor.text or live  # 204: nothing is new
        over.wait(float(number) / (1000 if unit == "ms" else 1))


def _work(clicker: Clicker, space: Space, seconds: float) -> int:
    """Run and stop all jobs by turns, a batch each; return how many batches that were."""
    serials = list(
        Job.objects.filter(workspace=space.workspace).order_by("-updated_at").values_list("serial", flat=True)
    )
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        action = "stop" if count % 2 else "run"
        _batch(clicker, space, serials, action, {"start": "none"} if action == "run" else {"with_snapshot": "on"})
        count += 1
    return count


def _batch(clicker: Clicker, space: Space, serials: Sequence[str], action: str, fields: dict[str, str]) -> None:
    key = str(uuid.uuid4())
    path = f"/spaces/{space.workspace.serial}/batch/{action}/"
    clicker.click(path, {"key": key, "jobs": ",".join(serials), **fields})
    while not Batch.objects.filter(key=key).exclude(ended_at=None).exists():
        time.sleep(0.1)
    failed = Batch.objects.get(key=key).items.exclude(state="succeeded").first()
    assert failed is None, f"{failed.state} {failed.reason}"
