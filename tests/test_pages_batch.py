"""Batches in the browser's eyes: ticks, the dialog that tells what would happen, the click, and the page that follows it."""

import re
import uuid
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Batch, BatchItem, Job, Snapshot, Version
from jobs.states import Action, Status
from tests.conftest import SQL, make_job
from tests.fake_flink import FakeFlink
from tests.test_batch import Desk, states
from workspaces.models import Workspace

HTMX = {"HX-Request": "true"}
ACTS = ["publish", "run", "stop", "copy", "move", "delete"]


@pytest.fixture
def desk(alice: User, workspace: Workspace, endpoint: FlinkEndpoint) -> Desk:
    return Desk(alice, workspace, endpoint)


@pytest.fixture
def base(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/batch/"


def serials(jobs: list[Job]) -> str:
    return ",".join(job.serial for job in jobs)


def form(jobs: list[Job], **values: Any) -> dict[str, Any]:
    return {"jobs": serials(jobs), "key": str(uuid.uuid4()), **values}


@pytest.mark.parametrize("act", ACTS)
def test_the_dialog_is_a_fragment_for_htmx_and_a_page_without(
    client: Client, alice: User, job: Job, base: str, act: str
) -> None:
    client.force_login(alice)
    fragment = client.get(base + f"{act}/", {"job": job.serial}, headers=HTMX)
    page = client.get(base + f"{act}/", {"job": job.serial})
    assert "<html" not in fragment.text
    assert "<html" in page.text
    assert f'value="{job.serial}"' in fragment.text
    assert "orders" in fragment.text


def test_it_says_who_can_not_and_why(client: Client, alice: User, desk: Desk, base: str) -> None:
    jobs = desk.jobs(3)
    desk.settle(desk.batch(Action.RUN, jobs[:1], start="none"))
    client.force_login(alice)
    body = client.get(base + "stop/", {"job": [job.serial for job in jobs]}).text
    assert "2 of 3 jobs can&#x27;t take this" in body.replace("can't", "can&#x27;t")
    assert "Only a running job can be stopped." in body
    assert "goes on from its newest retained checkpoint at best" in body
    assert "Stop 1 job<" in body


def test_without_any_that_can_the_button_is_off(client: Client, alice: User, job: Job, base: str) -> None:
    client.force_login(alice)
    body = client.get(base + "stop/", {"job": job.serial}).text
    assert "None of these jobs is running." in body
    assert "data-go disabled" in body
    assert "No job is selected" in client.get(base + "stop/").text


def test_run_tells_what_is_needed_and_what_is_free(
    client: Client, alice: User, desk: Desk, cluster: Cluster, base: str
) -> None:
    FlinkEndpoint.objects.update(slots_total=4, slots_free=2)
    Cluster.objects.update(total_cu=5)
    jobs = desk.jobs(3)
    client.force_login(alice)
    answer = client.get(base + "run/", {"job": [job.serial for job in jobs]})
    room = answer.context["plan"].rooms[0]
    assert (room.cu_needed, room.cu_free, room.slots_needed) == (6, 5, 3)
    assert "CU: <b>6</b> needed, <b>5</b> free" in answer.text
    assert "slots: <b>3</b> needed, <b>2</b> free" in answer.text
    assert answer.text.count("Not enough CU will be left") == 1


def test_the_slots_are_told_with_their_age_when_it_is_worth_telling(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, base: str
) -> None:
    client.force_login(alice)
    for seconds, is_told in ((1, False), (28, True)):
        FlinkEndpoint.objects.update(slots_total=4, capacity_seen_at=timezone.now() - timedelta(seconds=seconds))
        plan = client.get(base + "run/", {"job": job.serial}).text
        assert bool(re.search(r"slots: .*>seen \d+ s ago<", plan)) == is_told


def test_runs_tell_that_their_cluster_has_no_taskmanager(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, base: str
) -> None:
    client.force_login(alice)
    for slots, seen_at in ((0, timezone.now()), (0, None), (4, timezone.now())):
        FlinkEndpoint.objects.update(slots_total=slots, slots_free=0, capacity_seen_at=seen_at)
        is_known_to_have_none = seen_at is not None and not slots
        plan = client.get(base + "run/", {"job": job.serial}).text
        assert ("has no TaskManager at the moment" in plan) == is_known_to_have_none
        assert ("wait for one until their deadline" in plan) != is_known_to_have_none
        dialog = client.get(f"/jobs/{job.serial}/run/").text
        assert ("The cluster has no TaskManager at the moment" in dialog) == is_known_to_have_none


def test_where_taskmanagers_come_on_demand_nobody_is_warned_that_there_are_none(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, base: str
) -> None:
    FlinkEndpoint.objects.update(brings_taskmanagers=True, capacity_seen_at=timezone.now())
    client.force_login(alice)
    plan = client.get(base + "run/", {"job": job.serial}).text
    assert "slots: <b>1</b> needed, TaskManagers come on demand" in plan
    assert "TaskManager at the moment" not in plan + client.get(f"/jobs/{job.serial}/run/").text
    assert "wait for one until their deadline" not in plan


def test_runs_tell_that_their_cluster_is_out_of_reach(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, base: str
) -> None:
    FlinkEndpoint.objects.update(unreachable_since=timezone.now(), slots_total=0, slots_free=0)
    client.force_login(alice)
    plan = client.get(base + "run/", {"job": job.serial}).text
    assert "unreachable since" in plan
    assert "slots:" not in plan
    assert "The cluster has not been reachable since" in client.get(f"/jobs/{job.serial}/run/").text


def test_one_that_is_too_large_takes_nothing_from_those_behind_it(
    client: Client, alice: User, desk: Desk, cluster: Cluster, base: str
) -> None:
    Cluster.objects.update(total_cu=5)
    jobs = [make_job(alice, desk.workspace, desk.endpoint, "large", parallelism=9), *desk.jobs(2)]
    client.force_login(alice)
    lines = client.get(base + "run/", {"job": [job.serial for job in jobs]}).context["plan"].lines
    assert [bool(line.caution) for line in lines] == [True, False, False]
    batch = desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    assert states(batch) == ["refused", "succeeded", "succeeded"]


def test_run_tells_the_same_reason_as_its_result(client: Client, alice: User, desk: Desk, base: str) -> None:
    job = desk.jobs(1)[0]
    new = operations.create_job(alice, job.workspace, "new", job.cluster, job.endpoint)
    client.force_login(alice)
    line = next(one for one in client.get(base + "run/", {"job": new.serial}).context["plan"].lines)
    batch = desk.batch(Action.RUN, [new], start="none")
    desk.settle(batch)
    assert line.why_not == batch.items.get().reason == "The job has no published version."


def test_run_tells_of_the_latest_snapshots(client: Client, alice: User, desk: Desk, base: str) -> None:
    jobs = desk.jobs(2)
    desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    desk.settle(desk.batch(Action.STOP, jobs[:1], with_snapshot=True))
    desk.settle(desk.batch(Action.STOP, jobs[1:], with_snapshot=False))
    client.force_login(alice)
    body = client.get(base + "run/", {"job": [job.serial for job in jobs]}).text
    assert body.count("from its latest snapshot") == 1
    assert "s ago" in body
    again = form(jobs, start="none", do="plan")
    assert "from its latest snapshot" not in client.post(base + "run/", again).text
    assert not Batch.objects.filter(key=again["key"]).exists()


def test_run_tells_of_clusters_that_take_no_starts(
    client: Client, alice: User, desk: Desk, cluster: Cluster, base: str
) -> None:
    jobs = desk.jobs(1)
    Cluster.objects.update(is_under_maintenance=True, maintenance_reason="new disks")
    client.force_login(alice)
    assert "new disks" in client.get(base + "run/", {"job": jobs[0].serial}).text
    ClusterBinding.objects.all().delete()
    assert "not bound to the workspace" in client.get(base + "run/", {"job": jobs[0].serial}).text


def test_publish_tells_of_drafts_that_can_not_be_taken_apart(
    client: Client, alice: User, desk: Desk, base: str
) -> None:
    jobs = desk.jobs(2)
    operations.save_draft(alice, jobs[0], 1, {"sql": "SELECT 'oops"})
    client.force_login(alice)
    body = client.get(base + "publish/", {"job": [job.serial for job in jobs]}).text
    assert "1 of 2 jobs" in body
    assert "nothing changed since v1" in body
    assert "becomes version 2" in body
    operations.save_draft(alice, jobs[1], 1, {"parallelism": 2})
    assert "nothing changed" not in client.get(base + "publish/", {"job": jobs[1].serial}).text
    operations.save_draft(alice, jobs[1], 2, {"parallelism": 1})
    assert "nothing changed since v1" in client.get(base + "publish/", {"job": jobs[1].serial}).text
    answer = client.post(base + "publish/", form(jobs, note=""))
    assert answer.status_code == 422
    assert not Batch.objects.exists()


def test_copies_stay_on_the_cluster_of_their_sources_unless_another_is_chosen(
    client: Client, alice: User, desk: Desk, workspace: Workspace, cluster: Cluster, base: str
) -> None:
    jobs = desk.jobs(2)
    first = Cluster.objects.create(name="a-first-by-its-name", snapshot_directory="file:///s")
    FlinkEndpoint.objects.create(cluster=first, flink_version="2.2.1", rest_url="http://nowhere.invalid")
    ClusterBinding.objects.create(cluster=first, workspace=workspace)
    client.force_login(alice)
    answer = client.get(base + "copy/", {"job": [job.serial for job in jobs]})
    assert answer.context["form"]["cluster"].value() == cluster.serial
    assert f'value="{cluster.serial}" selected' in answer.text
    assert client.get(base + "copy/").status_code == 200


def test_copy_tells_what_each_copy_will_have_otherwise(
    client: Client, alice: User, desk: Desk, workspace: Workspace, base: str
) -> None:
    jobs = [make_job(alice, workspace, desk.endpoint, "small", taskmanager_spec="0.5")]
    other = Cluster.objects.create(name="old", supports_fine_grained=False, snapshot_directory="file:///s")
    FlinkEndpoint.objects.create(cluster=other, flink_version="1.20.5", rest_url="http://nowhere.invalid")
    foreign = Cluster.objects.create(name="foreign", snapshot_directory="file:///s")
    ClusterBinding.objects.create(cluster=other, workspace=workspace)
    client.force_login(alice)
    body = client.get(base + "copy/", {"job": jobs[0].serial}).text
    assert "copied unchanged" in body
    assert "foreign" not in body
    body = client.post(base + "copy/", form(jobs, cluster=other.serial, do="plan")).text
    assert "Flink version 2.2.1 becomes 1.20.5" in body
    assert "TaskManager spec 0.5 CU becomes 1 CU" in body
    assert client.post(base + "copy/", form(jobs, cluster=foreign.serial)).status_code == 422
    client.post(base + "copy/", form(jobs, cluster=other.serial))
    batch = desk.settle(Batch.objects.get())
    body = client.get(f"/batches/{batch.serial}/").text
    made = Job.objects.get(cluster=other)
    assert f'<a href="/jobs/{made.serial}/">{made.name}</a>' in body
    assert "Flink version 2.2.1 becomes 1.20.5" in body


@pytest.mark.parametrize(
    ("told", "meant"),
    [("Asia/Shanghai", "Asia/Shanghai"), ("Pacific/Honolulu", "Pacific/Honolulu"), ("Mars/Phobos", "UTC"), ("a" * 3000, "UTC")],
)  # fmt: skip
def test_names_of_copies_tell_the_time_where_the_user_is(
    client: Client, alice: User, desk: Desk, base: str, cluster: Cluster, told: str, meant: str
) -> None:
    jobs = desk.jobs(1)
    client.force_login(alice)
    client.cookies["zone"] = told
    client.post(base + "copy/", form(jobs, cluster=cluster.serial))
    batch = desk.settle(Batch.objects.get())
    at = batch.created_at.astimezone(ZoneInfo(meant))
    assert batch.items.get().copy.name == f"{jobs[0].name}{at:_%Y-%m-%d_%H_%M_%S}"
    assert batch.params == {"language": "en", "cluster": cluster.serial, "zone": meant}


@pytest.mark.parametrize(
    ("act", "values", "params"),
    [
        ("publish", {"note": "all of them"}, {"note": "all of them"}),
        ("run", {"start": "none"}, {"start": "none"}),
        ("stop", {"with_snapshot": "on"}, {"with_snapshot": True}),
        ("stop", {}, {"with_snapshot": False}),
        ("move", {"folder": ""}, {"folder": ""}),
        ("delete", {}, {}),
    ],
)
def test_the_click_makes_a_batch(
    client: Client, alice: User, desk: Desk, base: str, act: str, values: dict[str, Any], params: dict[str, Any]
) -> None:
    jobs = desk.jobs(2)[::-1]
    client.force_login(alice)
    answer = client.post(base + f"{act}/", form(jobs, **values))
    batch = Batch.objects.get()
    assert answer.headers["Location"] == f"/batches/{batch.serial}/"
    assert (batch.action, batch.params) == (act, {"language": "en", **params})
    assert [item.job for item in batch.items.all()] == jobs


def test_the_order_of_ticking_is_kept(client: Client, alice: User, desk: Desk, base: str) -> None:
    a, b, c = desk.jobs(3)
    client.force_login(alice)
    query = {"job": [a.serial, b.serial, c.serial], "order": f"{c.serial},{a.serial},{b.serial}"}
    answer = client.get(base + "run/", query)
    assert answer.context["form"].serials() == [c.serial, a.serial, b.serial]


def half_done(desk: Desk, ago: int) -> Batch:
    """A batch of runs of which one took ten seconds, and ended so many seconds ago."""
    batch = desk.batch(Action.RUN, desk.jobs(3), start="none")
    ended_at = timezone.now() - timedelta(seconds=ago)
    Batch.objects.update(created_at=ended_at - timedelta(seconds=10))
    batch.items.update(changed_at=ended_at)
    batch.items.filter(position=1).update(state="succeeded")
    return batch


def test_it_tells_no_time_while_jobs_wait_for_a_cluster_that_is_away(client: Client, alice: User, desk: Desk) -> None:
    batch = half_done(desk, 8)
    client.force_login(alice)
    page = client.get(f"/batches/{batch.serial}/").text
    assert "about 20 s left" in page
    (seen,) = re.findall(r"seen=([\w.-]+)&amp;", page)
    asked = {"seen": seen, "rows": "1,2,3"}
    assert client.get(f"/batches/{batch.serial}/poll/", asked).status_code == 204
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    news = client.get(f"/batches/{batch.serial}/poll/", asked).text
    assert "<b>1 / 3</b>" in news
    assert "left" not in news
    Batch.objects.update(action=Action.MOVE)  # which asks no cluster
    assert "about 20 s left" in client.get(f"/batches/{batch.serial}/").text


@pytest.mark.parametrize(("ago", "is_told"), [(25, True), (35, False)])
def test_it_tells_no_time_when_nothing_ends_any_more(
    client: Client, alice: User, desk: Desk, ago: int, is_told: bool
) -> None:
    batch = half_done(desk, ago)
    client.force_login(alice)
    page = client.get(f"/batches/{batch.serial}/").text
    assert ("about 20 s left" in page) == is_told
    assert "<b>1 / 3</b>" in page


def test_for_htmx_the_result_is_shown_in_the_dialog(client: Client, alice: User, desk: Desk, base: str) -> None:
    jobs = desk.jobs(2)
    client.force_login(alice)
    answer = client.post(base + "run/", form(jobs, start="none"), headers=HTMX)
    assert answer.status_code == 200
    assert "0 / 2" in answer.text
    batch = Batch.objects.get()
    assert f"/batches/{batch.serial}/poll/?seen=" in answer.text


def test_one_form_makes_one_batch(client: Client, alice: User, bob: User, desk: Desk, base: str) -> None:
    jobs = desk.jobs(2)
    sent = form(jobs, with_snapshot="on")
    client.force_login(alice)
    first, second = client.post(base + "stop/", sent), client.post(base + "stop/", sent)
    assert first.headers["Location"] == second.headers["Location"]
    assert Batch.objects.count() == 1
    client.force_login(bob)
    assert "already used" in client.post(base + "stop/", sent).text


def test_all_that_match_are_taken(client: Client, alice: User, desk: Desk, workspace: Workspace, base: str) -> None:
    jobs = desk.jobs(25)
    folder = operations.create_folder(alice, workspace, "here", None)
    operations.move_job(alice, jobs[3], folder)
    Job.objects.filter(pk=jobs[4].pk).update(status=Status.FAILED)
    client.force_login(alice)

    def taken(**query: str) -> int:
        return len(client.get(base + "run/", {"all": "1", **query}).context["form"].serials())

    assert taken() == 25
    assert taken(q="job-1") == 11
    assert taken(folder=folder.serial) == 1
    assert taken(status="failed") == 1


def test_jobs_of_other_workspaces_are_not_taken(
    client: Client, alice: User, charlie: User, desk: Desk, base: str
) -> None:
    elsewhere = Workspace.objects.get(name="Elsewhere")
    theirs = Job.objects.create(
        workspace=elsewhere, name="theirs", cluster=desk.endpoint.cluster, endpoint=desk.endpoint
    )
    client.force_login(alice)
    assert "theirs" not in client.get(base + "delete/", {"job": theirs.serial}).text
    assert client.post(base + "delete/", form([theirs])).status_code == 422
    mine = desk.jobs(1)
    client.post(base + "delete/", form([*mine, theirs]))
    assert [item.job for item in BatchItem.objects.all()] == mine


@pytest.mark.parametrize("act", ACTS)
def test_viewers_and_strangers_are_kept_out(
    client: Client, vera: User, charlie: User, job: Job, base: str, act: str
) -> None:
    for user, status in ((vera, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(base + f"{act}/").status_code == status
        assert client.post(base + f"{act}/", form([job])).status_code == status
    assert not Batch.objects.exists()


def test_other_methods_and_acts_are_refused(client: Client, alice: User, job: Job, base: str) -> None:
    client.force_login(alice)
    assert client.delete(base + "stop/").status_code == 405
    for act in ("cancel", "create", "nonsense"):
        assert client.get(base + f"{act}/").status_code == 404


@pytest.mark.parametrize("act", ["publish", "run", "stop", "delete"])
def test_nonsense_is_refused(client: Client, alice: User, job: Job, base: str, act: str) -> None:
    client.force_login(alice)
    for values in ({"key": "x", "jobs": job.serial}, {"jobs": "\0"}, {}, {"key": str(uuid.uuid4()), "jobs": ",,"}):
        assert client.post(base + f"{act}/", values).status_code == 422
    assert client.get(base + f"{act}/", {"job": ["\0", "a,b"], "order": "\0"}).status_code == 200
    assert not Batch.objects.exists()


@pytest.mark.parametrize("act", ACTS)
def test_a_thousand_jobs_cost_no_more_queries_than_a_few(
    client: Client, alice: User, desk: Desk, base: str, act: str
) -> None:
    client.force_login(alice)
    client.get("/spaces/")  # from the second request on, a session comes together with its user
    few, many = cost(client, desk, base, act, 3), cost(client, desk, base, act, 1000)
    assert few == many
    assert max(few) <= 20


def cost(client: Client, desk: Desk, base: str, act: str, count: int) -> tuple[int, int]:
    """Return how many queries the dialog and the click take for so many jobs."""
    Job.objects.update(deleted_at="2020-01-01T00:00Z")
    jobs = Job.objects.bulk_create(
        Job(
            workspace=desk.workspace,
            name=f"{count}-{n}",
            cluster=desk.endpoint.cluster,
            endpoint=desk.endpoint,
            status=Status.STOPPED,
            last_version_number=1,
        )
        for n in range(count)
    )
    Version.objects.bulk_create(Version(job=job, number=1, note="first", sql=SQL) for job in jobs)
    with CaptureQueriesContext(connection) as dialog:
        shown = client.get(base + f"{act}/", {"all": "1"})
    assert len(shown.context["plan"].lines) == count
    assert shown.text.count("<tr>") <= 201
    values = {"note": "n", "start": "none", "cluster": desk.endpoint.cluster.serial, "folder": ""}
    with CaptureQueriesContext(connection) as click:
        client.post(base + f"{act}/", form(jobs, **values))
    assert Batch.objects.latest("pk").total == count
    return len(dialog), len(click)


def test_the_page_tells_all(client: Client, alice: User, desk: Desk, fake: FakeFlink) -> None:
    jobs = desk.jobs(3)
    fake.refuse_next_run("org.apache.flink.table.api.ValidationException: Column 'x' not found in any table")
    batch = desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    client.force_login(alice)
    body = client.get(f"/batches/{batch.serial}/").text
    for part in (
        "Run: 3 jobs",
        "3 / 3",
        "alice",
        "no state",
        batch.serial,
        "job-0",
        "What to do",
        "Retry what did not succeed",
    ):
        assert part in body
    assert "hx-trigger" not in body.partition('id="batch-live"')[2].partition(">")[0]
    failed = client.get(f"/batches/{batch.serial}/", {"state": "failed"})
    assert len(failed.context["page"].object_list) == 1
    assert "No job of this batch" in client.get(f"/batches/{batch.serial}/", {"state": "waiting"}).text
    assert client.get(f"/batches/{batch.serial}/", {"state": "\0", "page": "x"}).status_code == 200


@pytest.mark.parametrize("count", [3, 100])
def test_the_page_and_the_poll_cost_the_same_for_many(
    client: Client, alice: User, desk: Desk, count: int, django_assert_num_queries: Any
) -> None:
    jobs = desk.jobs(count)
    batch = desk.batch(Action.STOP, jobs, with_snapshot=True)
    client.force_login(alice)
    with django_assert_num_queries(9):
        page = client.get(f"/batches/{batch.serial}/")
    rows = page.context["rows"]
    with django_assert_num_queries(5):
        client.get(f"/batches/{batch.serial}/poll/", {"seen": "x", "rows": rows})


def test_the_poll_is_silent_when_nothing_is_new(client: Client, alice: User, desk: Desk) -> None:
    batch = desk.batch(Action.RUN, desk.jobs(2), start="none")
    BatchItem.objects.update(changed_at="2020-01-01T00:00Z")
    client.force_login(alice)
    seen = client.get(f"/batches/{batch.serial}/").context["progress"].seen
    address = f"/batches/{batch.serial}/poll/"
    assert client.get(address, {"seen": seen, "rows": "1,2"}).status_code == 204
    desk.settle(batch)
    body = client.get(address, {"seen": seen, "rows": "1,2,x,²"}).text
    assert 'id="outcome-1" hx-swap-oob="true"' in body
    assert "2 / 2" in body
    assert "<tr" not in body
    assert "hx-trigger" not in body.partition('id="batch-live"')[2].partition(">")[0]


def test_retry_takes_the_failed_once(client: Client, alice: User, desk: Desk, fake: FakeFlink) -> None:
    fake.refuse_next_run("java.lang.RuntimeException: once")
    first = desk.settle(desk.batch(Action.RUN, desk.jobs(3), start="none"))
    client.force_login(alice)
    key = client.get(f"/batches/{first.serial}/").context["keys"]["retry"]
    answers = [client.post(f"/batches/{first.serial}/retry/", {"key": key}) for _click in range(2)]
    again = Batch.objects.get(retry_of=first)
    assert {answer.headers["Location"] for answer in answers} == {f"/batches/{again.serial}/"}
    assert again.total == 1
    body = client.get(f"/batches/{first.serial}/")
    assert again.serial in body.text
    assert body.context["keys"]["retry"] != key
    desk.settle(again)
    refused = client.post(f"/batches/{again.serial}/retry/", {"key": "x"}, follow=True)
    assert "No job is selected" in refused.text


def test_it_starts_again_from_the_snapshots_just_taken(client: Client, alice: User, desk: Desk) -> None:
    jobs = desk.jobs(2)
    desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    stopped = desk.settle(desk.batch(Action.STOP, jobs, with_snapshot=True))
    client.force_login(alice)
    page = client.get(f"/batches/{stopped.serial}/")
    assert "Start again from the snapshots just taken" in page.text
    assert Snapshot.objects.first().serial in page.text  # type: ignore[union-attr]
    client.post(f"/batches/{stopped.serial}/restart/", {"key": page.context["keys"]["restart"]})
    again = desk.settle(Batch.objects.latest("pk"))
    assert again.counts()["succeeded"] == 2
    assert "started from" in client.get(f"/batches/{again.serial}/").text
    assert stopped.serial in client.get(f"/batches/{again.serial}/").text


def test_what_has_not_begun_is_cancelled(client: Client, alice: User, desk: Desk) -> None:
    batch = desk.batch(Action.RUN, desk.jobs(3), start="none")
    client.force_login(alice)
    assert "Cancel what has not begun" in client.get(f"/batches/{batch.serial}/").text
    body = client.post(f"/batches/{batch.serial}/cancel/", follow=True).text
    assert "3 jobs that had not begun were taken back." in body
    assert batch.counts()["cancelled"] == 3
    assert "Nothing was waiting any more." in client.post(f"/batches/{batch.serial}/cancel/", follow=True).text


def test_a_batch_is_shown_to_viewers_without_acts_and_hidden_from_strangers(
    client: Client, vera: User, charlie: User, desk: Desk
) -> None:
    batch = desk.batch(Action.RUN, desk.jobs(1), start="none")
    client.force_login(vera)
    body = client.get(f"/batches/{batch.serial}/").text
    assert "job-0" in body
    assert "Cancel what has not begun" not in body
    acts = ("retry", "restart", "cancel")
    assert [client.post(f"/batches/{batch.serial}/{act}/").status_code for act in acts] == [403] * 3
    assert [client.get(f"/batches/{batch.serial}/{act}/").status_code for act in acts] == [405] * 3
    client.force_login(charlie)
    assert [client.post(f"/batches/{batch.serial}/{act}/").status_code for act in acts] == [404] * 3
    assert client.get(f"/batches/{batch.serial}/").status_code == 404
    assert client.get(f"/batches/{batch.serial}/poll/").status_code == 404
    assert client.get(f"/spaces/{desk.workspace.serial}/batches/").status_code == 404
    assert batch.counts()["waiting"] == 1


@pytest.mark.parametrize("count", [2, 20])
def test_the_list_of_batches_costs_the_same_for_many(
    client: Client, alice: User, desk: Desk, count: int, django_assert_num_queries: Any
) -> None:
    jobs = desk.jobs(3)
    for _one in range(count):
        desk.batch(Action.STOP, jobs)
    client.force_login(alice)
    with django_assert_num_queries(6):
        answer = client.get(f"/spaces/{desk.workspace.serial}/batches/")
    assert answer.text.count("0 / 3") == count
    assert "hx-trigger" in answer.text.partition('id="batches-live"')[2].partition(">")[0]
    live = client.get(f"/spaces/{desk.workspace.serial}/batches/", headers={**HTMX, "HX-Target": "batches-live"}).text
    assert "<html" not in live
    assert live.count('hx-swap-oob="true"') == 3 * count


def test_an_empty_list_of_batches_tells_what_to_do(client: Client, alice: User, workspace: Workspace) -> None:
    client.force_login(alice)
    assert "Tick jobs in the list" in client.get(f"/spaces/{workspace.serial}/batches/").text


def test_the_list_of_jobs_has_ticks_and_a_menu_for_developers_only(
    client: Client, alice: User, vera: User, job: Job
) -> None:
    address = f"/spaces/{job.workspace.serial}/jobs/"
    client.force_login(alice)
    body = client.get(address).text
    assert f'name="job" value="{job.serial}"' in body
    assert all(f"/batch/{act}/" in body for act in ACTS)
    client.force_login(vera)
    body = client.get(address).text
    assert 'name="job"' not in body
    assert "/batch/" not in body
