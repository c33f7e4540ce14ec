"""Search of the list: what it finds is what LIKE would find, through an index, however the jobs change; and it is honest about its end."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs.models import Job
from jobs.operations.record import problem
from jobs.search import REACHABLE, among, matching, reachable
from jobs.states import Status
from tests.conftest import make_job
from workspaces.models import Workspace

NAMES = [
    "orders-0001",
    "ORDERS_eu",
    "风控_v1.2",
    "订单风控",
    "a",
    "ab",
    "a.b-c",
    "pay-ments",
    "Straße",
    "İstanbul",
    "x" * 49,
]
SEARCHES = [
    "orders",
    "Rs",
    "风控",
    "风",
    "单风",
    "A",
    "ab",
    "a_b",
    "a.b",
    "%",
    "_",
    "pay-m",
    "ß",
    "ss",
    "straße",
    "i",
    "is",
    "xxx",
    "cql-",
    "zzz",
    "orders-0001\ncql",
]


@pytest.fixture
def named(alice: User, job: Job) -> list[Job]:
    jobs = [Job(workspace=job.workspace, name=name, cluster=job.cluster, endpoint=job.endpoint) for name in NAMES]
    return Job.objects.bulk_create(jobs)


@pytest.mark.parametrize("search", SEARCHES)
def test_it_finds_what_like_finds(named: list[Job], search: str) -> None:
    jobs = Job.objects.all()
    found = {pk for pk, _status in reachable(matching(jobs, search), named[0].workspace_id, search)}
    like = jobs.filter(Q(name__icontains=search) | Q(serial__icontains=search))
    assert found == set(like.values_list("pk", flat=True))
    assert set(among(matching(jobs, search), list(found)).values_list("pk", flat=True)) == found


def test_it_follows_every_change(alice: User, job: Job, endpoint: FlinkEndpoint) -> None:
    def finds(search: str) -> list[int]:
        return [pk for pk, _status in reachable(matching(Job.objects.all(), search), job.workspace_id, search)]

    made = make_job(alice, job.workspace, endpoint, "payments")
    assert finds("payments") == [made.pk]
    Job.objects.filter(pk=made.pk).update(name="refunds")
    assert (finds("payments"), finds("refunds")) == ([], [made.pk])
    made.refresh_from_db()
    made.name = "invoices"
    made.save()
    assert (finds("refunds"), finds("invoices")) == ([], [made.pk])
    Job.objects.filter(pk=made.pk).update(workspace=Workspace.objects.create(name="elsewhere"))
    assert finds("invoices") == []


def test_a_step_of_an_operation_leaves_the_entry_alone(job: Job) -> None:
    def row_version() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ctid::text FROM jobs_searchentry WHERE job_id = %s", [job.pk])
            return cursor.fetchone()

    before = row_version()
    job.step = "starting"
    job.save()
    Job.objects.update(changed_at=timezone.now())
    assert row_version() == before


def test_other_workspaces_are_not_searched(client: Client, alice: User, job: Job) -> None:
    elsewhere = Workspace.objects.create(name="elsewhere")
    Job.objects.create(workspace=elsewhere, name="orders-there", cluster=job.cluster, endpoint=job.endpoint)
    client.force_login(alice)
    answer = client.get(f"/spaces/{job.workspace.serial}/jobs/", {"q": "orders"})
    assert [row.name for row in answer.context["page"]] == ["orders"]


@pytest.fixture
def crowd(job: Job) -> list[Job]:
    """One more than can be turned to, and one that is called otherwise."""
    names = [f"crowd-{n:04}" for n in range(REACHABLE + 1)]
    jobs = [Job(workspace=job.workspace, name=name, cluster=job.cluster, endpoint=job.endpoint) for name in names]
    return Job.objects.bulk_create(jobs)


def test_it_goes_through_the_index(job: Job, crowd: list[Job], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1) as asked:
        reachable(matching(Job.objects.all(), "orders"), job.workspace_id, "orders")
    query = asked.captured_queries[0]["sql"]
    with connection.cursor() as cursor:
        # PostgreSQL would rather read the few rows of a test; and what it thinks of them may be of another test.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("ANALYZE jobs_job, jobs_searchentry")
        # What other tests have rolled back still waits to be sorted into the index.
        cursor.execute("SELECT gin_clean_pending_list('jobs_searchentry_pieces')")
        cursor.execute(f"EXPLAIN {query}")
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "Bitmap Index Scan on jobs_searchentry_pieces" in plan, plan


def test_of_very_many_it_shows_the_first_and_says_so(client: Client, alice: User, crowd: list[Job]) -> None:
    client.force_login(alice)
    url = f"/spaces/{crowd[0].workspace.serial}/jobs/"
    answer = client.get(url, {"q": "crowd", "sort": "name", "size": "100", "page": "999"})
    assert "The first 1000 entries; there are more" in answer.text
    assert 'data-total="1000" data-more="+"' in answer.text
    assert answer.context["page"].number == 10
    assert [row.name for row in answer.context["page"]] == [f"crowd-{n:04}" for n in range(900, 1000)]
    assert "前 1000 条；还有更多" in client.get(url, {"q": "crowd"}, headers={"Accept-Language": "zh-CN"}).text


def test_of_as_many_as_it_can_show_it_shows_all(client: Client, alice: User, crowd: list[Job]) -> None:
    Job.objects.filter(pk=crowd[0].pk).update(deleted_at=timezone.now(), changed_at=timezone.now())
    client.force_login(alice)
    url = f"/spaces/{crowd[0].workspace.serial}/jobs/"
    answer = client.get(url, {"q": "CROWD", "sort": "name", "size": "100", "page": "10"})
    assert "1000 entries" in answer.text
    assert "there are more" not in answer.text
    assert answer.context["page"][-1].name == "crowd-1000"
    assert [row.name for row in client.get(url, {"q": "d-0007"}).context["page"]] == ["crowd-0007"]


def chips(answer: Any) -> dict[str, str]:
    """Return what is written on the chips over the list: word -> number, "" where there is none."""
    row = answer.text.partition('class="chips"')[2].partition("</nav>")[0]
    texts = [re.sub(r"<[^>]*>", " ", chip) for chip in re.findall(r'<a class="chip"([^<]*>.*?)</a>', row)]
    return dict(re.findall(r"(\w+)\s*(\d+\+?|)\s*$", text.partition(">")[2])[0] for text in texts)


def test_the_chips_count_what_is_found(client: Client, alice: User, job: Job, endpoint: FlinkEndpoint) -> None:
    failed = make_job(alice, job.workspace, endpoint, "payments")
    Job.objects.filter(pk=failed.pk).update(status=Status.FAILED, changed_at=timezone.now())
    client.force_login(alice)
    url = f"/spaces/{job.workspace.serial}/jobs/"
    for query, told in (
        ({}, {"All": "2", "Stopped": "1", "Failed": "1"}),
        ({"status": "failed"}, {"All": "2", "Stopped": "1", "Failed": "1"}),
        ({"q": "pay"}, {"All": "1", "Failed": "1"}),
        ({"q": "ord", "status": "failed"}, {"All": "1", "Stopped": "1", "Failed": "0"}),
        ({"q": "nothing"}, {"All": "0"}),
    ):
        assert chips(client.get(url, query)) == told, query
        assert chips(client.get(url + "poll/", query | {"seen": "0-0", "row": job.serial})) == told, query


def test_the_chips_show_no_numbers_that_nobody_has_counted(client: Client, alice: User, crowd: list[Job]) -> None:
    client.force_login(alice)
    url = f"/spaces/{crowd[0].workspace.serial}/jobs/"
    Job.objects.filter(pk=crowd[0].pk).update(status=Status.FAILED, problem=problem("flink", "/ by zero"))
    told = {"All": "1000+", "Uninitialized": "", "Stopped": "", "Failed": ""}
    assert chips(client.get(url, {"q": "crowd"})) == told
    few = client.get(url, {"q": "crowd", "status": "failed"})
    assert chips(few) == told
    assert few.context["page"].paginator.count == 1
    assert chips(client.get(url, {"q": "0007"})) == {"All": "1", "Uninitialized": "1"}
    wrong = chips(client.get(url, {"problem": "anything"}))
    assert {wrong[word] for word in ("All", "Uninitialized", "Failed")} == {""}
