"""Flink often runs as another user. What it keeps to itself is not to be seen from here, and that stops nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Job
from jobs.operations import disk, restore
from jobs.preview import directory_of, newest_results
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.test_restore_points import complete

pytestmark = pytest.mark.django_db

NOBODY = 65534


def let_others_pass(path: Path) -> None:
    """Let everybody come as far as here: pytest keeps its directories to itself."""
    for one in (path, *path.parents):
        if not one.stat().st_mode & 0o001:
            one.chmod(0o755)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where Flink keeps checkpoints, with those of some other job; nobody may come as far as here."""
    (tmp_path / "checkpoints" / ("f" * 32)).mkdir(parents=True)
    let_others_pass(tmp_path)
    return tmp_path / "checkpoints"


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Let nobody look into a folder, and be nobody: before root everything is open."""
    before = os.geteuid()
    folder.chmod(0)
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
        folder.chmod(0o755)


def test_a_stop_ends_with_its_snapshot(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    console.click_stop()
    console.perform()
    assert fake.jobs[run.flink_job_id].savepoints
    with closed(store.parent / "snapshots" / console.job.serial):
        for _look in range(3):
            console.watch()
        assert (console.job.status, console.last.outcome) == ("stopped", "succeeded")
        assert (console.snapshot.state, console.snapshot.size_bytes) == ("completed", None)
        [point] = restore.ranked(console.job)
        assert not point.is_checked
    assert restore.ranked(console.job)[0].is_checked


@pytest.mark.parametrize("what", ["all", "its own", "the newest"])
def test_a_job_that_fails_is_shown_as_failed_and_keeps_its_checkpoint(
    console: Console, fake: FakeFlink, store: Path, what: str
) -> None:
    run = console.start()
    last = complete(fake, run, store, 7)
    FlinkEndpoint.objects.update(checkpoint_directory=f"file:{store}")
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    with closed({"all": store, "its own": last.parent, "the newest": last}[what]):
        console.watch()
        assert console.job.status == "failed"
        [point] = restore.ranked(console.job)
        assert point.snapshot.location == f"file:{last}"
        assert (point.is_checked, point.snapshot.state) == (False, "completed")


@pytest.mark.parametrize("what", ["part-1", "deeper"])
def test_results_that_may_not_be_read_are_left_out(
    alice: User, job: Job, store: Path, settings: Any, what: str
) -> None:
    settings.DATA_DIRECTORY = store.parent / "data"
    place = directory_of(job.workspace)
    (place / "deeper").mkdir(parents=True)
    for name, words in (("part-0", "for all"), ("part-1", "for some"), ("deeper/part-2", "for some")):
        (place / name).write_text(words)
    table = f"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '{place}'); INSERT INTO t SELECT 1;"
    operations.save_draft(alice, job, 1, {"sql": table})
    operations.publish(alice, job, "second")
    with closed(place / what):
        told = [line for one in newest_results(Job.objects.get(pk=job.pk)) for line in one.lines]
    assert sorted(told) == ["for all", "for some"]


def test_what_fails_us_tells_nothing() -> None:
    too_long = "file:///" + "x" * 300
    assert disk.is_closed(too_long)
    assert not disk.is_open(too_long)
    assert not disk.is_to_be_seen(too_long)
    assert disk.find_on_disk(too_long) == ""
    assert (disk.newest_checkpoint(too_long), disk.size_on_disk(too_long), disk.found_at(too_long)) == (None,) * 3
