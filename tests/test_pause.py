"""Pause (StopType 2) and resume (RunType 2), as programs ask for them. Never paused without a completed snapshot."""

from typing import Any

import pytest
from django.test import Client

from clusters.models import Cluster
from jobs import operations
from jobs.models import Operation, Snapshot
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.program import Program

pytestmark = pytest.mark.django_db


class Script:
    """A program that operates the job of `console`."""

    def __init__(self, console: Console) -> None:
        self.serial, self.program = console.job.serial, Program(console.user)

    def stop(self, kind: int) -> dict[str, Any]:
        return self.program.call("StopJobs", {"StopJobDescriptions": [{"JobId": self.serial, "StopType": kind}]})

    def run(self, kind: int = 1, **fields: Any) -> dict[str, Any]:
        one = {"JobId": self.serial, "RunType": kind} | fields
        return self.program.call("RunJobs", {"RunJobDescriptions": [one]})

    @property
    def status(self) -> int:
        return int(self.program.call("DescribeJobs", {"JobIds": [self.serial]})["JobSet"][0]["Status"])


@pytest.fixture
def script(console: Console) -> Script:
    return Script(console)


def code(answer: dict[str, Any]) -> str:
    return str(answer["Error"]["Code"])


def test_a_job_is_paused_and_resumed_from_the_snapshot_of_its_pause(
    console: Console, script: Script, fake: FakeFlink
) -> None:
    script.run()
    assert script.status == 3
    console.settle()
    assert script.status == 4
    script.stop(2)
    assert script.status == 3
    console.settle()
    assert (script.status, console.run.end) == (6, "paused")
    kept = console.snapshot
    assert (kept.source, kept.state) == ("stop", "completed")
    assert fake.seen("PATCH", r"/jobs/.*") == 0
    assert "Error" not in script.run(2)
    console.settle()
    assert (script.status, console.run.restored_from) == (4, kept)


def test_a_stop_without_a_snapshot_ends_as_stopped(console: Console, script: Script, fake: FakeFlink) -> None:
    console.start()
    script.stop(1)
    console.settle()
    assert (script.status, console.run.end) == (5, "stopped")
    assert fake.seen("POST", r"/jobs/.*/stop") == 0
    assert code(script.run(2)) == "InvalidParameterValue.RunType"


def test_a_stop_on_the_page_with_a_snapshot_is_no_pause(console: Console, script: Script) -> None:
    console.start()
    console.click_stop()
    console.settle()
    assert console.job.status == "stopped"


def test_a_pause_whose_snapshot_fails_leaves_the_job_running(console: Console, script: Script, fake: FakeFlink) -> None:
    console.start()
    fake.fail_next_savepoint("java.io.IOException: No space left on device")
    script.stop(2)
    console.settle()
    assert (script.status, console.last.outcome) == (4, "failed")
    assert fake.seen("PATCH", r"/jobs/.*") == 0


@pytest.mark.parametrize("damage", ["reset_before", "drop_answer", "html", "garbage", "truncated"])
def test_a_pause_whose_answer_is_lost_ends_as_paused(
    console: Console, script: Script, fake: FakeFlink, damage: Any
) -> None:
    console.start()
    fake.fault(("POST", r"/jobs/[^/]*/stop"), damage)
    script.stop(2)
    console.settle()
    assert (script.status, console.snapshot.state) == (6, "completed")
    assert Snapshot.objects.count() == 1


def test_a_pause_whose_trigger_is_forgotten_ends_as_paused(console: Console, script: Script, fake: FakeFlink) -> None:
    console.start()
    fake.hold_savepoints()
    script.stop(2)
    console.perform()
    fake.release_savepoints()
    fake.forget_triggers()
    console.settle()
    assert (script.status, console.snapshot.state) == (6, "completed")


def test_a_pause_that_comes_too_late_is_a_stop_with_its_snapshot_kept(
    console: Console, script: Script, fake: FakeFlink
) -> None:
    """The pause was told to have failed, so it isn't called paused afterwards; what it kept can be run from."""
    console.start()
    fake.hold_savepoints()
    script.stop(2)
    console.settle(2)
    Operation.objects.filter(pk=console.last.pk).update(deadline_at="2020-01-01T00:00:00Z")
    console.settle(1)
    assert (script.status, console.last.outcome) == (4, "failed")
    fake.release_savepoints()
    console.watch()
    console.watch()
    assert (script.status, console.snapshot.state) == (5, "completed")


def test_a_later_stop_is_no_pause_because_an_earlier_one_came_to_nothing(
    console: Console, script: Script, fake: FakeFlink
) -> None:
    console.start()
    fake.savepoint_then_fail(state="RUNNING")
    script.stop(2)
    console.settle(4)
    Operation.objects.filter(pk=console.last.pk).update(deadline_at="2020-01-01T00:00:00Z")
    console.watch()
    assert (script.status, console.snapshot.state) == (4, "completed")
    script.stop(1)
    console.settle()
    assert (script.status, console.run.end) == (5, "stopped")


def test_a_pause_whose_snapshot_is_gone_is_not_resumed(console: Console, script: Script) -> None:
    console.start()
    script.stop(2)
    console.settle()
    Snapshot.objects.update(state="gone")
    assert code(script.run(2)) == "FailedOperation"
    assert script.status == 6
    assert "Error" not in script.run(1)


def test_several_are_stopped_or_started_all_or_none(console: Console, script: Script) -> None:
    console.start()
    idle, _changes = operations.copy(console.user, console.job, console.job.cluster, "idle", None)
    both = [console.job.serial, idle.serial]
    answer = script.program.call("StopJobs", {"StopJobDescriptions": [{"JobId": one, "StopType": 1} for one in both]})
    assert code(answer) == "ResourceUnavailable.NotAllowedToBeStopOrPause"
    assert idle.serial in answer["Error"]["Message"]
    assert console.job.status == "running", "nothing was begun"
    answer = script.program.call("RunJobs", {"RunJobDescriptions": [{"JobId": one, "RunType": 1} for one in both]})
    assert code(answer) == "ResourceInUse.InstanceInProcess"
    idle.refresh_from_db()
    assert idle.status == "stopped"


def test_a_run_is_refused_with_the_official_codes(console: Console, script: Script) -> None:
    assert code(script.run(JobConfigVersion=9)) == "ResourceNotFound.JobConfig"
    assert code(script.run(RunType=3)) == "InvalidParameterValue.RunType"
    assert code(script.stop(3)) == "InvalidParameterValue.UnknownStopType"
    many = [{"JobId": console.job.serial, "RunType": 1}] * 21
    answer = script.program.call("RunJobs", {"RunJobDescriptions": many})
    assert code(answer) == "InvalidParameterValue.RunJobDescriptionsCount"
    Cluster.objects.update(total_cu=1)
    assert code(script.run()) == "ResourceInsufficient.CU"
    assert console.job.status == "stopped"


def test_a_paused_job_is_run_from_the_page_with_its_snapshot_chosen_beforehand(
    console: Console, script: Script, client: Client
) -> None:
    console.start()
    script.stop(2)
    console.settle()
    client.force_login(console.user)
    page = client.get(f"/jobs/{console.job.serial}/").text
    assert "Paused" in page
    dialog = client.get(f"/jobs/{console.job.serial}/run/").text
    assert 'value="latest"' in dialog
    assert "checked" in dialog.partition('value="latest"')[2].partition(">")[0]
