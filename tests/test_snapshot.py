"""Snapshot now: the job runs on, and what Flink completed is on record."""

import pytest

from jobs import operations
from tests.conftest import Console
from tests.fake_flink import FakeFlink

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
