"""Restore points: the newest checkpoint of every run is known, looked at before it is offered, and never lost in silence."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from jobs.models import Run
from jobs.operations import restore
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where Flink keeps checkpoints, with those of some other job."""
    (tmp_path / "checkpoints" / ("f" * 32)).mkdir(parents=True)
    return tmp_path / "checkpoints"


def complete(fake: FakeFlink, run: Run, store: Path, number: int) -> Path:
    """Let a checkpoint of `run` be completed, on disk too."""
    path = write(store, run, number)
    fake.complete_checkpoint(run.flink_job_id, f"file:{path}")
    return path


def write(store: Path, run: Run, number: int) -> Path:
    path = store / run.flink_job_id / f"chk-{number}"
    path.mkdir(parents=True)
    (path / "_metadata").write_bytes(b"a checkpoint of the fake Flink")
    return path


def fail(console: Console, fake: FakeFlink) -> None:
    fake.fail_job(console.run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    assert console.job.status == "failed"


def lose(console: Console, fake: FakeFlink) -> None:
    """Let a JobManager without high availability die."""
    fake.restart(keep_jobs=False)
    console.watch()
    long_ago = timezone.now() - timedelta(hours=1)
    Run.objects.filter(pk=console.run.pk).update(missing_since=long_ago)
    console.watch()
    assert console.run.end == "lost"


def wait_a_minute(run: Run) -> None:
    """Let the run be due to be asked for its newest checkpoint."""
    ago = timezone.now() - timedelta(minutes=2)
    Run.objects.filter(pk=run.pk).update(checkpoints_seen_at=ago, started_at=ago)


def test_the_newest_checkpoint_is_kept_while_the_job_runs(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    complete(fake, run, store, 1)
    second = complete(fake, run, store, 2)
    wait_a_minute(run)
    console.watch()
    kept = run.snapshots.get()
    assert (kept.source, kept.state, kept.location, kept.size_bytes) == (
        "checkpoint",
        "completed",
        f"file:{second}",
        1024,
    )
    third = complete(fake, run, store, 3)
    console.watch()
    assert run.snapshots.get().location == f"file:{second}"  # not asked within the minute
    wait_a_minute(run)
    console.watch()
    assert run.snapshots.get().location == f"file:{third}"


def test_the_last_checkpoint_is_known_when_the_job_has_failed(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    last = complete(fake, run, store, 7)
    fail(console, fake)
    assert restore.where_to_go_on(console.run) == run.snapshots.get(location=f"file:{last}")
    [point] = restore.ranked(console.job)
    assert point.is_checked
    assert point.reason == "Newest checkpoint of run #1, 0 s before it failed; seen on disk"


def test_without_any_checkpoint_it_goes_on_as_it_began(console: Console, fake: FakeFlink) -> None:
    console.start()
    fail(console, fake)
    assert restore.where_to_go_on(console.run) is None
    assert restore.ranked(console.job) == []
