"""Copies of many jobs at once: as one by one, in a few statements; who can't be copied or fails is alone with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Batch, BatchItem, Draft, Job, Operation, Version
from jobs.operations import together
from jobs.states import Action
from tests.conftest import SQL, Console, make_job
from tests.threads import in_thread, is_awaited
from tests.until import until
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
commits = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other(workspace: Workspace, fake) -> Cluster:
    """A cluster whose copies differ: another Flink version, no fine-grained resources."""
    other = Cluster.objects.create(name="cluster-b", snapshot_directory="file:///tmp/b", supports_fine_grained=False)
    ClusterBinding.objects.create(cluster=other, workspace=workspace)
    FlinkEndpoint.objects.create(cluster=other, flink_version="1.20.5", rest_url=fake.url)
    return other


def batch_of(user: User, workspace: Workspace, cluster: Cluster, language: str = "en") -> Batch:
    jobs = Job.objects.filter(workspace=workspace, deleted_at=None).exclude(name__contains="_20").order_by("pk")
    params = {"cluster": cluster.serial, "language": language}
    order = list(jobs.values_list("pk", flat=True))
    return operations.request_batch(user, workspace, Action.COPY, jobs, params, order=order)


def worked_off(batch: Batch) -> list[BatchItem]:
    until(lambda: operations.advance(batch.pk) and Batch.objects.get(pk=batch.pk).ended_at, "the batch has ended", 30)
    return list(batch.items.select_related("job", "copy"))


def plain_jobs(endpoint: FlinkEndpoint, workspace: Workspace, count: int, prefix: str = "job-") -> list[Job]:
    """Published jobs, written in few statements."""
    jobs = Job.objects.bulk_create(
        Job(workspace=workspace, name=f"{prefix}{number}", cluster=endpoint.cluster, endpoint=endpoint,
            status="stopped", last_version_number=1)
        for number in range(count)
    )  # fmt: skip
    Draft.objects.bulk_create(Draft(job=job, sql=SQL) for job in jobs)
    Version.objects.bulk_create(Version(job=job, number=1, note="first", sql=SQL) for job in jobs)
    return jobs


# --- what it does ---


def test_it_takes_as_many_statements_for_300_as_for_3(alice, workspace, endpoint) -> None:
    counts = []
    for count in (3, 300):
        Job.objects.filter(deleted_at=None).update(deleted_at="2026-01-01T00:00:00Z")
        plain_jobs(endpoint, workspace, count, f"of-{count}-")
        batch = batch_of(alice, workspace, endpoint.cluster)
        with CaptureQueriesContext(connection) as queries:
            operations.advance(batch.pk)
        assert batch.items.filter(state="succeeded").count() == count
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 36


def test_each_copy_is_as_if_made_alone(console: Console, alice, workspace, endpoint, other) -> None:
    console.start()
    operations.save_draft(alice, console.job, 1, {"sql": SQL + "-- newer"})
    operations.publish(alice, console.job, "second")
    fine = make_job(alice, workspace, endpoint, "fine", taskmanager_spec=Decimal("0.5"))
    operations.describe_job(alice, fine, "password=hunter22")
    operations.move_job(alice, fine, operations.create_folder(alice, workspace, "finance", None))
    operations.switch_recovery(alice, fine, False)
    draft_only = operations.create_job(alice, workspace, "draft-only", endpoint.cluster, endpoint)
    operations.save_draft(alice, draft_only, 0, {"sql": SQL, "properties": {"a": "b"}})
    operations.create_job(alice, workspace, "empty", endpoint.cluster, endpoint)
    items = worked_off(batch_of(alice, workspace, other))
    assert [item.job.name for item in items] == ["orders", "fine", "draft-only", "empty"]
    for item in items:
        alone, changes = operations.copy(alice, item.job, other, f"alone-{item.job.name}", item.job.folder)
        assert told_of(item.copy) == told_of(alone)
        assert item.changes == [one.as_json() for one in changes] != []
        assert (item.state, item.reasons) == ("succeeded", {})
    assert items[0].copy.versions.get().sql == SQL
    assert items[0].copy.draft.sql == SQL + "-- newer"
    assert [change["what"] for change in items[1].changes] == ["flink-version", "taskmanager-spec"]


def told_of(new: Job) -> list[object]:
    """All that makes a copy, but what names it and when it was."""
    apart = ["id", "name", "job"]
    new = Job.objects.get(pk=new.pk)
    of_source = Operation.objects.get(action=Action.COPY, params__copy=new.serial)
    return [
        model_to_dict(new, exclude=apart),
        [model_to_dict(one, exclude=apart) for one in (*Draft.objects.filter(job=new), *new.versions.all())],
        [line(one, new) for one in (of_source, *new.operations.order_by("pk"))],
    ]


def line(one: Operation, new: Job) -> dict[str, object]:
    assert one.ended_at
    params = {**one.params, "copy": "", "name": ""}
    return {**model_to_dict(one, exclude=["id", "job", "ended_at", "params"]), **params, "new": one.job_id == new.pk}


def test_the_note_is_in_the_language_of_the_one_who_asked(job: Job, alice, workspace, cluster) -> None:
    items = worked_off(batch_of(alice, workspace, cluster, "zh-hans"))
    assert items[0].copy.versions.get().note == "复制自 orders v1"


def test_secrets_in_names_stay_out_of_the_record(alice, workspace, cluster, endpoint) -> None:
    make_job(alice, workspace, endpoint, "plain")
    Cluster.objects.filter(pk=cluster.pk).update(name="password=hunter22")
    worked_off(batch_of(alice, workspace, cluster))
    assert Operation.objects.get(action=Action.COPY).params["cluster"] == "password=******"


def test_names_that_are_cut_to_the_same_are_counted(alice, workspace, cluster, endpoint) -> None:
    plain_jobs(endpoint, workspace, 12, "the-department-of-trade-and-industry-")
    items = worked_off(batch_of(alice, workspace, cluster))
    names = [item.copy.name for item in items]
    assert len(set(names)) == 12
    assert {len(name) for name in names} == {49}
    assert [name[-3:] for name in names[9:]] == ["_10", "_11", "_12"]


def test_more_than_a_set_are_copied_set_by_set(alice, workspace, cluster, endpoint, monkeypatch) -> None:
    monkeypatch.setattr("jobs.operations.batch.ITEMS_TOGETHER", 2)
    plain_jobs(endpoint, workspace, 5)
    batch = batch_of(alice, workspace, cluster)
    operations.advance(batch.pk)
    assert list(batch.items.values_list("state", flat=True)) == ["succeeded"] * 2 + ["waiting"] * 3
    assert {item.state for item in worked_off(batch)} == {"succeeded"}


# --- who can't be copied ---


def test_a_job_that_was_deleted_meanwhile_is_told_so_and_the_rest_goes_on(alice, workspace, cluster, endpoint) -> None:
    jobs = plain_jobs(endpoint, workspace, 3)
    batch = batch_of(alice, workspace, cluster)
    operations.delete(alice, jobs[1])
    items = worked_off(batch)
    assert [item.state for item in items] == ["succeeded", "refused", "succeeded"]
    assert items[1].reasons == {"en": "This job has been deleted.", "zh-hans": "该作业已被删除。"}
    assert items[1].copy is None


def test_a_job_without_a_free_name_is_told_so_and_the_rest_goes_on(alice, workspace, cluster, endpoint) -> None:
    plain_jobs(endpoint, workspace, 2)
    batch = batch_of(alice, workspace, cluster)
    first = operations.name_of_copy(Job.objects.get(name="job-0"), batch.created_at)
    names = [first, *(f"{first}_{number}" for number in range(2, 1000))]
    Job.objects.bulk_create(Job(workspace=workspace, name=name, cluster=cluster, endpoint=endpoint) for name in names)
    items = worked_off(batch)
    assert [item.state for item in items] == ["refused", "succeeded"]
    assert "name" in items[0].reasons["en"]


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        (ClusterBinding, "This cluster is not bound to the workspace."),
        (FlinkEndpoint, "The target cluster has no Flink version yet."),
        (Cluster, "The target cluster does not exist any more."),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_target_that_is_gone_is_told_with_each_job(alice, workspace, endpoint, other, lost, why: str) -> None:
    plain_jobs(endpoint, workspace, 2)
    batch = batch_of(alice, workspace, other)
    lost.objects.filter(**({"pk": other.pk} if lost is Cluster else {"cluster": other})).delete()
    items = worked_off(batch)
    assert [item.state for item in items] == ["refused", "refused"]
    assert {item.reasons["en"] for item in items} == {why}
    assert all(item.reasons["zh-hans"] != why for item in items)


@contextmanager
def refused_by_the_database(name: str) -> Iterator[None]:
    """Let the database refuse copies of one job, as nobody has foreseen."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE jobs_job ADD CONSTRAINT odd CHECK (name NOT LIKE '{name}_2%') NOT VALID")
        yield
        cursor.execute("ALTER TABLE jobs_job DROP CONSTRAINT odd")


