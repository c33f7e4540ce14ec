"""Savepoints of ours that lie in the snapshot directory and that no row tells of (any more) are attached to their job."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from clusters.flink import plain_path
from jobs import operations
from jobs.models import Job, Run, Snapshot
from jobs.operations import restore
from jobs.operations.orphans import find_orphans
from tests.conftest import Console, make_job

pytestmark = pytest.mark.django_db

UNKNOWN = "svp-a1b2c3d4"


def snapshots_of(job: Job) -> Path:
    return Path(plain_path(job.cluster.snapshot_directory)) / job.serial


def write(job: Job, serial: str, name: str = "savepoint-123456-0123456789ab") -> Path:
    """Leave a complete savepoint where Flink would write it."""
    path = snapshots_of(job) / serial / name
    path.mkdir(parents=True)
    (path / "_metadata").write_bytes(b"a savepoint of the fake Flink")
    return path


@pytest.fixture
def stopped(console: Console) -> Console:
    """A job with one run, stopped with a snapshot."""
    console.start()
    console.click_stop()
    console.settle()
    return console


@pytest.mark.parametrize("state", ["failed", "gone", "creating"])
def test_a_savepoint_that_came_after_all_completes_its_row(stopped: Console, state: str) -> None:
    snapshot = stopped.snapshot
    Snapshot.objects.update(state=state, location="", asked_at=None)
    [point] = restore.ranked(stopped.job)
    assert point.snapshot == snapshot
    assert plain_path(point.snapshot.location) == plain_path(snapshot.location)
    assert point.is_checked


def test_a_savepoint_that_the_database_has_never_heard_of_is_found(stopped: Console) -> None:
    path = write(stopped.job, UNKNOWN)
    operations.find_all_orphans(0)
    operations.find_all_orphans(1)
    found = Snapshot.objects.get(serial=UNKNOWN)
    assert (found.source, found.state, found.run, found.location) == ("found", "completed", stopped.run, f"file:{path}")
    assert found.size_bytes
    best = restore.ranked(stopped.job)[0]
    assert best.reason == "Found in the snapshot directory, of run #1; seen on disk"
    stopped.click_run(snapshot=found)
    stopped.settle()
    assert stopped.job.status == "running"


def test_it_belongs_to_the_run_that_was_the_newest_when_it_was_written(stopped: Console) -> None:
    first = stopped.run
    stopped.start()
    at = (first.created_at + (stopped.run.created_at - first.created_at) / 2).timestamp()
    os.utime(write(stopped.job, UNKNOWN) / "_metadata", (at, at))
    find_orphans(stopped.job)
    assert Snapshot.objects.get(serial=UNKNOWN).run == first


def test_savepoints_of_two_jobs_that_somebody_called_the_same_are_both_found(stopped: Console, alice: User) -> None:
    other = Console(make_job(alice, stopped.job.workspace, stopped.endpoint, "payments"), alice, stopped.endpoint)
    other.start()
    paths = [write(one.job, UNKNOWN) for one in (stopped, other)]
    for _look in range(2):
        for one in (stopped, other):
            find_orphans(one.job)
    found = Snapshot.objects.filter(source="found").order_by("job").values_list("job", "location")
    assert list(found) == [(one.job.pk, f"file:{path}") for one, path in zip((stopped, other), paths, strict=True)]


def test_what_no_run_can_have_written_is_left_alone(stopped: Console) -> None:
    write(stopped.job, UNKNOWN)
    Run.objects.update(created_at=timezone.now() + timedelta(days=1))
    find_orphans(stopped.job)
    assert not Snapshot.objects.filter(serial=UNKNOWN).exists()


def test_what_is_not_ours_or_not_complete_is_left_alone(stopped: Console) -> None:
    write(stopped.job, "backup-of-monday")
    (write(stopped.job, UNKNOWN) / "_metadata").unlink()  # in writing
    find_orphans(stopped.job)
    assert Snapshot.objects.count() == 1


def test_what_an_operation_waits_for_is_left_to_it(stopped: Console) -> None:
    stopped.start()
    stopped.click_snapshot()
    write(stopped.job, stopped.snapshot.serial)
    find_orphans(stopped.job)
    assert stopped.snapshot.state == "creating"
    Snapshot.objects.filter(pk=stopped.snapshot.pk).update(asked_at=timezone.now())
    stopped.last.__class__.objects.filter(pk=stopped.last.pk).update(ended_at=timezone.now(), outcome="failed")
    find_orphans(stopped.job)
    assert stopped.snapshot.state == "creating"  # the watcher follows it


def test_many_jobs_take_turns(stopped: Console) -> None:
    write(stopped.job, UNKNOWN)
    for number in range(3):
        (snapshots_of(stopped.job).parent / f"cql-0000000{number}").mkdir()
    found = []
    for turn in range(6):
        operations.find_all_orphans(turn, jobs=1)
        found.append(Snapshot.objects.filter(serial=UNKNOWN).delete()[0])
    assert sum(found[:4]) == 1
    assert found[4:] == found[:2]
