"""A Flink whose TaskManagers are on several hosts is a cluster by its REST address; one of them dies in the middle of a batch."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from clusters.engine import EngineError, JobSight
from clusters.local import LocalFlink
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Batch, Job, Operation
from jobs.shown import shown
from jobs.states import Action
from oceanus_console import embedded
from oceanus_console.home import Home
from tests.conftest import REAL_RUNNER
from tests.test_real_losses import COUNTING, TWO_TICKS_SECONDS, Machine, publish
from tests.until import until
from tests.worker import running_worker
from workspaces.models import Workspace

pytestmark = [pytest.mark.flink, pytest.mark.django_db(transaction=True)]

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
SLOTS = 2
JOBS = 5  # more than two hosts have slots for


class Place:
    """Jobs on three hosts; what the console shows of them, and what Flink says."""

    def __init__(self, machine: Machine, endpoint: FlinkEndpoint, user: User, workspace: Workspace) -> None:
        self.machine, self.endpoint, self.user, self.workspace = machine, endpoint, user, workspace
        self._worked_at: dict[int, float] = {}

    def jobs(self) -> list[Job]:
        return list(Job.objects.for_rows().order_by("pk"))

    def batch(self, action: Action, jobs: list[Job], **params: object) -> Batch:
        chosen = Job.objects.filter(pk__in=[job.pk for job in jobs])
        return operations.request_batch(self.user, self.workspace, action, chosen, params)

    def sights(self) -> dict[str, JobSight]:
        """Return what Flink shows; nothing while it does not answer."""
        try:
            return self.endpoint.engine().jobs()
        except EngineError:
            return {}

    def slots_in_use(self) -> dict[str, int]:
        told = self.machine.flink._get("/taskmanagers") or {"taskmanagers": []}
        return {one["id"]: one["slotsNumber"] - one["freeSlots"] for one in told["taskmanagers"]}

    def shows_the_truth(self) -> bool:
        """Fail if a job is shown as running though it has not worked for two ticks; return True otherwise."""
        sights, now = self.sights(), time.monotonic()
        for job in self.jobs():
            run = job.current_run
            if run and run.flink_job_id in sights and sights[run.flink_job_id].is_up:
                self._worked_at[job.pk] = now
            is_late = now - self._worked_at.setdefault(job.pk, now) > TWO_TICKS_SECONDS
            assert shown(job).word != "Running" or not is_late, f"{job} does not run"
        return True

    def all_run(self, jobs: list[Job]) -> bool:
        self.shows_the_truth()
        sights = self.sights()
        now = [job for job in self.jobs() if job.pk in {one.pk for one in jobs}]
        return all(shown(job).word == "Running" and sights[job.current_run.flink_job_id].is_up for job in now)

    def ended(self, batch: Batch) -> bool:
        batch.refresh_from_db()
        return self.shows_the_truth() and batch.ended_at is not None


@pytest.fixture
def place(alice: User, workspace: Workspace, tmp_path: Path, settings: Any) -> Iterator[Place]:
    settings.SQL_RUNNER_JAR = REAL_RUNNER
    flink = LocalFlink(
        home=tmp_path / "flink",
        distribution=embedded.flink_distribution(),
        java=embedded.java(),
        rest_port=Home(tmp_path).ports("flink")["flink"],
        slots=SLOTS,
        hosts=HOSTS,
    )
    machine = Machine(flink)
    try:
        cluster = Cluster.objects.create(name="three", snapshot_directory=(tmp_path / "snapshots").as_uri())
        ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
        endpoint = FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=flink.url)
        for number in range(JOBS):
            publish(alice, workspace, endpoint, f"counts-{number}", COUNTING.format(aggregate="COUNT(n)"))
        with running_worker():
            yield Place(machine, endpoint, alice, workspace)
    finally:
        machine.end()


def test_a_host_dies_in_the_middle_of_a_batch(place: Place) -> None:
    jobs = place.jobs()
    running = place.batch(Action.RUN, jobs, start="none")
    until(lambda: place.ended(running), "all were started", seconds=120)
    assert set(running.items.values_list("state", flat=True)) == {"succeeded"}
    assert set(place.slots_in_use()) == {"local", "local-2", "local-3"}
    assert all(place.slots_in_use().values())

    asked = place.batch(Action.STOP, jobs[:3], with_snapshot=True)
    until(lambda: Operation.objects.filter(batch=asked).exists(), "the first is under way")
    place.machine.kill("taskmanager-2", hold=True)
    until(lambda: place.ended(asked), "each stop has an outcome", seconds=120)
    stopped = [item for item in asked.items.select_related("job", "operation__snapshot") if says_the_truth(place, item)]

    # Two hosts have slots for four jobs: as many as there are go on there.
    left = [job for job in place.jobs() if job.status == "running"]
    assert len(left) == JOBS - len(stopped)
    enough = min(len(left), 2 * SLOTS)
    until(lambda: place.shows_the_truth() and others_work(place) == enough, "they go on on the others", seconds=120)

    place.machine.release("taskmanager-2")
    again = place.batch(Action.RUN, [item.job for item in stopped], start="latest") if stopped else None
    until(lambda: place.all_run(jobs), "all run again", seconds=120)
    assert again is None or all(run_from_its_snapshot(item.job) for item in stopped)
    assert not Operation.objects.filter(ended_at=None).exists()


def says_the_truth(place: Place, item: Any) -> bool:
    """Tell whether a stop succeeded; hold what it says to what Flink says."""
    job, operation = Job.objects.get(pk=item.job_id), item.operation
    sight = place.sights()[operation.run.flink_job_id]
    if item.state == "succeeded":
        assert (job.status, str(sight.state), operation.snapshot.state) == ("stopped", "FINISHED", "completed")
        return True
    assert (item.state, job.status, sight.state.is_over) == ("failed", "running", False)
    assert item.problem
    return False


def others_work(place: Place) -> int:
    """Return how many jobs all work, without the host that was killed; -1 while Flink still counts on that one."""
    in_use, working = place.slots_in_use(), sum(sight.is_up for sight in place.sights().values())
    return working if set(in_use) == {"local", "local-3"} and sum(in_use.values()) == working else -1


def run_from_its_snapshot(job: Job) -> bool:
    run = Job.objects.get(pk=job.pk).current_run
    return run is not None and run.restored_from is not None and run.restored_from.source == "stop"
