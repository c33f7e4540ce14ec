"""Copying one job from its page: what is offered, what is told before and after, and who may."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from tests.conftest import make_job
from workspaces.models import Workspace

HTMX = {"HX-Request": "true"}


@pytest.fixture
def older(workspace: Workspace) -> Cluster:
    """A bound cluster with an older Flink and whole CU only."""
    cluster = Cluster.objects.create(name="older", supports_fine_grained=False, snapshot_directory="file:///s")
    FlinkEndpoint.objects.create(cluster=cluster, flink_version="1.20.5", rest_url="http://nowhere.invalid")
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    return cluster


@pytest.fixture
def small(alice: User, workspace: Workspace, endpoint: FlinkEndpoint) -> Job:
    return make_job(alice, workspace, endpoint, "small", jobmanager_spec="0.25", taskmanager_spec="0.5")


def test_it_is_offered_in_the_menus(client: Client, alice: User, vera: User, job: Job) -> None:
    addresses = (f"/spaces/{job.workspace.serial}/jobs/", f"/jobs/{job.serial}/")
    client.force_login(alice)
    assert all(f'hx-get="/jobs/{job.serial}/copy/"' in client.get(address).text for address in addresses)
    client.force_login(vera)
    assert not any(f"/jobs/{job.serial}/copy/" in client.get(address).text for address in addresses)


def test_the_dialog_offers_folders_and_bound_clusters(
    client: Client, alice: User, job: Job, workspace: Workspace, older: Cluster
) -> None:
    here = operations.create_folder(alice, workspace, "here", operations.create_folder(alice, workspace, "top", None))
    operations.move_job(alice, job, here)
    Cluster.objects.create(name="foreign", snapshot_directory="file:///s")
    client.force_login(alice)
    body = client.get(f"/jobs/{job.serial}/copy/").text
    assert f'value="{here.serial}" selected' in body
    assert "older" in body
    assert "foreign" not in body
    assert re.search(r'value="orders_\d{4}-\d\d-\d\d_\d\d_\d\d_\d\d"', body)
    assert "Nothing will be changed in the copy." in body
    assert "It does not take state, runs and snapshots" in body


def test_it_tells_what_will_change(client: Client, alice: User, small: Job, older: Cluster) -> None:
    client.force_login(alice)
    body = client.get(f"/jobs/{small.serial}/copy/", {"cluster": older.serial, "name": "mine"}).text
    assert "Flink version 2.2.1 becomes 1.20.5" in body
    assert "JobManager spec 0.25 CU becomes 1 CU" in body
    assert 'value="mine"' in body
    FlinkEndpoint.objects.filter(cluster=older).delete()
    body = client.get(f"/jobs/{small.serial}/copy/", {"cluster": older.serial}).text
    assert "The target cluster has no Flink version yet." in body


def test_it_copies_and_tells_what_was_changed(
    client: Client, alice: User, small: Job, older: Cluster, workspace: Workspace
) -> None:
    folder = operations.create_folder(alice, workspace, "copies", None)
    client.force_login(alice)
    values = {"cluster": older.serial, "folder": folder.serial, "name": "smaller"}
    body = client.post(f"/jobs/{small.serial}/copy/", values, headers=HTMX).text
    made = Job.objects.get(name="smaller")
    assert (made.cluster, made.folder) == (older, folder)
    assert f'href="/jobs/{made.serial}/">smaller</a>' in body
    assert "TaskManager spec 0.5 CU becomes 1 CU" in body


@pytest.mark.parametrize(
    ("told", "meant"),
    [("Asia/Shanghai", "Asia/Shanghai"), ("Pacific/Honolulu", "Pacific/Honolulu"), ("Mars/Phobos", "UTC"), ("../../etc/passwd", "UTC"),
     ("/etc", "UTC"), ("Asia", "UTC"), ("", "UTC"), ("a" * 3000, "UTC")],
)  # fmt: skip
def test_the_name_it_suggests_tells_the_time_where_the_user_is(
    client: Client, alice: User, job: Job, told: str, meant: str
) -> None:
    client.force_login(alice)
    client.cookies["zone"] = told
    page = client.get(f"/jobs/{job.serial}/copy/").text
    (named,) = re.findall(r'name="name" value="orders_([\d_-]+)"', page)
    at = datetime.strptime(named, "%Y-%m-%d_%H_%M_%S").replace(tzinfo=ZoneInfo(meant))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


def test_without_javascript_it_leads_to_the_copy(client: Client, alice: User, job: Job, cluster: Cluster) -> None:
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/copy/", {"cluster": cluster.serial, "name": "second"})
    assert answer.headers["Location"] == f"/jobs/{Job.objects.get(name='second').serial}/"


def test_it_refuses_what_can_not_be(client: Client, alice: User, job: Job, cluster: Cluster) -> None:
    foreign = Cluster.objects.create(name="foreign", snapshot_directory="file:///s")
    client.force_login(alice)
    taken = client.post(f"/jobs/{job.serial}/copy/", {"cluster": cluster.serial, "name": job.name})
    assert "There is already a job with this name" in taken.text
    answers = [
        taken,
        client.post(f"/jobs/{job.serial}/copy/", {"cluster": foreign.serial, "name": "a"}),
        client.post(f"/jobs/{job.serial}/copy/", {"cluster": cluster.serial, "name": "a b"}),
        client.post(f"/jobs/{job.serial}/copy/", {"cluster": cluster.serial, "name": "a", "folder": "folder-x"}),
        client.post(f"/jobs/{job.serial}/copy/"),
    ]
    assert [answer.status_code for answer in answers] == [422] * 5
    assert Job.objects.count() == 1


def test_viewers_and_strangers_are_kept_out(client: Client, vera: User, charlie: User, job: Job) -> None:
    for user, status in ((vera, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(f"/jobs/{job.serial}/copy/").status_code == status
        assert client.post(f"/jobs/{job.serial}/copy/").status_code == status
    assert Job.objects.count() == 1


def test_other_methods_are_refused(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    assert client.put(f"/jobs/{job.serial}/copy/").status_code == 405
