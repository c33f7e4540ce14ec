"""The guarantees by their numbers (what promises them stands in the README). More of G2-G5: test_lost_answers, test_killed_worker."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from clusters.flink import plain_path
from clusters.models import FlinkEndpoint
from jobs import operations, tasks
from jobs.models import Operation, Run, Snapshot, Version
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run the calls in threads that start together; return each one's result or the exception it raised."""
    results: list[object] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def call(index: int) -> None:
        barrier.wait()
        try:
            results[index] = calls[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=[index]) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --- G1: at most one open operation per job ---


@pytest.mark.django_db(transaction=True)
def test_g1_two_people_click_and_one_is_told(console: Console, alice, bob) -> None:
    version = console.job.versions.get()
    results = at_once(*(lambda user=user: operations.run(user, console.job, version) for user in [alice, bob] * 4))
    assert sum(isinstance(one, Operation) for one in results) == 1
    assert sum(isinstance(one, operations.Refusal) for one in results) == 7
    assert Operation.objects.filter(action="run").count() == Run.objects.count() == 1


def test_g1_the_database_itself_refuses_a_second_open_operation(console: Console) -> None:
    console.click_run()
    with pytest.raises(DatabaseError, match="jobs_operation_one_open"), transaction.atomic():
        Operation.objects.create(job=console.job, action="stop", step="asking")


def test_g1_an_end_counts_once(console: Console) -> None:
    console.start()
    operation = console.last
    assert not operations.end(operation, "failed")
    operation.refresh_from_db()
    assert operation.outcome == "succeeded"
    assert console.job.status == "running"


# --- G2: at most one live Flink job per console job ---


def test_g2_the_database_itself_refuses_a_second_open_run(console: Console) -> None:
    run = console.start()
    with pytest.raises(DatabaseError, match="jobs_run_one_open"), transaction.atomic():
        Run.objects.create(job=console.job, number=9, version=run.version, endpoint=run.endpoint, cu=1)


@pytest.mark.django_db(transaction=True)
def test_g2_many_workers_submit_once(console: Console, fake: FakeFlink) -> None:
    operation = console.click_run()
    at_once(*(lambda: operations.perform(operation.pk) for _ in range(6)))
    assert len(fake.submissions()) == 1
    console.settle()
    assert console.job.status == "running"


def test_g2_no_new_run_while_the_fate_of_the_last_is_unknown(console: Console, fake: FakeFlink) -> None:
    fake.fault(("POST", r"/jars/[^/]*/run"), "drop_answer")
    console.click_run()
    console.perform()
    fake.stop()
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    run = console.run
    # Nothing can be looked up, and the deadline is over: the operation ends, the run stays open.
    console.perform()
    assert (console.last.outcome, console.job.problem.code) == ("failed", "cluster-unreachable")
    assert console.job.status == "stopped"
    with pytest.raises(operations.Refusal, match="not yet known"):
        console.click_run()
    fake.start()
    console.watch()
    assert (console.job.status, console.run.pk) == ("running", run.pk)
    assert len(fake.submissions()) == 1


def test_g2_a_run_that_never_arrived_is_closed_as_soon_as_flink_says_so(console: Console, fake: FakeFlink) -> None:
    fake.fault(("POST", r"/jars/[^/]*/run"), "reset_before")
    console.click_run()
    console.perform()
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.perform()
    console.watch()
    assert (console.run.end, console.job.status) == ("never-started", "stopped")
    console.start()


# --- G3: a snapshot that Flink completed is always recorded ---


