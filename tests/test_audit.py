"""The record of acts: the database refuses to change it, seals show it when somebody did so all the same."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from django.urls import reverse

from jobs import operations
from jobs.models import Batch, BatchItem, Job, Operation, OperationStep, Problem, Version
from jobs.states import Action
from oceanus_console import audit, tasks
from oceanus_console.models import Removal, Seal, Unsealed
from tests.conftest import NEVER_EMPTIED, Console
from tests.fake_flink import FakeFlink
from workspaces import acts
from workspaces.models import Event, Workspace

pytestmark = pytest.mark.django_db

# What went because of its age has a file of its own: test_retention.py.
RECORD = {kind: when for kind, when in audit.RECORD.items() if kind is not Removal}
KINDS = [*RECORD, Seal]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.__name__)
each_recorded = pytest.mark.parametrize("kind", RECORD, ids=lambda one: one.__name__)
# A column of each that an intruder would like to rewrite.
WORTHWHILE = {
    Event: "about",
    Operation: "outcome",
    OperationStep: "detail",
    Problem: "summary",
    Version: "sql",
    Batch: "action",
    BatchItem: "state",
    Seal: "digest",
}
FORGED = {Operation: "failed", BatchItem: "refused"}


@pytest.fixture
def record(console: Console, fake: FakeFlink, alice: User, root: User, workspace: Workspace) -> None:
    """At least one settled row of each kind."""
    acts.record(root, workspace.serial, Event.Code.WORKSPACE_CREATED, name="Trading")
    fake.refuse_next_run("java.lang.ArithmeticException: / by zero")
    console.click_run()
    console.settle()
    batch = operations.request_batch(alice, workspace, Action.PUBLISH, Job.objects.all(), {"note": "all"})
    operations.advance(batch.pk)
    assert Batch.objects.get().ended_at


@pytest.fixture
def sealed(record: None) -> Seal:
    seal = audit.seal()
    assert seal
    return seal


@contextmanager
def behind_the_triggers(table: str) -> Iterator[None]:
    """Do what only the owner of the tables can."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def tamper(statement: str, kind: type[models.Model], *values: object) -> None:
    table = kind._meta.db_table
    with behind_the_triggers(table), connection.cursor() as cursor:
        cursor.execute(statement.replace("{table}", table), values)


def verify(*words: str) -> tuple[bool, str]:
    told = io.StringIO()
    try:
        call_command("verify_audit", *words, stdout=told)
    except CommandError:
        return False, told.getvalue()
    return True, told.getvalue()


def first(kind: type[models.Model]) -> Any:
    settled = {Operation: {"ended_at__isnull": False}}.get(kind, {})
    return kind._base_manager.filter(**settled).order_by("pk").first()


def last_fault_free() -> bool:
    return not list(audit.faults())


# --- the database refuses ---


@each_kind
def test_the_console_itself_can_not_change_a_row(kind: type[models.Model], sealed: Seal) -> None:
    row = first(kind)
    with pytest.raises(IntegrityError), transaction.atomic():
        kind._base_manager.filter(pk=row.pk).update(**{WORTHWHILE[kind]: FORGED.get(kind, "forged")})


@pytest.mark.parametrize("kind", [one for one in KINDS if one is not Version], ids=lambda one: one.__name__)
def test_the_console_itself_can_not_remove_a_row(kind: type[models.Model], sealed: Seal) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {kind._meta.db_table}")  # noqa: S608
    assert first(kind)


