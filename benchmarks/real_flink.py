"""`start`, `batch-run`, `batch-stop`, `batch-cancel`: what the console adds to what Flink itself takes, on the real Flink."""

import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth.models import User

from benchmarks.ground import free_port, whole_console
from benchmarks.measure import Clicker, Page, Result
from benchmarks.raw_flink import RawFlink
from clusters.engine import Submission
from clusters.local import LocalFlink
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Batch, Job
from jobs.operations.options import flink_options
from jobs.sql import split
from oceanus_console import embedded
from oceanus_console.child import Log
from oceanus_console.models import Heartbeat
from oceanus_console.supervisor import running
from workspaces.models import Member, Role, Workspace

NAMES = ("start", "batch-run", "batch-stop", "batch-cancel")
# A job with state, whose two tasks share a slot, and which takes next to nothing once it runs.
SQL = """CREATE TABLE numbers (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1', 'fields.n.max' = '10');
CREATE TABLE counts (n INT, c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO counts SELECT n, COUNT(*) FROM numbers GROUP BY n;
"""
CHECKPOINT_SECONDS = 600  # none of them falls into a measurement
DEADLINE_SECONDS = 300


@dataclass(frozen=True)
class Ground:
    """A workspace on a real Flink, with so many published jobs that stand still, and somebody who clicks."""

    endpoint: FlinkEndpoint
    workspace: Workspace
    user: User
    jobs: list[Job]
    clicker: Clicker
    raw: RawFlink


def bench_real_flink(page: Page, names: set[str], user: User, count: int, turns: int) -> None:
    """Measure what `names` says: starts of one job, and batches of `count` jobs, by turns with the bare requests."""
    with ground(user, count) as place:
        warm_up(place)
        if "start" in names:
            bench_start(page, place, turns)
        if names & {"batch-run", "batch-stop", "batch-cancel"}:
            bench_batches(page, place, names, max(1, turns // 5))


@contextmanager
def ground(user: User, count: int) -> Iterator[Ground]:
    home = settings.HOME / "flink"
    flink = LocalFlink(home, embedded.flink_distribution(), embedded.java(), free_port(), free_port(), slots=count + 20)
    with running(embedded.flink_children(flink), Log(sys.stderr)), whole_console() as port:
        cluster = Cluster.objects.create(name="real", snapshot_directory=(home / "ours").as_uri(), total_cu=100_000)
        workspace = Workspace.objects.create(name="Real")
        Member.objects.create(workspace=workspace, user=user, role=Role.DEVELOPER)
        ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
        endpoint = FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=flink.url)
        jobs = [_job(user, workspace, endpoint, number) for number in range(count)]
        raw = RawFlink(flink.url, settings.SQL_RUNNER_JAR, home / "raw")
        _until(lambda: Heartbeat.objects.count() == 2)
        yield Ground(endpoint, workspace, user, jobs, Clicker(port, user), raw)


def _job(user: User, workspace: Workspace, endpoint: FlinkEndpoint, number: int) -> Job:
    job = operations.create_job(user, workspace, f"job-{number:04}", endpoint.cluster, endpoint)
    operations.save_draft(user, job, 0, {"sql": SQL, "checkpoint_interval_seconds": CHECKPOINT_SECONDS})
    operations.publish(user, job, "first")
    return job


def warm_up(place: Ground) -> None:
    """Let JVM, planner and worker have done everything once."""
    for _turn in range(3):
        some = _submissions(place, 5)
        place.raw.run(some)
        place.raw.cancel([one.job_id for one in some])
        _batch(place, "run", place.jobs[:5], {"start": "none"})
        _batch(place, "stop", place.jobs[:5], {"with_snapshot": "on"})


def warm_up_jvms(place: Ground) -> None:
    """Let the JVMs do what they are measured at so often that they have compiled it."""
    for _turn in range(2):
        many = _submissions(place, len(place.jobs))
        place.raw.run(many)
        place.raw.stop([one.job_id for one in many])


# --- one job ---


def bench_start(page: Page, place: Ground, turns: int) -> None:
    """Measure from the click until the job's page shows it running, asking as often as the page does."""
    job = place.jobs[0]
    ours, bare = [], []
    for _turn in range(turns):
        ours.append(_start(place, job))
        _batch(place, "stop", [job], {})
        some = _submissions(place, 1)
        bare.append(place.raw.run(some))
        place.raw.cancel([one.job_id for one in some])
    mine, theirs = statistics.median(ours), statistics.median(bare)
    page.add(Result("start", "more than the bare requests", mine - theirs, 0.3, mine * 1000, theirs * 1000, unit="s"))


def _start(place: Ground, job: Job) -> float:
    clicker = place.clicker
    page = f"/jobs/{job.serial}/"
    clicker.get(page)
    began = time.monotonic()
    clicker.click(page + "run/", {"version": "1", "start": "none"})
    clicker.get(page)  # where the click leads
    clicker.watch_until(lambda text: '<span class="word">Running</span>' in text)
    return time.monotonic() - began


# --- many jobs ---


def bench_batches(page: Page, place: Ground, names: set[str], turns: int) -> None:
    warm_up_jvms(place)
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in NAMES[1:]}
    for turn in range(turns):
        # Of two turns, one begins with the bare requests: what the JobManager keeps of ended jobs weighs on both alike.
        for side in (_ours, _bare) if turn % 2 else (_bare, _ours):
            for name, seconds in side(place):
                taken[name][side is _bare].append(seconds)
    for name, (ours, bare) in taken.items():
        mine, theirs = statistics.median(ours), statistics.median(bare)
        if name in names:
            case = f"{len(place.jobs)} jobs, {turns} turn{'s' * (turns > 1)}"
            page.add(Result(name, case, mine / theirs, 1.10, mine * 1000, theirs * 1000))


