"""What Flink has shown once as over is over, also when the JobManager dies before the console could ask how it went."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Operation
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db


def test_a_stop_whose_end_was_seen_needs_no_patience(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    console.click_stop()
    console.perform()
    # The job is over; but how the snapshot went, this JobManager can't tell any more.
    fake.fault(("GET", r"/jobs/[^/]*/savepoints/.*"), "drop_answer", times=None)
    console.watch()
    assert (console.run.flink_state, console.last.ended_at) == ("FINISHED", None)
    fake.clear_faults()
    fake.restart(keep_jobs=True)
    assert run.flink_job_id not in fake.jobs
    console.settle(3)
    assert (console.last.outcome, console.run.end, console.job.status) == ("succeeded", "stopped", "stopped")
    assert console.snapshot.state == "completed"


def test_a_failure_that_was_seen_needs_no_patience(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    fake.fault(("GET", r"/jobs/[^/]*/(exceptions|checkpoints)"), "drop_answer", times=None)
    console.watch()
    assert (console.run.flink_state, console.run.ended_at) == ("FAILED", None)
    fake.clear_faults()
    fake.restart(keep_jobs=True)
    console.watch()
    assert (console.job.status, console.run.end) == ("failed", "failed")


def test_a_job_that_was_seen_alive_is_waited_for(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.forget_job(run.flink_job_id)
    console.watch()
    console.watch()
    assert (console.job.status, console.run.ended_at) == ("running", None)


def test_a_job_that_vanished_while_it_was_stopped_was_stopped(console: Console, fake: FakeFlink, settings) -> None:
    console.start()
    console.click_stop()
    console.perform()
    assert fake.jobs  # the snapshot is written, and the job over
    fake.restart(keep_jobs=True)
    fake.stop()
    # Flink is away for longer than the stop waits for it, ...
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.watch()
    assert (console.last.outcome, console.job.status) == ("failed", "running")
    # ... and does not know the job when it is back.
    fake.start()
    settings.LOST_AFTER_SECONDS = 0
    console.watch()
    console.watch()
    assert (console.snapshot.state, console.run.end, console.job.status) == ("completed", "stopped", "stopped")
    assert console.job.recover_at is None


def test_a_job_that_went_on_after_its_stop_had_failed_is_lost(console: Console, fake: FakeFlink, settings) -> None:
    run = console.start()
    fake.savepoint_then_fail("RUNNING")
    console.click_stop()
    console.perform()
    console.watch()
    Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.settle()
    assert (console.snapshot.state, console.job.status) == ("completed", "running")
    fake.forget_job(run.flink_job_id)
    settings.LOST_AFTER_SECONDS = 0
    console.watch()
    assert (console.run.end, console.job.status) == ("lost", "failed")
