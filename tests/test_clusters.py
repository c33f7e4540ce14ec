"""Clusters: what is shown of them, what is done to them, and every rule against it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from clusters import acts, capacity
from clusters.engine import Capacity
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink
from workspaces.models import Event, Workspace

HTMX = {"HX-Request": "true"}
ENDPOINT = {"flink_version": "1.20.5", "rest_url": "http://jobmanager:8081", "dashboard_url": "", "is_default": False}


@pytest.fixture
def ruler(client: Client, root: User) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def url(cluster: Cluster) -> str:
    return f"/clusters/{cluster.serial}/"


def fields(cluster: Cluster, **changes: Any) -> dict[str, Any]:
    names = ("name", "description", "total_cu", "snapshot_directory", "maintenance_reason")
    flags = ("supports_fine_grained", "supports_snapshot_choice", "is_under_maintenance")
    values = {name: getattr(cluster, name) for name in names} | {name: "on" for name in flags if getattr(cluster, name)}
    return values | changes


def defaults(cluster: Cluster) -> list[str]:
    return [one.flink_version for one in cluster.endpoints.filter(is_default=True)]


# --- What is shown ---


def test_members_see_what_their_jobs_can_run_on(client: Client, vera: User, console: Console) -> None:
    console.start()
    workspace, cluster = console.job.workspace, console.endpoint.cluster
    FlinkEndpoint.objects.update(capacity_seen_at=timezone.now(), slots_total=32, slots_free=30)
    client.force_login(vera)
    answer = client.get(f"/spaces/{workspace.serial}/clusters/")
    (shown,) = answer.context["page"].object_list
    assert (shown.used_cu, shown.job_count) == (Decimal(2), 1)
    for part in (cluster.serial, "Answers", "2.2.1", "Default", "30 of 32 slots free"):
        assert part in answer.text
    assert f'href="/clusters/{cluster.serial}/"' not in answer.text


def test_the_cu_of_all_workspaces_count_and_their_jobs_do_not(
    client: Client, vera: User, console: Console, charlie: User
) -> None:
    elsewhere = charlie.memberships.get().workspace
    ClusterBinding.objects.create(cluster=console.endpoint.cluster, workspace=elsewhere)
    console.start()
    client.force_login(charlie)
    (shown,) = client.get(f"/spaces/{elsewhere.serial}/clusters/").context["page"].object_list
    assert (shown.used_cu, shown.job_count) == (Decimal(2), 0)


def test_it_says_since_when_a_cluster_is_out_of_reach(client: Client, vera: User, job: Job, endpoint: Any) -> None:
    reason = "The connection was refused: nothing listens at this address."
    FlinkEndpoint.objects.update(unreachable_since=timezone.now() - timedelta(minutes=3), unreachable_reason=reason)
    client.force_login(vera)
    page = client.get(f"/spaces/{job.workspace.serial}/clusters/").text
    assert "Unreachable" in page
    assert "unreachable since" in page
    assert reason in page


def test_it_says_why_a_cluster_is_under_maintenance(client: Client, vera: User, job: Job) -> None:
    Cluster.objects.update(is_under_maintenance=True, maintenance_reason="new disks")
    client.force_login(vera)
    assert "new disks" in client.get(f"/spaces/{job.workspace.serial}/clusters/").text


@pytest.mark.parametrize("count", [1, 9])
def test_its_queries_do_not_grow_with_the_clusters(
    client: Client, vera: User, workspace: Workspace, count: int, django_assert_num_queries: Any
) -> None:
    for n in range(count):
        cluster = Cluster.objects.create(name=f"c{n}", snapshot_directory="file:///data")
        FlinkEndpoint.objects.create(cluster=cluster, **ENDPOINT)
        ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    client.force_login(vera)
    # Session, user, workspace, count, clusters, endpoints, switch of workspaces.
    with django_assert_num_queries(7):
        client.get(f"/spaces/{workspace.serial}/clusters/")


def test_all_clusters_are_for_super_admins(ruler: Client, cluster: Cluster, alice: User) -> None:
    assert "cluster-a" in ruler.get("/clusters/").text
    ruler.force_login(alice)
    for address in ("/clusters/", "/clusters/new/", "/spaces/new/", "/admin/login/"):
        answer = ruler.get(address)
        assert answer.status_code == 403
        assert "<h1>Only super admins may do this</h1>" in answer.text
        assert "workspace admin" not in answer.text


# --- The cluster itself ---


def test_it_creates_one(ruler: Client) -> None:
    values = {"name": "new", "total_cu": "16", "snapshot_directory": "s3://bucket/snapshots"}
    answer = ruler.post("/clusters/new/", values, headers=HTMX)
    made = Cluster.objects.get(name="new")
    assert answer.headers["HX-Redirect"] == f"/clusters/{made.serial}/"
    assert (made.total_cu, made.supports_fine_grained) == (16, False)
    assert "No Flink yet" in ruler.get(f"/clusters/{made.serial}/").text
    assert str(Event.objects.get()) == "The cluster new was created."


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"total_cu": "0"},
        {"total_cu": "much"},
        {"snapshot_directory": "/data/snapshots"},
        {"snapshot_directory": "javascript:alert(1)"},
        {"is_under_maintenance": "on", "maintenance_reason": ""},
    ],
)
def test_it_refuses_what_can_not_be(ruler: Client, cluster: Cluster, url: str, wrong: dict[str, str]) -> None:
    answer = ruler.post(url + "edit/", fields(cluster) | wrong, headers=HTMX)
    assert answer.status_code == 422
    assert 'class="error"' in answer.text


def test_a_taken_name_is_told(ruler: Client, root: User, cluster: Cluster) -> None:
    for language, words in (("zh-CN", "已存在同名集群。"), ("en", "There is already a cluster with this name.")):
        answer = ruler.post("/clusters/new/", fields(cluster), headers={"Accept-Language": language})
        assert answer.status_code == 422
        assert answer.context["form"].errors["name"] == [words]
    with pytest.raises(acts.Refusal, match="already a cluster with this name"):
        acts.create_cluster(root, {"name": "cluster-a", "snapshot_directory": "file:///x"})


def test_maintenance_stops_new_starts_and_is_on_record(
    ruler: Client, console: Console, cluster: Cluster, url: str
) -> None:
    change = fields(cluster, is_under_maintenance="on", maintenance_reason="new disks")
    assert ruler.post(url + "edit/", change).status_code == 302
    with pytest.raises(operations.Refusal, match="new disks"):
        console.click_run()
    ruler.post(url + "edit/", fields(cluster))
    console.click_run()
    assert [str(one) for one in Event.objects.all()] == [
        "The maintenance of cluster-a ended.",
        "The maintenance of cluster-a began: new disks",
    ]


def test_what_changes_nothing_is_not_on_record(
    ruler: Client, cluster: Cluster, endpoint: FlinkEndpoint, url: str
) -> None:
    kept = {"name": cluster.name, "total_cu": "32", "snapshot_directory": cluster.snapshot_directory}
    supported = {"supports_fine_grained": "on", "supports_snapshot_choice": "on"}
    assert ruler.post(f"{url}edit/", kept | supported).status_code == 302
    same = {"flink_version": endpoint.flink_version, "rest_url": endpoint.rest_url, "is_default": "on"}
    assert ruler.post(f"{url}endpoints/{endpoint.pk}/edit/", same).status_code == 302
    assert not Event.objects.exists()


def test_the_database_wants_a_reason(cluster: Cluster) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Cluster.objects.update(is_under_maintenance=True, maintenance_reason="")


def test_it_is_not_deleted_while_jobs_or_their_record_need_it(ruler: Client, alice: User, job: Job, url: str) -> None:
    assert "There is still 1 job on this cluster." in ruler.get(url + "delete/").text
    assert ruler.post(url + "delete/").status_code == 422
    operations.delete(alice, job)
    assert "stays" in ruler.post(url + "delete/").text
    assert Cluster.objects.exists()


def test_an_unused_one_is_deleted(ruler: Client, cluster: Cluster, endpoint: FlinkEndpoint, url: str) -> None:
    assert ruler.post(url + "delete/").headers["Location"] == "/clusters/"
    assert not Cluster.objects.exists()
    assert not FlinkEndpoint.objects.exists()


# --- Its Flink versions ---


def test_the_first_version_is_the_default_whatever_was_said(root: User, cluster: Cluster) -> None:
    assert acts.add_endpoint(root, cluster, ENDPOINT).is_default


def test_it_is_entered_that_taskmanagers_come_on_demand(ruler: Client, cluster: Cluster, url: str) -> None:
    ruler.post(url + "endpoints/add/", ENDPOINT | {"is_default": "", "brings_taskmanagers": "on"})
    assert cluster.endpoints.get().brings_taskmanagers
    assert '<td class="num">on demand<br>' in ruler.get(url).text
    FlinkEndpoint.objects.update(slots_free=0, slots_total=0, capacity_seen_at=timezone.now())
    listed = ruler.get("/clusters/").text
    assert "TaskManagers on demand" in listed
    assert "0 of 0 slots free" not in listed


def test_another_default_takes_the_mark(ruler: Client, cluster: Cluster, endpoint: FlinkEndpoint, url: str) -> None:
    ruler.post(url + "endpoints/add/", ENDPOINT | {"is_default": ""})
    assert defaults(cluster) == ["2.2.1"]
    other = cluster.endpoints.get(flink_version="1.20.5")
    assert ruler.post(f"{url}endpoints/{other.pk}/edit/", ENDPOINT | {"is_default": "on"}).status_code == 302
    assert defaults(cluster) == ["1.20.5"]
    answer = ruler.post(f"{url}endpoints/{other.pk}/edit/", ENDPOINT | {"is_default": ""}, headers=HTMX)
    assert "Make another one the default instead." in answer.text
    assert defaults(cluster) == ["1.20.5"]


@pytest.mark.parametrize(
    "wrong",
    [{"flink_version": "latest"}, {"rest_url": "jobmanager:8081"}, {"dashboard_url": "javascript:alert(1)"}],
)
def test_it_refuses_what_is_no_endpoint(ruler: Client, cluster: Cluster, url: str, wrong: dict[str, str]) -> None:
    assert ruler.post(url + "endpoints/add/", ENDPOINT | wrong).status_code == 422
    assert not cluster.endpoints.exists()


def test_a_version_is_there_once(ruler: Client, endpoint: FlinkEndpoint, url: str) -> None:
    answer = ruler.post(url + "endpoints/add/", ENDPOINT | {"flink_version": "2.2.1"})
    assert "The cluster has this Flink version already." in answer.text


def test_what_was_known_of_another_address_is_forgotten(root: User, endpoint: FlinkEndpoint) -> None:
    FlinkEndpoint.objects.update(unreachable_since=timezone.now(), slots_total=4, look_at=timezone.now())
    acts.change_endpoint(root, endpoint, ENDPOINT | {"is_default": True})
    endpoint.refresh_from_db()
    assert (endpoint.unreachable_since, endpoint.slots_total, endpoint.look_at) == (None, 0, None)


def test_a_version_in_use_is_not_removed(ruler: Client, alice: User, console: Console, url: str) -> None:
    remove = f"{url}endpoints/{console.endpoint.pk}/remove/"
    assert "1 job uses this Flink version." in ruler.get(remove).text
    assert ruler.post(remove).status_code == 422
    console.start()
    console.click_stop(False)
    console.settle()
    operations.delete(alice, console.job)
    assert "The record of runs on this Flink version stays" in ruler.post(remove).text


def test_the_default_is_not_removed_before_another_is_one(ruler: Client, root: User, endpoint: Any, url: str) -> None:
    other = acts.add_endpoint(root, endpoint.cluster, ENDPOINT)
    assert "Make another one the default first." in ruler.post(f"{url}endpoints/{endpoint.pk}/remove/").text
    assert ruler.post(f"{url}endpoints/{other.pk}/remove/").status_code == 302
    assert ruler.post(f"{url}endpoints/{endpoint.pk}/remove/").status_code == 302


def test_an_endpoint_of_another_cluster_is_not_found(ruler: Client, endpoint: FlinkEndpoint) -> None:
    other = Cluster.objects.create(name="other", snapshot_directory="file:///data")
    for act in ("edit", "remove", "test"):
        assert ruler.post(f"/clusters/{other.serial}/endpoints/{endpoint.pk}/{act}/").status_code == 404


# --- Test connection ---


def test_it_tells_version_and_slots(ruler: Client, endpoint: FlinkEndpoint, url: str) -> None:
    answer = ruler.post(f"{url}endpoints/{endpoint.pk}/test/", headers=HTMX)
    assert "answers: Flink 2.2.1" in answer.text
    assert "slots free" in answer.text
    assert 'class="notice ok"' in answer.text


def test_it_tells_that_the_version_is_another(ruler: Client, endpoint: FlinkEndpoint, url: str) -> None:
    FlinkEndpoint.objects.update(flink_version="1.20.5")
    answer = ruler.post(f"{url}endpoints/{endpoint.pk}/test/", headers=HTMX)
    assert "it is Flink 2.2.1, not 1.20.5" in answer.text
    assert 'class="notice warn"' in answer.text


def test_it_tells_that_nobody_answers(ruler: Client, endpoint: FlinkEndpoint, fake: FakeFlink, url: str) -> None:
    fake.stop()
    test = f"{url}endpoints/{endpoint.pk}/test/"
    told = ruler.post(test, headers=HTMX).text
    assert f"{fake.url} does not answer: The connection was refused: nothing listens at this address." in told
    assert "Errno" not in told
    assert "连接被拒绝" in ruler.post(test, headers={**HTMX, "Accept-Language": "zh-CN"}).text
    # Without JavaScript the page says it.
    assert "does not answer" in ruler.post(test, follow=True).text


# --- Bindings ---


def test_it_binds_and_tells_both(ruler: Client, cluster: Cluster, url: str) -> None:
    other = Workspace.objects.create(name="Risk")
    assert ruler.post(url + "bind/", {"workspace": other.pk}).status_code == 302
    assert other.clusters.get() == cluster
    told = "The cluster cluster-a was bound to the workspace Risk."
    assert {(one.about, str(one)) for one in Event.objects.all()} == {(cluster.serial, told), (other.serial, told)}


def test_what_is_bound_is_not_offered_again(
    ruler: Client, root: User, cluster: Cluster, workspace: Any, url: str
) -> None:
    assert ruler.post(url + "bind/", {"workspace": workspace.pk}).status_code == 422
    with pytest.raises(acts.Refusal, match="bound to this workspace already"):
        acts.bind(root, cluster, workspace)


def test_an_eleventh_workspace_is_refused(ruler: Client, root: User, cluster: Cluster, url: str) -> None:
    for n in range(9):
        acts.bind(root, cluster, Workspace.objects.create(name=f"team-{n}"))
    last = Workspace.objects.create(name="one too many")
    assert "at most 10 workspaces" in ruler.post(url + "bind/", {"workspace": last.pk}).text
    with pytest.raises(IntegrityError), transaction.atomic():
        ClusterBinding.objects.create(cluster=cluster, workspace=last)


def test_it_is_not_unbound_from_jobs(ruler: Client, alice: User, job: Job, endpoint: Any, url: str) -> None:
    make_job(alice, job.workspace, endpoint, "payments")
    binding = ClusterBinding.objects.get()
    unbind = f"{url}bindings/{binding.pk}/unbind/"
    assert "2 jobs of Trading are on this cluster." in ruler.get(unbind).text
    assert ruler.post(unbind).status_code == 422
    for one in Job.objects.all():
        operations.delete(alice, one)
    assert ruler.post(unbind).status_code == 302
    assert not ClusterBinding.objects.exists()


# --- What the watcher learns of its slots and version ---


def test_slots_are_those_that_flink_has_now(ruler: Client, console: Console, fake: FakeFlink, url: str) -> None:
    console.watch()
    console.start()
    FlinkEndpoint.objects.update(capacity_seen_at=timezone.now() - capacity.KNOWN_FOR)
    console.watch()
    assert f"{fake.slots_total - 1} / {fake.slots_total}" in ruler.get(url).text
    FlinkEndpoint.objects.update(capacity_seen_at=timezone.now() - capacity.KNOWN_FOR_IF_JOBS_ENDED)
    console.click_stop(with_snapshot=False)
    console.settle()
    assert f"{fake.slots_total} / {fake.slots_total}" in ruler.get(url).text, "a job has just left its slot"
    fake.taskmanagers = 0  # of which no job tells
    console.watch()
    assert f"{fake.slots_total} / {fake.slots_total}" in ruler.get(url).text, "it is not asked all the time"
    FlinkEndpoint.objects.update(capacity_seen_at=timezone.now() - capacity.KNOWN_FOR)
    console.watch()
    assert "0 / 0" in ruler.get(url).text


def test_slots_that_were_never_told_are_not_shown(ruler: Client, endpoint: FlinkEndpoint, url: str) -> None:
    FlinkEndpoint.objects.update(seen_at=timezone.now())
    assert "0 / 0" not in ruler.get(url).text


def test_a_version_that_is_another_is_shown_as_long_as_it_is(ruler: Client, console: Console, url: str) -> None:
    FlinkEndpoint.objects.update(flink_version="1.20.5")
    console.watch()
    for address in (url, "/clusters/"):
        assert "Another Flink version" in ruler.get(address).text
    assert "It is Flink 2.2.1. Correct the version." in ruler.get(url).text
    FlinkEndpoint.objects.update(flink_version="2.2.1")
    assert "Another Flink version" not in ruler.get(url).text


# --- Two at once ---


def test_what_is_gone_already_is_said_to_be(
    root: User, cluster: Cluster, endpoint: FlinkEndpoint, workspace: Workspace
) -> None:
    """Both had looked it up before one of them deleted it."""
    binding = cluster.bindings.get()
    acts.delete_cluster(root, Cluster.objects.get())
    for act in (
        lambda: acts.delete_cluster(root, cluster),
        lambda: acts.change_cluster(root, cluster, {"name": "x"}),
        lambda: acts.add_endpoint(root, cluster, {"is_default": True}),
        lambda: acts.change_endpoint(root, endpoint, {"is_default": True}),
        lambda: acts.remove_endpoint(root, endpoint),
        lambda: acts.bind(root, cluster, workspace),
        lambda: acts.unbind(root, binding),
    ):
        with pytest.raises(acts.Refusal, match="This cluster has been deleted"):
            act()


def test_slots_that_are_still_the_same_are_known_anew(endpoint: FlinkEndpoint) -> None:
    """Else every look at which jobs end would ask for them."""
    FlinkEndpoint.objects.update(capacity_seen_at=timezone.now() - capacity.KNOWN_FOR_IF_JOBS_ENDED)
    known = FlinkEndpoint.objects.get()
    assert capacity.is_due(known, capacity.KNOWN_FOR_IF_JOBS_ENDED)
    capacity.note(known, Capacity("2.2.1", 1, slots_total=known.slots_total, slots_free=known.slots_free))
    assert not capacity.is_due(FlinkEndpoint.objects.get(), capacity.KNOWN_FOR_IF_JOBS_ENDED)
