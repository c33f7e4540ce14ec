"""Whoever locks many rows does it in their order: else two wait for each other, and PostgreSQL ends the work of one of them."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F, Model
from django.db.models.functions import Now

from clusters.engine import JobSight, JobState
from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.flink_ids import flink_id_of_run
from jobs.models import Job, Run
from jobs.operations import checkpoints, truth
from jobs.operations.book import entries
from jobs.operations.unrecorded import note_unrecorded
from tests.conftest import make_job
from tests.fake_flink import FakeFlink
from tests.threads import in_thread, is_awaited
from tests.until import until
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def jobs(alice: User, workspace: Workspace, endpoint: FlinkEndpoint, fake: FakeFlink) -> list[Job]:
    """Two that run; those of the first were written last, and lie behind the others in their tables."""
    endpoint.cluster.total_cu = 100
    endpoint.cluster.save()
    jobs = [make_job(alice, workspace, endpoint, f"job-{number}") for number in range(2)]
    for job in jobs:
        operation = operations.run(alice, job, job.versions.get())
        operations.perform(operation.pk)
    operations.watch(endpoint.pk)
    # What indexes tell of, or PostgreSQL finds the row where it was.
    Job.objects.filter(pk=jobs[0].pk).update(changed_at=Now())
    Run.objects.filter(job=jobs[0]).update(number=F("number") + 1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job, jobs_run")
    assert [job.status for job in Job.objects.order_by("pk")] == ["running"] * 2
    return jobs


def assert_in_order(rows: tuple[Model, Model], act: Callable[[], object]) -> None:
    """While the first is locked, the act waits for it and holds nothing else."""
    first, second = rows
    model = type(first)
    with transaction.atomic():
        model._default_manager.select_for_update(no_key=True).get(pk=first.pk)
        acting = in_thread(act)
        until(is_awaited, "the act waits", 20)
        assert model._default_manager.select_for_update(no_key=True, skip_locked=True).filter(pk=second.pk).exists()
    acting.join()


def test_of_jobs_whose_flink_has_gone_or_come_back(jobs: list[Job], endpoint: FlinkEndpoint) -> None:
    assert_in_order((jobs[0], jobs[1]), lambda: truth.touch_jobs(endpoint))


def test_of_jobs_that_live_on_flink_and_are_not_on_record(jobs: list[Job], endpoint: FlinkEndpoint) -> None:
    versions = [job.versions.get() for job in jobs]
    alive = {flink_id_of_run(one.job.serial, one.number, one.published_at) for one in versions}
    assert_in_order((jobs[0], jobs[1]), lambda: note_unrecorded(endpoint, alive))
    assert set(FlinkEndpoint.objects.get().unrecorded_jobs) == alive


def runs_of(jobs: list[Job]) -> tuple[Run, Run]:
    first, second = Run.objects.filter(job__in=jobs).order_by("pk")
    return first, second


def test_of_runs_of_which_flink_shows_something_new(jobs: list[Job], endpoint: FlinkEndpoint) -> None:
    runs = runs_of(jobs)
    sights = {one.flink_job_id: JobSight(one.flink_job_id, JobState.RESTARTING, 0, 1) for one in runs}
    book = sorted(entries(endpoint), key=lambda entry: -entry.pk)
    assert_in_order(runs, lambda: truth.remember(book, sights))
    assert [one.flink_state for one in runs_of(jobs)] == ["RESTARTING"] * 2


def test_of_runs_and_jobs_whose_checkpoints_are_kept(jobs: list[Job], endpoint: FlinkEndpoint, fake: FakeFlink) -> None:
    runs = runs_of(jobs)
    for run in runs:
        fake.complete_checkpoint(run.flink_job_id, f"file:/nowhere/{run.flink_job_id}/chk-1")
    assert_in_order(runs, lambda: checkpoints.keep_newest(runs[::-1], endpoint.engine()))
    Run.objects.update(checkpoints_seen_at=None)
    for run in runs:
        fake.complete_checkpoint(run.flink_job_id, f"file:/nowhere/{run.flink_job_id}/chk-2")
    assert_in_order((jobs[0], jobs[1]), lambda: checkpoints.keep_newest(runs[::-1], endpoint.engine()))
    assert [one.snapshots.get().location[-5:] for one in runs_of(jobs)] == ["chk-2"] * 2
