"""Cancel of a run under way: it ends as cancelled, on Flink too."""

import pytest

from jobs import operations
from jobs.models import Operation
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db


def test_it_cancels_before_anything_was_sent(console: Console, fake: FakeFlink, bob) -> None:
    console.click_run()
    operations.cancel(bob, console.job)
    console.settle()
    assert (console.job.status, console.last.outcome, console.run.end) == ("stopped", "cancelled", "never-started")
    assert console.last.cancelled_by == bob
    assert fake.submissions() == []


def test_it_cancels_a_run_that_waits_for_slots(console: Console, fake: FakeFlink, alice) -> None:
    fake.slots_total = fake.taskmanagers = 0
    console.click_run()
    console.settle(2)
    operations.cancel(alice, console.job)
    console.settle()
    assert (console.job.status, console.last.outcome) == ("stopped", "cancelled")


def test_it_cancels_a_run_that_restarts_for_ever(console: Console, fake: FakeFlink, alice) -> None:
    fake.hold_starts("CREATED")
    console.click_run()
    console.settle(2)
    fake.fail_job(console.run.flink_job_id, "java.lang.RuntimeException: again", state="RESTARTING")
    console.watch()
    operations.cancel(alice, console.job)
    console.settle()
    assert (console.job.status, console.last.outcome, console.run.end) == ("stopped", "cancelled", "cancelled")
    assert fake.jobs[console.run.flink_job_id].state == "CANCELED"


def test_a_run_that_ends_when_nobody_waits_for_it_any_more_was_cancelled_here(
    console: Console, fake: FakeFlink, alice
) -> None:
    fake.hold_starts()
    fake.hold_cancels()
    console.click_run()
    console.settle(2)
    operations.cancel(alice, console.job)
    console.settle(2)
    Operation.objects.filter(pk=console.last.pk).update(deadline_at="2020-01-01T00:00:00Z")
    console.watch()
    assert console.last.outcome == "failed"
    fake.release_cancels()
    console.watch()
    assert (console.job.status, console.run.end, console.job.problem) == ("stopped", "cancelled", None)


def test_a_jobmanager_that_does_not_know_the_run_yet_ends_no_cancellation(
    console: Console, fake: FakeFlink, alice
) -> None:
    """Flink has taken it: a JobManager that has not brought its jobs back tells nothing of its end."""
    fake.hold_starts()
    console.click_run()
    console.settle(2)
    operations.cancel(alice, console.job)
    unknown = {"errors": [f"Job {console.run.flink_job_id} not found"]}
    fake.fault(("PATCH", r"/jobs/.*"), "status", status=404, body=unknown)
    console.perform()
    assert (console.last.step, console.last.ended_at) == ("ending", None)
    console.settle()
    assert (console.run.end, fake.jobs[console.run.flink_job_id].state) == ("cancelled", "CANCELED")


def test_it_is_on_record_who_cancelled(console: Console, bob) -> None:
    run = console.click_run()
    operations.cancel(bob, console.job)
    record = Operation.objects.get(action="cancel")
    assert (record.requested_by, record.outcome, record.params["operation"]) == (bob, "succeeded", run.serial)


def test_a_submission_that_lands_after_the_cancellation_is_cancelled_as_a_stray(
    console: Console, fake: FakeFlink, alice
) -> None:
    fake.fault(("POST", r"/jars/[^/]*/run"), "reset_before")
    console.click_run()
    console.perform()
    operations.cancel(alice, console.job)
    console.settle()
    assert console.run.end == "never-started"
    # A request that was under way all the time arrives at last.
    console.run.endpoint.engine().submit(operations.submission_of(console.run))
    console.watch()
    assert fake.jobs[console.run.flink_job_id].state == "CANCELED"
    assert console.job.status == "stopped"
    assert console.last.steps.last().event == "stray-cancelled"


def test_it_refuses_when_nothing_is_under_way(console: Console, alice) -> None:
    with pytest.raises(operations.Refusal):
        operations.cancel(alice, console.job)
    console.start()
    with pytest.raises(operations.Refusal):
        operations.cancel(alice, console.job)


def test_it_refuses_to_cancel_a_stop(console: Console, alice) -> None:
    console.start()
    console.click_stop()
    with pytest.raises(operations.Refusal):
        operations.cancel(alice, console.job)
