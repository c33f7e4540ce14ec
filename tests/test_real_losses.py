"""What Flink itself loses, on real Flinks of their own whose processes are killed; and a restore that never heals."""

import io
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from clusters.engine import EngineError
from clusters.flink import plain_path
from clusters.local import LocalFlink
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.advice import explain
from jobs.models import Job, Operation
from jobs.shown import shown
from oceanus_console import embedded
from oceanus_console.child import Log
from oceanus_console.home import Home
from oceanus_console.supervisor import Supervisor
from tests.conftest import REAL_RUNNER
from tests.until import until
from tests.worker import running_worker
from workspaces.models import Workspace

pytestmark = [pytest.mark.flink, pytest.mark.django_db(transaction=True)]

COUNTING = """CREATE TABLE numbers (n INT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '10',
    'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '50000'
);
CREATE TABLE results (k INT, total BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO results SELECT n % 3, {aggregate} FROM numbers GROUP BY n % 3;
"""
FOR_EVER = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000000",
    "restart-strategy.fixed-delay.delay": "1 s",
}
# A quiet endpoint is looked at every 4 s; the machine may be busy.
TWO_TICKS_SECONDS = 12


class Machine:
    """The processes of one Flink, kept alive as `./oceanus up` does it, except for those that are held down."""

    def __init__(self, flink: LocalFlink) -> None:
        self.flink = flink
        self.held: set[str] = set()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()
        until(lambda: hasattr(self, "_supervisor") and self._supervisor.all_ready, "Flink is up", seconds=180)

    def _keep(self) -> None:
        self._supervisor = Supervisor(embedded.flink_children(self.flink), Log(io.StringIO()))
        while not self._ends.wait(0.05):
            for name in self.held:
                self._supervisor.processes[name].not_before = math.inf
            self._supervisor.tick()
        self._supervisor.stop()

    def pid(self, name: str) -> int:
        """Return the id of a process; 0 while there is none."""
        return self._supervisor.processes[name].pid

    def kill(self, name: str, hold: bool = False) -> None:
        """Kill a process with SIGKILL; it is started again at once, or after `release`."""
        if hold:
            self.held.add(name)
        os.kill(self._supervisor.processes[name].pid, signal.SIGKILL)

    def release(self, name: str) -> None:
        self.held.discard(name)
        self._supervisor.processes[name].not_before = 0.0

    def end(self) -> None:
        self._ends.set()
        self._thread.join()


class Place:
    """A job on a Flink of its own, with a real worker; what the console shows of it, and what Flink says."""

    def __init__(self, machine: Machine, endpoint: FlinkEndpoint, pk: int) -> None:
        self.machine, self._endpoint, self.pk = machine, endpoint, pk

    @property
    def job(self) -> Job:
        return Job.objects.for_rows().get(pk=self.pk)

    @property
    def endpoint(self) -> FlinkEndpoint:
        return FlinkEndpoint.objects.get(pk=self._endpoint.pk)

    @property
    def word(self) -> str:
        return shown(self.job).word

    def live_on_flink(self) -> list[str]:
        """Return the ids of the jobs that Flink has and that all work; none while it does not answer."""
        try:
            return [one.job_id for one in self._endpoint.engine().jobs().values() if one.is_up]
        except EngineError:
            return []

    def knows_checkpoint(self) -> bool:
        """Tell whether the console has seen a checkpoint of the run; it looks at what comes later on disk."""
        return self.job.snapshots.filter(source="checkpoint", run=self.job.current_run).exists()


@pytest.fixture
def start(alice: User, workspace: Workspace, tmp_path: Path, settings: Any) -> Iterator[Callable[..., Place]]:
    """Start a Flink, a worker and a job that counts, with a checkpoint a second; all ends with the test."""
    settings.SQL_RUNNER_JAR = REAL_RUNNER
    closing = ExitStack()

    def start(high_availability: bool = False) -> Place:
        ports = Home(tmp_path).ports("flink", "zookeeper")
        flink = LocalFlink(
            home=tmp_path / "flink",
            distribution=embedded.flink_distribution(),
            java=embedded.java(),
            rest_port=ports["flink"],
            zookeeper_port=ports["zookeeper"] if high_availability else 0,
            slots=4,
        )
        machine = Machine(flink)
        closing.callback(machine.end)
        cluster = Cluster.objects.create(name="own", snapshot_directory=(tmp_path / "snapshots").as_uri())
        ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
        endpoint = FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=flink.url)
        closing.enter_context(running_worker())
        job = publish(alice, workspace, endpoint, "counts", COUNTING.format(aggregate="COUNT(n)"))
        operations.run(alice, job, job.versions.get())
        place = Place(machine, endpoint, job.pk)
        until(lambda: place.word == "Running", "the job runs", seconds=120)
        until(place.knows_checkpoint, "a checkpoint is known", seconds=120)  # a run is asked once a minute
        return place

    with closing:
        yield start


