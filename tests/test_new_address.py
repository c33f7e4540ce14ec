"""A Flink that gets another address: what runs at the former one is not run once more at the new one, and not called ended."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from clusters.acts import change_endpoint
from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Job
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.test_restore_points import lose_patience

pytestmark = pytest.mark.django_db


@pytest.fixture
def other() -> Iterator[FakeFlink]:
    with FakeFlink() as flink:
        yield flink


def move(console: Console, root: User, url: str) -> None:
    values = {"flink_version": "2.2.1", "rest_url": url, "dashboard_url": "", "is_default": True}
    change_endpoint(root, console.endpoint, values)


def moving(console: Console, root: User, url: str) -> Callable[[object], None]:
    """Give it another address at the very moment in which something is asked at this one."""

    def at_once(_request: object) -> None:
        move(console, root, url)
        connection.close()

    return at_once


def lose(console: Console) -> None:
    console.watch()
    lose_patience(console.run)
    console.watch()
    assert (console.job.status, console.run.end) == ("failed", "lost")


def recover_if_due(console: Console) -> None:
    Job.objects.filter(recover_at__isnull=False).update(recover_at=timezone.now() - timedelta(minutes=1))
    for job in operations.due_recoveries():
        operations.recover(job)
    console.settle()


def test_what_is_not_known_there_is_not_run_once_more(
    console: Console, fake: FakeFlink, other: FakeFlink, root: User
) -> None:
    run = console.start()
    move(console, root, other.url)
    lose(console)
    assert console.job.problem
    assert console.job.problem.code == "lost-at-new-address"
    recover_if_due(console)
    assert other.submissions() == []
    # The address is corrected: the job is found again.
    move(console, root, fake.url)
    console.watch()
    assert (console.job.status, console.run.pk, console.run.is_unseen_here) == ("running", run.pk, False)


def test_what_is_lost_there_during_a_snapshot_is_not_run_once_more(
    console: Console, fake: FakeFlink, other: FakeFlink, root: User
) -> None:
    run = console.start()
    fake.hold_savepoints()
    console.click_snapshot()
    console.perform()
    move(console, root, other.url)
    lose(console)
    recover_if_due(console)
    assert (console.run.pk, other.submissions()) == (run.pk, [])


def test_what_the_console_itself_has_just_begun_is_not_begun_once_more_there(
    console: Console, fake: FakeFlink, other: FakeFlink, root: User
) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    fake.hold_starts("CREATED")
    Job.objects.filter(recover_at__isnull=False).update(recover_at=timezone.now() - timedelta(minutes=1))
    for job in operations.due_recoveries():
        operations.recover(job)
    console.perform()
    again = console.run
    assert (again.number, console.last.step) == (2, "starting")
    move(console, root, other.url)
    lose(console)
    recover_if_due(console)
    assert (console.run.pk, other.submissions()) == (again.pk, [])


def test_a_stop_there_is_not_said_to_have_stopped_it(console: Console, other: FakeFlink, root: User) -> None:
    console.start()
    move(console, root, other.url)
    console.click_stop(with_snapshot=False)
    console.perform()
    lose(console)
    assert console.last.outcome == "failed"


def test_what_the_former_one_may_have_taken_is_not_submitted_there(
    console: Console, fake: FakeFlink, other: FakeFlink, root: User
) -> None:
    fake.fault(("POST", "/jars/[^/]*/run"), "drop_answer")
    console.click_run()
    console.perform()
    move(console, root, other.url)
    console.settle()
    assert (console.last.outcome, len(fake.submissions()), other.submissions()) == ("failed", 1, [])


def test_what_is_known_there_goes_on_and_is_recovered_when_it_is_lost_later(
    console: Console, fake: FakeFlink, root: User
) -> None:
    console.start()
    move(console, root, fake.url + "/")
    console.watch()
    assert (console.job.status, console.run.is_unseen_here) == ("running", False)
    fake.restart(keep_jobs=False)
    lose(console)
    recover_if_due(console)
    assert (console.job.status, FlinkEndpoint.objects.get().rest_url) == ("running", fake.url + "/")


@pytest.mark.django_db(transaction=True)
def test_a_look_at_the_former_one_tells_nothing_of_the_new_one(
    console: Console, fake: FakeFlink, other: FakeFlink, root: User
) -> None:
    run = console.start()
    fake.set_state(run.flink_job_id, "RUNNING", tasks_up=1)
    fake.on(("GET", "/jobs/overview"), moving(console, root, other.url))
    console.watch()
    endpoint = FlinkEndpoint.objects.get()
    assert (console.run.is_unseen_here, endpoint.seen_at, endpoint.keeps_jobs) == (True, None, None)
    lose(console)
    recover_if_due(console)
    assert other.submissions() == []


@pytest.mark.django_db(transaction=True)
def test_the_silence_of_the_former_one_is_none_of_the_new_one(
    console: Console, fake: FakeFlink, other: FakeFlink, root: User
) -> None:
    console.start()
    fake.on(("GET", "/jobs/overview"), moving(console, root, other.url))
    fake.fault(("GET", "/jobs/overview"), "drop_answer", times=2)
    console.watch()
    assert FlinkEndpoint.objects.get().unreachable_since is None


@pytest.mark.django_db(transaction=True)
def test_what_was_about_to_be_submitted_there_is_submitted_here_alone(
    console: Console, fake: FakeFlink, other: FakeFlink, root: User
) -> None:
    console.click_run()
    fake.on(("GET", "/overview"), moving(console, root, other.url))
    console.perform()
    assert (fake.submissions(), console.run.submitted_at) == ([], None)
    console.settle()
    assert (console.job.status, len(other.submissions()), fake.submissions()) == ("running", 1, [])
