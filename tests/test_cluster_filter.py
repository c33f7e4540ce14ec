"""The list of jobs, kept to one cluster: what it finds and counts, where that goes along, and who leads to it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs.models import Folder, Job
from jobs.states import Status
from tests.conftest import make_job
from tests.test_pages_list import names_in
from tests.test_search import chips
from workspaces.models import Workspace

FIELD = 'name="cluster" form="find-jobs"'


@pytest.fixture
def other(workspace: Workspace, cluster: Cluster, endpoint: FlinkEndpoint) -> FlinkEndpoint:
    made = Cluster.objects.create(name="cluster-b", snapshot_directory=cluster.snapshot_directory)
    ClusterBinding.objects.create(cluster=made, workspace=workspace)
    return FlinkEndpoint.objects.create(cluster=made, flink_version="2.2.1", rest_url=endpoint.rest_url)


@pytest.fixture
def there(alice: User, job: Job, other: FlinkEndpoint) -> list[Job]:
    """Two jobs on the other cluster, one of them failed and in a folder, beside `job` on the first."""
    made = [make_job(alice, job.workspace, other, name) for name in ("payments", "refunds")]
    folder = Folder.objects.create(workspace=job.workspace, name="money")
    Job.objects.filter(pk=made[1].pk).update(status=Status.FAILED, folder=folder)
    return made


@pytest.fixture
def url(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/jobs/"


def test_it_keeps_the_jobs_of_a_cluster_with_all_else_that_is_wished(
    client: Client, alice: User, there: list[Job], other: FlinkEndpoint, url: str
) -> None:
    client.force_login(alice)
    chosen = {"cluster": other.cluster.serial, "sort": "name"}
    folder = Folder.objects.get().serial
    for query, names in (
        ({}, ["payments", "refunds"]),
        ({"status": "failed"}, ["refunds"]),
        ({"q": "pay"}, ["payments"]),
        ({"q": "orders"}, []),
        ({"folder": folder}, ["refunds"]),
        ({"problem": "any"}, []),
        ({"sort": "-name"}, ["refunds", "payments"]),
    ):
        answer = client.get(url, chosen | query)
        assert names_in(answer) == names, query
        assert answer.context["page"].paginator.count == len(names), query


def test_its_numbers_are_those_of_the_cluster_in_polls_too(
    client: Client, alice: User, job: Job, there: list[Job], other: FlinkEndpoint, url: str
) -> None:
    client.force_login(alice)
    for serial, told, count in (
        ("", {"All": "3", "Stopped": "2", "Failed": "1"}, 3),
        (other.cluster.serial, {"All": "2", "Stopped": "1", "Failed": "1"}, 2),
        (job.cluster.serial, {"All": "1", "Stopped": "1"}, 1),
    ):
        for answer in (
            client.get(url, {"cluster": serial}),
            client.get(url + "poll/", {"cluster": serial, "seen": "0-0", "row": job.serial}),
        ):
            assert chips(answer) == told
            assert answer.context["tree"].count == count


def test_every_link_of_the_list_and_its_forms_keep_the_cluster(
    client: Client, alice: User, there: list[Job], other: FlinkEndpoint, url: str
) -> None:
    for n in range(20):
        make_job(alice, there[0].workspace, other, f"job-{n}")
    client.force_login(alice)
    kept = f"cluster={other.cluster.serial}"
    body = client.get(url, {"cluster": other.cluster.serial}).text
    for link in (f"?{kept}&amp;status=failed", f"?{kept}&amp;page=2", f"?{kept}&amp;size=50", f"?{kept}&amp;sort=name"):
        assert link in body, link
    assert f"jobs/poll/?{kept}&amp;seen=" in body
    assert f"?{kept}&amp;folder={Folder.objects.get().serial}" in body
    assert f'name="cluster" value="{other.cluster.serial}"' in body  # what is ticked, and all that match


def test_a_batch_of_all_that_match_stays_on_the_cluster(
    client: Client, alice: User, job: Job, there: list[Job], other: FlinkEndpoint, workspace: Workspace
) -> None:
    client.force_login(alice)

    def asked(**query: str) -> list[str]:
        form = client.get(f"/spaces/{workspace.serial}/batch/run/", {"all": "1", **query}).context["form"]
        return sorted(form.serials())

    assert asked(cluster=other.cluster.serial) == sorted(one.serial for one in there)
    assert asked(cluster=other.cluster.serial, q="pay") == [there[0].serial]
    assert asked(cluster="cluster-gone") == []
    assert len(asked()) == 3


def test_there_is_a_choice_where_there_is_more_than_one_cluster(
    client: Client, alice: User, job: Job, cluster: Cluster, url: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(alice)
    assert FIELD not in client.get(url).text
    other = request.getfixturevalue("other").cluster
    Cluster.objects.create(name="cluster-elsewhere", snapshot_directory=cluster.snapshot_directory)
    body = client.get(url, {"cluster": other.serial}).text
    assert FIELD in body
    assert f'<option value="{other.serial}" selected>cluster-b</option>' in body
    assert f'<option value="{cluster.serial}" >cluster-a</option>' in body
    assert "cluster-elsewhere" not in body


@pytest.mark.parametrize("serial", ["cluster-gone", "\0", "x" * 5000, "<b>"])
def test_a_cluster_that_is_not_there_leads_to_those_of_all(
    client: Client, alice: User, job: Job, url: str, serial: str
) -> None:
    client.force_login(alice)
    for query, left in (({}, ""), ({"page": "3"}, ""), ({"q": "ord", "sort": "name", "page": "3"}, "?q=ord&sort=name")):
        answer = client.get(url, {**query, "cluster": serial})
        assert answer.status_code == 302
        assert answer.headers["Location"] == url + left
    answer = client.get(url, {"cluster": serial}, follow=True)
    assert names_in(answer) == ["orders"]
    assert "selected>" not in answer.text
    # A page that was open when it went asks on, and shows none of the others' jobs as its own.
    assert client.get(url + "poll/", {"cluster": serial, "seen": "0-0"}).status_code == 200


def test_it_asks_no_more_than_the_list_without_it(
    client: Client, alice: User, there: list[Job], other: FlinkEndpoint, url: str, django_assert_num_queries: Any
) -> None:
    client.force_login(alice)
    client.get(url)
    for query in ({}, {"cluster": other.cluster.serial}):
        client.get(url, query)
        with django_assert_num_queries(5):
            client.get(url, query)


def test_the_pages_of_clusters_lead_to_the_jobs_there(
    client: Client, alice: User, root: User, there: list[Job], other: FlinkEndpoint, workspace: Workspace, url: str
) -> None:
    link = f'<a href="{url}?cluster={other.cluster.serial}">2</a>'
    client.force_login(alice)
    assert link in client.get(f"/spaces/{workspace.serial}/clusters/").text
    client.force_login(root)
    assert link in client.get(f"/clusters/{other.cluster.serial}/").text
    assert "?cluster=" not in client.get("/clusters/").text
