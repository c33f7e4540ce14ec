"""Auto recovery: what failed or vanished by itself is run again by the console, with back-off and a budget, once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters.flink import plain_path
from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.advice import explain
from jobs.models import Job, Operation, Run
from jobs.operations import back_off
from jobs.operations.back_off import BACK_OFF_SECONDS, BUDGET
from jobs.operations.record import Lock
from jobs.shown import shown
from jobs.tasks import tick
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.test_guarantees import at_once

pytestmark = pytest.mark.django_db

CAUSE = "java.lang.ArithmeticException: / by zero"


def breaks(console: Console, fake: FakeFlink, cause: str = CAUSE) -> Run:
    run = console.run
    fake.fail_job(run.flink_job_id, cause)
    console.watch()
    return run


def time_passes(console: Console) -> None:
    """Let the back-off be over."""
    due = Job.objects.filter(pk=console.job.pk).exclude(recover_at=None)
    assert due.update(recover_at=timezone.now() - timedelta(seconds=1))


def recovers(console: Console) -> None:
    time_passes(console)
    ticks()
    console.settle()


def ticks() -> None:
    """Do what a tick and the workers it wakes do about recovery."""
    for pk in operations.due_recoveries():
        operations.recover(pk)


def seconds_until(job: Job) -> float:
    assert job.recover_at
    return (job.recover_at - timezone.now()).total_seconds()


# --- it does it ---


def test_a_job_that_fails_is_run_again_from_its_newest_snapshot(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_snapshot()
    console.settle()
    broken = breaks(console, fake)
    assert (console.job.status, console.job.action) == ("failed", "")
    assert 4 < seconds_until(console.job) <= 5
    assert operations.due_recoveries() == [], "not before its time"
    operations.recover(console.job.pk)
    assert console.run.pk == broken.pk, "not before its time"
    recovers(console)
    assert (console.job.status, console.job.recover_at, console.job.problem) == ("running", None, None)
    assert console.run.pk != broken.pk
    assert (console.run.restored_from, console.run.version) == (console.snapshot, broken.version)
    assert fake.jobs[console.run.flink_job_id].restored_from == console.snapshot.location


def test_it_is_an_ordinary_operation_of_the_console(console: Console, fake: FakeFlink) -> None:
    console.start()
    breaks(console, fake)
    recovers(console)
    told = console.last
    assert (told.action, told.requested_by, told.outcome) == ("run", None, "succeeded")
    assert told.params == {
        "version": 1, "snapshot": None, "allow_non_restored_state": False, "automatic": True, "attempt": 1,
    }  # fmt: skip


def test_a_job_that_vanishes_is_run_again(console: Console, fake: FakeFlink, settings) -> None:
    console.start()
    fake.restart(keep_jobs=False)
    settings.LOST_AFTER_SECONDS = 0
    console.watch()
    assert (console.run.end, console.job.status) == ("lost", "failed")
    recovers(console)
    assert console.job.status == "running"


def test_a_job_that_dies_while_it_is_snapshotted_is_run_again(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.hold_savepoints()
    console.click_snapshot()
    console.perform()
    fake.fail_job(run.flink_job_id, CAUSE)
    fake.release_savepoints()
    console.settle()
    console.watch()
    assert (console.job.status, console.snapshot.state) == ("failed", "failed")
    recovers(console)
    assert console.job.status == "running"


def test_the_version_that_ran_is_run_again_not_a_newer_one(console: Console, fake: FakeFlink, alice: User) -> None:
    console.start()
    operations.publish(alice, console.job, "not yet tried")
    breaks(console, fake)
    recovers(console)
    assert (console.run.version.number, console.run.number) == (1, 2)


# --- back-off and budget ---


def test_it_waits_longer_each_time_and_gives_up(console: Console, fake: FakeFlink) -> None:
    console.start()
    for number, seconds in enumerate(BACK_OFF_SECONDS, start=1):
        breaks(console, fake)
        assert seconds - 1 < seconds_until(console.job) <= seconds
        assert f"(attempt {number} of {BUDGET})" in shown(console.job).progress
        recovers(console)
    breaks(console, fake)
    assert (console.job.status, console.job.recover_at) == ("failed", None)
    assert shown(console.job).progress == "Run again automatically 3 times in 10 minutes; now it is up to you."
    assert explain(console.job.problem).title == "Division by zero"
    assert len(fake.submissions()) == 1 + BUDGET


def test_the_budget_is_there_again_after_its_time(
    console: Console, fake: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.start()
    for _attempt in range(BUDGET):
        breaks(console, fake)
        recovers(console)
    monkeypatch.setattr(back_off, "WINDOW", timedelta(0))
    breaks(console, fake)
    assert 4 < seconds_until(console.job) <= 5


def test_an_attempt_that_flink_refuses_is_followed_by_another(console: Console, fake: FakeFlink) -> None:
    console.start()
    breaks(console, fake)
    fake.refuse_next_run("java.io.IOException: not now")
    recovers(console)
    assert (console.run.end, console.job.status) == ("never-started", "failed")
    assert "attempt 2 of 3" in shown(console.job).progress
    recovers(console)
    assert console.job.status == "running"


def test_an_attempt_that_does_not_come_up_in_time_is_followed_by_another(console: Console, fake: FakeFlink) -> None:
    console.start()
    breaks(console, fake)
    fake.hold_starts()
    time_passes(console)
    operations.recover(console.job.pk)
    console.perform()
    console.watch()
    Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.watch()
    console.settle()
    assert (console.run.end, console.last.outcome, console.job.status) == ("cancelled", "failed", "failed")
    fake.release_starts()
    recovers(console)
    assert console.job.status == "running"


@pytest.mark.parametrize("why", ["maintenance", "CU", "unbound", "state"])
def test_a_refusal_counts_and_is_told(console: Console, fake: FakeFlink, cluster: Cluster, why: str) -> None:
    console.start()
    if why == "state":
        console.click_snapshot()
        console.settle()
        (Path(plain_path(console.snapshot.location)) / "_metadata").unlink()
    elif why == "maintenance":
        Cluster.objects.update(is_under_maintenance=True, maintenance_reason="new disks")
    elif why == "CU":
        Cluster.objects.update(total_cu=1)
    else:
        cluster.bindings.all().delete()
    breaks(console, fake)
    for number in range(1, BUDGET + 1):
        assert f"attempt {number} of 3" in shown(console.job).progress
        time_passes(console)
        operations.recover(console.job.pk)
    words = {"maintenance": "new disks", "CU": "Not enough CU", "unbound": "not bound", "state": "there any more"}
    assert console.job.recover_at is None
    assert words[why] in shown(console.job).progress
    assert explain(console.job.problem).title == "Division by zero"
    told = list(Operation.objects.filter(job=console.job, action="run", requested_by=None))
    assert [one.params["attempt"] for one in told] == [3, 2, 1]
    assert all(words[why] in explain(one.problem).cause for one in told)
    assert len(fake.submissions()) == 1


# --- what is not its business ---


def test_a_run_of_a_person_that_fails_at_once_is_his(console: Console, fake: FakeFlink) -> None:
    fake.refuse_next_run(CAUSE, burn=True)
    console.click_run()
    console.settle()
    assert (console.job.status, console.job.recover_at) == ("failed", None)


def test_a_job_cancelled_on_flink_or_finished_is_left_alone(console: Console, fake: FakeFlink) -> None:
    for state in ("CANCELED", "FINISHED"):
        run = console.start()
        fake.set_state(run.flink_job_id, state)
        console.watch()
        assert (console.job.status, console.job.recover_at) == ("stopped", None)


def test_a_job_that_fails_while_it_is_stopped_is_left_alone(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    fake.fail_job(run.flink_job_id, CAUSE)
    console.settle()
    assert (console.job.status, console.job.recover_at) == ("failed", None)


def test_an_attempt_that_did_not_come_up_and_ends_late_is_followed_by_another(
    console: Console, fake: FakeFlink
) -> None:
    console.start()
    breaks(console, fake)
    time_passes(console)
    fake.hold_starts()
    fake.hold_cancels()
    ticks()
    console.perform()
    for step in ("starting", "ending"):
        assert console.last.step == step
        Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now())
        console.settle(2)
    assert console.last.outcome == "failed"
    fake.release_cancels()
    console.watch()
    assert (console.job.status, console.run.end, console.job.problem.code) == ("failed", "cancelled", "end-too-slow")
    assert console.job.recover_at


def test_a_job_whose_end_was_asked_for_and_came_late_is_left_alone(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.watch()
    assert console.last.outcome == "failed"
    fake.fail_job(run.flink_job_id, CAUSE)
    console.watch()
    assert (console.job.status, console.job.recover_at) == ("failed", None)


def test_a_job_that_went_on_after_a_failed_stop_is_run_again(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.fail_next_savepoint("java.io.IOException: disk full")
    console.click_stop()
    console.settle()
    assert console.job.status == "running"
    breaks(console, fake)
    assert console.job.recover_at


def test_a_job_that_comes_back_by_itself_is_not_run_again(console: Console, fake: FakeFlink, settings) -> None:
    run = console.start()
    fake.restart(keep_jobs=False)
    settings.LOST_AFTER_SECONDS = 0
    console.watch()
    assert console.job.recover_at
    run.refresh_from_db()
    run.endpoint.engine().submit(operations.submission_of(run))
    console.watch()
    assert (console.job.status, console.job.recover_at) == ("running", None)


@pytest.mark.parametrize("what", ["run", "delete", "switch off"])
def test_what_a_person_does_goes_first(console: Console, fake: FakeFlink, alice: User, what: str) -> None:
    console.start()
    breaks(console, fake)
    time_passes(console)
    if what == "run":
        console.click_run()
        console.settle()
    elif what == "delete":
        operations.delete(alice, console.job)
    else:
        operations.switch_recovery(alice, console.job, on=False)
    assert console.job.recover_at is None
    ticks()
    operations.recover(console.job.pk)
    assert len(fake.submissions()) == (2 if what == "run" else 1)
    assert not Operation.objects.filter(job=console.job, params__automatic=True).exists()


def test_without_the_switch_nothing_is_run_again(console: Console, fake: FakeFlink, alice: User) -> None:
    console.start()
    operations.switch_recovery(alice, console.job, on=False)
    breaks(console, fake)
    assert (console.job.status, console.job.recover_at) == ("failed", None)
    assert shown(console.job).progress == ""


# --- once, whoever comes at the same moment ---


@pytest.mark.django_db(transaction=True)
def test_two_ticks_and_three_workers_and_a_click_start_it_once(console: Console, fake: FakeFlink) -> None:
    console.start()

    def work() -> None:
        operations.recover(console.job.pk)

    def click() -> None:
        try:
            console.click_run()
        except operations.Refusal:
            pass

    for number in range(1, BUDGET + 1):
        breaks(console, fake)
        time_passes(console)
        at_once(tick, tick)
        at_once(work, work, work, *([click, click] if number == 2 else []))
        assert Operation.objects.filter(job=console.job, ended_at=None).count() == 1
        console.settle()
        assert console.job.status == "running"
        assert len(fake.submissions()) == 1 + number
    alive = [one for one in fake.jobs.values() if one.state == "RUNNING"]
    assert [one.job_id for one in alive] == [console.run.flink_job_id]


def test_of_two_ticks_one_sends(console: Console, fake: FakeFlink) -> None:
    console.start()
    breaks(console, fake)
    time_passes(console)
    assert operations.due_recoveries() == [console.job.pk]
    assert operations.due_recoveries() == []


def test_whoever_measures_holds_up_no_recovery(console: Console, fake: FakeFlink) -> None:
    """Each kind of work has locks of its own: an endpoint and a job may have one number."""
    console.start()
    broken = breaks(console, fake)
    time_passes(console)
    other = connection.copy()  # locks are a session's own
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [(Lock.MEASURE << 48) + console.job.pk])
            operations.recover(console.job.pk)
            cursor.execute("SELECT pg_advisory_unlock_all()")  # a session that is closed lets go of them a moment later
    finally:
        other.close()
    assert console.run.pk != broken.pk


def test_a_worker_that_died_is_followed_by_another(console: Console, fake: FakeFlink) -> None:
    console.start()
    breaks(console, fake)
    time_passes(console)
    assert operations.due_recoveries(), "whoever took this died"
    assert 2 < seconds_until(console.job) <= 3
    recovers(console)
    assert console.job.status == "running"


@pytest.mark.parametrize("damage", ["drop_answer", "reset_before", "html", "truncated"])
def test_a_lost_answer_makes_no_second_job(console: Console, fake: FakeFlink, damage: Any) -> None:
    console.start()
    breaks(console, fake)
    fake.fault(("POST", r"/jars/[^/]*/run"), damage)
    recovers(console)
    assert console.job.status == "running"
    assert len(fake.submissions(console.run.flink_job_id)) == 1
    assert len(fake.submissions()) == 2


# --- without high availability ---


def test_a_flink_that_keeps_no_jobs_has_lost_them_at_once(console: Console, fake: FakeFlink, settings) -> None:
    fake.high_availability = "NONE"
    console.start()
    assert FlinkEndpoint.objects.get().keeps_jobs is False
    fake.restart(keep_jobs=False)
    settings.LOST_AFTER_WITHOUT_HA_SECONDS = 0
    console.watch()
    assert (console.job.status, console.job.problem.code) == ("failed", "lost-without-ha")


def test_it_is_asked_once_and_again_after_an_absence(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.watch()
    assert fake.seen("GET", "/jobmanager/config") == 1
    assert FlinkEndpoint.objects.get().keeps_jobs is True
    fake.stop()
    console.watch()
    fake.high_availability = "NONE"
    fake.restart(keep_jobs=True)
    console.watch()
    assert FlinkEndpoint.objects.get().keeps_jobs is False
    assert fake.seen("GET", "/jobmanager/config") == 2


def test_one_that_does_not_tell_is_waited_for(console: Console, fake: FakeFlink, settings) -> None:
    fake.fault(("GET", "/jobmanager/config"), "status", times=None, status=403, body="<h1>Forbidden</h1>")
    console.start()
    settings.LOST_AFTER_WITHOUT_HA_SECONDS = 0
    fake.restart(keep_jobs=False)
    console.watch()
    assert (console.job.status, FlinkEndpoint.objects.get().keeps_jobs) == ("running", None)


# --- a restore that never heals ---


INCOMPATIBLE = (
    "org.apache.flink.util.StateMigrationException: For heap backends, the new state serializer (new) must not be "
    "incompatible with the old state serializer (old)."
)


@pytest.mark.parametrize("state", ["RESTARTING", "RUNNING"])
def test_a_restore_that_never_heals_is_ended_at_once(console: Console, fake: FakeFlink, state: str) -> None:
    console.start()
    console.click_stop()
    console.settle()
    fake.hold_starts()
    console.click_run(snapshot=console.snapshot)
    console.perform()
    fake.fail_job(console.run.flink_job_id, INCOMPATIBLE, state="RESTARTING")
    if state == "RUNNING":
        fake.set_state(console.run.flink_job_id, "RUNNING")  # up for a moment, between two restarts
    console.watch()
    assert console.last.step == "withdrawing"
    console.settle()
    assert (console.run.end, console.job.status, console.last.outcome) == ("failed", "failed", "failed")
    assert fake.jobs[console.run.flink_job_id].state == "CANCELED"
    assert explain(console.job.problem).title == "The snapshot does not fit the new version"
    assert console.job.recover_at is None, "a person's run that fails is his"


def test_a_restore_that_may_heal_goes_on(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop()
    console.settle()
    fake.hold_starts()
    console.click_run(snapshot=console.snapshot)
    console.perform()
    fake.fail_job(console.run.flink_job_id, "java.net.ConnectException: Connection refused", state="RESTARTING")
    console.watch()
    assert console.last.step == "starting"
    fake.set_state(console.run.flink_job_id, "RUNNING")
    console.settle()
    assert console.job.status == "running"


# --- the switch ---


def test_the_switch_is_an_act_on_record(client: Client, console: Console, alice: User) -> None:
    client.force_login(alice)
    path = reverse("recovery", args=[console.job.serial])
    assert client.post(path, {"on": "0"}).status_code == 302
    assert console.job.auto_recovery is False
    told = Operation.objects.get(action="recovery")
    assert (told.requested_by_id, told.params, told.outcome) == (alice.pk, {"auto_recovery": False}, "succeeded")
    answer = client.post(path, {"on": "1"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert 'id="job-head"' in answer.text
    assert console.job.auto_recovery is True


def test_who_may_only_look_sees_it_without_its_button(
    client: Client, console: Console, vera: User, alice: User
) -> None:
    address = reverse("recovery", args=[console.job.serial])
    for user, may in ((alice, True), (vera, False)):
        client.force_login(user)
        page = client.get(reverse("job", args=[console.job.serial])).text
        assert "Auto recovery" in page
        assert ("Switch auto recovery off" in page) == may
    assert client.post(address, {"on": "0"}).status_code == 403
    assert console.job.auto_recovery is True


def test_it_is_hidden_from_other_workspaces_and_rejects_get(
    client: Client, console: Console, charlie: User, alice: User
) -> None:
    path = reverse("recovery", args=[console.job.serial])
    client.force_login(charlie)
    assert client.post(path, {"on": "0"}).status_code == 404
    client.force_login(alice)
    assert client.get(path).status_code == 405


def test_a_copy_takes_the_switch_over(console: Console, alice: User, cluster: Cluster) -> None:
    operations.switch_recovery(alice, console.job, on=False)
    copy, _changes = operations.copy(alice, console.job, cluster, "copy", None)
    assert copy.auto_recovery is False


def test_the_records_mark_what_the_console_did(client: Client, console: Console, fake: FakeFlink, alice: User) -> None:
    console.start()
    breaks(console, fake)
    client.force_login(alice)
    assert "runs again automatically at" in client.get(reverse("job", args=[console.job.serial])).text
    recovers(console)
    for page in (
        reverse("operations", args=[console.job.serial]),
        reverse("records", args=[console.job.workspace.serial]),
    ):
        text = client.get(page).text
        assert "the console" in text
        assert "automatic" in text
