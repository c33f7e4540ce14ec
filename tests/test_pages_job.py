"""The pages of one job: who sees them, what they show, what they cost, and that nonsense in an address is no error."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.utils import timezone

from jobs.models import Job, Problem
from jobs.operations import publish, save_draft
from jobs.states import Status
from tests.conftest import SQL, Console

TABS = [
    "",
    "draft/",
    "versions/",
    "versions/1/",
    "versions/compare/",
    "snapshots/",
    "runs/",
    "operations/",
    "results/",
    "monitoring/",
    "logs/",
    "logs/?process=",
]


@pytest.fixture
def lived(console: Console) -> Job:
    """A job with a life behind it: two versions, two runs, a snapshot."""
    console.start()
    console.click_stop()
    console.settle()
    save_draft(console.user, console.job, 1, {"sql": SQL.replace("blackhole", "print"), "parallelism": 2})
    publish(console.user, console.job, "second")
    console.start()
    return console.job


@pytest.mark.parametrize("tab", TABS)
def test_members_see_it_and_strangers_do_not(client: Client, vera: User, charlie: User, lived: Job, tab: str) -> None:
    address = f"/jobs/{lived.serial}/{tab}"
    assert client.get(address).headers["Location"].startswith("/login/")
    client.force_login(vera)
    assert client.get(address).status_code == 200
    client.force_login(charlie)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("tab", [tab for tab in TABS if tab != "draft/"])
def test_pages_that_only_show_refuse_post(client: Client, alice: User, lived: Job, tab: str) -> None:
    client.force_login(alice)
    assert client.post(f"/jobs/{lived.serial}/{tab}").status_code == 405


@pytest.mark.parametrize("tab", ["", "versions/", "snapshots/", "runs/", "operations/"])
def test_a_viewer_sees_no_acts(client: Client, vera: User, lived: Job, tab: str) -> None:
    client.force_login(vera)
    body = client.get(f"/jobs/{lived.serial}/{tab}").text
    for act in ("run/", "stop/", "snapshot/", "publish/", "delete/"):
        assert f"/jobs/{lived.serial}/{act}" not in body


@pytest.mark.parametrize("tab", ["", "draft/", "versions/", "snapshots/", "runs/", "operations/"])
def test_its_queries_are_few(
    client: Client, alice: User, lived: Job, tab: str, django_assert_max_num_queries: Any
) -> None:
    client.force_login(alice)
    # Who looks at the overview for the first time wants to hear of exceptions.
    with django_assert_max_num_queries(13 if tab else 17):
        client.get(f"/jobs/{lived.serial}/{tab}")
    with django_assert_max_num_queries(13 if tab else 14):
        client.get(f"/jobs/{lived.serial}/{tab}")


def test_the_overview_tells_the_problem(client: Client, alice: User, job: Job) -> None:
    why = Problem.objects.create(code="flink", summary="java.lang.ArithmeticException: / by zero", trace="at Some.java")
    Job.objects.filter(pk=job.pk).update(status=Status.FAILED, problem=why)
    client.force_login(alice)
    body = client.get(f"/jobs/{job.serial}/").text
    for part in ("Division by zero", "Full trace", "at Some.java"):
        assert part in body


def test_the_overview_tells_how_long_all_runs_have_lasted(client: Client, alice: User, lived: Job) -> None:
    now = timezone.now()
    ended = {"started_at": now - timedelta(hours=5), "ended_at": now - timedelta(hours=3)}
    lived.runs.filter(number=1).update(**ended)
    lived.runs.filter(number=2).update(started_at=now - timedelta(hours=1))
    client.force_login(alice)
    page = client.get(f"/jobs/{lived.serial}/").text
    assert re.search(
        r'Cumulative run time</dt><dd class="num"><span class="num" data-since="[^"]+">3:00:0\d</span>', page
    )
    assert "2 runs" in page
    lived.runs.filter(number=2).update(ended_at=now, end="stopped")
    assert 'Cumulative run time</dt><dd class="num">3:00:00 ' in client.get(f"/jobs/{lived.serial}/").text


def test_a_run_that_has_not_started_counts_no_time(client: Client, alice: User, console: Console) -> None:
    console.click_run()
    client.force_login(alice)
    page = client.get(f"/jobs/{console.job.serial}/").text
    assert 'Cumulative run time</dt><dd class="num">0:00 ' in page


def test_an_empty_job_leads_to_the_editor(client: Client, alice: User, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(status=Status.UNINITIALIZED)
    client.force_login(alice)
    assert "This job has no SQL yet" in client.get(f"/jobs/{job.serial}/").text


def test_snapshots_runs_and_operations_are_listed(client: Client, alice: User, lived: Job) -> None:
    client.force_login(alice)
    snapshot, run = lived.snapshots.get(), lived.runs.latest("number")
    body = client.get(f"/jobs/{lived.serial}/snapshots/").text
    assert snapshot.serial in body
    assert "Created when stopping" in body
    assert run.flink_job_id in client.get(f"/jobs/{lived.serial}/runs/").text
    body = client.get(f"/jobs/{lived.serial}/operations/").text
    for part in ("alice", "Flink accepted", "the snapshot is complete", "Create a snapshot when stopping", "yes"):
        assert part in body


def test_a_version_is_shown_read_only(client: Client, alice: User, lived: Job) -> None:
    client.force_login(alice)
    body = client.get(f"/jobs/{lived.serial}/versions/2/").text
    assert "second" in body
    assert "readonly" in body
    assert "Save" not in body


def test_two_versions_are_compared(client: Client, alice: User, lived: Job) -> None:
    client.force_login(alice)
    body = client.get(f"/jobs/{lived.serial}/versions/compare/", {"a": 1, "b": 2}).text
    assert "<del>blackhole</del>" in body
    assert "<ins>print</ins>" in body
    assert "<del>1</del>" in body
    assert "<ins>2</ins>" in body


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("versions/99/", 404),
        (f"versions/{'9' * 30}/", 404),
        ("versions/compare/?a=99", 404),
        ("versions/compare/?a=x&b=%00", 200),
        ("runs/?page=x", 200),
        ("operations/?page=999999999999999999999", 200),
        ("snapshots/?page=%00", 200),
        ("poll/?seen=%00&tab=../../x", 200),
    ],
)
def test_nonsense_is_no_error(client: Client, alice: User, lived: Job, address: str, status: int) -> None:
    client.force_login(alice)
    assert client.get(f"/jobs/{lived.serial}/{address}").status_code == status


def test_the_poll_is_silent_when_nothing_is_new(
    client: Client, alice: User, lived: Job, django_assert_max_num_queries: Any
) -> None:
    Job.objects.update(changed_at=F("changed_at") - timedelta(minutes=1))
    client.force_login(alice)
    seen = client.get(f"/jobs/{lived.serial}/").context["seen"]
    with django_assert_max_num_queries(3):
        assert client.get(f"/jobs/{lived.serial}/poll/", {"seen": seen, "tab": "overview"}).status_code == 204


@pytest.mark.parametrize("tab", ["overview", "draft", "versions", "snapshots", "runs", "events", "operations"])
def test_the_poll_brings_head_and_tab(client: Client, alice: User, lived: Job, tab: str) -> None:
    client.force_login(alice)
    Job.objects.update(changed_at=timezone.now())
    body = client.get(f"/jobs/{lived.serial}/poll/", {"seen": "0-0", "tab": tab}).text
    assert 'id="job-head" hx-swap-oob="true"' in body
    assert ('id="tab" hx-swap-oob="true"' in body) == (tab not in ("draft", "versions"))
    assert "<textarea" not in body