def test_one_that_fails_unexpectedly_fails_alone(alice, workspace, cluster, endpoint, caplog) -> None:
    plain_jobs(endpoint, workspace, 7)
    batch = batch_of(alice, workspace, cluster)
    with refused_by_the_database("job-4"):
        items = worked_off(batch)
    assert [item.state for item in items] == ["succeeded"] * 4 + ["failed"] + ["succeeded"] * 2
    assert items[4].reasons["en"].startswith("An internal error")
    assert Job.objects.filter(name__contains="_20").count() == 6
    assert f"Could not begin item {items[4].position} of batch {batch.serial}" in caplog.text


# --- who comes in between ---


@commits
def test_a_name_that_is_taken_just_now_is_counted_on(alice, workspace, cluster, endpoint) -> None:
    plain_jobs(endpoint, workspace, 3)
    batch = batch_of(alice, workspace, cluster)
    name = operations.name_of_copy(Job.objects.get(name="job-1"), batch.created_at)
    with transaction.atomic():
        Job.objects.create(workspace=workspace, name=name, cluster=cluster, endpoint=endpoint)
        copying = in_thread(lambda: worked_off(batch))
        until(is_awaited, "the copies wait for the one who takes the name")
    copying.join()
    assert [item.copy.name for item in worked_off(batch)][1] == name + "_2"
    assert Job.objects.filter(name__contains="_20").count() == 4


