"""Restore points: the newest checkpoint of every run is known, looked at before it is offered, and never lost in silence."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from clusters.flink import plain_path
from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Run, Snapshot
from jobs.operations import restore
from jobs.states import Action
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.test_batch import Desk
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where Flink keeps checkpoints, with those of some other job."""
    (tmp_path / "checkpoints" / ("f" * 32)).mkdir(parents=True)
    return tmp_path / "checkpoints"


@pytest.fixture
def desk(alice: User, workspace: Workspace, endpoint: FlinkEndpoint) -> Desk:
    return Desk(alice, workspace, endpoint)


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
    lose_patience(console.run)
    console.watch()
    assert console.run.end == "lost"


def lose_patience(run: Run) -> None:
    """As if it had been missing for an hour, at an endpoint that has answered all the time."""
    long_ago = timezone.now() - timedelta(hours=1)
    Run.objects.filter(pk=run.pk).update(missing_since=long_ago)
    FlinkEndpoint.objects.filter(pk=run.endpoint_id).update(answers_since=long_ago)


def wait_a_minute(run: Run) -> None:
    """Let the run be due to be asked for its newest checkpoint."""
    ago = timezone.now() - timedelta(minutes=2)
    Run.objects.filter(pk=run.pk).update(checkpoints_seen_at=ago, started_at=ago)


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


def test_a_newer_checkpoint_than_the_last_that_was_told_of_is_taken(
    console: Console, fake: FakeFlink, store: Path
) -> None:
    run = console.start()
    told = complete(fake, run, store, 9)
    wait_a_minute(run)
    console.watch()
    newest = write(store, run, 10)
    shutil.rmtree(told)
    (store / run.flink_job_id / "chk-11").mkdir()  # in writing
    lose(console, fake)
    found = restore.where_to_go_on(console.run)
    assert found
    assert found.location == f"file:{newest}" == run.snapshots.get().location


