"""A batch is cancelled in the middle: what has begun ends as it ends, nothing else begins, and each job is told how it went."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.models import Batch, BatchItem, Job, Operation
from jobs.states import Action
from tests.conftest import make_job
from tests.fake_flink import FakeFlink
from tests.until import until
from tests.worker import running_worker
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = 40
SUBMISSION = ("POST", "/jars/.*/run")


@pytest.fixture
def jobs(alice: User, workspace: Workspace, endpoint: FlinkEndpoint, fake: FakeFlink) -> list[Job]:
    """More jobs than stand in line at a time."""
    fake.slots_total = 2 * JOBS
    Cluster.objects.filter(pk=endpoint.cluster_id).update(total_cu=10 * JOBS)
    return [make_job(alice, workspace, endpoint, f"job-{number}") for number in range(JOBS)]


def begun(batch: Batch) -> int:
    return batch.items.exclude(operation=None).count()


def test_what_waits_never_begins_and_what_has_begun_is_told_as_it_is(
    client: Client, alice: User, workspace: Workspace, fake: FakeFlink, jobs: list[Job]
) -> None:
    client.force_login(alice)
    fake.refuse_next_run("java.lang.RuntimeException: the first one is broken")
    slow = fake.fault(SUBMISSION, "delay", times=None)
    with running_worker():
        batch = operations.request_batch(alice, workspace, Action.RUN, Job.objects.all(), {"start": "none"})
        slow.wait()
        assert batch.counts()["waiting"], "some have not begun"
        page = client.post(f"/batches/{batch.serial}/cancel/", follow=True).text
        cancelled = batch.counts()["cancelled"]
        assert 0 < cancelled < JOBS
        assert "Cancelled" in page
        count = begun(batch)
        assert count + cancelled == JOBS

        fake.clear_faults()
        slow.release()
        until(lambda: Batch.objects.get(pk=batch.pk).ended_at, "the batch is over")
        assert begun(batch) == count, "nothing has begun since"

        assert batch.counts() | {"succeeded": 0} == dict.fromkeys(BatchItem.State.values, 0) | {
            "failed": 1,
            "cancelled": cancelled,
        }
        for item in batch.items.select_related("job", "operation"):
            runs = item.job.runs.count()
            told = (item.state, item.job.status, item.job.action, runs)
            if item.operation is None:
                assert told == ("cancelled", "stopped", "", 0)
            else:
                assert item.state == item.operation.outcome
                assert told in [
                    ("succeeded", "running", "", 1),
                    ("failed", "stopped", "", 1),
                    ("failed", "failed", "", 1),
                ]
        running = {job_id for job_id, job in fake.jobs.items() if job.state == "RUNNING"}
        assert len(running) == JOBS - cancelled - 1
        # What was taken back may be asked for again, and only that and what failed is.
        again = operations.retry_failed(alice, Batch.objects.get(pk=batch.pk))
        until(lambda: Batch.objects.get(pk=again.pk).ended_at, "the rest is over, too")
    assert set(again.items.values_list("state", flat=True)) == {"succeeded"}
    assert again.total == cancelled + 1
    assert sum(job.state == "RUNNING" for job in fake.jobs.values()) == JOBS
    assert not Operation.objects.filter(ended_at=None).exists()
