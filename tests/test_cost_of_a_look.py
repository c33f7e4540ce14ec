"""A look costs what has changed: one request and the same statements for one job and for a hundred; failures, asked for of those that failed."""

from collections import Counter
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Job, Run, Version
from jobs.operations import truth
from jobs.operations.at_once import AT_A_TIME
from jobs.operations.causes import Causes
from jobs.operations.closing import close_all
from jobs.states import Status
from tests.conftest import SQL, Console
from tests.fake_flink import FakeFlink
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(alice: User, workspace: Workspace, endpoint: FlinkEndpoint, fake: FakeFlink) -> Callable[[int], list[Job]]:
    """Let so many jobs run, here and on Flink, whose checkpoints have just been asked for."""
    fake.slots_total = 1000
    engine = endpoint.engine()

    def run(count: int) -> list[Job]:
        first = Job.objects.count()
        told = {"workspace": workspace, "cluster": endpoint.cluster, "endpoint": endpoint, "created_by": alice}
        jobs = Job.objects.bulk_create(
            Job(name=f"job-{first + n}", status=Status.RUNNING, last_version_number=1, last_run_number=1, **told)
            for n in range(count)
        )
        versions = Version.objects.bulk_create(
            Version(job=job, number=1, note="first", sql=SQL, published_by=alice) for job in jobs
        )
        now = timezone.now()
        runs = Run.objects.bulk_create(
            Run(job=version.job, number=1, version=version, endpoint=endpoint, cu=1, submitted_at=now, started_at=now,
                checkpoints_seen_at=now, flink_state="RUNNING", tasks_up=2, tasks_total=2)
            for version in versions
        )  # fmt: skip
        for one in runs:
            one.job.current_run = one
            engine.submit(operations.submission_of(one))
        Job.objects.bulk_update([one.job for one in runs], ["current_run"])
        operations.watch(endpoint.pk)  # what is asked once of each Flink has been asked
        return jobs

    return run


def look(endpoint: FlinkEndpoint, fake: FakeFlink) -> tuple[int, Counter[str]]:
    """Look once; return the number of statements, and what was asked how often."""
    before = len(fake.requests)
    with CaptureQueriesContext(connection) as queries:
        operations.watch(endpoint.pk)
    return len(queries), Counter(one.path.rsplit("/", 1)[-1] for one in fake.requests[before:])


def fail(fake: FakeFlink, jobs: list[Job]) -> None:
    for job in jobs:
        fake.fail_job(job.current_run.flink_job_id, f"java.lang.ArithmeticException: {job.name}")


def test_a_look_at_nothing_new_costs_the_same_for_one_and_for_a_hundred_jobs(running, endpoint, fake) -> None:
    running(1)
    of_one = look(endpoint, fake)
    assert of_one == (7, Counter({"overview": 1}))
    running(99)
    assert Run.objects.filter(ended_at=None).count() == 100
    assert look(endpoint, fake) == of_one


def test_jobs_that_fail_at_once_are_asked_for_their_causes_and_nobody_else(running, endpoint, fake) -> None:
    jobs = running(60)
    fail(fake, jobs[:40])
    statements, asked = look(endpoint, fake)
    assert asked == {"overview": 1, "exceptions": 40, "checkpoints": 40}
    failed = Job.objects.filter(status=Status.FAILED).select_related("problem", "current_run")
    assert {job.problem.summary for job in failed} == {f"ArithmeticException: {job.name}" for job in jobs[:40]}
    assert all(job.current_run.end == "failed" and job.recover_at for job in failed)
    # Of each, the problem. Everything else is done for all of them together.
    assert statements < 40 + 40


def test_one_that_cannot_be_asked_does_not_hold_up_the_others(running, endpoint, fake) -> None:
    jobs = running(3)
    fail(fake, jobs)
    mute = jobs[1].current_run.flink_job_id
    fake.fault(("GET", f"/jobs/{mute}/(exceptions|checkpoints)"), "status", times=None, status=500)
    look(endpoint, fake)
    assert list(Job.objects.order_by("pk").values_list("status", flat=True)) == ["failed", "running", "failed"]
    fake.clear_faults()
    look(endpoint, fake)
    assert not Job.objects.exclude(status="failed").exists()


def test_a_flink_that_has_gone_silent_is_not_asked_for_each_cause(running, endpoint, fake) -> None:
    jobs = running(60)
    fail(fake, jobs)
    fake.fault(("GET", "/jobs/.*/(exceptions|checkpoints)"), "reset_before", times=None)
    _statements, asked = look(endpoint, fake)
    assert asked["exceptions"] <= 3 * AT_A_TIME  # a question whose connection was lost is asked again
    assert not Job.objects.exclude(status="running").exists()
    fake.clear_faults()
    look(endpoint, fake)
    assert not Job.objects.exclude(status="failed").exists()


def test_a_click_between_the_look_and_its_writing_goes_first(console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    engine = console.endpoint.engine()
    run.endpoint = console.endpoint
    ended = truth.settle(run, engine, engine.jobs()[run.flink_job_id], is_gone=False, causes=Causes(engine))
    assert ended
    console.click_stop(with_snapshot=False)
    close_all([ended])
    assert (console.run.ended_at, console.job.status) == (None, "operating")
    console.settle()
    assert (console.run.end, console.job.status) == ("failed", "failed")