@each_kind
def test_the_console_itself_can_not_empty_a_table(kind: type[models.Model], sealed: Seal) -> None:
    table = kind._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(NEVER_EMPTIED)
        trigger = dict(cursor.fetchall())[table]
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
        with pytest.raises(IntegrityError, match="stays there"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")
    assert first(kind)


def test_what_was_asked_for_is_settled_while_it_is_still_under_way(console: Console, bob: User) -> None:
    operation = console.click_run()
    for forged in ({"requested_by": bob}, {"action": Action.STOP}, {"serial": "op-00000000"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Operation.objects.filter(pk=operation.pk).update(**forged)
    with pytest.raises(IntegrityError), transaction.atomic():
        operation.delete()


# --- sealing ---


def test_all_that_is_settled_is_sealed_once(sealed: Seal) -> None:
    for kind in RECORD:
        settled = (
            kind._base_manager.exclude(pk__in=Operation.objects.filter(ended_at=None))
            if kind is Operation
            else kind._base_manager.all()
        )
        assert {int(pk) for pk in sealed.rows[kind._meta.db_table]} == set(settled.values_list("pk", flat=True)), kind
    assert not Unsealed.objects.exists()
    assert audit.seal() is None
    assert verify() == (True, f"Last seal, of {sealed.at:%Y-%m-%d %H:%M:%S} UTC: 1:{sealed.digest}\n")


def test_an_open_operation_waits_for_its_end(console: Console) -> None:
    operation = console.click_run()
    audit.seal()
    assert str(operation.pk) not in Seal.objects.get(number=1).rows["jobs_operation"]
    console.settle()
    tasks.seal()
    assert str(operation.pk) in Seal.objects.latest("number").rows["jobs_operation"]
    assert last_fault_free()


def test_seals_are_chained_and_each_takes_so_many(record: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_ROWS", 3)
    waiting = Unsealed.objects.count()
    tasks.seal()
    assert Unsealed.objects.count() == waiting - 3 * tasks.SEALS_IN_A_TURN
    while audit.seal():
        pass
    before = ""
    for number, one in enumerate(Seal.objects.order_by("number"), start=1):
        assert (one.number, one.previous) == (number, before)
        assert sum(map(len, one.rows.values())) <= 3
        before = one.digest
    assert last_fault_free()


def test_it_reads_the_rows_in_few_queries(record: None, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(8 + 2 * len(RECORD)):
        audit.seal()


@pytest.mark.django_db(transaction=True)
def test_a_row_whose_transaction_ends_late_is_sealed_too(root: User, workspace: Workspace) -> None:
    """Numbers are given out before the commit: a mark 'sealed up to here' would skip the slow one."""
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            acts.record(root, "slow", Event.Code.WORKSPACE_CREATED, name="slow")
            written.set()
            go_on.wait(10)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(10)
    acts.record(root, "quick", Event.Code.WORKSPACE_CREATED, name="quick")
    audit.seal()
    go_on.set()
    thread.join()
    audit.seal()
    slow_row, quick_row = Event.objects.get(about="slow"), Event.objects.get(about="quick")
    assert slow_row.pk < quick_row.pk
    assert [list(one.rows["workspaces_event"]) for one in Seal.objects.order_by("number")] == [
        [str(quick_row.pk)], [str(slow_row.pk)]
    ]  # fmt: skip
    assert last_fault_free()


@pytest.mark.django_db(transaction=True)
def test_two_sealers_make_one_chain(root: User) -> None:
    for number in range(30):
        acts.record(root, f"space-{number}", Event.Code.WORKSPACE_CREATED, name="x")

    def go() -> None:
        for _turn in range(5):
            audit.seal()
        connection.close()

    threads = [threading.Thread(target=go) for _thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not Unsealed.objects.exists()
    assert last_fault_free()


# --- verifying ---


@each_recorded
def test_a_changed_row_is_named(kind: type[models.Model], sealed: Seal) -> None:
    row = first(kind)
    statement = f"UPDATE {{table}} SET {WORTHWHILE[kind]} = %s WHERE id = %s"  # noqa: S608
    tamper(statement, kind, FORGED.get(kind, "forged"), row.pk)
    good, told = verify()
    assert not good
    assert f"Row {row.pk} of {kind._meta.db_table}, which seal 1 holds since" in told.splitlines()[0]
    assert told.splitlines()[0].endswith("was changed.")


@each_recorded
def test_every_column_counts(kind: type[models.Model], sealed: Seal) -> None:
    assert sealed.columns[kind._meta.db_table] == [field.attname for field in kind._meta.concrete_fields]


@each_recorded
def test_a_removed_row_is_named(kind: type[models.Model], sealed: Seal) -> None:
    row = first(kind)
    with connection.cursor() as cursor:  # what points to it goes too, or stands in the way
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"DELETE FROM {kind._meta.db_table} WHERE id = %s", [row.pk])  # noqa: S608
        cursor.execute("SET session_replication_role = DEFAULT")
        good, told = verify()
        assert not good
        assert f"Row {row.pk} of {kind._meta.db_table}, which seal 1 holds since" in told.splitlines()[0]
        assert told.splitlines()[0].endswith("was removed.")
        # Put back, so that the constraints hold when the test ends.
        cursor.execute("SET session_replication_role = replica")
        row.save(force_insert=True)
        cursor.execute("SET session_replication_role = DEFAULT")


def test_a_version_that_never_ran_may_be_deleted_and_the_seals_tell_of_it(sealed: Seal, job: Job) -> None:
    version = job.versions.filter(runs=None).first()
    assert version
    pk = version.pk
    version.delete()
    assert last_fault_free()
    seal = audit.seal()
    assert seal
    assert seal.rows["jobs_version"] == {str(pk): ""}
    assert last_fault_free()


@each_recorded
def test_a_row_that_was_slipped_in_is_named(kind: type[models.Model], sealed: Seal) -> None:
    row = first(kind)
    copied: dict[type[models.Model], Callable[[Any], dict[str, object]]] = {
        Operation: lambda one: {"serial": "op-forged00"},
        Version: lambda one: {"number": 99},
        Batch: lambda one: {"serial": "batch-forged", "key": "00000000-0000-0000-0000-000000000001"},
        BatchItem: lambda one: {"position": 99, "operation": None, "batch": Batch.objects.get(serial="batch-other")},
    }
    if kind is BatchItem:
        first_batch = Batch.objects.get()
        Batch.objects.create(
            serial="batch-other", workspace=first_batch.workspace, action="run", requested_by=first_batch.requested_by
        )
    with behind_the_triggers(kind._meta.db_table):
        row.pk = None
        for name, value in copied.get(kind, lambda one: {})(row).items():
            setattr(row, name, value)
        row.save(force_insert=True)
    audit.seal()
    good, told = verify()
    assert not good
    assert f"Row {row.pk} of {kind._meta.db_table} is in no seal and waits for none" in told


def test_a_row_is_missed_also_when_it_went_before_its_seal(record: None) -> None:
    row = first(Event)
    tamper("DELETE FROM {table} WHERE id = %s", Event, row.pk)
    audit.seal()
    good, told = verify()
    assert not good
    assert f"Row {row.pk} of workspaces_event" in told


def test_a_row_that_was_kept_from_its_seal_is_named(record: None) -> None:
    row = first(Event)
    Unsealed.objects.filter(table_name="workspaces_event", row_id=row.pk).delete()
    audit.seal()
    good, told = verify()
    assert not good
    assert f"Row {row.pk} of workspaces_event is in no seal" in told


@pytest.fixture
def chain(sealed: Seal, root: User) -> list[Seal]:
    """Three seals, each over something."""
    for number in range(2):
        acts.record(root, f"space-{number}", Event.Code.WORKSPACE_CREATED, name="x")
        audit.seal()
    return list(Seal.objects.order_by("number"))


@pytest.mark.parametrize("column", ["at", "previous", "columns", "rows", "digest"])
def test_a_changed_seal_is_named(chain: list[Seal], column: str) -> None:
    to = {"at": "'2020-01-01'", "columns": "columns || '{\"x\": []}'", "rows": "rows || '{\"workspaces_event\": {}}'"}
    tamper(f"UPDATE {{table}} SET {column} = {to.get(column, repr('0' * 64))} WHERE number = 2", Seal)  # noqa: S608
    good, told = verify()
    assert not good
    assert "Seal 2" in told.splitlines()[0]


def test_a_removed_seal_is_named(chain: list[Seal]) -> None:
    tamper("DELETE FROM {table} WHERE number = 2", Seal)
    good, told = verify()
    assert not good
    assert told.splitlines()[0] == "Seal 2 was removed."


def test_who_rewrites_all_seals_is_found_by_what_was_noted_elsewhere(chain: list[Seal]) -> None:
    noted = f"2:{chain[1].digest}"
    assert verify("--expect", noted)[0]
    row = first(Event)
    tamper("UPDATE {table} SET about = 'forged' WHERE id = %s", Event, row.pk)
    tamper("DELETE FROM {table}", Seal)
    for kind in RECORD:
        for one in kind._base_manager.all():
            Unsealed.objects.create(table_name=kind._meta.db_table, row_id=one.pk)
    for _seal in chain:
        audit.seal()
    assert verify()[0]
    good, told = verify("--expect", noted)
    assert not good
    assert "Seal 2 is not the one that was noted" in told.splitlines()[0]


def test_who_cuts_the_end_off_is_found_by_what_was_noted_elsewhere(chain: list[Seal]) -> None:
    noted = f"3:{chain[2].digest}"
    tamper("DELETE FROM {table} WHERE number = 3", Seal)
    tamper("DELETE FROM {table} WHERE about = 'space-1'", Event)
    assert verify()[0]
    assert not verify("--expect", noted)[0]


@pytest.mark.parametrize("words", ["", "1", "x:" + "0" * 64, "1:short"])
def test_it_takes_what_it_has_printed_only(words: str, db: None) -> None:
    with pytest.raises(CommandError, match="NUMBER:DIGEST"):
        call_command("verify_audit", "--expect", words)


# --- the administration only looks ---


def test_the_administration_can_not_touch_the_record(client: Client, root: User, sealed: Seal) -> None:
    client.force_login(root)
    name = "admin:oceanus_console_seal"
    assert sealed.digest in client.get(reverse(f"{name}_changelist")).text
    assert sealed.digest in client.get(reverse(f"{name}_change", args=[1])).text
    assert client.post(reverse(f"{name}_change", args=[1]), {"digest": "x"}).status_code == 403
    assert client.post(reverse(f"{name}_delete", args=[1]), {"post": "yes"}).status_code == 403
    assert client.post(reverse(f"{name}_add"), {"number": 2}).status_code == 403
    forged = {"action": "delete_selected", "_selected_action": ["1"], "post": "yes"}
    client.post(reverse(f"{name}_changelist"), forged)
    assert last_fault_free()
