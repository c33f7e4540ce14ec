"""The newest checkpoint of every run is known while it runs and when it ends, at a cost that doesn't depend on their number."""

import shutil
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Run
from jobs.operations import checkpoints, restore
from jobs.states import Action
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink
from tests.test_batch import Desk
from tests.test_restore_points import complete, desk, fail, store, wait_a_minute
from tests.threads import in_thread

pytestmark = pytest.mark.django_db

__all__ = ["desk", "store"]


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


def test_a_job_that_finished_has_discarded_its_checkpoints(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    complete(fake, run, store, 1)
    wait_a_minute(run)
    console.watch()
    shutil.rmtree(store / run.flink_job_id)
    fake.finish_job(run.flink_job_id)
    console.watch()
    assert run.snapshots.get().state == "gone"
    assert restore.ranked(console.job) == []
    assert restore.best(console.job) is None


def test_where_the_folder_of_a_job_can_be_seen_flink_is_not_asked_for_its_last_checkpoint(
    console: Console, fake: FakeFlink, store: Path
) -> None:
    run = console.start()
    FlinkEndpoint.objects.update(checkpoint_directory=store.as_uri())
    (store / run.flink_job_id / "shared").mkdir(parents=True)
    third = complete(fake, run, store, 3)
    before = fake.seen("GET", r"/jobs/[^/]*/checkpoints")
    fake.fail_job(run.flink_job_id, "", state="CANCELED")
    console.watch()
    assert fake.seen("GET", r"/jobs/[^/]*/checkpoints") == before
    kept = run.snapshots.get()
    assert (kept.source, kept.state, kept.location) == ("checkpoint", "completed", f"file:{third}")
    assert Run.objects.get(pk=run.pk).end == "cancelled"


def test_where_it_can_not_be_seen_flink_is_asked(console: Console, fake: FakeFlink, store: Path) -> None:
    run = console.start()
    FlinkEndpoint.objects.update(checkpoint_directory=(store / "elsewhere").as_uri())
    second = complete(fake, run, store, 2)
    fake.fail_job(run.flink_job_id, "", state="CANCELED")
    console.watch()
    assert fake.seen("GET", r"/jobs/[^/]*/checkpoints") == 1
    assert run.snapshots.get().location == f"file:{second}"


def test_the_end_is_known_though_nobody_tells_the_last_checkpoint(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fault(("GET", r"/jobs/.*/checkpoints"), "status", status=500)
    fail(console, fake)
    assert (console.run.pk, console.run.end) == (run.pk, "failed")


def test_a_look_asks_for_few_checkpoints_however_many_jobs_there_are(desk: Desk, fake: FakeFlink) -> None:
    desk.settle(desk.batch(Action.RUN, desk.jobs(6), start="none"))
    Run.objects.update(started_at=timezone.now() - timedelta(hours=1))
    asked = []
    for _look in range(5):
        before = len(fake.requests)
        operations.watch(desk.endpoint.pk)
        asked.append([one.path for one in fake.requests[before:] if one.path.endswith("/checkpoints")])
    assert [len(paths) for paths in asked] == [2, 2, 2, 0, 0]
    assert len(set(chain(*asked))) == 6


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends_as", ["failed", "finished"])
def test_an_answer_that_was_overtaken_by_the_end_of_its_run_is_dropped(
    console: Console, fake: FakeFlink, store: Path, ends_as: str
) -> None:
    run = console.start()
    complete(fake, run, store, 1)
    other = make_job(console.user, console.job.workspace, console.endpoint, "other")
    slow = Console(other, console.user, console.endpoint).start()
    held = fake.fault(("GET", f"/jobs/{slow.flink_job_id}/checkpoints"), "delay")
    engine = console.endpoint.engine()
    asking = in_thread(lambda: checkpoints.keep_newest([run, slow], engine))
    held.wait()
    last = complete(fake, run, store, 2)
    if ends_as == "failed":
        fake.fail_job(run.flink_job_id, "java.io.IOException: gone")
    else:
        fake.finish_job(run.flink_job_id)
    wait_a_minute(run)
    console.watch()
    kept = [(one.state, one.location) for one in run.snapshots.all()]
    assert kept == ([("completed", f"file:{last}")] if ends_as == "failed" else [])
    held.release()
    asking.join()
    assert [(one.state, one.location) for one in run.snapshots.all()] == kept
