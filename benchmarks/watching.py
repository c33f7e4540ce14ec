"""`watch`: what it costs to know how a thousand jobs on ten Flinks are, and how soon it is known."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.utils import timezone

from benchmarks.many_flinks import ManyFlinks, many_flinks
from benchmarks.measure import Page, Result
from benchmarks.rows import Space, fill, new_space, settle
from clusters.capacity import KNOWN_FOR
from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Job, Operation, Run
from jobs.operations.watch import BUSY_SECONDS, QUIET_SECONDS
from jobs.states import Status
from oceanus_console.applications import beat_command, worker_command

ENDPOINTS = 10
FAILING = 100
MOST_TURNS = 3
POLL_SECONDS = 0.05
CAUSE = "java.lang.ArithmeticException: / by zero at"
PATIENCE_SECONDS = 60.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Place:
    """What is watched, and who watches: worker and beat, by their ids."""

    spaces: list[Space]
    flinks: ManyFlinks
    pids: list[int]

    def running(self, number: int) -> list[str]:
        """Return Flink's ids of the jobs that run on an endpoint."""
        open_ones = Run.objects.filter(endpoint=self.spaces[number].endpoint, ended_at=None)
        return list(open_ones.values_list("flink_job_id", flat=True))

    def processor_seconds(self) -> float:
        return sum(processor_seconds(pid) for pid in self.pids)


def bench_watch(page: Page, user: User, count: int, turns: int, seconds: float) -> None:
    """Measure with `count` running jobs or some more, each part for `seconds`; jobs fail so many `turns`, but not too many."""
    with place(user, count) as here:
        jobs = Job.objects.filter(status=Status.RUNNING, cluster__name__startswith="Watch").count()
        about = f"{jobs:,} jobs"
        bench_quiet(page, here, about, seconds)
        bench_busy(page, here, about, seconds)
        bench_failures(page, here, min(turns, MOST_TURNS))
        bench_hanging(page, here, about, seconds)


@contextmanager
def place(user: User, count: int) -> Iterator[Place]:
    spaces = [new_space(f"Watch {n}", user) for n in range(ENDPOINTS)]
    with many_flinks(ENDPOINTS) as flinks:
        for number, (space, url) in enumerate(zip(spaces, flinks.urls(), strict=True)):
            # Of ten jobs, six run.
            fill(space, math.ceil(count / ENDPOINTS / 0.6))
            FlinkEndpoint.objects.filter(pk=space.endpoint.pk).update(rest_url=url)
            flinks.run_jobs(
                number, list(space.endpoint.runs.filter(ended_at=None).values_list("flink_job_id", flat=True))
            )
        settle()
        # What other benchmarks have left behind is no part of it.
        others = FlinkEndpoint.objects.exclude(pk__in=[space.endpoint.pk for space in spaces])
        others.update(look_at=timezone.now() + timedelta(days=1))
        commands = [worker_command(), beat_command()]
        processes = [subprocess.Popen(list(command), stderr=sys.stderr) for command in commands]
        try:
            here = Place(spaces, flinks, [process.pid for process in processes])
            _until(lambda: not FlinkEndpoint.objects.filter(pk__in=_pks(here), seen_at=None).exists())
            time.sleep(QUIET_SECONDS)  # what is done once, at the first looks, is over
            yield here
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def bench_quiet(page: Page, here: Place, about: str, seconds: float) -> None:
    """Nothing happens: what it costs all the same, and how old is what pages show."""
    _forget_requests(here)
    before = here.processor_seconds()
    ages = _ages(here, seconds)
    share = (here.processor_seconds() - before) / seconds * 100
    page.add(Result("watch", f"{about}: worker and beat, of a core", share, 5, unit="%"))
    page.add(Result("watch", f"{about}: age of a status, p99", _p99(ages), 2 * QUIET_SECONDS, unit="s"))
    _requests(page, here, about, QUIET_SECONDS)


def bench_busy(page: Page, here: Place, about: str, seconds: float) -> None:
    """One operation is open for all the time: a stop whose snapshot takes long."""
    here.flinks.hold_savepoints(0)
    job = Job.objects.filter(endpoint=here.spaces[0].endpoint, status=Status.RUNNING).first()
    assert job is not None
    operation = operations.stop(here.spaces[0].user, job, with_snapshot=True)
    _until(lambda: Operation.objects.filter(pk=operation.pk, step="snapshotting").exists())
    time.sleep(QUIET_SECONDS)
    _forget_requests(here)
    before = here.processor_seconds()
    ages = _ages(here, seconds, [0])
    share = (here.processor_seconds() - before) / seconds * 100
    page.add(Result("watch", f"{about}: the same, a stop waits", share, unit="%"))
    page.add(Result("watch", "age of a status there, p99", _p99(ages), 2 * BUSY_SECONDS, unit="s"))
    here.flinks.release_savepoints(0)
    _until(lambda: Operation.objects.filter(pk=operation.pk).exclude(ended_at=None).exists())