def test_an_older_one_is_taken_when_the_last_is_gone(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    older = complete(fake, run, store, 1)
    last = complete(fake, run, store, 2)
    fail(console, fake)
    shutil.rmtree(last)
    assert [point.snapshot.location for point in restore.ranked(console.job)] == [f"file:{older}"]


def test_what_is_gone_is_not_offered_and_is_back_when_it_is(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    path = complete(fake, run, store, 1)
    fail(console, fake)
    path.rename(store / "elsewhere")
    assert restore.ranked(console.job) == []
    assert run.snapshots.get().state == "gone"
    with pytest.raises(operations.Refusal, match="Run #1 had state, but none"):
        restore.where_to_go_on(console.run)
    (store / "elsewhere").rename(path)
    assert restore.where_to_go_on(console.run) == run.snapshots.get(state="completed")


@pytest.mark.parametrize("is_empty_directory", [True, False])
def test_nothing_is_concluded_while_the_mount_is_away(
    console: Console, fake: FakeFlink, store: Path, is_empty_directory: bool
) -> None:
    run = console.start()
    complete(fake, run, store, 1)
    console.click_snapshot()
    console.settle()
    fail(console, fake)
    for root in (store, store.parent / "snapshots"):
        root.rename(root.with_suffix(".away"))
        if is_empty_directory:
            root.mkdir()
    points = restore.ranked(console.job)
    assert [point.is_checked for point in points] == [False, False]
    assert points[0].reason.endswith("; its file system can't be seen from here")
    assert set(run.snapshots.values_list("state", flat=True)) == {"completed"}


def test_a_snapshot_that_was_never_to_be_seen_is_trusted(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop()
    console.settle()
    shutil.rmtree(Path(plain_path(console.snapshot.location)))
    Snapshot.objects.update(size_bytes=None)  # as it is when it lies on another machine, under a path that is here too
    assert [point.is_checked for point in restore.ranked(console.job)] == [False]


def test_a_run_that_was_lost_before_it_was_asked_is_found_beside_others(
    console: Console, fake: FakeFlink, store: Path
) -> None:
    first = console.start()
    complete(fake, first, store, 1)
    fail(console, fake)
    second = console.start()
    path = write(store, second, 4)
    lose(console, fake)
    assert restore.ranked(console.job)[0].snapshot.location == f"file:{path}"
    found = restore.where_to_go_on(console.run)
    assert found
    assert found.run == second


def test_state_that_may_have_been_is_not_thrown_away(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(hours=2))
    fake.restart(keep_jobs=False)
    console.watch()
    lose_patience(run)
    console.watch()
    with pytest.raises(operations.Refusal, match="not known which checkpoint"):
        restore.where_to_go_on(console.run)


def test_a_run_that_got_nowhere_goes_on_from_where_it_began(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop()
    console.settle()
    began = console.snapshot
    console.click_run(snapshot=began)
    console.settle()
    fail(console, fake)
    assert restore.where_to_go_on(console.run) == began
    shutil.rmtree(Path(plain_path(began.location)))
    with pytest.raises(operations.Refusal, match="began from is not there any more"):
        restore.where_to_go_on(console.run)


def test_a_run_goes_on_from_a_checkpoint_which_then_stays(console: Console, fake: FakeFlink, store: Path) -> None:
    first = console.start()
    path = complete(fake, first, store, 1)
    fail(console, fake)
    kept = first.snapshots.get()
    console.click_run(snapshot=kept)
    console.settle()
    assert console.job.status == "running"
    assert fake.jobs[console.run.flink_job_id].restored_from == f"file:{path}"
    write(store, first, 2)
    restore.ranked(console.job)
    kept.refresh_from_db()
    assert kept.location == f"file:{path}"


def test_a_start_from_what_is_gone_is_refused(console: Console) -> None:
    console.start()
    console.click_stop()
    console.settle()
    shutil.rmtree(Path(plain_path(console.snapshot.location)))
    with pytest.raises(operations.Refusal, match=f"{console.snapshot.serial} is not there any more"):
        console.click_run(snapshot=console.snapshot)
    assert (console.job.status, console.snapshot.state) == ("stopped", "gone")


def test_a_stop_with_a_snapshot_goes_before_what_came_earlier(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    complete(fake, run, store, 1)
    wait_a_minute(run)
    console.watch()
    console.click_stop()
    console.settle()
    best = restore.ranked(console.job)[0]
    assert best.reason == "Snapshot of the stop of run #1; seen on disk"


def test_a_snapshot_that_was_heard_of_late_does_not_pass_for_new(
    console: Console, fake: FakeFlink, store: Path
) -> None:
    run = console.start()
    console.click_snapshot()
    console.settle()
    complete(fake, run, store, 1)
    fail(console, fake)
    later = timezone.now() + timedelta(hours=1)
    run.snapshots.filter(source="manual").update(ended_at=later)
    assert [point.snapshot.source for point in restore.ranked(console.job)] == ["checkpoint", "manual"]


def test_a_batch_goes_on_from_the_newest_and_refuses_what_lost_its_state(
    desk: Desk, fake: FakeFlink, store: Path
) -> None:
    jobs = desk.jobs(3)
    desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    paths = [complete(fake, job.runs.get(), store, 1) for job in jobs[:2]]
    desk.settle(desk.batch(Action.STOP, jobs, with_snapshot=False))
    shutil.rmtree(paths[1])
    points = restore.best_of(jobs)
    assert [points.get(job.pk, "never") is None for job in jobs] == [False, True, False]
    again = desk.settle(desk.batch(Action.RUN, jobs, start="latest"))
    assert list(again.items.values_list("state", flat=True)) == ["succeeded", "refused", "succeeded"]
    origins = [fake.jobs[job.runs.latest("number").flink_job_id].restored_from for job in (jobs[0], jobs[2])]
    assert origins == [f"file:{paths[0]}", ""]


@pytest.mark.parametrize("count", [2, 9])
def test_many_jobs_are_ranked_in_one_query(desk: Desk, count: int, django_assert_num_queries: Any) -> None:
    jobs = desk.jobs(count)
    desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    desk.settle(desk.batch(Action.STOP, jobs, with_snapshot=True))
    with django_assert_num_queries(1):
        assert len(restore.best_of(jobs)) == count
    for snapshot in Snapshot.objects.all():
        shutil.rmtree(Path(plain_path(snapshot.location)))
    with django_assert_num_queries(2):
        assert set(restore.best_of(jobs).values()) == {None}


def test_the_dialog_shows_the_best_with_its_reason(
    client: Client, alice: User, console: Console, fake: FakeFlink, store: Path
) -> None:
    run = console.start()
    path = complete(fake, run, store, 1)
    fail(console, fake)
    client.force_login(alice)
    address = f"/jobs/{console.job.serial}/run/"
    assert client.get(address).text.count("Newest checkpoint of run #1, 0 s before it failed; seen on disk") == 2
    assert "Retained checkpoint" in client.get(f"/jobs/{console.job.serial}/snapshots/").text
    shutil.rmtree(path)
    assert "None of the snapshots of this job is there any more." in client.get(address).text
    assert "No longer there" in client.get(f"/jobs/{console.job.serial}/snapshots/").text
    assert client.post(address, {"version": 1, "start": "latest"}).status_code == 422
