"""Queries whose SQL is made once: they find what Django finds, are planned once, and outlive their connection."""

import contextlib
from typing import Any

import pytest
from django.db import OperationalError, connection, models

from jobs.models import Operation, Run
from jobs.operations import ending, opening, together
from jobs.operations.book import ENDPOINT, OPERATIONS, RUNS, SNAPSHOTS, WAITING
from jobs.operations.perform import TO_ASK
from jobs.operations.run import CLUSTERS
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from workspaces.models import Workspace
from workspaces.prepared import Prepared


def test_a_prepared_query_says_when_a_value_has_no_place(db: None) -> None:
    with pytest.raises(ValueError, match="name"):
        Prepared(lambda name: Workspace.objects.values_list("pk"), name="x").rows(name="y")


def test_a_prepared_query_is_planned_once_by_a_connection(db: None) -> None:
    ask = Prepared(lambda serial: Workspace.objects.filter(serial=serial).values_list("pk", "created_at"), serial="x")
    made = Workspace.objects.create(name="Planned")
    for _time in range(4):
        assert ask.rows(serial=made.serial) == [(made.pk, made.created_at)]
        assert ask.rows(serial="' OR 1=1 --") == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%workspaces_workspace%'")
        assert len(cursor.fetchall()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_prepared_query_outlives_its_connection() -> None:
    ask = Prepared(lambda serial: Workspace.objects.filter(serial=serial).values_list("pk"), serial="x")
    assert ask.rows(serial="none") == []
    kill_connection()
    connection.close_if_unusable_or_obsolete()  # as at the beginning of every request
    assert ask.rows(serial="none") == []
    kill_connection()
    with pytest.raises(OperationalError):  # in the middle of a request, something may be lost
        ask.rows(serial="none")
    connection.close()


def kill_connection() -> None:
    """Let PostgreSQL end the connection behind its back, as a restart does."""
    with connection.cursor() as cursor, contextlib.suppress(OperationalError):
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_objects_are_those_that_django_makes(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_savepoints()
    console.click_stop()
    asking = told(TO_ASK, pks=[console.last.pk])
    assert asking[0]["step"] == "asking"
    assert asking[0]["run"]["version"]["sql"]
    console.perform()
    run, endpoint = Run.objects.get(), console.job.endpoint_id
    for prepared, values in (
        (ENDPOINT, {"pk": endpoint}),
        (SNAPSHOTS, {"endpoint": endpoint}),
        (WAITING, {"endpoint": endpoint}),
        (OPERATIONS, {"runs": [run.pk]}),
        (RUNS, {"pks": [run.pk, -5]}),
        (ending.JOBS, {"pks": [console.job.pk]}),
        (opening.LOCKED, {"pks": [console.job.pk]}),
        (together.PUBLISHED, {"jobs": [console.job.pk]}),
        (CLUSTERS, {"pks": [console.job.cluster_id]}),
    ):
        assert len(told(prepared, **values)) == 1
    assert told(RUNS, pks=[]) == []
    # Nothing was missing: neither columns that wait until they are asked for, nor objects that are None.
    assert "params" not in told(WAITING, endpoint=endpoint)[0]
    assert told(OPERATIONS, runs=[run.pk])[0]["problem"] is None
    assert Operation.objects.filter(ended_at=None).count() == 1


def told(prepared: Prepared, **values: Any) -> list[dict[str, Any]]:
    """Return all that the objects hold, after comparing it with Django's own."""
    ours, theirs = ([all_of(one) for one in found] for found in (prepared.objects(**values), prepared.make(**values)))
    assert ours == theirs
    return ours


def all_of(one: models.Model) -> dict[str, Any]:
    fields = {name: value for name, value in vars(one).items() if name != "_state"}
    others = one._state.fields_cache
    return fields | {name: all_of(other) if other else None for name, other in others.items()}


def test_what_is_always_the_same_stands_in_the_sql(db: None) -> None:
    odd = 'it\'s 100 % \\ "odd" %s'
    made = Workspace.objects.create(name=odd)
    ask = Prepared(lambda pk: Workspace.objects.filter(pk=pk, name=odd).values_list("name"), pk=-1)
    assert ask.rows(pk=made.pk) == [(odd,)]
    assert ask.rows(pk=made.pk + 1) == []