def _ours(place: Ground) -> Iterator[tuple[str, float]]:
    yield "batch-run", _batch(place, "run", place.jobs, {"start": "none"})
    yield "batch-stop", _batch(place, "stop", place.jobs, {"with_snapshot": "on"})
    _batch(place, "run", place.jobs, {"start": "none"})
    yield "batch-cancel", _batch(place, "stop", place.jobs, {})


def _bare(place: Ground) -> Iterator[tuple[str, float]]:
    some = _submissions(place, len(place.jobs))
    ids = [one.job_id for one in some]
    yield "batch-run", place.raw.run(some)
    yield "batch-stop", place.raw.stop(ids)
    more = _submissions(place, len(place.jobs))
    place.raw.run(more)
    yield "batch-cancel", place.raw.cancel([one.job_id for one in more])


def _batch(place: Ground, action: str, jobs: list[Job], fields: dict[str, str]) -> float:
    """Click, wait until the batch is over, and return the seconds from the click to its end as the record has it."""
    key = uuid.uuid4()
    clicked_at = datetime.now(UTC)
    form = {"key": str(key), "jobs": ",".join(job.serial for job in jobs), **fields}
    place.clicker.click(f"/spaces/{place.workspace.serial}/batch/{action}/", form)
    _until(lambda: Batch.objects.filter(key=key).exclude(ended_at=None).exists())
    batch = Batch.objects.get(key=key)
    failed = batch.items.exclude(state="succeeded")
    assert not failed, f"{failed.count()} of {batch.total} failed: {failed[0].state} {failed[0].reason}"
    assert batch.ended_at is not None
    return (batch.ended_at - clicked_at).total_seconds()


def _submissions(place: Ground, count: int) -> list[Submission]:
    """Return the same jobs as the console's, under new ids."""
    version = place.jobs[0].versions.get()
    names = [job.name for job in place.jobs[:count]]
    return [Submission(uuid.uuid4().hex, name, split(SQL), 1, flink_options(version)) for name in names]


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError("It takes too long.")
        time.sleep(0.1)
