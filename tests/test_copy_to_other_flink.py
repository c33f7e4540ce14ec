"""A copy on a cluster with another version of Flink really runs there, and goes on there from its own snapshot."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from clusters.local import LocalFlink
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from tests.flink import SECOND_VERSION
from tests.until import until
from tests.worker import running_worker
from workspaces.models import Workspace

pytestmark = [pytest.mark.flink, pytest.mark.django_db(transaction=True)]

REAL_RUNNER = settings.SQL_RUNNER_JAR  # one jar, compiled against the default version
SQL = """CREATE TABLE numbers (n INT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '10',
    'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '10000'
);
CREATE TABLE results (parity INT, readings BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO results SELECT MOD(n, 2), COUNT(*) FROM numbers GROUP BY MOD(n, 2);
"""


@pytest.fixture(autouse=True)
def runner_jar(settings) -> None:
    settings.SQL_RUNNER_JAR = REAL_RUNNER


def make_endpoint(workspace: Workspace, name: str, version: str, url: str, directory: Path) -> FlinkEndpoint:
    cluster = Cluster.objects.create(name=name, snapshot_directory=directory.as_uri())
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    return FlinkEndpoint.objects.create(cluster=cluster, flink_version=version, rest_url=url)


@pytest.fixture
def default(flink: LocalFlink, workspace: Workspace, tmp_path: Path) -> FlinkEndpoint:
    return make_endpoint(workspace, "default", "2.2.1", flink.url, tmp_path / "default")


@pytest.fixture
def second(second_flink: LocalFlink, workspace: Workspace, tmp_path: Path) -> FlinkEndpoint:
    return make_endpoint(workspace, "second", SECOND_VERSION, second_flink.url, tmp_path / "second")


@pytest.fixture
def worker(default: FlinkEndpoint, second: FlinkEndpoint) -> Iterator[None]:
    with running_worker():
        yield


def sees(job: Job, status: str) -> Job:
    """Wait until the job has this status and nothing is under way."""

    def now() -> Job:
        return Job.objects.select_related("problem", "current_run").get(pk=job.pk)

    until(lambda: now().status == status and not now().action, f"{job}: {status}, not {now().status}", seconds=90)
    assert now().problem is None
    return now()


def test_a_copy_runs_on_the_other_version(
    alice: User, workspace: Workspace, default: FlinkEndpoint, second: FlinkEndpoint, worker: None
) -> None:
    job = operations.create_job(alice, workspace, "numbers", default.cluster, default)
    operations.save_draft(alice, job, 0, {"sql": SQL, "checkpoint_interval_seconds": 1})
    operations.publish(alice, job, "first")
    operations.run(alice, job, job.versions.get())
    job = sees(job, "running")

    new, changes = operations.copy(alice, job, second.cluster, "numbers-copy", None)
    assert [str(one) for one in changes] == [f"Flink version 2.2.1 becomes {SECOND_VERSION}"]
    assert (new.endpoint, new.status) == (second, "stopped")
    assert second.engine().capacity().version == SECOND_VERSION

    operations.run(alice, new, new.versions.get())
    first_run = sees(new, "running").current_run
    assert first_run
    assert second.engine().job(first_run.flink_job_id).is_up

    operations.stop(alice, new, True)
    sees(new, "stopped")
    snapshot = new.snapshots.get(source="stop")  # beside it may stand the newest checkpoint
    assert snapshot.state == "completed"

    operations.run(alice, new, new.versions.get(), snapshot=snapshot)
    second_run = sees(new, "running").current_run
    assert second_run
    assert second_run != first_run
    assert second_run.restored_from == snapshot
    assert second.engine().job(second_run.flink_job_id).is_up

    # The source never noticed, and each Flink has only its own.
    assert default.engine().job(sees(job, "running").current_run.flink_job_id).is_up
    for one in (new, job):
        operations.stop(alice, Job.objects.get(pk=one.pk), False)
        sees(one, "stopped")