def test_g3_the_trigger_was_forgotten_and_the_history_knows(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_snapshot()
    console.perform()
    assert fake.jobs
    fake.forget_triggers()
    console.settle()
    assert (console.snapshot.state, console.last.outcome) == ("completed", "succeeded")


def test_g3_trigger_and_job_were_forgotten_and_the_directory_knows(console: Console, fake: FakeFlink, settings) -> None:
    run = console.start()
    console.click_stop()
    console.perform()
    assert fake.jobs[run.flink_job_id].state == "FINISHED"
    fake.forget_triggers()
    fake.forget_job(run.flink_job_id)
    settings.LOST_AFTER_SECONDS = 0
    console.settle()
    assert console.snapshot.state == "completed"
    assert (console.job.status, console.last.outcome) == ("stopped", "succeeded")


NO_HISTORY = {
    "errors": ["org.apache.flink.runtime.rest.handler.RestHandlerException: Checkpointing has not been enabled."]
}


def test_g3_a_new_jobmanager_has_no_history_of_a_job_that_had_ended_and_the_directory_knows(
    console: Console, fake: FakeFlink
) -> None:
    run = console.start()
    console.click_stop()
    console.perform()
    assert fake.jobs[run.flink_job_id].state == "FINISHED"
    # Recorded: a JobManager that is killed just then shows the job as finished, and knows nothing else of it.
    fake.forget_triggers()
    fake.fault(("GET", r"/jobs/[^/]*/checkpoints"), "status", times=None, status=404, body=NO_HISTORY)
    console.settle()
    assert (console.snapshot.state, console.job.status, console.last.outcome) == ("completed", "stopped", "succeeded")


def test_g3_without_history_and_directory_nothing_is_concluded_of_a_snapshot(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    console.click_snapshot()
    console.perform()
    (location,) = fake.jobs[run.flink_job_id].savepoints
    hidden = Path(plain_path(location)).rename(Path(plain_path(location)).parent.parent / "hidden")
    fake.forget_triggers()
    no_history = fake.fault(("GET", r"/jobs/[^/]*/checkpoints"), "status", times=None, status=404, body=NO_HISTORY)
    console.settle(2)
    assert (console.snapshot.state, console.last.step) == ("creating", "snapshotting")
    assert fake.seen("POST", r"/jobs/[^/]*/savepoints") == 1
    # However long that lasts, nobody waits for ever.
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.settle(2)
    assert (console.snapshot.state, console.last.outcome) == ("creating", "failed")
    assert console.job.status == "running"
    hidden.rename(plain_path(location))
    console.watch()
    assert console.snapshot.state == "completed"
    assert no_history


def test_g5_a_start_of_which_flink_does_not_tell_where_it_began_has_an_end(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop()
    console.settle()
    fake.fault(("GET", r"/jobs/[^/]*/checkpoints"), "status", times=None, status=404, body=NO_HISTORY)
    console.click_run(snapshot=console.snapshot)
    console.settle(2)
    assert console.last.step == "starting"
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.settle(2)
    assert console.last.outcome == "failed"
    console.watch()
    assert console.job.status == "running"


def test_g3_a_forgotten_trigger_with_nothing_to_show_is_asked_again(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_savepoints()
    console.click_stop()
    console.perform()
    fake.restart(keep_jobs=True)
    fake.release_savepoints()
    console.settle()
    assert (console.job.status, console.snapshot.state) == ("stopped", "completed")
    assert fake.seen("POST", r"/jobs/[^/]*/stop") == 2


def test_g3_a_snapshot_that_came_to_nothing_is_not_shown_as_one(console: Console, fake: FakeFlink, settings) -> None:
    console.start()
    fake.hold_savepoints()
    console.click_stop()
    console.perform()
    settings.LOST_AFTER_SECONDS = 0
    fake.restart(keep_jobs=False)
    console.settle()
    console.watch()
    assert console.snapshot.state == "failed"
    assert console.job.status == "failed"


def test_g3_a_snapshot_whose_answer_was_lost_and_whose_trigger_was_forgotten_is_not_made_twice(
    console: Console, fake: FakeFlink
) -> None:
    console.start()
    fake.fault(("POST", r"/jobs/[^/]*/savepoints"), "drop_answer")
    console.click_snapshot()
    console.perform()
    fake.forget_triggers()
    console.settle()
    assert (console.snapshot.state, console.last.outcome) == ("completed", "succeeded")
    assert fake.jobs[console.run.flink_job_id].savepoints == [console.snapshot.location]


@pytest.mark.parametrize("click", [Console.click_snapshot, Console.click_stop])
def test_g3_a_flink_that_says_no_and_does_it_all_the_same(
    console: Console, fake: FakeFlink, click: Callable[[Console], Operation]
) -> None:
    console.start()
    fake.fault(("POST", r"/jobs/[^/]*/(stop|savepoints)"), "status", status=500, carried_out=True)
    click(console)
    console.settle()
    assert (console.snapshot.state, console.last.outcome) == ("completed", "succeeded")


def test_g3_a_snapshot_that_takes_for_ever_does_not_hide_the_next_one(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_savepoints()
    console.click_snapshot()
    console.settle(2)
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.settle(1)
    assert (console.snapshot.state, console.last.outcome) == ("creating", "failed")
    slow = fake._operations.popitem()
    fake.release_savepoints()
    console.click_snapshot()
    console.perform()
    assert fake.jobs
    fake.hold_savepoints()
    fake._operations[slow[0]] = slow[1]
    console.watch()
    assert (console.snapshot.state, console.last.outcome) == ("completed", "succeeded")


# --- G5: no operation is ever stuck ---


@pytest.mark.parametrize("act", ["run", "stop-with-snapshot", "stop", "snapshot"])
def test_g5_a_cluster_that_never_answers_again_ends_the_operation(console: Console, fake: FakeFlink, act: str) -> None:
    if act != "run":
        console.start()
    {
        "run": console.click_run,
        "stop-with-snapshot": console.click_stop,
        "stop": lambda: console.click_stop(with_snapshot=False),
        "snapshot": console.click_snapshot,
    }[act]()
    fake.stop()
    console.settle(2)
    assert console.last.ended_at is None
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.settle(2)
    assert (console.last.outcome, console.job.problem.code) == ("failed", "cluster-unreachable")
    assert console.job.status == ("stopped" if act == "run" else "running")


@pytest.mark.parametrize("damage", ["away", "refuses"])
@pytest.mark.parametrize("asked", [False, True], ids=["before-it-was-asked", "after-it-was-asked"])
@pytest.mark.parametrize("click", [Console.click_run, Console.click_stop, Console.click_snapshot])
def test_g5_nothing_that_flink_does_for_ever_holds_an_operation_open(
    console: Console, fake: FakeFlink, click: Callable[[Console], Operation], asked: bool, damage: str
) -> None:
    if click != Console.click_run:
        console.start()
    if asked:
        fake.fault(("POST", r"/jars/[^/]*/run|/jobs/.*"), "drop_answer")
    click(console)
    if asked:
        console.perform()
    if damage == "away":
        fake.stop()
    else:
        fake.fault(("*", ".*"), "status", times=None, status=500)
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.settle(2)
    assert console.last.outcome == "failed"
    console.watch()
    assert FlinkEndpoint.objects.get().unreachable_since


def test_g5_an_operation_that_nobody_carries_on_is_found(console: Console) -> None:
    operation = console.click_run()
    now = timezone.now()
    assert tasks.due_operations(now) == []
    Operation.objects.filter(pk=operation.pk).update(look_at=now)
    assert tasks.due_operations(now) == [[operation.pk]]
    # It was handed to somebody; if he does nothing with it, it is due again.
    assert tasks.due_operations(now) == []
    assert tasks.due_operations(now + timedelta(seconds=tasks.REOFFER_SECONDS)) == [[operation.pk]]


def test_g5_every_step_has_a_deadline(console: Console, fake: FakeFlink) -> None:
    fake.hold_starts()
    fake.hold_savepoints()
    console.click_run()
    assert console.last.deadline_at
    console.settle(2)
    assert console.last.step == "starting"
    assert console.last.deadline_at


@pytest.mark.parametrize("act", ["stop", "cancel"])
def test_g5_a_cancellation_that_met_a_jobmanager_without_its_jobs_is_repeated(
    console: Console, fake: FakeFlink, alice, act: str
) -> None:
    if act == "stop":
        console.start()
        console.click_stop(with_snapshot=False)
    else:
        fake.hold_starts()
        console.click_run()
        console.settle(2)
        operations.cancel(alice, console.job)
    # The JobManager answers already, but has not brought its jobs back.
    unknown = f'{{"errors": ["NotFoundException: Job {console.run.flink_job_id} not found"]}}'
    fake.fault(("PATCH", r"/jobs/.*"), "status", status=404, body=unknown, carried_out=False)
    console.settle()
    assert console.last.outcome == ("succeeded" if act == "stop" else "cancelled")
    assert (console.job.status, fake.jobs[console.run.flink_job_id].state) == ("stopped", "CANCELED")


# --- G6: the shown status is Flink's truth ---


def test_g6_a_job_that_fails_on_its_own(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.fail_job(console.run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    assert (console.job.status, console.run.end) == ("failed", "failed")
    assert console.job.problem.summary == "ArithmeticException: / by zero"


def test_g6_a_job_that_finishes(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.finish_job(console.run.flink_job_id)
    console.watch()
    assert (console.job.status, console.run.end, console.job.problem) == ("stopped", "finished", None)


def test_g6_a_job_that_was_cancelled_outside(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.set_state(console.run.flink_job_id, "CANCELED")
    console.watch()
    assert (console.job.status, console.job.problem.code) == ("stopped", "cancelled-outside")


def test_g6_a_job_whose_tasks_do_not_run_is_not_up(console: Console, fake: FakeFlink) -> None:
    console.start()
    assert console.run.is_up
    fake.set_state(console.run.flink_job_id, "RUNNING", tasks_up=0)
    console.watch()
    assert not console.run.is_up


def test_g6_unreachable_keeps_the_last_state_and_tells_since_when(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.stop()
    console.watch()
    since = FlinkEndpoint.objects.get().unreachable_since
    assert since is not None
    console.watch()
    assert FlinkEndpoint.objects.get().unreachable_since == since
    assert console.job.status == "running"
    fake.start()
    console.watch()
    assert FlinkEndpoint.objects.get().unreachable_since is None
    assert console.job.status == "running"


def test_g6_a_jobmanager_that_comes_back_with_its_jobs_loses_none(console: Console, fake: FakeFlink, settings) -> None:
    run = console.start()
    fake.stop()
    console.watch()
    fake.restart(keep_jobs=True)
    console.watch()
    console.watch()
    assert (console.job.status, console.run.pk, console.run.ended_at) == ("running", run.pk, None)


def test_g6_a_jobmanager_that_comes_back_empty_has_lost_the_job(console: Console, fake: FakeFlink, settings) -> None:
    console.start()
    fake.restart(keep_jobs=False)
    console.watch()
    assert console.job.status == "running"
    settings.LOST_AFTER_SECONDS = 0
    console.watch()
    assert (console.job.status, console.run.end, console.job.problem.code) == ("failed", "lost", "lost")
    console.start()


def test_g6_a_lost_job_that_appears_again_is_adopted(console: Console, fake: FakeFlink, settings) -> None:
    run = console.start()
    lost = fake.jobs[run.flink_job_id]
    fake.forget_job(run.flink_job_id)
    settings.LOST_AFTER_SECONDS = 0
    console.watch()
    console.watch()
    assert console.run.end == "lost"
    fake.restart(keep_jobs=False)
    run.refresh_from_db()
    run.endpoint.engine().submit(operations.submission_of(run))
    console.watch()
    assert lost.state == "RUNNING"
    assert (console.job.status, console.run.ended_at, console.job.problem) == ("running", None, None)


def test_g6_an_answer_that_makes_no_sense_is_not_no_jobs(console: Console, fake: FakeFlink, settings) -> None:
    console.start()
    settings.LOST_AFTER_SECONDS = 0
    fake.fault(("GET", r"/jobs/overview"), "status", times=4, status=200, body="{}")
    console.watch()
    console.watch()
    assert console.job.status == "running"
    assert FlinkEndpoint.objects.get().unreachable_since


@pytest.mark.django_db(transaction=True)
def test_g6_watcher_and_worker_at_once(console: Console, fake: FakeFlink, settings) -> None:
    settings.LOST_AFTER_SECONDS = 0
    for _round in range(3):
        operation = console.click_run()
        at_once(lambda: operations.perform(operation.pk), console.watch, console.watch)  # noqa: B023
        console.settle()
        assert console.job.status == "running"
        operation = console.click_stop()
        at_once(console.watch, lambda: operations.perform(operation.pk), console.watch)  # noqa: B023
        console.settle()
        assert console.job.status == "stopped"
    assert Snapshot.objects.filter(state="completed").count() == 3
    assert len(fake.submissions()) == 3


def test_g6_one_look_tells_how_all_jobs_went(alice, workspace, endpoint, fake: FakeFlink) -> None:
    consoles = [Console(make_job(alice, workspace, endpoint, f"job-{n}"), alice, endpoint) for n in range(5)]
    for console in consoles:
        console.start()
    before = len(fake.requests)
    consoles[0].watch()
    assert len(fake.requests) == before + 1


def test_a_look_at_nothing_new_costs_the_same_for_two_and_for_six_jobs(
    alice, workspace, endpoint, django_assert_num_queries
) -> None:
    consoles = [Console(make_job(alice, workspace, endpoint, f"job-{n}"), alice, endpoint) for n in range(6)]
    for console in consoles[:2]:
        console.start()
    with django_assert_num_queries(7):
        operations.watch(endpoint.pk)
    for console in consoles[2:]:
        console.start()
    with django_assert_num_queries(7):
        operations.watch(endpoint.pk)


# --- G7, G9: what is settled stays ---


def test_g7_the_database_itself_keeps_a_published_version(console: Console) -> None:
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Version.objects.update(sql="DROP TABLE x")


def test_g9_the_database_itself_keeps_an_ended_operation(console: Console) -> None:
    console.start()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Operation.objects.filter(pk=console.last.pk).update(outcome="failed")


def test_g9_who_what_when_with_which_parameters_and_how_it_ended(console: Console, alice) -> None:
    console.start()
    console.click_stop()
    console.settle()
    acts = list(Operation.objects.order_by("pk").values_list("action", "outcome"))
    assert acts == [("create", "succeeded"), ("save", "succeeded"), ("publish", "succeeded"), ("run", "succeeded"),
                    ("stop", "succeeded")]  # fmt: skip
    stop = console.last
    assert (stop.requested_by, stop.params["with_snapshot"]) == (alice, True)
    assert stop.created_at < stop.ended_at
    assert [one.event for one in stop.steps.all()] == ["requested", "asked", "accepted", "snapshot-completed", "ended"]
