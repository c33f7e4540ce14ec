"""Pages about something that has very many rows cost what they show, not what there is."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.db.models.signals import post_init
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from api import history
from clusters.models import Cluster, FlinkEndpoint
from jobs.admin import NEWEST_SHOWN
from jobs.models import BatchItem, Draft, Folder, Job, Run, Snapshot, Version
from jobs.operations.plan import LINES
from jobs.states import RunEnd
from jobs.views.batches import PAGE_SIZE
from jobs.views.versions import OFFERED
from tests.program import Program
from workspaces.admin import MEMBERS_SHOWN
from workspaces.models import Member

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def make_runs(job: Job, count: int) -> None:
    first, now = job.versions.latest("number"), timezone.now()
    numbers = range(first.number + 1, first.number + 1 + count)
    versions = Version.objects.bulk_create(Version(job=job, number=n, note="x", sql=first.sql) for n in numbers)
    ended: dict[str, Any] = {"started_at": now, "ended_at": now, "end": RunEnd.STOPPED}
    runs = Run.objects.bulk_create(
        Run(job=job, number=one.number, version=one, endpoint=job.endpoint, cu=1, **ended) for one in versions
    )
    told = {"source": Snapshot.Source.MANUAL, "state": Snapshot.State.COMPLETED, "location": "s3://somewhere"}
    Snapshot.objects.bulk_create(Snapshot(job=job, run=one, **told) for one in runs)


def most_rows(plan: dict[str, Any]) -> float:
    """Return how many rows the busiest step of a plan has brought."""
    below = [most_rows(one) for one in plan.get("Plans", [])]
    return max([plan["Actual Rows"] * plan["Actual Loops"], *below])


def subqueries(plan: dict[str, Any]) -> float:
    """Return how often the busiest subquery of a plan has been asked."""
    below = [subqueries(one) for one in plan.get("Plans", [])]
    return max([plan["Actual Loops"] * (plan.get("Parent Relationship") == "SubPlan"), *below])


def done_for(query: str) -> dict[str, Any]:
    """Return what PostgreSQL has done to answer this query."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + query.replace("%", "%%"), [])
        ((told,),) = cursor.fetchall()
    [plan] = told if isinstance(told, list) else json.loads(told)
    return dict(plan["Plan"])


@contextmanager
def made_of(*models: type[Model]) -> Iterator[Counter[str]]:
    """Count the rows of these models that are read."""
    counted: Counter[str] = Counter()

    def count(sender: type[Model], **kwargs: Any) -> None:
        counted[sender.__name__] += 1

    for model in models:
        post_init.connect(count, model)
    yield counted
    for model in models:
        post_init.disconnect(count, model)


@pytest.mark.parametrize("act", ["publish", "stop", "move", "delete"])
def test_the_dialog_of_a_batch_reads_of_its_jobs_what_it_shows(client: Client, job: Job, act: str) -> None:
    same = {"workspace": job.workspace, "cluster": job.cluster, "endpoint": job.endpoint}
    jobs = Job.objects.bulk_create(Job(name=f"job-{n}", **same) for n in range(LINES + 100))
    version = job.versions.get()
    versions = Version.objects.bulk_create(Version(job=one, number=1, note="x", sql=version.sql) for one in jobs)
    runs = Run.objects.bulk_create(
        Run(job=one.job, number=1, version=one, endpoint=job.endpoint, cu=1) for one in versions
    )
    taken = {"source": Snapshot.Source.MANUAL, "state": Snapshot.State.COMPLETED, "location": "s3://somewhere"}
    Snapshot.objects.bulk_create(Snapshot(job=one.job, run=one, **taken) for one in runs)
    for one in runs:
        one.job.current_run = one
    Job.objects.bulk_update(jobs, ["current_run"])
    url = f"/spaces/{job.workspace.serial}/batch/{act}/"
    with made_of(Cluster, FlinkEndpoint, Draft, Version, Snapshot) as read, CaptureQueriesContext(connection) as asked:
        page = client.get(url, {"all": "1"})
    told = [one["sql"] for one in asked]
    assert not any(f'"jobs_job"."{column}"' in sql for sql in told for column in ("description", "changed_at"))
    assert not any(f'"jobs_run"."{column}"' in sql for sql in told for column in ("flink_state", "started_at"))
    assert len(page.context["plan"].lines) == LINES + 101
    assert read["Cluster"] + read["FlinkEndpoint"] < 10
    assert read["Draft"] <= (act == "publish")
    # A point brings the version of its run along.
    assert read["Snapshot"] <= LINES
    assert read["Version"] <= 2 * LINES
    chosen = {"jobs": page.context["form"]["jobs"].value(), "key": str(uuid.uuid4()), "note": "x", "folder": ""}
    with made_of(BatchItem) as made:
        answer = client.post(url, chosen, headers={"HX-Request": "true"})
    assert answer.context["batch"].items.count() == LINES + 101
    assert made["BatchItem"] <= PAGE_SIZE


def test_a_comparison_offers_the_newest_versions_and_the_two_compared(client: Client, job: Job) -> None:
    url = f"/jobs/{job.serial}/versions/compare/"
    make_runs(job, OFFERED + 10)
    newest = job.last_version_number + OFFERED + 10
    with made_of(Version) as read:
        page = client.get(url, {"a": "2", "b": "5"})
    assert read["Version"] < OFFERED + 10
    offered = [one.number for one in page.context["choices"]]
    assert offered == [*range(newest, newest - OFFERED, -1), 5, 2]
    assert f"The newest {OFFERED} versions can be chosen here." in page.text
    assert page.text.count('<option value="5" selected>') == page.text.count('<option value="2" selected>') == 1


