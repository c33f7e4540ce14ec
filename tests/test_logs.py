"""The log: a line for people or JSON for machines; what a worker works on stands in each record, and secrets in none."""

import io
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jobs import operations
from jobs.log_records import JsonFormatter, RepetitionFilter, SubjectFilter, subject
from jobs.models import Job
from jobs.states import Action
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.test_deploy_check import run
from workspaces.models import Workspace


class Collected:
    """Everything that is logged, as OCEANUS_LOG_FORMAT=json writes it."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    @property
    def records(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def logged() -> Iterator[Collected]:
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(JsonFormatter())
    handler.addFilter(SubjectFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield Collected(stream)
    root.removeHandler(handler)


log = logging.getLogger("tests")


@pytest.fixture
def seldom(logged: Collected) -> Collected:
    """Collect as the console itself does: what repeats itself is told once a minute."""
    handler = logging.getLogger().handlers[-1]
    handler.addFilter(RepetitionFilter())
    return logged


def lose_the_broker(task: str) -> None:
    try:
        raise ConnectionError("refused")
    except ConnectionError:
        log.error("Task %s[%s] failed", task, uuid4(), exc_info=True)


def test_what_repeats_itself_is_told_once_a_minute(seldom: Collected, monkeypatch: pytest.MonkeyPatch) -> None:
    for _second in range(100):
        lose_the_broker("tick")
        lose_the_broker("seal")
    assert [record["message"].partition("[")[0] for record in seldom.records] == ["Task tick", "Task seal"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    monkeypatch.setattr(time, "time_ns", lambda: int((now + 61) * 1e9))
    lose_the_broker("tick")
    assert seldom.records[-1]["message"].endswith("failed (and 99 times since this was last told)")
    assert seldom.records[-1]["trace"].startswith("Traceback")


def test_nothing_else_is_left_out(seldom: Collected) -> None:
    for operation in ("op-1", "op-2", "op-2"):
        with subject(operation=operation):
            log.error("failed")
    for error in (ValueError("one"), ValueError("another")):
        log.error("broken", exc_info=error)
    for _twice in range(2):
        log.info("done")
    assert [(record["message"], record.get("operation")) for record in seldom.records] == [
        ("failed", "op-1"),
        ("failed", "op-2"),
        ("broken", None),
        ("broken", None),
        ("done", None),
        ("done", None),
    ]


def test_a_record_is_one_line_of_json(logged: Collected) -> None:
    log.warning("two\nlines of %s", '"words"')
    (record,) = logged.records
    assert record.pop("time").endswith("+00:00")
    assert record == {"level": "WARNING", "logger": "tests", "message": 'two\nlines of "words"'}


def test_a_trace_comes_along(logged: Collected) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
    (record,) = logged.records
    assert record["trace"].startswith("Traceback")
    assert record["trace"].endswith("ValueError: broken")


def test_no_secret_is_told_and_it_stays_json(logged: Collected) -> None:
    for text in ('password="open\\sesame"', "password=opensesame\\", '{"token": "opensesame"}', "secret='open\"sesame"):
        log.warning("connecting with %s", text)
    try:
        raise ValueError("postgres://user:opensesame@host")
    except ValueError:
        log.exception("failed")
    assert len(logged.records) == 5
    assert "sesame" not in logged.stream.getvalue()


def test_a_record_tells_what_it_is_about(logged: Collected) -> None:
    log.warning("before")
    with subject(batch="batch-1", job="cql-1"):
        with subject(operation="op-1", job=""):
            log.warning("inner")
        log.warning("outer")
    log.warning("after")
    told = [{key: one[key] for key in one.keys() & {"batch", "job", "operation"}} for one in logged.records]
    batch = {"batch": "batch-1", "job": "cql-1"}
    assert told == [{}, batch | {"operation": "op-1"}, batch, {}]


@pytest.mark.django_db
def test_a_worker_tells_of_which_operation_it_speaks(logged: Collected, console: Console, settings: Any) -> None:
    settings.SQL_RUNNER_JAR = Path("/nowhere/runner.jar")
    console.click_run()
    console.perform()
    (record,) = [one for one in logged.records if one["logger"] == "jobs.operations.perform"]
    assert (record["operation"], record["job"]) == (console.last.serial, console.job.serial)
    assert "FileNotFoundError" in record["trace"]


@pytest.mark.django_db
def test_the_watcher_tells_of_which_job_it_speaks(logged: Collected, console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, "division by zero")
    fake.fault(("GET", r"/jobs/[^/]*/checkpoints"), "html", times=2)
    console.watch()
    told = [one for one in logged.records if one["logger"] == "jobs.operations.checkpoints"]
    assert [one["job"] for one in told] == [console.job.serial]
    assert "operation" not in told[0]


@pytest.mark.django_db
def test_a_batch_tells_of_which_item_it_speaks(logged: Collected, console: Console, workspace: Workspace) -> None:
    # No form sends a batch of copies without a target.
    batch = operations.request_batch(console.user, workspace, Action.COPY, Job.objects.all())
    operations.advance(batch.pk)
    (record,) = [one for one in logged.records if one["logger"] == "jobs.operations.together"]
    assert (record["batch"], record["job"]) == (batch.serial, console.job.serial)
    assert "KeyError" in record["trace"]


@pytest.mark.parametrize(("given", "formatter"), [("json", "json"), ("line", "line"), ("xml", "line")])
def test_the_setting_decides(given: str, formatter: str) -> None:
    program = "from oceanus_console.settings import LOGGING; print(LOGGING['handlers']['stderr']['formatter'])"
    assert run("-c", program, OCEANUS_LOG_FORMAT=given).stdout.strip() == formatter


def test_a_format_that_there_is_not_is_refused_by_its_name() -> None:
    result = run("manage.py", "check", OCEANUS_LOG_FORMAT="xml")
    assert result.returncode == 1
    assert "OCEANUS_LOG_FORMAT must be line or json" in result.stderr


def test_a_command_logs_json() -> None:
    program = "import django, logging; django.setup(); logging.getLogger('jobs').warning('token=%s', 'opensesame')"
    told = json.loads(run("-c", program, OCEANUS_LOG_FORMAT="json").stderr)
    assert (told["logger"], told["message"]) == ("jobs", "token=******")


def test_a_strangers_host_is_a_warning_in_one_line() -> None:
    program = "import django; django.setup(); from django.test import Client; print(Client().get('/livez', headers={'Host': 'evil.example'}).status_code)"
    result = run("-c", program, OCEANUS_LOG_FORMAT="json", OCEANUS_PLAIN_STATIC_FILES="true")
    told = json.loads(result.stderr)
    assert (result.stdout.strip(), told["level"], told.get("trace")) == ("400", "WARNING", None)
    assert told["message"].startswith("Invalid HTTP_HOST header: 'evil.example'")
