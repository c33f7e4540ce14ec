"""Simulated trials: a database of their own, no Flink, no Celery, and a clock that jumps."""

import io
import random
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import django
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test.utils import override_settings

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from oceanus_console.child import Log
from oceanus_console.embedded import Postgres
from oceanus_console.home import make_passable
from oceanus_console.supervisor import running
from trials.ground import SQL, open_database
from trials.report import Report, say
from trials.schedule import PEOPLE
from trials.simulated_trial import SimulatedTrial
from trials.trial import Result
from workspaces.models import Member, Role, Workspace

DEADLINES = {"submitting": 40, "starting": 60, "asking": 30, "snapshotting": 30, "ending": 30}
LOST_AFTER_SECONDS = 45
TELL_AFTER = 100


def try_in_simulation(seeds: Sequence[int], processes: int) -> Report:
    """Do a simulated trial for each seed, in so many processes, each with a database of its own."""
    report = Report("simulated")
    portions = [seeds[first::processes] for first in range(min(processes, len(seeds)))]
    if len(portions) == 1:
        results: Iterable[list[Result]] = [take_all(seeds)]
    else:
        # Not forked: each process is one that knows nothing of our connections and threads.
        pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=django.setup)
        results = pool.map(take_all, portions)
    for result in chain.from_iterable(results):
        report.add(result)
    return report


def take_all(seeds: Sequence[int]) -> list[Result]:
    """Do the simulated trials of these seeds one after the other."""
    results: list[Result] = []
    with database() as home, override_settings(**for_trials(home)):
        prepare()
        began = time.monotonic()
        for number, seed in enumerate(seeds, start=1):
            random.seed(seed)  # the console draws, too
            results.append(SimulatedTrial(seed, home).take())
            if number % TELL_AFTER == 0:
                found = sum(bool(one.findings) for one in results)
                say(
                    f"{number:5} of {len(seeds)}: {found} with findings, {(time.monotonic() - began) / number:.2f} s each"
                )
    return results


def for_trials(home: Path) -> dict[str, object]:
    """Return the settings that make a trial short."""
    runner = home / "runner.jar"
    runner.write_bytes(b"PK")  # the fake Flink takes any file for the runner
    return {"SQL_RUNNER_JAR": runner, "STEP_DEADLINE_SECONDS": DEADLINES, "LOST_AFTER_SECONDS": LOST_AFTER_SECONDS}


@contextmanager
def database() -> Iterator[Path]:
    """Run a PostgreSQL of our own for the length of a block; yield the directory where a trial may write."""
    home = Path(tempfile.mkdtemp(prefix="oceanus-simulation-"))
    for directory in (home, home / "run"):
        make_passable(directory)
    postgres = Postgres(home, durable=False)
    try:
        with running([postgres.child()], Log(io.StringIO())):
            open_database(postgres.url)
            yield home
            connection.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def prepare() -> None:
    """Make the people and jobs that every simulated trial begins with."""
    assert settings.SQL_RUNNER_JAR.name == "runner.jar"
    call_command("migrate", interactive=False, verbosity=0)
    workspace = Workspace.objects.create(name="Trials")
    for name in PEOPLE:
        Member.objects.create(workspace=workspace, user=User.objects.create_user(name), role=Role.DEVELOPER)
    cluster = Cluster.objects.create(name="simulated", snapshot_directory="file:///nowhere")
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    endpoint = FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url="http://127.0.0.1:1")
    user = User.objects.get(username=PEOPLE[0])
    for name in ("one", "two", "three"):
        job = operations.create_job(user, workspace, name, cluster, endpoint)
        operations.save_draft(user, job, 0, {"sql": SQL["counting"], "checkpoint_interval_seconds": 5})
        operations.publish(user, job, "first")
