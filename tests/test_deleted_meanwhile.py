"""What somebody deletes while another one is about to use it: he is told so in a sentence, and nothing is done twice."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from clusters import acts as cluster_acts
from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from workspaces import acts, variables
from workspaces.models import Event, Role, Workspace
from workspaces.refusal import Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def gone(root: User) -> Workspace:
    """A workspace as somebody looks at it who does not know that it was deleted just now."""
    made = acts.create_workspace(root, "Going", "")
    acts.delete_workspace(root, Workspace.objects.get(pk=made.pk))
    return made


def bind(root: User, cluster: Cluster, gone: Workspace) -> None:
    cluster_acts.bind(root, cluster, gone)


def add_member(root: User, cluster: Cluster, gone: Workspace) -> None:
    acts.add_member(root, gone, root, Role.VIEWER)


def create_variable(root: User, cluster: Cluster, gone: Workspace) -> None:
    variables.create(root, gone, "topic", "orders", is_hidden=False)


def create_job(root: User, cluster: Cluster, gone: Workspace) -> None:
    operations.create_job(root, gone, "orders", cluster, cluster.endpoints.get())


@pytest.mark.parametrize("act", [bind, add_member, create_variable, create_job])
def test_a_workspace(
    root: User,
    cluster: Cluster,
    endpoint: FlinkEndpoint,
    gone: Workspace,
    act: Callable[[User, Cluster, Workspace], None],
) -> None:
    with pytest.raises(Refusal) as no:
        act(root, cluster, gone)
    assert no.value.message == "This workspace has been deleted."


@pytest.fixture
def unused(root: User, workspace: Workspace) -> Cluster:
    """A cluster of the workspace, with two Flink versions and without jobs."""
    made = Cluster.objects.create(name="cluster-b", snapshot_directory="file:///elsewhere")
    cluster_acts.bind(root, made, workspace)
    for version, is_default in (("2.2.1", True), ("1.20.0", False)):
        values = {"flink_version": version, "rest_url": f"http://{version}.example", "is_default": is_default}
        cluster_acts.add_endpoint(root, made, values)
    return made


def test_the_target_of_a_copy(alice: User, root: User, job: Job, unused: Cluster) -> None:
    cluster_acts.delete_cluster(root, Cluster.objects.get(pk=unused.pk))
    with pytest.raises(Refusal) as no:
        operations.copy(alice, job, unused, "copy", None)
    assert no.value.message == "The target cluster does not exist any more."


def test_the_cluster_of_a_new_job(alice: User, root: User, workspace: Workspace, unused: Cluster) -> None:
    endpoint = unused.endpoints.get(is_default=True)
    cluster_acts.delete_cluster(root, Cluster.objects.get(pk=unused.pk))
    with pytest.raises(Refusal) as no:
        operations.create_job(alice, workspace, "new", unused, endpoint)
    assert no.value.message == "This cluster is not bound to the workspace."


def test_the_flink_version_of_a_new_job(alice: User, root: User, workspace: Workspace, unused: Cluster) -> None:
    endpoint = unused.endpoints.get(is_default=False)
    cluster_acts.remove_endpoint(root, unused.endpoints.get(is_default=False))
    with pytest.raises(Refusal) as no:
        operations.create_job(alice, workspace, "new", unused, endpoint)
    assert no.value.message == "This Flink endpoint was removed in the meantime."


def test_who_takes_away_what_is_gone_leaves_no_second_line_on_record(root: User, unused: Cluster) -> None:
    binding, endpoint = unused.bindings.get(), unused.endpoints.get(is_default=False)
    cluster_acts.unbind(root, unused.bindings.get())
    cluster_acts.remove_endpoint(root, unused.endpoints.get(is_default=False))
    with pytest.raises(Refusal):
        cluster_acts.unbind(root, binding)
    with pytest.raises(Refusal):
        cluster_acts.remove_endpoint(root, endpoint)
    told = Event.objects.filter(about=unused.serial).values_list("code", flat=True)
    assert sorted(told) == ["cluster-bound", "cluster-unbound", "endpoint-added", "endpoint-added", "endpoint-removed"]