def publish(
    user: User,
    workspace: Workspace,
    endpoint: FlinkEndpoint,
    name: str,
    sql: str,
    properties: dict[str, str] = FOR_EVER,
) -> Job:
    job = operations.create_job(user, workspace, name, endpoint.cluster, endpoint)
    operations.save_draft(user, job, 0, {"sql": sql, "checkpoint_interval_seconds": 1, "properties": properties})
    operations.publish(user, job, "first")
    return Job.objects.get(pk=job.pk)


def test_a_jobmanager_without_high_availability_dies_and_the_job_goes_on_from_its_checkpoint(start) -> None:
    place = start()
    lost = place.job.current_run
    assert place.endpoint.keeps_jobs is False
    place.machine.kill("jobmanager")
    until(lambda: place.job.status == "failed", "failed", seconds=120)
    assert place.job.problem.code == "lost-without-ha"
    assert "attempt 1 of 3" in shown(place.job).progress
    until(lambda: place.word == "Running" and place.job.current_run.pk != lost.pk, "runs again", seconds=120)
    run = place.job.current_run
    assert run.restored_from.source == "checkpoint"
    assert f"/{lost.flink_job_id}/chk-" in run.restored_from.location
    found = place.endpoint.engine().restored_from(run.flink_job_id)
    assert plain_path(found) == plain_path(run.restored_from.location)
    assert place.live_on_flink() == [run.flink_job_id]
    assert [one.params["attempt"] for one in automatic(place.job)] == [1]


def test_a_jobmanager_with_high_availability_brings_its_jobs_back_and_nothing_is_lost(start) -> None:
    place = start(high_availability=True)
    run = place.job.current_run
    assert place.endpoint.keeps_jobs is True
    place.machine.kill("jobmanager")
    until(lambda: place.endpoint.unreachable_since, "the console notices")
    until(lambda: place.live_on_flink() == [run.flink_job_id], "back under the same id", seconds=180)
    back_at = time.time()
    until(lambda: place.word == "Running" and place.endpoint.seen_at.timestamp() > back_at, "shown as running")
    job = place.job
    assert (job.status, job.problem, job.recover_at, job.current_run_id) == ("running", None, None, run.pk)
    assert job.runs.count() == 1
    assert not automatic(job)
    assert not job.runs.exclude(end="").exists()


def test_a_job_without_its_taskmanager_is_not_shown_as_running(start) -> None:
    place = start()
    run = place.job.current_run
    worked_at = time.monotonic()

    def tells_the_truth() -> str:
        nonlocal worked_at
        if place.live_on_flink():
            worked_at = time.monotonic()
        word = place.word
        assert word != "Running" or time.monotonic() - worked_at < TWO_TICKS_SECONDS
        return word

    place.machine.kill("taskmanager", hold=True)
    until(lambda: tells_the_truth() == "Restarting", "restarting")
    assert place.job.status == "running"
    place.machine.release("taskmanager")
    until(lambda: tells_the_truth() == "Running", "runs again", seconds=120)
    assert place.live_on_flink() == [run.flink_job_id]
    assert (place.job.runs.count(), place.job.recover_at) == (1, None)
    assert not automatic(place.job)


def automatic(job: Job) -> list[Operation]:
    return list(Operation.objects.filter(job=job, params__automatic=True))


def test_a_restore_that_never_heals_is_ended_in_seconds(
    alice: User, workspace: Workspace, real: FlinkEndpoint, worker: None
) -> None:
    """Flink restarts it for ever: the state of another aggregate does not fit."""
    job = publish(alice, workspace, real, "aggregate", COUNTING.format(aggregate="COUNT(n)"))

    def now() -> Job:
        return Job.objects.for_rows().get(pk=job.pk)

    def ends() -> bool:
        return not Operation.objects.filter(job=job, ended_at=None).exists()

    operations.run(alice, now(), job.versions.get())
    until(lambda: ends() and now().status == "running", "runs", seconds=120)
    operations.stop(alice, now(), with_snapshot=True)
    until(lambda: ends() and now().status == "stopped", "stopped")
    operations.save_draft(alice, now(), 1, {"sql": COUNTING.format(aggregate="AVG(n)")})
    version = operations.publish(alice, now(), "another aggregate")
    began = time.monotonic()
    operations.run(alice, now(), version, job.snapshots.get(source="stop"))
    until(ends, "ended")
    assert time.monotonic() - began < 20
    failed = now()
    assert (failed.status, failed.current_run.end, failed.recover_at) == ("failed", "failed", None)
    assert explain(failed.problem).title == "The snapshot does not fit the new version"
    # The overview: what Flink tells of a single job may be a second old.
    assert real.engine().jobs()[failed.current_run.flink_job_id].state == "CANCELED"
