"""What may stand in the way of taking over what runs unrecorded (G2): what the backup was in the middle of, and ids that others chose."""

import random
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.flink_ids import flink_id_of_run
from jobs.models import Job, Operation, Run, Version
from jobs.operations import unrecorded
from jobs.problem_groups import groups_of
from tests.conftest import SQL, Console, make_job
from tests.fake_flink import FakeFlink
from tests.test_unrecorded import as_restored, start_unrecorded
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

YESTERDAY = timedelta(days=1)


def test_a_start_that_was_asked_for_before_the_backup_is_not_asked_for_again_beside_it(
    console: Console, fake: FakeFlink
) -> None:
    console.click_run()
    Run.objects.update(submitted_at=timezone.now() - YESTERDAY)  # it has ended since, and Flink has forgotten it
    as_restored(console.endpoint)
    flink_id = start_unrecorded(console)
    console.perform()
    assert list(fake.jobs) == [flink_id]
    console.watch()
    console.watch()
    assert (console.job.status, console.job.problem, console.run.flink_job_id) == ("running", None, flink_id)


def test_a_start_of_the_backup_that_failed_since_is_not_told_to_have_never_been(
    console: Console, fake: FakeFlink
) -> None:
    console.click_run()
    run = console.run
    console.endpoint.engine().submit(operations.submission_of(run))
    fake.fail_job(run.flink_job_id, "java.io.IOException: gone")
    as_restored(console.endpoint)
    flink_id = start_unrecorded(console)
    console.perform()
    console.watch()
    run.refresh_from_db()
    assert run.end == "failed"
    assert (console.job.status, console.run.flink_job_id) == ("running", flink_id)


def test_a_job_is_not_deleted_over_a_second_run_that_is_not_taken_over_yet(console: Console, fake: FakeFlink) -> None:
    """Of a deleted job nobody would see it any more, and nobody could stop it."""
    console.start()
    second = start_unrecorded(console)
    console.watch()
    slow = fake.fault(("GET", f"/jobs/{second}/checkpoints"), "drop_answer", times=None)
    console.click_stop(with_snapshot=False)
    console.settle()
    assert slow.reached.is_set()
    assert console.job.status == "stopped"
    with pytest.raises(operations.Refusal, match="not yet known"):
        operations.delete(console.user, console.job)
    fake.clear_faults()
    console.watch()
    assert (console.job.status, console.run.flink_job_id) == ("running", second)
    console.click_stop(with_snapshot=False)
    console.settle()
    console.watch()
    operations.delete(console.user, console.job)


@pytest.mark.parametrize("trouble", ["late", "no such variable"])
def test_a_start_that_went_on_after_the_backup_runs_on(console: Console, fake: FakeFlink, trouble: str) -> None:
    console.click_run()
    run = console.run
    console.endpoint.engine().submit(operations.submission_of(run))  # what the database has forgotten
    as_restored(console.endpoint)
    if trouble == "late":
        Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now() - YESTERDAY)
    else:
        Run.objects.update(version=lost_variable(console))
    console.perform()
    for _look in range(3):
        console.watch()
    assert fake.jobs[run.flink_job_id].state == "RUNNING"
    assert (console.job.status, console.run, console.run.ended_at) == ("running", run, None)
    assert console.run.submitted_at
    assert console.run.started_at


def lost_variable(console: Console) -> Version:
    return console.job.versions.create(number=9, note="n", sql=SQL.replace("'1'", "'${gone}'"))


def test_one_that_was_called_off_after_the_backup_is_cancelled(console: Console, fake: FakeFlink) -> None:
    console.click_run()
    run = console.run
    console.endpoint.engine().submit(operations.submission_of(run))
    as_restored(console.endpoint)
    operations.cancel(console.user, console.job)
    console.settle()
    console.watch()
    assert fake.jobs[run.flink_job_id].state == "CANCELED"
    assert console.job.status == "stopped"


def test_an_id_of_ours_on_the_flink_of_another_cluster_is_none_of_ours(
    console: Console, fake: FakeFlink, cluster: Cluster
) -> None:
    """Who may submit there chooses the id: he must not bring our job to a cluster that its workspace may not use (G8)."""
    with FakeFlink() as theirs:
        other = Cluster.objects.create(name="theirs", snapshot_directory=cluster.snapshot_directory)
        there = FlinkEndpoint.objects.create(cluster=other, flink_version="2.2.1", rest_url=theirs.url)
        version = console.job.versions.get()
        forged = flink_id_of_run(console.job.serial, 1, version.published_at)
        there.engine().submit(operations.submission_of(Run(job=console.job, version=version, flink_job_id=forged)))
        operations.watch(there.pk)
        assert not Run.objects.exists()
        assert console.start().endpoint == console.endpoint