def test_a_dialog_fills_no_template_for_each_folder(client: Client, job: Job) -> None:
    url = f"/jobs/{job.serial}/copy/"
    client.get(url)  # some parts are kept from then on
    few = len(client.get(url).templates)
    Folder.objects.bulk_create(Folder(workspace=job.workspace, name=f"<folder {n}>") for n in range(50))
    page = client.get(url)
    assert len(page.templates) == few
    assert page.text.count("&lt;folder ") == 50
    one = Folder.objects.latest("pk")
    Job.objects.filter(pk=job.pk).update(folder=one)
    assert f'<option value="{one.serial}" selected>' in client.get(url).text


def test_a_list_tells_a_folder_in_half_a_kilobyte(client: Client, job: Job) -> None:
    space = f"/spaces/{job.workspace.serial}"
    pages = [f"{space}/jobs/", f"{space}/jobs/new/", f"/jobs/{job.serial}/move/"]
    few = [len(client.get(page).content) for page in pages]
    Folder.objects.bulk_create(Folder(workspace=job.workspace, name=f"folder {n}") for n in range(100))
    listed, *chosen = ((len(client.get(page).content) - size) / 100 for page, size in zip(pages, few, strict=True))
    assert 0 < listed < 560
    assert all(0 < one < 60 for one in chosen)


def test_the_api_names_the_newest_runs_of_a_time(alice: User, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 5)
    make_runs(job, 20)
    newest = job.runs.order_by("-number")[:5]
    with made_of(Run) as read:
        told = Program(alice).call(
            "DescribeJobEvents", {"JobId": job.serial, "StartTimestamp": 0, "EndTimestamp": 9_999_999_999}
        )
    assert read["Run"] <= 20, "those of one page of events"
    assert told["RunningOrderIds"] == [one.number for one in newest]
    assert told["TotalCount"] == 42


def test_the_api_counts_versions_and_run_times_of_the_jobs_of_a_page(alice: User, job: Job) -> None:
    same = {"workspace": job.workspace, "cluster": job.cluster, "endpoint": job.endpoint}
    Job.objects.bulk_create(Job(name=f"job-{n}", **same) for n in range(100))
    with CaptureQueriesContext(connection) as asked:
        told = Program(alice).call("DescribeJobs", {"Offset": 90, "Limit": 5})
    assert (len(told["JobSet"]), told["TotalCount"]) == (5, 101)
    [described] = [one["sql"] for one in asked if '"jobs_job"."description"' in one["sql"]]
    assert 0 < subqueries(done_for(described)) <= 5


def test_the_page_of_a_cluster_counts_jobs_and_runs_apart(client: Client, job: Job) -> None:
    same = {"workspace": job.workspace, "cluster": job.cluster, "endpoint": job.endpoint}
    Job.objects.bulk_create(Job(name=f"job-{n}", **same) for n in range(100))
    make_runs(job, 100)
    with CaptureQueriesContext(connection) as asked:
        page = client.get(f"/clusters/{job.cluster.serial}/")
    assert (page.context["endpoints"][0].job_count, page.context["endpoints"][0].live_count) == (101, 0)
    for one in asked.captured_queries:
        if one["sql"].startswith("SELECT"):
            assert most_rows(done_for(one["sql"])) < 1000, one["sql"]


def test_the_admin_shows_the_newest_of_a_job_by_few_statements(client: Client, job: Job) -> None:
    url = f"/admin/jobs/job/{job.pk}/change/"
    make_runs(job, 2)
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    make_runs(job, 60)
    with CaptureQueriesContext(connection) as many:
        page = client.get(url)
    assert len(many) == len(few)
    for inline in page.context["inline_admin_formsets"]:
        numbers = [one.instance.pk for one in inline.formset.forms]
        newest = inline.formset.model.objects.filter(job=job).order_by("-pk")[:NEWEST_SHOWN]
        assert sorted(numbers) == sorted(one.pk for one in newest)


def test_the_admin_leaves_many_members_to_their_own_page(client: Client, job: Job) -> None:
    url, workspace = f"/admin/workspaces/workspace/{job.workspace_id}/change/", job.workspace
    assert client.get(url).context["inline_admin_formsets"]
    users = User.objects.bulk_create(User(username=f"user-{n}") for n in range(MEMBERS_SHOWN + 1))
    Member.objects.bulk_create(Member(workspace=workspace, user=one) for one in users)
    with CaptureQueriesContext(connection) as asked:
        page = client.get(url)
    assert len(asked) < 20
    assert not page.context["inline_admin_formsets"]
    assert f'href="/spaces/{workspace.serial}/members/"' in page.text
    assert client.post(url, {"name": "Renamed", "description": ""}).status_code == 302
    workspace.refresh_from_db()
    assert (workspace.name, workspace.members.count()) == ("Renamed", MEMBERS_SHOWN + 2)


def test_the_admin_finds_operations_by_what_has_an_index(client: Client, job: Job) -> None:
    one = job.operations.latest("pk")
    for term, found in (
        (one.serial, 1),
        (job.serial, job.operations.count()),
        ("RDER", job.operations.count()),
        ("x", 0),
    ):
        with CaptureQueriesContext(connection) as asked:
            page = client.get("/admin/jobs/operation/", {"q": term})
        assert page.context["cl"].result_count == found
        of_operations = [told["sql"] for told in asked.captured_queries if 'FROM "jobs_operation"' in told["sql"]]
        assert of_operations
        assert not [sql for sql in of_operations if "LIKE" in sql]
