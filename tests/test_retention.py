"""Retention: what is old and over goes, what somebody still needs stays, and the record tells that it was its age."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from django.utils import timezone

from jobs import operations
from jobs.events import Kind, Selection
from jobs.models import Batch, BatchItem, Job, Operation, OperationStep, Problem, Run, Snapshot, Version
from jobs.states import Action
from oceanus_console import audit, retention, tasks
from oceanus_console.checks import numbers
from oceanus_console.metrics.database import Database
from oceanus_console.models import Removal, Seal
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink
from tests.test_audit import behind_the_triggers, tamper, verify
from workspaces import acts
from workspaces.models import Event, Workspace

pytestmark = pytest.mark.django_db

TIMES = {
    Event: ["at"],
    Operation: ["created_at", "ended_at"],
    OperationStep: ["at"],
    Problem: ["created_at"],
    Batch: ["created_at", "ended_at"],
    BatchItem: ["changed_at"],
}


@pytest.fixture(autouse=True)
def ninety_days(settings: Any) -> None:
    settings.KEEP_RECORDS_DAYS = 90


def grow_old(days: int = 100) -> None:
    """Let so many days pass for all that is on record, and seal it."""
    for kind, columns in TIMES.items():
        table = kind._meta.db_table
        with behind_the_triggers(table), connection.cursor() as cursor:
            for column in columns:
                cursor.execute(f"UPDATE {table} SET {column} = {column} - %s", [timedelta(days=days)])  # noqa: S608
    while audit.seal():
        pass


def counts() -> dict[str, int]:
    return {kind.__name__: kind._base_manager.count() for kind in TIMES}


def are_whole() -> bool:
    """Tell whether all is sealed and the seals find nothing wrong."""
    while audit.seal():
        pass
    return verify()[0]


@pytest.fixture
def history(console: Console, fake: FakeFlink, alice: User, root: User, workspace: Workspace) -> Console:
    """A job with two failed runs and one that runs now, a batch, another one with its retry, and an event."""
    acts.record(root, workspace.serial, Event.Code.WORKSPACE_CREATED, name="Trading")
    for _run in range(2):
        fake.refuse_next_run("java.lang.ArithmeticException: / by zero")
        console.click_run()
        console.settle()
    batch = operations.request_batch(alice, workspace, Action.PUBLISH, Job.objects.all(), {"note": "all"})
    operations.advance(batch.pk)
    refused = operations.request_batch(alice, workspace, Action.STOP, Job.objects.all(), {})
    operations.advance(refused.pk)
    operations.advance(operations.retry_failed(alice, refused).pk)
    assert list(Batch.objects.exclude(ended_at=None)) == list(Batch.objects.all())
    console.start()
    return console


# --- what goes and what stays ---


def test_what_is_old_and_over_goes(history: Console) -> None:
    grow_old()
    stays = list(Operation.objects.filter(run=history.run).values_list("pk", flat=True))
    retention.remove_old()
    assert [batch.retries.count() for batch in Batch.objects.all()] == [0], "after its retry a batch takes its turn"
    retention.remove_old()
    assert counts() == {
        "Event": 0,
        "Operation": 1,
        "OperationStep": OperationStep.objects.filter(operation__in=stays).count(),
        "Problem": 0,
        "Batch": 0,
        "BatchItem": 0,
    }
    assert list(Operation.objects.values_list("pk", flat=True)) == stays
    assert are_whole()


def test_jobs_versions_runs_and_snapshots_stay(history: Console) -> None:
    history.click_snapshot()
    history.settle()
    history.click_stop()
    history.settle()
    grow_old()
    kept = {kind: list(kind._base_manager.order_by("pk").values_list("pk")) for kind in (Job, Version, Run, Snapshot)}
    retention.remove_old()
    assert {kind: list(kind._base_manager.order_by("pk").values_list("pk")) for kind in kept} == kept
    assert operations.run(history.user, history.job, history.job.versions.get(number=1), history.snapshot)


def test_a_start_that_was_cancelled_is_none_that_failed(console: Console, fake: FakeFlink) -> None:
    fake.hold_starts()
    console.click_run()
    console.perform()
    operations.cancel(console.user, console.job)
    console.settle()
    fake.release_starts()
    console.start()
    before = Selection(console.job).counts()
    assert before[Kind.START_CANCELLED] == 1
    grow_old()
    retention.remove_old()
    assert not Operation.objects.filter(run__number=1).exists()
    after = Selection(console.job).counts()
    assert (after.get(Kind.START_CANCELLED), after.get(Kind.START_FAILED)) == (1, None)


def test_all_of_the_current_run_stays(console: Console, fake: FakeFlink, client: Client) -> None:
    fake.refuse_next_run("java.lang.ArithmeticException: / by zero")
    console.click_run()
    console.settle()
    operations.rename_job(console.user, console.job, "renamed")
    grow_old()
    why, steps = console.job.problem, console.last.steps.count()
    retention.remove_old()
    assert why is not None
    assert (console.job.problem, console.run.problem) == (why, why)
    assert console.last.steps.count() == steps > 0
    client.force_login(console.user)
    assert "renamed" in client.get(f"/jobs/{console.job.serial}/").text


def test_the_last_act_of_a_job_stays(job: Job, alice: User, client: Client) -> None:
    grow_old()
    retention.remove_old()
    assert [one.action for one in Operation.objects.all()] == [Action.PUBLISH]
    client.force_login(alice)
    assert client.get(f"/jobs/{job.serial}/").status_code == 200
    assert are_whole()


def test_what_is_young_stays(history: Console) -> None:
    grow_old(days=80)
    before = counts()
    retention.remove_old()
    assert counts() == before
    assert not Removal.objects.exists()


def test_what_is_open_stays_however_old(console: Console, alice: User, workspace: Workspace) -> None:
    console.click_run()
    batch = operations.request_batch(alice, workspace, Action.PUBLISH, Job.objects.all(), {"note": "all"})
    grow_old()
    retention.remove_old()
    assert Operation.objects.get(ended_at=None).steps.exists()
    assert (Batch.objects.get(), batch.items.count()) == (batch, 1)


def test_a_batch_stays_whole_while_a_job_runs_by_it(
    alice: User, workspace: Workspace, endpoint: Any, fake: FakeFlink
) -> None:
    jobs = [make_job(alice, workspace, endpoint, name) for name in ("one", "two")]
    batch = operations.request_batch(alice, workspace, Action.RUN, Job.objects.all(), {"start": "none"})
    consoles = [Console(job, alice, endpoint) for job in jobs]
    operations.advance(batch.pk)
    for one in consoles:
        one.settle()
    consoles[0].click_stop()
    consoles[0].settle()
    consoles[0].start()
    operations.advance(batch.pk)
    grow_old()
    retention.remove_old()
    assert batch.items.count() == 2
    consoles[1].click_stop()
    consoles[1].settle()
    consoles[1].start()
    grow_old()
    retention.remove_old()
    assert not Batch.objects.exists()


def test_what_has_no_seal_yet_stays(history: Console) -> None:
    grow_old()
    acts.record(history.user, "space-late", Event.Code.WORKSPACE_CREATED, name="late")
    with behind_the_triggers("workspaces_event"), connection.cursor() as cursor:
        cursor.execute("UPDATE workspaces_event SET at = at - interval '100 days' WHERE about = 'space-late'")
    retention.remove_old()
    assert Event.objects.get().about == "space-late"
    audit.seal()
    retention.remove_old()
    assert not Event.objects.exists()
    assert are_whole()


def test_what_went_is_counted_on_by_every_process(history: Console) -> None:
    def counted(database: Database) -> Any:
        (told,) = [one for one in database.collect() if one.name == "oceanus_operation_duration_seconds"]
        return told.samples

    before, old_process = Operation.objects.count(), Database()
    grow_old()
    told = counted(old_process)
    for _turn in range(2):
        retention.remove_old()
    assert Operation.objects.count() < before
    assert counted(old_process) == counted(Database()) == told


def test_without_the_setting_the_record_stays_for_ever(history: Console, settings: Any) -> None:
    settings.KEEP_RECORDS_DAYS = 0
    grow_old(days=5000)
    before = counts()
    tasks.remove_old()
    assert counts() == before


@pytest.mark.parametrize(("days", "is_refused"), [(0, False), (30, False), (29, True), (-1, True)])
def test_a_time_that_is_too_short_is_refused(settings: Any, days: int, is_refused: bool) -> None:
    settings.KEEP_RECORDS_DAYS = days
    assert [one.id for one in numbers()] == ["oceanus.E008"] * is_refused


# --- in portions ---


def events(root: User, count: int) -> None:
    for number in range(count):
        acts.record(root, f"space-{number}", Event.Code.WORKSPACE_CREATED, name="x")


def test_it_works_in_portions_and_goes_on_in_the_next_turn(root: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PORTION", 2)
    monkeypatch.setattr(retention, "PORTIONS_IN_A_TURN", 2)
    events(root, 7)
    grow_old()
    left = []
    for _turn in range(3):
        retention.remove_old()
        left.append(Event.objects.count())
    assert left == [3, 0, 0]
    assert [len(one.ids) for one in Removal.objects.order_by("pk")] == [2, 2, 2, 1]
    assert are_whole()


@pytest.mark.django_db(transaction=True)
def test_each_portion_is_a_transaction_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PORTION", 2)
    for number in range(5):
        Session.objects.create(session_key=f"expired-{number}", session_data="", expire_date=timezone.now())
    portions = retention._portions()
    assert next(portions) == 2
    assert not connection.in_atomic_block
    assert [Session.objects.count(), *portions] == [3, 2, 1]


# --- the database and the seals ---


def remove_all(kind: type[models.Model], days: int) -> None:
    """Remove all rows, as retention would if records were kept for so many days."""
    with connection.cursor() as cursor:
        since = (timezone.now() - timedelta(days=days)).isoformat()
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SELECT set_config('oceanus.records_are_kept_since', %s, TRUE)", [since])
        cursor.execute(f"DELETE FROM {kind._meta.db_table}")  # noqa: S608


@pytest.mark.parametrize("kind", TIMES, ids=lambda one: one.__name__)
def test_the_database_gives_nothing_away_that_is_younger_than_30_days(
    history: Console, kind: type[models.Model]
) -> None:
    grow_old(days=20)
    for days in (-1, 10, 90):
        with pytest.raises(IntegrityError, match="stays there"), transaction.atomic():
            remove_all(kind, days)


def test_old_rows_go_only_where_it_is_said_since_when_they_are_kept(root: User) -> None:
    events(root, 1)
    grow_old()
    with pytest.raises(IntegrityError, match="stays there"), transaction.atomic():
        Event.objects.all().delete()
    retention.remove_old()
    assert not Event.objects.exists()


def test_nobody_can_claim_that_a_row_was_removed_because_of_its_age(root: User) -> None:
    now = timezone.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        Removal.objects.create(at=now, kept_since=now, table_name="workspaces_event", first=1, last=1, ids=[1])


@pytest.fixture
def removed(root: User) -> list[int]:
    """The ids of three events that went because of their age; a fourth is still there."""
    events(root, 3)
    grow_old()
    ids = list(Event.objects.order_by("pk").values_list("pk", flat=True))
    events(root, 1)
    retention.remove_old()
    assert are_whole()
    return ids


def test_verifying_tells_what_went_because_of_its_age(removed: list[int]) -> None:
    assert verify()[1].startswith("3 rows were removed because of their age, the last of them on ")
    one = Removal.objects.get()
    assert (one.table_name, one.ids, one.first, one.last) == ("workspaces_event", removed, removed[0], removed[-1])
    assert str(one.pk) in Seal.objects.latest("number").rows["oceanus_console_removal"]


def test_what_somebody_else_removed_is_still_found(removed: list[int]) -> None:
    left = Event.objects.get()
    tamper("DELETE FROM {table} WHERE id = %s", Event, left.pk)
    good, told = verify()
    assert not good
    assert f"Row {left.pk} of workspaces_event, which seal" in told.splitlines()[0]
    assert told.splitlines()[0].endswith("was removed.")


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE {table} SET ids = ids || '[%s]'", "was changed"),
        ("DELETE FROM {table}", "was removed"),
        (
            "INSERT INTO {table} (at, kept_since, table_name, first, last, ids) "
            "VALUES (now(), now(), 'workspaces_event', 1, 9999999, '[%s]')",
            "was inserted past the triggers",
        ),
    ],
)
def test_a_forged_removal_is_found(removed: list[int], statement: str, fault: str) -> None:
    left = Event.objects.get()
    tamper("DELETE FROM {table} WHERE id = %s", Event, left.pk)
    tamper(statement.replace("%s", str(left.pk)), Removal)
    good, told = verify()
    assert not good
    assert "oceanus_console_removal" in told
    assert fault in told


# --- what is not on record ---


def test_what_only_the_watcher_saw_goes_when_it_is_old_and_over(history: Console, settings: Any) -> None:
    old, young = timezone.now() - timedelta(days=100), timezone.now()
    outages, restarts = history.job.endpoint.outages, history.run.restarts
    for ended_at in (old, young, None):
        outages.create(began_at=old, ended_at=ended_at)
    for last_at in (old, young):
        restarts.create(hour=last_at, first_at=old, last_at=last_at)
    settings.KEEP_RECORDS_DAYS = 0
    retention.remove_old()
    assert (outages.count(), restarts.count()) == (3, 2)
    settings.KEEP_RECORDS_DAYS = 90
    retention.remove_old()
    assert set(outages.values_list("ended_at", flat=True)) == {young, None}
    assert list(restarts.values_list("last_at", flat=True)) == [young]


def test_expired_sessions_and_old_failed_sign_ins_go(db: None, settings: Any) -> None:
    settings.KEEP_RECORDS_DAYS = 0
    now = timezone.now()
    for key, days in (("expired", -1), ("live", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=now + timedelta(days=days))
    for name, days in (("old", 31), ("young", 29)):
        attempt = AccessAttempt.objects.create(username=name, failures_since_start=1)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=now - timedelta(days=days))
    tasks.remove_old()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["live"]
    assert list(AccessAttempt.objects.values_list("username", flat=True)) == ["young"]


def test_a_failed_sign_in_stays_as_long_as_it_lets_somebody_wait(db: None, settings: Any) -> None:
    settings.AXES_COOLOFF_TIME = timedelta(days=50)
    attempt = AccessAttempt.objects.create(username="waits", failures_since_start=10)
    AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=timezone.now() - timedelta(days=49))
    retention.remove_old()
    assert AccessAttempt.objects.exists()
