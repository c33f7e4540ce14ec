"""Whatever Flink says of a job, the job is judged: words that the database does not take hold up nothing."""

from datetime import timedelta

import pytest
from django.db.models import F

from clusters.flink_answers import parsed
from jobs.models import Operation
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db

BINARY = "java.io.IOException: Failed to deserialize '\x00\x01'."
TOLD = "IOException: Failed to deserialize '\ufffd\x01'."


def test_a_job_that_fails_over_binary_data_is_shown_as_failed(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, BINARY)
    console.watch()
    assert console.job.status == "failed"
    assert console.job.problem
    assert console.job.problem.summary == TOLD


def test_a_run_that_is_refused_so_is_told_why(console: Console, fake: FakeFlink) -> None:
    fake.refuse_next_run(BINARY)
    console.click_run()
    console.settle()
    assert console.last.outcome == "failed"
    assert console.job.problem
    assert console.job.problem.summary == TOLD
    assert fake.seen("POST", "/jars/[^/]*/run") == 1


def test_a_snapshot_that_fails_so_ends(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.fail_next_savepoint(BINARY)
    console.click_stop()
    console.settle()
    assert (console.last.outcome, console.job.status, console.snapshot.state) == ("failed", "running", "failed")


@pytest.mark.parametrize(
    ("written", "read"),
    [(rb'"\u0000"', "\ufffd"), (rb'"\\u0000"', r"\u0000"), (rb'"\\\u0000\u0000"', "\\\ufffd\ufffd"), (b'"x"', "x")],
)
def test_only_the_character_itself_is_replaced(written: bytes, read: str) -> None:
    assert parsed(written) == read


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("length", "is_kept"), [(4000, True), (6000, False)])
def test_a_checkpoint_with_a_very_long_path_holds_up_nobody(
    console: Console, fake: FakeFlink, length: int, is_kept: bool
) -> None:
    run = console.start()
    # The script of a job may say where its checkpoints lie.
    fake.complete_checkpoint(run.flink_job_id, "s3://bucket/" + "x" * length + "/chk-1")
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    assert console.job.status == "failed"
    assert run.snapshots.filter(state="completed").exists() == is_kept


@pytest.mark.django_db(transaction=True)
def test_an_operation_that_cannot_be_followed_ends_at_its_deadline(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.click_stop()
    console.perform()
    told = {"status": {"id": "COMPLETED"}, "operation": {"location": "file:/" + "x" * 6000}}
    fake.fault(("GET", "/jobs/.*/savepoints/.*"), "status", None, status=200, body=told)
    console.watch()
    assert console.last.outcome == ""
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=F("deadline_at") - timedelta(hours=1))
    console.watch()
    assert console.last.outcome == "failed"
    assert console.last.problem
    assert console.last.problem.code == "not-followed"
