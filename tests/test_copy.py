"""Copy: the definition goes over, state and history do not; the product's rules say what changes."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Folder, Job
from tests.conftest import SQL, Console, make_job
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(workspace: Workspace, fake) -> Cluster:
    """A cluster with two Flink versions, of which 1.20.5 is the default, and without fine-grained resources."""
    other = Cluster.objects.create(name="cluster-b", snapshot_directory="file:///tmp/b", supports_fine_grained=False)
    ClusterBinding.objects.create(cluster=other, workspace=workspace)
    FlinkEndpoint.objects.create(cluster=other, flink_version="1.20.5", rest_url=fake.url)
    return other


def test_it_copies_the_definition_and_nothing_else(console: Console, alice, cluster) -> None:
    console.start()
    console.click_snapshot()
    console.settle()
    new, changes = operations.copy(alice, console.job, cluster, "orders-2", None)
    assert changes == []
    assert (new.status, new.last_version_number, new.online_number) == ("stopped", 1, None)
    assert new.versions.get().sql == new.draft.sql == SQL
    assert new.versions.get().note == "copied from orders v1"
    assert not new.runs.exists()
    assert not new.snapshots.exists()
    assert console.job.status == "running"


def test_it_takes_the_online_version_not_the_newest(console: Console, alice, cluster) -> None:
    console.start()
    operations.save_draft(alice, console.job, 1, {"sql": SQL + "-- newer"})
    operations.publish(alice, console.job, "second")
    new, _changes = operations.copy(alice, console.job, cluster, "copy", None)
    assert new.versions.get().sql == SQL
    assert new.draft.sql == SQL + "-- newer"


@pytest.mark.parametrize("saved", [True, False])
def test_a_copy_of_an_unpublished_job_is_as_its_source(alice, workspace, cluster, endpoint, saved: bool) -> None:
    job = operations.create_job(alice, workspace, "draft-only", cluster, endpoint)
    if saved:
        operations.save_draft(alice, job, 0, {"sql": SQL})
    new, _changes = operations.copy(alice, job, cluster, "copy", None)
    assert new.status == ("unpublished" if saved else "uninitialized")


def test_a_version_that_the_target_lacks_becomes_its_default(job: Job, alice, other) -> None:
    new, changes = operations.copy(alice, job, other, "copy", None)
    assert (new.cluster, new.endpoint.flink_version) == (other, "1.20.5")
    assert [str(one) for one in changes] == ["Flink version 2.2.1 becomes 1.20.5"]


def test_a_version_that_the_target_has_stays(job: Job, alice, other, fake) -> None:
    FlinkEndpoint.objects.create(cluster=other, flink_version="2.2.1", rest_url=fake.url, is_default=False)
    new, changes = operations.copy(alice, job, other, "copy", None)
    assert (new.endpoint.flink_version, changes) == ("2.2.1", [])


def test_fine_grained_specs_become_one_cu_where_they_are_not_supported(alice, workspace, endpoint, other) -> None:
    specs = {"jobmanager_spec": Decimal("0.25"), "taskmanager_spec": Decimal("0.5")}
    job = make_job(alice, workspace, endpoint, "fine", **specs)
    new, changes = operations.copy(alice, job, other, "copy", None)
    assert (new.draft.jobmanager_spec, new.versions.get().taskmanager_spec) == (1, 1)
    assert [str(one) for one in changes] == [
        "Flink version 2.2.1 becomes 1.20.5",
        "JobManager spec 0.25 CU becomes 1 CU",
        "TaskManager spec 0.5 CU becomes 1 CU",
    ]
    source = Job.objects.get(pk=job.pk)
    assert source.draft.jobmanager_spec == Decimal("0.25")


def test_it_refuses_a_taken_name_a_foreign_cluster_and_a_foreign_folder(job: Job, alice, cluster) -> None:
    with pytest.raises(operations.Refusal, match="already a job"):
        operations.copy(alice, job, cluster, job.name, None)
    elsewhere = Workspace.objects.create(name="Other")
    foreign = Cluster.objects.create(name="foreign", snapshot_directory="file:///x")
    ClusterBinding.objects.create(cluster=foreign, workspace=elsewhere)
    with pytest.raises(operations.Refusal, match="not bound"):
        operations.copy(alice, job, foreign, "copy", None)
    with pytest.raises(operations.Refusal, match="folder"):
        operations.copy(alice, job, cluster, "copy", Folder.objects.create(workspace=elsewhere, name="theirs"))


def test_the_name_of_a_copy_tells_when_and_is_free_and_short_enough(
    job: Job, alice, workspace, cluster, endpoint
) -> None:
    at = datetime(2022, 1, 12, 10, 14, 52, tzinfo=UTC)
    assert operations.name_of_copy(job, at) == "orders_2022-01-12_10_14_52"
    operations.copy(alice, job, cluster, "orders_2022-01-12_10_14_52", None)
    assert operations.name_of_copy(job, at) == "orders_2022-01-12_10_14_52_2"
    longest = make_job(alice, workspace, endpoint, "x" * 49)
    assert len(operations.name_of_copy(longest, at)) == 49
