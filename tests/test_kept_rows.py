"""Rows of the list that were rendered before: never out of date, whatever changes, and cheap while nothing does."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.utils import timezone

from clusters.models import Cluster, FlinkEndpoint
from jobs.models import Job, Problem, Run
from jobs.states import Status
from jobs.views import counts
from jobs.views.paging import PageNumbers, page_of
from tests.conftest import Console, make_job
from tests.until import until
from workspaces.models import Member, Role, Workspace


@pytest.fixture
def url(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/jobs/"


# Each change is written as if nobody had told the job's row (`changed_at`) of it.
CHANGES: dict[str, Any] = {
    "renamed-job": lambda: Job.objects.update(name="renamed-job"),
    "renamed-cluster": lambda: Cluster.objects.update(name="renamed-cluster"),
    "9.9.9": lambda: FlinkEndpoint.objects.update(flink_version="9.9.9"),
    "unreachable since": lambda: FlinkEndpoint.objects.update(unreachable_since=timezone.now()),
    "http://dashboard": lambda: FlinkEndpoint.objects.update(dashboard_url="http://dashboard"),
    "Restarting": lambda: Run.objects.update(tasks_up=1, tasks_total=4),
    "Failed": lambda: Job.objects.update(status=Status.FAILED),
    "(+6)": lambda: Job.objects.update(last_version_number=7),
    "7.25": lambda: Run.objects.update(cu="7.25"),
    "2001-02-03": lambda: Job.objects.update(updated_at="2001-02-03T04:05:06Z"),
    "Division by zero": lambda: Job.objects.update(
        problem=Problem.objects.create(code="flink", summary="java.lang.ArithmeticException: / by zero")
    ),
}


@pytest.mark.parametrize("told", CHANGES)
def test_every_change_is_shown_at_once(client: Client, console: Console, alice: User, url: str, told: str) -> None:
    console.start()
    client.force_login(alice)
    before = client.get(url).context["page"][0]
    assert told not in before.html
    CHANGES[told]()
    assert told in client.get(url).context["page"][0].html


def test_nobody_gets_what_was_rendered_for_others(client: Client, alice: User, vera: User, job: Job, url: str) -> None:
    client.force_login(alice)
    assert "/run/" in client.get(url).text
    client.force_login(vera)
    assert "/run/" not in client.get(url).text
    Member.objects.filter(user=vera).update(role=Role.DEVELOPER)
    assert "/run/" in client.get(url).text
    assert "运行" in client.get(url, headers={"Accept-Language": "zh-CN"}).context["page"][0].html


def test_the_run_time_goes_on(client: Client, console: Console, alice: User, url: str) -> None:
    console.start()
    Run.objects.update(started_at=timezone.now() - timedelta(hours=3))
    client.force_login(alice)
    first = client.get(url).context["page"][0].html
    Run.objects.update(started_at=F("started_at") - timedelta(hours=2))
    assert ">3:00:" in first
    assert ">5:00:" in client.get(url).context["page"][0].html


def test_the_counts_follow_every_change(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str
) -> None:
    client.force_login(alice)
    for count in range(2, 5):
        made = make_job(alice, job.workspace, endpoint, f"orders-{count}")
        answer = client.get(url, {"q": "orders"})
        assert answer.context["page"].paginator.count == answer.context["summary"]["total"] == count
    Job.objects.filter(pk=made.pk).update(deleted_at=timezone.now(), changed_at=timezone.now())
    assert client.get(url, {"q": "orders"}).context["page"].paginator.count == 3


def test_counts_by_filter_are_those_of_the_database(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str
) -> None:
    failed = make_job(alice, job.workspace, endpoint, "payments")
    Job.objects.filter(pk=failed.pk).update(status=Status.FAILED, changed_at=timezone.now())
    client.force_login(alice)
    for query, count in (({}, 2), ({"status": "failed"}, 1), ({"status": "running"}, 0), ({"q": "pay"}, 1)):
        assert client.get(url, query).context["page"].paginator.count == count


def test_counts_of_many_jobs_may_be_late_but_come(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MANY", 1)
    monkeypatch.setattr(counts, "LONGEST_SECONDS", 3600)
    monkeypatch.setattr(counts, "JOBS_PER_SECOND", 1 / 3600)
    client.force_login(alice)
    first = client.get(url).context
    make_job(alice, job.workspace, endpoint, "payments")
    late = client.get(url + "poll/", {"seen": first["seen"], "row": job.serial}).context
    assert (late["summary"]["total"], late["seen"]) == (1, first["seen"])
    # However much later the page asks again, and though nothing changes any more.
    Job.objects.update(changed_at=F("changed_at") - timedelta(minutes=1))
    asked = {"seen": late["seen"], "row": job.serial}
    there = until(lambda: client.get(url + "poll/", asked).context, "what was made a moment ago is made anew")
    assert there["summary"]["total"] == 2
    assert client.get(url + "poll/", {"seen": there["seen"], "row": job.serial}).status_code == 204


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("order", ["name", "-name"])
def test_the_pages_together_are_the_whole_list_in_order(job: Job, size: int, order: str) -> None:
    rows = [Job(workspace=job.workspace, name=f"j{n}", cluster=job.cluster, endpoint=job.endpoint) for n in range(6)]
    Job.objects.bulk_create(rows)
    jobs = Job.objects.order_by(order, "-pk")
    numbers = PageNumbers(7, size)
    pages = [page_of(jobs, numbers, number) for number in numbers.page_range]
    assert [pk for page in pages for pk in page] == [one.pk for one in jobs]
