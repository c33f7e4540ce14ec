"""Machines whose clocks are wrong: what is done is timed by the database's, whoever does it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.test import Client
from django.utils import timezone

from api.errors import Code
from jobs import operations
from jobs.models import Batch, Folder, Job, Run
from jobs.states import Action
from oceanus_console import checks, health
from oceanus_console.heartbeat import record_heartbeat
from oceanus_console.models import Heartbeat
from tests.conftest import Console, make_job
from tests.program import Program, response_of
from workspaces import clock
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
TEN_MINUTES = timedelta(minutes=10)
by_ten_minutes = pytest.mark.parametrize("wrong", [-TEN_MINUTES, TEN_MINUTES], ids=["behind", "ahead"])
Off = Callable[[timedelta], AbstractContextManager[None]]


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> Off:
    """Be on a machine whose clock is off by that much, as a process that has just begun."""
    right = timezone.now

    @contextmanager
    def off(by: timedelta) -> Iterator[None]:
        with monkeypatch.context() as there:
            there.setattr(timezone, "now", lambda: right() + by)
            there.setattr(clock.Known, "told", None)
            yield

    return off


def is_now(at: datetime | None) -> bool:
    return at is not None and abs(timezone.now() - at) < timedelta(seconds=60)


@by_ten_minutes
def test_a_job_runs_and_stops_when_the_web_machine_is_wrong(console: Console, off: Off, wrong: timedelta) -> None:
    """With a clock behind by more than a step may take, each click was over before a worker heard of it."""
    for click in (console.click_run, console.click_stop):
        with off(wrong):
            opened = click()
        assert is_now(opened.created_at)
        console.settle()
        assert (console.last.outcome, console.last.problem) == ("succeeded", None)
        assert is_now(console.last.ended_at)
    assert console.job.status == "stopped"


@by_ten_minutes
def test_a_job_runs_and_stops_when_the_worker_is_wrong(console: Console, off: Off, wrong: timedelta) -> None:
    for click in (console.click_run, console.click_stop):
        click()
        with off(wrong):
            console.settle()
        assert (console.last.outcome, console.last.problem) == ("succeeded", None)
        assert is_now(console.last.ended_at)


@by_ten_minutes
def test_an_open_list_is_told_what_a_worker_sees(
    console: Console, workspace: Workspace, client: Client, off: Off, wrong: timedelta
) -> None:
    """With a clock ahead, what was made on the page stayed the newest that there was, and all else was not told."""
    client.force_login(console.user)
    with off(wrong):
        make_job(console.user, workspace, console.endpoint, "made here")
    assert all(is_now(job.changed_at) and is_now(job.created_at) for job in Job.objects.all())
    address = f"/spaces/{workspace.serial}/jobs/poll/"
    with off(wrong):
        seen = client.get(f"/spaces/{workspace.serial}/jobs/").context["seen"]
    console.start()
    with off(wrong):
        told = client.get(address, {"seen": seen, "row": console.job.serial})
    assert told.status_code == 200
    assert console.job.serial in told.content.decode()


@pytest.mark.django_db(transaction=True)
@by_ten_minutes
def test_worker_and_beat_are_seen_by_a_machine_that_is_wrong(console: Console, off: Off, wrong: timedelta) -> None:
    record_heartbeat("worker")
    with off(wrong):
        record_heartbeat("beat")
        assert all(one.is_fresh for one in Heartbeat.objects.all())
    assert all(one.is_fresh for one in Heartbeat.objects.all())
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=1))
    with off(wrong):
        assert not any(one.is_fresh for one in Heartbeat.objects.all())
        console.watch()
        assert health.cluster() == "ok: none"


def test_a_batch_is_over_when_the_web_machine_is_behind(console: Console, workspace: Workspace, off: Off) -> None:
    with off(-TEN_MINUTES):
        jobs = Job.objects.filter(pk=console.job.pk)
        batch = operations.request_batch(console.user, workspace, Action.RUN, jobs, {"start": "none"}, None)
        operations.advance(batch.pk)
    console.settle()
    operations.advance(batch.pk)
    ended = Batch.objects.get(pk=batch.pk)
    assert [item.state for item in ended.items.all()] == ["succeeded"]
    assert is_now(ended.created_at)
    assert is_now(ended.ended_at)


def test_what_beat_sends_is_good_for_machines_that_differ_by_half_a_minute() -> None:
    for name, one in settings.CELERY_BEAT_SCHEDULE.items():
        assert one["options"]["expires"] >= 60, name


def test_the_time_is_the_databases_wherever_it_is_asked(off: Off) -> None:
    def database() -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0]

    with off(TEN_MINUTES):
        assert abs(clock.now() - database()) < timedelta(seconds=1)
        assert TEN_MINUTES - timedelta(seconds=1) < clock.how_far() < TEN_MINUTES + timedelta(seconds=1)
    with off(TEN_MINUTES), suppress(DatabaseError), transaction.atomic():
        try:
            connection.cursor().execute("SELECT nothing FROM nowhere")
        finally:
            clock.now()  # nothing can be asked here, and it does no harm
    with off(TEN_MINUTES), ThreadPoolExecutor(1) as fresh:
        told = fresh.submit(clock.now).result()
        assert timezone.now() - told < timedelta(seconds=1), "the machine's own, before there is a connection"


def test_whoever_starts_a_process_on_such_a_machine_is_told(off: Off, caplog: pytest.LogCaptureFixture) -> None:
    assert checks.database() == []
    with off(-TEN_MINUTES), caplog.at_level(logging.WARNING):
        (told,) = checks.database()
        assert (told.id, told.msg) == ("oceanus.W012", "This machine's clock is 600 s behind the database's.")
        assert [one.getMessage() for one in caplog.records] == [
            "This machine's clock is 600 s behind the database's. What is done is timed by the database's; set this machine's right."
        ]
    with off(TEN_MINUTES):
        assert "600 s ahead of" in checks.database()[0].msg


def test_times_of_both_kinds_stand_in_one_expression(console: Console) -> None:
    run = console.start()
    for first, second in [("created_at", "started_at"), ("started_at", "created_at"), (Now(), "created_at")]:
        found = Run.objects.annotate(at=Coalesce(first, second), lasted=Now() - F("created_at")).get(pk=run.pk)
        assert is_now(found.at)
        assert found.lasted >= timedelta(0)


def test_a_machine_that_is_wrong_forgets_no_signature_that_is_good_elsewhere(
    alice: User, workspace: Workspace, off: Off
) -> None:
    program = Program(alice)

    def create(name: str) -> Any:
        return program.signed("CreateFolder", {"FolderName": name, "ParentId": "root", "WorkSpaceId": workspace.serial})

    first = create("first")
    assert "Error" not in response_of(program.send(first))
    with off(TEN_MINUTES):
        assert "Error" not in response_of(program.send(create("second")))
    told = response_of(program.send(first))["Error"]
    assert (told["Code"], Folder.objects.count()) == (Code.SIGNATURE_FAILURE, 2)
    assert told["Message"].endswith("sign it anew with a later X-TC-Timestamp.")


@by_ten_minutes
def test_programs_whose_clocks_are_right_are_heard_by_a_machine_that_is_wrong(
    alice: User, workspace: Workspace, off: Off, monkeypatch: pytest.MonkeyPatch, wrong: timedelta
) -> None:
    request = Program(alice).signed("DescribeJobs", {"WorkSpaceId": workspace.serial})
    right = time.time
    with off(wrong):
        monkeypatch.setattr(time, "time", lambda: right() + wrong.total_seconds())
        told = response_of(Program(alice).send(request))
    assert "Error" not in told
