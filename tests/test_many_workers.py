"""Two beats and three workers, as on several machines, on one database and broker: nothing is done twice, and nothing is lost."""

import time
from collections import Counter
from datetime import timedelta

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.db.models import F

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Batch, Job, Operation, Snapshot
from jobs.states import Action
from jobs.tasks import BUSY_SECONDS
from tests.conftest import make_job
from tests.fake_flink import FakeFlink
from tests.until import until
from tests.worker import running_worker
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = 40
OVERVIEW = ("GET", "/jobs/overview")
LOOKS = 12


@pytest.fixture
def jobs(alice: User, workspace: Workspace, endpoint: FlinkEndpoint, fake: FakeFlink) -> list[Job]:
    fake.slots_total = 2 * JOBS
    endpoint.cluster.total_cu = 10 * JOBS
    endpoint.cluster.save()
    return [make_job(alice, workspace, endpoint, f"job-{number}") for number in range(JOBS)]


def test_many_work_together_also_when_some_of_them_die(
    alice: User, workspace: Workspace, fake: FakeFlink, jobs: list[Job]
) -> None:
    def ask_for(action: Action, **params: object) -> Batch:
        return operations.request_batch(alice, workspace, action, Job.objects.all(), params)

    with running_worker(workers=3, beats=2) as crew:
        running = ask_for(Action.RUN, start="none")
        until(lambda: len(fake.submissions()) >= JOBS // 4, "a quarter was submitted")
        crew.workers[0].kill()
        until(lambda: has_ended(running), "all run", seconds=120)
        assert set(running.items.values_list("state", flat=True)) == {"succeeded"}
        assert each_once(Counter(body["jobId"] for body in fake.submissions()))

        assert seconds_of_looks(alice, fake, jobs[0]) > LOOKS * BUSY_SECONDS * 0.6
        assert all(beat.poll() is None for beat in crew.beats)

        stopping = ask_for(Action.STOP, with_snapshot=True)
        until(lambda: fake.seen("POST", "/jobs/.*/stop") >= JOBS // 4, "a quarter was asked to stop")
        crew.beats[0].kill()
        crew.workers[1].kill()
        until(lambda: has_ended(stopping), "all are stopped", seconds=120)
    assert not Operation.objects.filter(ended_at=None).exists()
    assert set(Job.objects.values_list("status", flat=True)) == {"stopped"}
    # One is stopped already; it says so, and the others were stopped.
    assert Counter(stopping.items.values_list("state", flat=True)) == {"succeeded": JOBS - 1, "refused": 1}
    assert each_once(Counter(body["jobId"] for body in fake.submissions()))
    asked = {(one.path, one.body["triggerId"]) for one in list(fake.requests) if one.fits(("POST", "/jobs/.*/stop"))}
    assert each_once(Counter(path for path, _trigger in asked))
    assert {len(job.savepoints) for job in fake.jobs.values()} == {1}
    taken = Snapshot.objects.filter(source="stop", state="completed")
    assert each_once(Counter(taken.values_list("job", flat=True)))


def has_ended(batch: Batch) -> bool:
    batch.refresh_from_db()
    return batch.ended_at is not None


def each_once(counted: Counter[str]) -> bool:
    return len(counted) == JOBS and set(counted.values()) == {1}


def seconds_of_looks(user: User, fake: FakeFlink, job: Job) -> float:
    """Return how long so many looks take while a stop waits for its snapshot; the job is stopped afterwards."""
    fake.hold_savepoints()
    operation = operations.stop(user, job, with_snapshot=True)
    here = Operation.objects.filter(pk=operation.pk)
    until(lambda: here.filter(step="snapshotting").exists(), "it waits")
    # As if it had been waiting for long: no look besides those of the ticks.
    here.update(deadline_at=F("deadline_at") - timedelta(minutes=1))
    first = fake.seen(*OVERVIEW) + 2
    until(lambda: fake.seen(*OVERVIEW) >= first, "a first look")
    began = time.monotonic()
    until(lambda: fake.seen(*OVERVIEW) >= first + LOOKS, f"{LOOKS} looks")
    passed = time.monotonic() - began
    fake.release_savepoints()
    until(lambda: here.exclude(ended_at=None).exists(), "it is stopped")
    return passed


def test_the_broker_only_hands_messages_on(db: None) -> None:
    """What a worker has in hand stands in PostgreSQL; that the broker keeps it, too, would be half of what a message costs."""
    with current_app.connection_for_read() as connection:
        broker = connection.default_channel.client
        before = broker.info("commandstats")
        with running_worker():  # it has got a message when this begins
            after = broker.info("commandstats")
    asked = {name for name, told in after.items() if told["calls"] > before.get(name, {"calls": 0})["calls"]}
    assert {"cmdstat_lpush", "cmdstat_brpop"} <= asked
    assert "cmdstat_hset" not in asked, "no message is written down beside the queue"
