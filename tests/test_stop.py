"""Stop, with and without a snapshot. With a snapshot it never becomes a plain cancel (G4)."""

import pytest

from jobs import operations
from jobs.models import Job, Operation
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db


def test_it_stops_with_a_snapshot(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    console.click_stop()
    assert console.job.status == "operating"
    console.settle()
    run.refresh_from_db()
    assert (console.job.status, run.end, console.last.outcome) == ("stopped", "stopped", "succeeded")
    assert (console.snapshot.state, console.snapshot.source) == ("completed", "stop")
    assert console.snapshot.location.startswith("file:/")
    assert console.snapshot.size_bytes is not None
    assert fake.seen("PATCH", r"/jobs/.*") == 0


def test_it_stops_without_a_snapshot(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    console.click_stop(with_snapshot=False)
    console.settle()
    run.refresh_from_db()
    assert (console.job.status, run.end) == ("stopped", "stopped")
    assert not console.job.snapshots.exists()
    assert fake.seen("POST", r"/jobs/.*/stop") == 0


def test_a_failing_snapshot_leaves_the_job_running_and_tells_why(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.fail_next_savepoint("java.io.IOException: Failed to create savepoint directory at file:/proc/nope")
    console.click_stop()
    console.settle()
    assert console.job.status == "running"
    assert "Failed to create savepoint directory" in console.job.problem.summary
    assert (console.last.outcome, console.snapshot.state) == ("failed", "failed")
    assert fake.jobs[console.run.flink_job_id].state == "RUNNING"
    assert fake.seen("PATCH", r"/jobs/.*") == 0


def test_a_snapshot_that_takes_too_long_leaves_the_job_running_and_is_followed_on(
    console: Console, fake: FakeFlink
) -> None:
    run = console.start()
    fake.hold_savepoints()
    console.click_stop()
    console.settle(3)
    Operation.objects.filter(pk=console.last.pk).update(deadline_at="2020-01-01T00:00:00Z")
    console.settle(1)
    assert (console.job.status, console.last.outcome) == ("running", "failed")
    assert console.job.problem.code == "snapshot-too-slow"
    assert fake.seen("PATCH", r"/jobs/.*") == 0
    fake.release_savepoints()
    console.watch()
    console.watch()
    run.refresh_from_db()
    assert console.snapshot.state == "completed"
    assert (console.job.status, run.end) == ("stopped", "stopped")


def test_a_snapshot_that_completes_before_the_job_fails_is_kept(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.savepoint_then_fail()
    console.click_stop()
    console.settle()
    assert console.snapshot.state == "completed"
    assert console.job.status == "failed"
    assert console.last.outcome == "failed"


def test_a_snapshot_that_completes_while_the_job_restarts_is_kept_and_the_job_runs_on(
    console: Console, fake: FakeFlink
) -> None:
    console.start()
    fake.savepoint_then_fail(state="RUNNING")
    console.click_stop()
    console.settle(4)
    assert console.snapshot.state == "completed"
    Operation.objects.filter(pk=console.last.pk).update(deadline_at="2020-01-01T00:00:00Z")
    console.watch()
    assert (console.job.status, console.job.problem.code) == ("running", "end-too-slow")


def test_a_job_that_ends_when_nobody_waits_for_it_any_more_was_stopped(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.settle(2)
    Operation.objects.filter(pk=console.last.pk).update(deadline_at="2020-01-01T00:00:00Z")
    console.watch()
    assert (console.last.outcome, console.job.problem.code) == ("failed", "end-too-slow")
    fake.release_cancels()
    console.watch()
    assert (console.job.status, console.run.end, console.job.problem) == ("stopped", "stopped", None)


@pytest.mark.parametrize("is_seen_before", [True, False])
def test_a_job_that_a_new_jobmanager_brings_back_after_its_snapshot_is_not_waited_for(
    console: Console, fake: FakeFlink, is_seen_before: bool
) -> None:
    console.start()
    fake.savepoint_then_fail(state="RUNNING")
    console.click_stop()
    console.settle(3 if is_seen_before else 1)
    fake.restart(keep_jobs=True)
    console.settle(4)
    assert (console.snapshot.state, console.last.outcome) == ("completed", "failed")
    assert (console.job.status, console.job.problem.code) == ("running", "stop-forgotten")
    console.click_stop()
    console.settle()
    assert (console.job.status, console.last.outcome) == ("stopped", "succeeded")


def test_a_new_jobmanager_is_asked_for_the_snapshot_when_it_has_brought_the_job_back(
    console: Console, fake: FakeFlink
) -> None:
    job_id = console.start().flink_job_id
    fake.hold_savepoints()
    console.click_stop()
    console.settle(2)
    fake.restart(keep_jobs=True)
    fake.release_savepoints()
    fake.set_state(job_id, "RUNNING", tasks_up=0)
    console.settle(4)
    assert (fake.seen("POST", r"/jobs/[^/]*/stop"), console.last.ended_at) == (1, None)
    fake.set_state(job_id, "RUNNING")
    console.settle()
    assert (fake.seen("POST", r"/jobs/[^/]*/stop"), console.job.status) == (2, "stopped")
    assert console.snapshot.state == "completed"


def test_a_stop_that_the_new_jobmanager_was_asked_for_is_waited_for(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_savepoints()
    console.click_stop()
    console.settle(2)
    fake.restart(keep_jobs=True)
    console.settle(4)
    fake.savepoint_then_fail(state="RUNNING")
    fake.release_savepoints()
    console.settle(4)
    assert (console.snapshot.state, console.last.ended_at) == ("completed", None)


def test_a_job_that_dies_while_it_is_stopped_shows_its_true_state(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_savepoints()
    console.click_stop()
    console.settle(2)
    fake.fail_job(console.run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    fake.release_savepoints()
    console.settle()
    assert console.job.status == "failed"
    assert console.last.outcome == "failed"


def test_a_job_that_has_just_failed_is_not_shown_as_stopped(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop(with_snapshot=False)
    fake.fail_job(console.run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.settle()
    assert console.job.status == "failed"


@pytest.mark.parametrize("status", ["uninitialized", "unpublished", "operating", "stopped", "paused", "failed"])
def test_it_refuses_the_wrong_state(console: Console, status: str) -> None:
    console.start()
    Job.objects.filter(pk=console.job.pk).update(status=status)
    with pytest.raises(operations.Refusal, match="running"):
        console.click_stop()


@pytest.mark.parametrize("is_stop", [True, False])
def test_a_stop_whose_snapshot_brings_the_jobmanager_down_each_time_is_given_up(
    console: Console, fake: FakeFlink, is_stop: bool
) -> None:
    """Each step has a deadline, and begins anew with each new JobManager: nobody could end it, and it would do harm for ever."""
    console.start()
    fake.hold_savepoints()
    if is_stop:
        console.click_stop()
    else:
        console.click_snapshot()
    for _time in range(6):
        console.settle(2)
        if console.last.ended_at:
            break
        fake.restart(keep_jobs=True)
        console.watch()
    asked = "stop" if is_stop else "savepoints"
    assert fake.seen("POST", f"/jobs/[^/]*/{asked}") == 3
    assert (console.last.outcome, console.job.status) == ("failed", "running")
    assert (console.snapshot.state, console.job.problem.code) == ("failed", "snapshot-vanished")