@commits
def test_two_workers_copy_once(alice, workspace, cluster, endpoint) -> None:
    plain_jobs(endpoint, workspace, 40)
    batch = batch_of(alice, workspace, cluster)
    for thread in [in_thread(lambda: worked_off(batch)) for _worker in range(3)]:
        thread.join()
    assert [item.state for item in worked_off(batch)] == ["succeeded"] * 40
    assert Job.objects.filter(name__contains="_20").count() == 40


@commits
def test_also_without_the_lock_that_keeps_workers_apart_nothing_is_copied_twice(
    alice, workspace, cluster, endpoint
) -> None:
    plain_jobs(endpoint, workspace, 40)
    batch = batch_of(alice, workspace, cluster)
    items = list(batch.items.values_list("pk", flat=True))
    for thread in [in_thread(lambda: together.begin_together(batch, items)) for _worker in range(3)]:
        thread.join()
    assert Job.objects.filter(name__contains="_20").count() == 40


@commits
def test_what_is_cancelled_meanwhile_is_not_copied(alice, workspace, cluster, endpoint) -> None:
    plain_jobs(endpoint, workspace, 3)
    batch = batch_of(alice, workspace, cluster)
    with transaction.atomic():
        batch.items.filter(position=2).update(state="cancelled")
        in_thread(lambda: operations.advance(batch.pk)).join()
    assert [item.state for item in worked_off(batch)] == ["succeeded", "cancelled", "succeeded"]


WORKER = """
import sys, django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from jobs import operations
operations.advance(int(sys.argv[2]))
"""


@commits
def test_a_worker_that_is_killed_in_between_leaves_nothing_half(alice, workspace, cluster, endpoint) -> None:
    plain_jobs(endpoint, workspace, 20)
    batch = batch_of(alice, workspace, cluster)
    arguments = [connection.settings_dict["NAME"], str(batch.pk)]
    with transaction.atomic():
        with connection.cursor() as cursor:  # so that jobs, drafts and versions are in, and their record is not
            cursor.execute("LOCK TABLE jobs_operation IN SHARE MODE")
        worker = subprocess.Popen([sys.executable, "-c", WORKER, *arguments], env=os.environ)
        until(is_awaited, "the worker is in the middle of it")
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert not Job.objects.filter(name__contains="_20").exists()
    assert {item.state for item in worked_off(batch)} == {"succeeded"}
    assert Job.objects.filter(name__contains="_20").count() == 20
    assert Operation.objects.filter(action=Action.COPY).count() == 20
