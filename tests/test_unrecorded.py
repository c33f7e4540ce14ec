"""What runs on Flink and is on no record, because a backup was restored: it is found out, taken over, and never started twice (G2)."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from clusters.engine import Submission
from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.events import Selection
from jobs.flink_ids import Origin, flink_id_of_run, mark_of, new_flink_id, origin_of
from jobs.models import Job, Run, Version
from oceanus_console import audit
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.program import Program
from workspaces.refusal import Refusal

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=8)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@given(words, st.integers(1, 2**31), moments)
def test_an_id_tells_what_it_is_of(word: str, version: int, published_at: datetime) -> None:
    told = origin_of(flink_id_of_run(f"cql-{word}", version, published_at))
    assert told == Origin(f"cql-{word}", version if version <= 0xFFFF else 0, mark_of(published_at))


def test_ids_differ_and_those_of_others_tell_nothing() -> None:
    now = timezone.now()
    ids = {flink_id_of_run("cql-0a9zk3m1", 7, now) for _one in range(1000)}
    assert len(ids) == 1000
    assert [origin_of(odd) for odd in ("f" * 32, "", "0" * 31, "0" * 33, "g" * 32, "0" * 31 + "\n")] == [None] * 6
    assert len(flink_id_of_run("job-1", 7, now)) == 32  # an ID of another form, as no job has


pytestmark = pytest.mark.django_db


def start_unrecorded(console: Console, version: Version | None = None, restore_from: str = "") -> str:
    """Start the job as the console would have after the backup; return the id on Flink."""
    version = version or console.job.versions.latest("number")
    flink_id = flink_id_of_run(console.job.serial, version.number, version.published_at)
    console.endpoint.engine().submit(Submission(flink_id, console.job.name, [], 1, restore_from=restore_from))
    return flink_id


def lost_version(console: Console, number: int) -> Version:
    return Version(job=console.job, number=number, published_at=timezone.now() - timedelta(days=1))


def as_restored(endpoint: FlinkEndpoint) -> None:
    """Let the endpoint be as a backup of yesterday has it."""
    before = timezone.now() - timedelta(days=1)
    FlinkEndpoint.objects.filter(pk=endpoint.pk).update(seen_at=before, answers_since=before, unrecorded_jobs=[])


def as_seen_by_a_standby(endpoint: FlinkEndpoint) -> None:
    """Let the endpoint be as another database server has it that takes over now, and that lags by some seconds."""
    FlinkEndpoint.objects.filter(pk=endpoint.pk, seen_under__isnull=False).update(
        seen_at=timezone.now(), seen_under=timezone.now() - timedelta(days=1), unrecorded_jobs=[]
    )


def test_it_is_taken_over_and_can_be_stopped_with_a_snapshot(console: Console, fake: FakeFlink) -> None:
    flink_id = start_unrecorded(console)
    console.watch()
    run = console.run
    assert (console.job.status, run.flink_job_id, run.version.number) == ("running", flink_id, 1)
    assert console.job.current_run_id == run.pk
    assert FlinkEndpoint.objects.get().unrecorded_jobs == [], "it is no second one"
    assert (run.started_at, run.created_at) == (run.submitted_at, run.submitted_at)
    assert (run.cu, run.restored_from) == (run.version.cu, None)
    assert (console.last.outcome, console.last.requested_by) == ("succeeded", None)
    console.watch()
    assert console.job.runs.count() == 1
    console.click_stop()
    console.settle()
    assert (console.job.status, console.snapshot.state, console.snapshot.run) == ("stopped", "completed", run)
    assert fake.jobs[flink_id].state == "FINISHED"


def test_the_record_says_so(console: Console, client: Client) -> None:
    start_unrecorded(console)
    console.watch()
    client.force_login(console.user)
    page = client.get(f"/jobs/{console.job.serial}/events/").text
    assert "Run #1 of version 1 was found running on Flink" in page
    assert "found running" in client.get(f"/jobs/{console.job.serial}/operations/").text
    assert [one.kind for one in Selection(console.job).newest(1)] == ["started"]


def test_what_it_was_restored_from_is_known_where_that_is(console: Console) -> None:
    console.start()
    console.click_stop()
    console.settle()
    start_unrecorded(console, restore_from=console.snapshot.location)
    console.watch()
    assert (console.job.status, console.run.number, console.run.restored_from) == ("running", 2, console.snapshot)


@pytest.mark.parametrize("is_watched", [True, False], ids=["looked at since", "not looked at yet"])
@pytest.mark.parametrize("lose", [as_restored, as_seen_by_a_standby])
def test_it_is_not_started_a_second_time(console: Console, fake: FakeFlink, is_watched: bool, lose: Any) -> None:
    console.watch()
    lose(console.endpoint)
    flink_id = start_unrecorded(console)
    console.click_run()
    if is_watched:
        console.watch()  # it can't be taken over while the job is being operated
        assert console.job.runs.count() == 1
    console.perform()
    assert (console.last.outcome, console.job.problem.code) == ("failed", "runs-unrecorded")  # type: ignore[union-attr]
    assert list(fake.jobs) == [flink_id]
    console.watch()
    assert (console.job.status, console.job.problem, console.run.flink_job_id) == ("running", None, flink_id)


def test_the_console_does_not_run_it_again_by_itself(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, "java.io.IOException: gone")
    console.watch()
    assert console.job.recover_at
    as_restored(console.endpoint)
    flink_id = start_unrecorded(console)
    Job.objects.update(recover_at=timezone.now() - timedelta(minutes=1))
    for job in operations.due_recoveries():
        operations.recover(job)
    console.settle()
    console.watch()
    assert (console.job.status, console.job.recover_at, console.run.flink_job_id) == ("running", None, flink_id)
    assert [one.state for one in fake.jobs.values()].count("RUNNING") == 1


def test_a_version_that_is_lost_leaves_a_place_that_says_so(console: Console) -> None:
    start_unrecorded(console, lost_version(console, 4))
    console.watch()
    version = console.run.version
    assert (version.number, console.job.last_version_number) == (4, 4)
    assert "after the backup" in version.note
    console.click_stop()
    console.settle()
    with pytest.raises(Refusal, match="What version 4 does is not on record any more"):
        console.click_run(version=4)


def test_a_job_that_broke_is_not_told_that_its_lost_script_is_empty(console: Console, fake: FakeFlink) -> None:
    flink_id = start_unrecorded(console, lost_version(console, 4))
    console.watch()
    fake.fail_job(flink_id, "java.io.IOException: gone")
    console.watch()
    for _attempt in range(5):
        Job.objects.exclude(recover_at=None).update(recover_at=timezone.now() - timedelta(minutes=1))
        for job in operations.due_recoveries():
            operations.recover(job)
    problem = console.job.problem
    assert problem
    assert (console.job.status, console.job.recover_at, console.job.runs.count()) == ("failed", None, 1)
    assert (problem.code, problem.values["gave_up"]) == ("flink", True)
    assert "What version 4 does" in problem.values["refusal"]["en"]


def test_a_number_that_was_given_away_anew_is_not_mixed_up(console: Console) -> None:
    start_unrecorded(console, lost_version(console, 1))
    console.watch()
    assert (console.run.version.number, console.job.last_version_number) == (2, 2)


def test_parallelism_of_a_lost_version_is_what_runs(console: Console, fake: FakeFlink) -> None:
    version = lost_version(console, 2)
    flink_id = flink_id_of_run(console.job.serial, 2, version.published_at)
    console.endpoint.engine().submit(Submission(flink_id, console.job.name, [], 3))
    console.watch()
    widest = max(one.parallelism for one in console.endpoint.engine().figures(flink_id).tasks)
    assert (console.run.version.parallelism, console.run.cu) == (widest, console.run.version.cu)


def test_a_second_one_of_a_job_that_runs_is_told_of_and_left_alone(
    console: Console, fake: FakeFlink, client: Client, root: User
) -> None:
    run = console.start()
    second = start_unrecorded(console)
    for _look in range(2):
        console.watch()
    assert (console.job.status, console.run) == ("running", run)
    assert fake.jobs[second].state == "RUNNING"
    client.force_login(root)
    for path in (f"/jobs/{console.job.serial}/", f"/clusters/{console.endpoint.cluster.serial}/"):
        assert second in client.get(path).text, path
    assert f'<a href="/jobs/{console.job.serial}/">{console.job.serial}</a>' in client.get(path).text
    why = client.get(f"/jobs/{console.job.serial}/why/").context["report"]
    assert f"a second time, under {second}" in why
    fake.set_state(second, "CANCELED")
    console.watch()
    for path in (f"/jobs/{console.job.serial}/", f"/clusters/{console.endpoint.cluster.serial}/"):
        assert second not in client.get(path).text, path


def test_what_others_run_there_is_none_of_ours(console: Console, fake: FakeFlink, settings: Any) -> None:
    now = timezone.now()
    others = [new_flink_id() for _one in range(20)] + [flink_id_of_run("cql-notathere"[:12], 1, now)]
    for one in others:
        console.endpoint.engine().submit(Submission(one, "theirs", [], 1))
    console.watch()
    assert Run.objects.count() == 0
    assert FlinkEndpoint.objects.get().unrecorded_jobs == []
    console.start()
    assert len(fake.jobs) == len(others) + 1


def test_a_deleted_job_stays_deleted(console: Console) -> None:
    operations.delete(console.user, console.job)
    start_unrecorded(console)
    console.watch()
    assert not Run.objects.exists()


def test_it_waits_until_flink_tells_of_it(console: Console, fake: FakeFlink) -> None:
    flink_id = start_unrecorded(console)
    fake.fault(("GET", f"/jobs/{flink_id}/checkpoints"), "drop_answer", times=2)
    console.watch()
    console.watch()
    console.watch()
    assert console.job.status == "running"


def test_programs_see_it_and_the_record_stays_whole(console: Console) -> None:
    flink_id = start_unrecorded(console, lost_version(console, 4))
    console.watch()
    program = Program(console.user)
    [told] = program.call("DescribeJobs", {"JobIds": [console.job.serial]})["JobSet"]
    assert told["Status"] == 4
    configs = program.call("DescribeJobConfigs", {"JobId": console.job.serial})["JobConfigSet"]
    assert [one["Version"] for one in configs] == [4, 1]
    asked = {"JobId": console.job.serial, "StartTimestamp": 0, "EndTimestamp": 9_999_999_999}
    assert program.call("DescribeJobEvents", asked)["Events"]
    assert Run.objects.get().flink_job_id == flink_id
    audit.seal()
    call_command("verify_audit", stdout=io.StringIO())  # or CommandError


def test_a_cluster_on_which_a_thousand_are_on_no_record(console: Console, client: Client, root: User) -> None:
    version = console.job.versions.get()
    ids = sorted(flink_id_of_run(console.job.serial, 1, version.published_at) for _one in range(1000))
    FlinkEndpoint.objects.update(unrecorded_jobs=ids)
    client.force_login(root)
    path = f"/clusters/{console.endpoint.cluster.serial}/"
    page = client.get(path).text
    assert "runs 1000 jobs that are on no record." in page
    assert [one for one in ids if one in page] == ids[:10]
    assert "正在运行 1000 个没有记录的作业" in client.get(path, headers={"Accept-Language": "zh-Hans"}).text