def test_a_flink_that_two_clusters_name_is_taken_over_from_for_the_cluster_of_the_job(
    console: Console, fake: FakeFlink, cluster: Cluster
) -> None:
    other = Cluster.objects.create(name="same", snapshot_directory=cluster.snapshot_directory)
    there = FlinkEndpoint.objects.create(cluster=other, flink_version="2.2.1", rest_url=fake.url + "/")
    start_unrecorded(console)
    operations.watch(there.pk)
    console.watch()
    assert console.run.endpoint == console.endpoint


def last_of_all(console: Console, workspace: Workspace) -> Console:
    """Return another job there, whose ids come after all others."""
    late = make_job(console.user, workspace, console.endpoint, "late")
    Job.objects.filter(pk=late.pk).update(serial="cql-zzzzzzzz")
    return Console(late, console.user, console.endpoint)


def test_many_that_can_not_be_taken_over_keep_nobody_waiting(
    console: Console, fake: FakeFlink, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unrecorded, "LOOKED_FOR_TOGETHER", 3)
    fake.slots_total = 100
    console.start()
    for _one in range(10):
        start_unrecorded(console)
    Job.objects.exclude(pk=console.job.pk).delete()
    late = last_of_all(console, workspace)
    start_unrecorded(late)
    for _look in range(2):
        console.watch()
    assert late.job.status == "running"


def test_those_that_are_not_told_of_keep_nobody_waiting(
    console: Console, fake: FakeFlink, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unrecorded, "LOOKED_FOR_TOGETHER", 1)
    random.seed(7)
    silent = start_unrecorded(console)
    fake.fault(("GET", f"/jobs/{silent}/checkpoints"), "drop_answer", times=None)
    late = last_of_all(console, workspace)
    start_unrecorded(late)
    for _look in range(20):
        console.watch()
    assert late.job.status == "running"


def test_one_without_checkpoints_is_taken_over_too(console: Console, fake: FakeFlink) -> None:
    flink_id = start_unrecorded(console)
    fake.fault(
        ("GET", f"/jobs/{flink_id}/checkpoints"),
        "status",
        times=None,
        status=404,
        body={"errors": ["Checkpointing was not enabled for job."]},
    )
    console.watch()
    assert console.job.status == "running"


def test_what_was_noted_and_has_ended_since_is_in_nobodys_way(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    second = start_unrecorded(console)
    console.watch()
    for one in (second, run.flink_job_id):
        fake.set_state(one, "CANCELED")
    Run.objects.filter(pk=run.pk).update(ended_at=timezone.now(), end="cancelled")
    Job.objects.update(status="stopped", recover_at=None)
    console.click_run()
    console.settle()
    assert (console.job.status, console.last.outcome) == ("running", "succeeded")


def test_so_many_of_one_job_are_told_of_and_no_more(console: Console, fake: FakeFlink, root: User) -> None:
    console.start()
    for _one in range(20):
        start_unrecorded(console)
    console.watch()
    assert 1 <= len(FlinkEndpoint.objects.get().unrecorded_jobs) <= 5


def test_the_list_of_them_is_written_once_however_many_are_taken_over(
    console: Console, fake: FakeFlink, workspace: Workspace
) -> None:
    """Written and read anew with each, ten thousand took an hour."""
    fake.slots_total = 100
    jobs = [make_job(console.user, workspace, console.endpoint, f"lost-{number}") for number in range(6)]
    for job in jobs:
        start_unrecorded(Console(job, console.user, console.endpoint))
    with CaptureQueriesContext(connection) as asked:
        console.watch()
    assert Run.objects.count() == len(jobs)
    assert FlinkEndpoint.objects.get().unrecorded_jobs == []
    told = [one["sql"] for one in asked if "unrecorded_jobs" in one["sql"]]
    assert len([sql for sql in told if sql.startswith("UPDATE")]) == 2, "what was noted, and what is left of it"
    assert len(told) < len(jobs)


def test_a_job_that_has_just_been_taken_over_runs_once(console: Console) -> None:
    console.start()
    noted = [console.run.flink_job_id, start_unrecorded(console)]
    FlinkEndpoint.objects.update(unrecorded_jobs=noted)
    assert Job.objects.get(pk=console.job.pk).second_ids == noted[1:]
    FlinkEndpoint.objects.update(unrecorded_jobs=noted[:1])
    assert Job.objects.get(pk=console.job.pk).second_ids == []
    assert groups_of(console.job.workspace) == []