def bench_failures(page: Page, here: Place, turns: int) -> None:
    """Many jobs of an endpoint fail at once, each for a reason of its own: the seconds until the last is shown with its own."""
    worst = 0.0
    for number in range(1, 1 + turns):
        job_ids = here.running(number)[:FAILING]
        waiting = dict(Run.objects.filter(flink_job_id__in=job_ids).values_list("job", "flink_job_id"))
        count = len(waiting)
        at = here.flinks.fail_jobs(number, job_ids, CAUSE)
        while waiting:
            for pk in _shown_failed(waiting):
                del waiting[pk]
            if time.time() - at > PATIENCE_SECONDS:
                raise RuntimeError(f"{len(waiting)} jobs are not shown as failed, or without their cause")
            time.sleep(POLL_SECONDS)
        worst = max(worst, time.time() - at)
        # The console would run them again after some seconds; what that takes is not of interest here.
        Job.objects.filter(current_run__flink_job_id__in=job_ids).update(recover_at=None)
        time.sleep(number / turns * QUIET_SECONDS)  # at another moment between two looks each time
    page.add(Result("watch", f"{count} jobs fail at once, all shown", worst, 5, unit="s"))


def _shown_failed(waiting: dict[int, str]) -> list[int]:
    rows = Job.objects.filter(pk__in=waiting, status=Status.FAILED).exclude(problem=None)
    told = rows.values_list("pk", "problem__summary")
    return [pk for pk, summary in told if waiting[pk] in summary]


def bench_hanging(page: Page, here: Place, about: str, seconds: float) -> None:
    """One Flink accepts requests and never answers: nothing becomes older elsewhere."""
    last = ENDPOINTS - 1
    here.flinks.hang(last)
    ages = _ages(here, max(seconds, 2 * QUIET_SECONDS), range(last))
    page.add(Result("watch", f"{about}: age elsewhere, one hangs, p99", _p99(ages), 2 * QUIET_SECONDS, unit="s"))


def _requests(page: Page, here: Place, about: str, pause: float) -> None:
    """Tell how many requests a tick costs, as the Flinks have counted them."""
    asked = [here.flinks.requests(number) for number in range(ENDPOINTS)]
    looks = [[at for at, what in told if what == "GET /jobs/overview"] for told in asked]
    # A tick may come up to one second late, and the next in time.
    most = max(_most_within(times, pause - 1) for times in looks)
    page.add(Result("watch", f"{about}: looks per endpoint and tick", most, 1, unit=""))
    slots = [[at for at, what in told if what == "GET /overview"] for told in asked]
    most = max(_most_within(times, KNOWN_FOR.total_seconds() - 1) for times in slots)
    page.add(Result("watch", f"{about}: slots per endpoint and {KNOWN_FOR.seconds} s", most, 1, unit=""))
    known = ("/jobs/overview", "/checkpoints", "GET /overview")
    others = sum(not what.endswith(known) for told in asked for _at, what in told)
    page.add(Result("watch", f"{about}: other requests", others, 0, unit=""))


def _most_within(times: Sequence[float], seconds: float) -> int:
    return max((sum(0 <= one - first < seconds for one in times) for first in times), default=0)


def _forget_requests(here: Place) -> None:
    for number in range(ENDPOINTS):
        here.flinks.requests(number)


def _ages(here: Place, seconds: float, numbers: Sequence[int] = range(ENDPOINTS)) -> list[float]:
    """Return how old the last look at each of these endpoints was, again and again for some seconds."""
    pks = [here.spaces[number].endpoint.pk for number in numbers]
    found: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen = FlinkEndpoint.objects.filter(pk__in=pks).values_list("seen_at", flat=True)
        found += [time.time() - at.timestamp() for at in seen if at]
        time.sleep(POLL_SECONDS)
    return found


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _pks(here: Place) -> list[int]:
    return [space.endpoint.pk for space in here.spaces]


def processor_seconds(pid: int) -> float:
    """Return what a process and the children it has waited for have used of processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_SECOND


def _until(ask: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ask():
        if time.monotonic() > deadline:
            raise RuntimeError("It does not come to pass.")
        time.sleep(POLL_SECONDS)
