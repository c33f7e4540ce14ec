"""Run: from the click to RUNNING, and what happens when it goes wrong."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.advice import explain
from jobs.models import Job, Operation
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db
NO_SLOTS = "org.apache.flink.runtime.jobmanager.scheduler.NoResourceAvailableException: Could not acquire the minimum required resources."


def test_it_runs(console: Console, fake: FakeFlink) -> None:
    operation = console.click_run()
    assert (console.job.status, console.job.step) == ("operating", "submitting")
    console.settle()
    operation.refresh_from_db()
    assert (console.job.status, operation.outcome) == ("running", "succeeded")
    assert list(fake.jobs) == [console.run.flink_job_id]
    assert console.run.started_at
    assert console.job.online_number == 1


def test_it_sends_what_the_version_says(alice, workspace, endpoint, fake: FakeFlink) -> None:
    values = {"parallelism": 3, "checkpoint_interval_seconds": 7, "properties": {"table.exec.state.ttl": "1 h"}}
    console = Console(make_job(alice, workspace, endpoint, "orders", **values), alice, endpoint)
    console.start()
    sent = fake.submissions()[0]
    assert sent["parallelism"] == 3
    assert sent["flinkConfiguration"]["execution.checkpointing.interval"] == "7 s"
    assert sent["flinkConfiguration"]["table.exec.state.ttl"] == "1 h"
    assert sent["flinkConfiguration"]["restart-strategy.fixed-delay.attempts"] == "5"
    assert sent["flinkConfiguration"]["pipeline.name"] == "orders"
    assert "savepointPath" not in sent


def test_it_starts_from_a_snapshot(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop()
    console.settle()
    snapshot = console.snapshot
    console.click_run(snapshot=snapshot)
    console.settle()
    assert console.job.status == "running"
    assert fake.submissions(console.run.flink_job_id)[0]["savepointPath"] == snapshot.location
    assert console.run.restored_from == snapshot


def test_it_is_not_running_before_all_tasks_are(console: Console, fake: FakeFlink) -> None:
    fake.hold_starts("RUNNING")
    console.click_run()
    console.settle(4)
    assert (console.job.status, console.job.step) == ("operating", "starting")
    fake.release_starts()
    console.settle()
    assert console.job.status == "running"


def test_a_refused_script_leaves_the_job_stopped_with_the_cause(console: Console, fake: FakeFlink) -> None:
    fake.refuse_next_run("org.apache.flink.table.api.ValidationException: Column 'idd' not found in any table")
    console.click_run()
    console.settle()
    assert console.job.status == "stopped"
    assert "Column 'idd' not found" in console.job.problem.summary
    assert (console.run.end, console.last.outcome) == ("never-started", "failed")


def test_a_start_that_burns_its_id_leaves_the_job_failed(console: Console, fake: FakeFlink) -> None:
    fake.refuse_next_run("java.io.FileNotFoundException: Cannot find checkpoint or savepoint file", burn=True)
    console.click_run()
    console.settle()
    assert console.job.status == "failed"
    assert console.run.end == "failed"


def test_a_new_run_gets_a_new_id_and_is_not_judged_by_the_last_ones_end(console: Console, fake: FakeFlink) -> None:
    first = console.start()
    fake.fail_job(first.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    assert console.job.status == "failed"
    second = console.start()
    assert second.flink_job_id != first.flink_job_id
    assert second.number == 2
    console.watch()
    assert console.job.status == "running"
    assert console.job.problem is None


def test_a_job_that_finishes_at_once_has_succeeded(console: Console, fake: FakeFlink) -> None:
    console.click_run()
    console.perform()
    fake.finish_job(console.run.flink_job_id)
    console.settle()
    assert (console.job.status, console.run.end, console.last.outcome) == ("stopped", "finished", "succeeded")


def test_a_start_that_went_on_from_its_own_checkpoint_before_anybody_looked_has_succeeded(
    console: Console, fake: FakeFlink
) -> None:
    """Of a job that was restored twice, Flink tells of the last time only; cancelled as too slow, it would lose what it did."""
    console.start()
    console.click_stop()
    console.settle()
    console.click_run(snapshot=console.snapshot)
    console.perform()
    run = console.run
    fake.jobs[run.flink_job_id].restored_from = f"file:/checkpoints/{run.flink_job_id}/chk-7"
    Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now())
    console.settle()
    assert (console.job.status, console.last.outcome) == ("running", "succeeded")


def test_it_waits_for_slots_and_then_runs(console: Console, fake: FakeFlink) -> None:
    fake.slots_total, fake.taskmanagers = 0, 0
    console.click_run()
    console.settle(3)
    assert fake.submissions() == []
    assert console.last.steps.last().event == "waiting-for-slots"
    fake.slots_total, fake.taskmanagers = 4, 1
    console.settle()
    assert console.job.status == "running"


def consoles(console: Console, count: int) -> list[Console]:
    """More jobs beside that one."""
    space, endpoint = console.job.workspace, console.endpoint
    return [
        Console(make_job(console.user, space, endpoint, f"more-{number}"), console.user, endpoint)
        for number in range(count)
    ]


def test_slots_that_a_run_was_just_given_are_given_to_no_other(console: Console, fake: FakeFlink) -> None:
    """Until its tasks are there, Flink tells of slots as free that are given away; whoever comes then would fail for want of them."""
    first, second, third = consoles(console, 3)
    fake.slots_total = 3
    console.start()
    fake.hold_starts("CREATED")
    for one in (first, second, third):
        one.click_run()
        one.settle(2)
    assert [one.last.step for one in (first, second, third)] == ["starting", "starting", "submitting"]
    assert third.last.steps.last().event == "waiting-for-slots"
    fake.release_starts()
    console.click_stop(with_snapshot=False)
    console.settle()
    for one in (first, second, third):
        one.settle()
        assert one.job.status == "running"


@pytest.mark.django_db(transaction=True)
def test_many_that_come_at_once_take_each_slot_once(console: Console, fake: FakeFlink) -> None:
    all_of_them = [console, *consoles(console, 9)]
    fake.slots_total = 4
    fake.hold_starts("CREATED")
    for one in all_of_them:
        one.click_run()
    pks = [one.last.pk for one in all_of_them]

    def perform(pk: int) -> None:
        operations.perform(pk)
        connection.close()

    with ThreadPoolExecutor(len(pks)) as pool:
        list(pool.map(perform, pks))
    steps = Counter(Operation.objects.filter(ended_at=None).values_list("step", flat=True))
    assert steps == {"starting": 4, "submitting": 6}
    assert len(fake.submissions()) == 4


def test_a_stop_waits_for_no_slots(console: Console, fake: FakeFlink) -> None:
    """Also where a start waits beside it, and fewer are left than were given away: it is what makes room."""
    first, second, third = consoles(console, 3)
    fake.slots_total = 3
    console.start()
    fake.hold_starts("CREATED")
    for one in (first, second):
        one.click_run()
        one.perform()
    fake.slots_total = 2  # a TaskManager was lost
    third.click_run()
    console.click_stop(with_snapshot=False)
    operations.perform(third.last.pk, console.last.pk)
    assert third.last.steps.last().event == "waiting-for-slots"
    assert [step.event for step in console.last.steps.all()] == ["requested", "asked", "accepted"]


def test_slots_that_flink_has_counted_as_taken_are_counted_once(console: Console, fake: FakeFlink) -> None:
    """A run that has its slots and is not seen as running yet takes no others."""
    first, second = consoles(console, 2)
    fake.slots_total = 3
    console.start()
    first.click_run()
    first.perform()
    assert console.endpoint.engine().capacity().slots_free == 1
    assert first.last.step == "starting"
    second.click_run()
    second.perform()
    assert second.last.step == "starting"


def test_where_taskmanagers_come_on_demand_it_does_not_wait_for_them(console: Console, fake: FakeFlink) -> None:
    """Flink on YARN or Kubernetes starts them when a job waits for slots: before, there are none, and none would ever come."""
    FlinkEndpoint.objects.update(brings_taskmanagers=True)
    fake.slots_total, fake.taskmanagers = 0, 0
    console.click_run()
    console.settle(3)
    assert len(fake.submissions()) == 1
    assert (console.job.status, console.last.step) == ("operating", "starting")
    assert not console.job.endpoint.has_no_slots
    fake.slots_total, fake.taskmanagers = 4, 1
    console.settle()
    assert console.job.status == "running"


def test_a_start_that_waits_in_vain_for_slots_tells_whether_there_are_any(console: Console, fake: FakeFlink) -> None:
    def told(slots: int, taskmanagers: int) -> str:
        fake.slots_total, fake.taskmanagers = slots, taskmanagers
        console.click_run()
        console.settle(3)
        Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now())
        console.settle()
        assert (console.job.status, console.last.outcome) == ("stopped", "failed")
        return console.job.problem.code

    assert told(0, 0) == "no-taskmanager"
    assert explain(console.job.problem).title == "The cluster has no TaskManager"
    others = Console(
        make_job(console.user, console.job.workspace, console.endpoint, "other"), console.user, console.endpoint
    )
    fake.slots_total, fake.taskmanagers = 1, 1
    others.click_run()
    others.settle()
    assert told(1, 1) == "no-free-slots"


def test_a_start_that_flink_refuses_for_want_of_slots_tells_whether_there_are_any(
    console: Console, fake: FakeFlink
) -> None:
    def told(taskmanagers: int) -> str:
        fake.taskmanagers = 1
        fake.hold_starts("CREATED")
        console.click_run()
        console.settle(2)
        fake.taskmanagers = taskmanagers  # they ended right after the console had asked
        fake.fail_job(console.run.flink_job_id, NO_SLOTS)
        console.settle()
        assert "NoResourceAvailableException" in console.job.problem.summary
        return explain(console.job.problem).title

    assert told(0) == "The cluster has no TaskManager"
    assert told(1) == "Not enough slots"


def test_it_refuses_what_never_fits(alice, workspace, endpoint, fake: FakeFlink) -> None:
    fake.slots_total = 2
    console = Console(make_job(alice, workspace, endpoint, "wide", parallelism=3), alice, endpoint)
    console.click_run()
    console.settle()
    assert console.job.status == "stopped"
    assert console.job.problem.code == "too-few-slots"
    assert fake.submissions() == []


def test_it_refuses_a_run_without_free_cu(console: Console) -> None:
    cluster = console.endpoint.cluster
    cluster.total_cu = 1
    cluster.save()
    with pytest.raises(operations.Refusal, match="the run needs 2 CU, 1 of 1 CU are free"):
        console.click_run()
    assert console.job.status == "stopped"


def test_it_refuses_a_cluster_under_maintenance(console: Console) -> None:
    cluster = console.endpoint.cluster
    cluster.is_under_maintenance, cluster.maintenance_reason = True, "disks"
    cluster.save()
    with pytest.raises(operations.Refusal, match="disks"):
        console.click_run()


def test_it_refuses_a_cluster_that_is_no_longer_bound(console: Console) -> None:
    console.endpoint.cluster.bindings.all().delete()
    with pytest.raises(operations.Refusal, match="not bound"):
        console.click_run()


@pytest.mark.parametrize("status", ["uninitialized", "unpublished", "operating", "running"])
def test_it_refuses_the_wrong_state(console: Console, status: str) -> None:
    Job.objects.filter(pk=console.job.pk).update(status=status)
    with pytest.raises(operations.Refusal):
        console.click_run()


def test_it_refuses_a_snapshot_of_another_job(console: Console, alice, workspace, endpoint) -> None:
    console.start()
    console.click_snapshot()
    console.settle()
    other = Console(make_job(alice, workspace, endpoint, "other"), alice, endpoint)
    with pytest.raises(operations.Refusal, match="snapshot"):
        other.click_run(snapshot=console.snapshot)


def test_a_restore_that_flink_does_not_confirm_is_not_running(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop()
    console.settle()
    console.click_run(snapshot=console.snapshot)
    console.perform()
    fake.jobs[console.run.flink_job_id].restored_from = ""
    console.watch()
    assert console.job.status == "operating"


def test_a_run_that_restarts_for_ever_shows_why_and_is_withdrawn_at_its_deadline(
    console: Console, fake: FakeFlink, settings
) -> None:
    fake.hold_starts("CREATED")
    console.click_run()
    console.perform()
    job_id = console.run.flink_job_id
    fake.fail_job(job_id, "java.lang.RuntimeException: no such host", state="RESTARTING")
    console.watch()
    assert console.job.status == "operating"
    assert "no such host" in console.job.problem.summary
    console.last.__class__.objects.filter(pk=console.last.pk).update(deadline_at="2020-01-01T00:00:00Z")
    console.settle()
    assert (console.job.status, console.last.outcome) == ("stopped", "failed")
    assert "no such host" in console.job.problem.summary
    assert fake.jobs[job_id].state == "CANCELED"
