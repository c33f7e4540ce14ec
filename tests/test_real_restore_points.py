"""On the real Flink: a job that ended without a snapshot goes on from its newest retained checkpoint, and nothing is lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.flink import plain_path
from clusters.models import FlinkEndpoint
from jobs.flink_ids import flink_id_of_run
from jobs.models import Job, Run
from jobs.operations import restore
from jobs.operations.submit import submission_of
from tests.test_real_flink import DATAGEN, Person, publish
from tests.until import until

pytestmark = [pytest.mark.flink, pytest.mark.django_db(transaction=True)]

__all__ = ["publish"]

LAST = 500
INTO_FILES = """WITH (
    'connector' = 'filesystem', 'path' = '{path}', 'format' = 'json',
    'sink.rolling-policy.rollover-interval' = '1 s', 'sink.rolling-policy.check-interval' = '500 ms'
)"""


@pytest.fixture
def counting(publish: Callable[..., Person], tmp_path: Path) -> Person:
    """A job that writes the numbers 1 to LAST into files, 50 a second, each once."""
    sql = DATAGEN.format(end=LAST, what="n").replace("'rows-per-second' = '10'", "'rows-per-second' = '50'")
    sql = sql.replace("WITH ('connector' = 'blackhole')", INTO_FILES.format(path=(tmp_path / "out").as_uri()))
    return publish("counting", sql, checkpoint_interval_seconds=1)


def written(directory: Path) -> list[int]:
    return sorted(json.loads(line)["n"] for path in directory.glob("part-*") for line in path.read_text().splitlines())


def test_a_job_goes_on_from_its_newest_checkpoint(
    counting: Person, worker: None, real: FlinkEndpoint, client: Client, alice: User, tmp_path: Path
) -> None:
    counting.run()
    counting.sees("running")
    until(lambda: written(tmp_path / "out"), "a checkpoint is complete: what came before it is committed")
    counting.stop(with_snapshot=False)
    job = counting.sees("stopped")
    [point] = restore.ranked(job)
    assert point.is_checked
    assert point.reason.startswith("Newest checkpoint of run #1, ")
    assert (Path(plain_path(point.snapshot.location)) / "_metadata").is_file()
    client.force_login(alice)
    assert "Newest checkpoint of run #1, " in client.get(f"/jobs/{job.serial}/run/").text
    assert 0 < len(written(tmp_path / "out")) < LAST

    client.post(f"/jobs/{job.serial}/run/", {"version": 1, "start": "latest"})
    run = until(lambda: counting.job.runs.filter(number=2, started_at__isnull=False).first(), "the second run")
    assert plain_path(real.engine().restored_from(run.flink_job_id)) == plain_path(point.snapshot.location)
    until(lambda: counting.job.current_run.end == "finished", "finished")
    assert written(tmp_path / "out") == list(range(1, LAST + 1))


def test_a_job_that_failed_goes_on_where_it_was(publish: Callable[..., Person], worker: None) -> None:
    never = {"restart-strategy.type": "none"}
    person = publish(
        "zero", DATAGEN.format(end=1000, what="100 / (n - 40)"), checkpoint_interval_seconds=1, properties=never
    )
    Job.objects.update(auto_recovery=False)
    person.run()
    person.sees("running")
    job = person.sees("failed")
    found = restore.where_to_go_on(job.current_run)
    assert found
    assert (found.source, found.run_id, found.state) == ("checkpoint", job.current_run.pk, "completed")
    assert restore.ranked(job)[0].reason.endswith("before it failed; seen on disk")
    person.run(snapshot=found)
    again = until(lambda: person.job.runs.filter(number=2).exclude(end="").first(), "it fails at the same number again")
    assert (again.end, again.restored_from) == ("failed", found)


def test_what_was_started_after_the_backup_is_taken_over_with_its_state(
    counting: Person, worker: None, real: FlinkEndpoint, tmp_path: Path
) -> None:
    counting.run()
    counting.sees("running")
    until(lambda: written(tmp_path / "out"), "a checkpoint is complete: what came before it is committed")
    counting.stop()
    job = counting.sees("stopped")
    snapshot, version = job.snapshots.get(source="stop"), job.versions.get()
    # As the console would have started it, had the backup not been restored: its record knows nothing of it.
    flink_id = flink_id_of_run(job.serial, version.number, version.published_at)
    lost = Run(job=job, version=version, endpoint=real, flink_job_id=flink_id, restored_from=snapshot)
    real.engine().submit(submission_of(lost))
    job = counting.sees("running")
    run = job.runs.get(number=2)
    assert (run.flink_job_id, run.version, run.restored_from) == (flink_id, version, snapshot)
    until(lambda: Run.objects.get(pk=run.pk).is_up, "all its tasks work")
    counting.stop()
    counting.sees("stopped")
    assert job.snapshots.get(run=run, source="stop").state == "completed"
    counting.run(snapshot=job.snapshots.get(run=run, source="stop"))
    until(lambda: counting.job.current_run.end == "finished", "finished")
    assert written(tmp_path / "out") == list(range(1, LAST + 1))
    assert not real.engine().jobs().alive & set(job.runs.values_list("flink_job_id", flat=True))
