"""Snapshot now: the job runs on, and what Flink completed is on record."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from jobs import operations
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.threads import in_thread

pytestmark = pytest.mark.django_db


def test_it_creates_a_snapshot_of_a_running_job(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_snapshot()
    assert (console.job.status, console.job.action) == ("running", "snapshot")
    console.settle()
    assert (console.job.status, console.job.action) == ("running", "")
    assert (console.snapshot.state, console.snapshot.description) == ("completed", "before the release")
    assert console.snapshot.source == "manual"
    assert fake.jobs[console.run.flink_job_id].state == "RUNNING"


def test_a_second_act_is_refused_while_it_is_under_way(console: Console) -> None:
    console.start()
    console.click_snapshot()
    with pytest.raises(operations.Refusal, match="under way"):
        console.click_stop()
    with pytest.raises(operations.Refusal, match="under way"):
        console.click_snapshot()


def test_it_tells_why_it_failed(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.fail_next_savepoint("org.apache.flink.util.FlinkException: Not all required tasks are currently running.")
    console.click_snapshot()
    console.settle()
    assert (console.job.status, console.snapshot.state) == ("running", "failed")
    assert "Not all required tasks" in console.job.problem.summary


def test_a_job_that_dies_meanwhile_is_shown_as_failed(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_savepoints()
    console.click_snapshot()
    console.settle(2)
    fake.fail_job(console.run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    fake.release_savepoints()
    console.settle()
    assert console.job.status == "failed"


def test_it_refuses_a_job_that_does_not_run(console: Console) -> None:
    with pytest.raises(operations.Refusal, match="running"):
        console.click_snapshot()


def test_a_snapshot_of_the_table_is_run_from_at_once(client: Client, console: Console) -> None:
    console.start()
    console.click_snapshot()
    console.settle()
    first = console.snapshot
    client.force_login(console.user)
    page = f"/jobs/{console.job.serial}/snapshots/"
    assert f"?snapshot={first.serial}" not in client.get(page).text, "it runs"
    console.click_stop()
    console.settle()
    for one in (first, console.snapshot):
        assert f'hx-get="/jobs/{console.job.serial}/run/?snapshot={one.serial}"' in client.get(page).text
    form = client.get(f"/jobs/{console.job.serial}/run/", {"snapshot": first.serial}).context["form"]
    assert (form["start"].value(), form["snapshot"].value()) == ("chosen", first.serial)
    form = client.get(f"/jobs/{console.job.serial}/run/", {"snapshot": "svp-gone0000"}).context["form"]
    assert form["start"].value() == "", "nothing else is chosen in its place"


def test_who_may_only_look_is_offered_no_run_from_a_snapshot(client: Client, vera: User, console: Console) -> None:
    console.start()
    console.click_stop()
    console.settle()
    client.force_login(vera)
    answer = client.get(f"/jobs/{console.job.serial}/snapshots/").text
    assert console.snapshot.serial in answer
    assert "Run from it" not in answer


@pytest.mark.django_db(transaction=True)
def test_one_that_is_asked_for_while_a_look_begins_is_not_taken_for_forgotten(
    console: Console, fake: FakeFlink
) -> None:
    """The look has read that nobody operates on the job, and then finds a snapshot of which Flink does not know yet."""
    console.start()
    slow = fake.fault(("POST", "/jobs/[^/]*/savepoints"), "delay")
    clicks: list[Thread] = []

    def click() -> None:
        console.click_snapshot()
        console.perform()

    def click_first(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if 'FROM "jobs_snapshot"' in sql and not clicks:
            clicks.append(in_thread(click))
            slow.wait()
        return execute(sql, *rest)

    with connection.execute_wrapper(click_first):
        console.watch()
    slow.release()
    clicks[0].join()
    console.settle()
    assert (console.last.outcome, console.snapshot.state) == ("succeeded", "completed")
