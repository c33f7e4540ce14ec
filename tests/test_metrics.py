"""GET /metrics: in Prometheus' format, the same from every web process, at a known cost, and not for everybody."""

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from clusters.models import FlinkEndpoint
from jobs.models import Job, Operation
from oceanus_console import audit
from oceanus_console.celery import app
from oceanus_console.metrics import page as metrics_page
from oceanus_console.metrics.broker import Broker, waiting_messages
from oceanus_console.metrics.database import SETTLES_AFTER, Database
from oceanus_console.metrics.page import CACHED_SECONDS, Page
from oceanus_console.models import Heartbeat
from tests.conftest import Console
from tests.worker import empty_lines

HOUR_SECONDS = 3600
pytestmark = pytest.mark.django_db

QUERIES, QUERIES_TO_SETTLE = 8, 11
Told = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def fresh_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test was told a moment ago is not for this one."""
    monkeypatch.setattr(metrics_page, "page", Page())


def parsed(text: str) -> Told:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def collected(part: Any) -> Told:
    registry = CollectorRegistry()
    registry.register(part)
    return parsed(generate_latest(registry).decode())


def of(told: Told, name: str, **labels: str) -> float:
    return told[name, frozenset(labels.items())]


@pytest.fixture
def free_record(db: None) -> None:
    """Let the tests say when something was on record; in life, nobody may."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_operation DISABLE TRIGGER USER")


def ended(job: Job, seconds: float, ago: timedelta = timedelta()) -> Operation:
    """Put a stop on record that took so long and was asked for so long ago."""
    at = timezone.now() - ago
    one = Operation.objects.create(
        job=job, action="stop", step="done", outcome="succeeded", ended_at=at + timedelta(seconds=seconds)
    )
    Operation.objects.filter(pk=one.pk).update(created_at=at)
    return one


# --- What is told ---


def test_it_tells_of_operations_jobs_flink_processes_and_the_record(client: Client, console: Console) -> None:
    console.start()
    Heartbeat.objects.create(name="worker", at=timezone.now())
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    told = parsed(answer.text)
    run = {"action": "run", "outcome": "succeeded"}
    assert of(told, "oceanus_operation_duration_seconds_count", **run) == 1
    assert of(told, "oceanus_operation_duration_seconds_bucket", **run, le="+Inf") == 1
    assert of(told, "oceanus_operation_duration_seconds_sum", **run) > 0
    assert of(told, "oceanus_operation_duration_seconds_count", action="stop", outcome="failed") == 0
    assert of(told, "oceanus_jobs", status="running") == 1
    assert of(told, "oceanus_jobs", status="failed") == 0
    where = {"cluster": "cluster-a", "flink_version": "2.2.1"}
    assert of(told, "oceanus_flink_reachable", **where) == 1
    assert 0 <= of(told, "oceanus_flink_observation_age_seconds", **where) < 60
    assert 0 <= of(told, "oceanus_heartbeat_age_seconds", process="worker") < 60
    assert of(told, "oceanus_record_unsealed_rows") > 0
    assert of(told, "oceanus_database_up") == of(told, "oceanus_broker_up") == 1
    assert of(told, "process_resident_memory_bytes") > 1_000_000


def test_it_tells_nothing_of_what_jobs_are_about(client: Client, console: Console) -> None:
    console.start()
    told = client.get("/metrics").text
    assert console.job.name not in told
    assert console.job.serial not in told


def test_an_open_operation_is_told_by_its_step_and_age(free_record: None, console: Console) -> None:
    console.click_run()
    Operation.objects.filter(ended_at=None).update(created_at=timezone.now() - timedelta(minutes=3))
    told = collected(Database())
    assert of(told, "oceanus_open_operations", step="submitting") == 1
    assert of(told, "oceanus_open_operations", step="ending") == 0
    assert 180 <= of(told, "oceanus_oldest_open_operation_seconds") < 240
    assert of(told, "oceanus_jobs", status="operating") == 1


def test_a_deleted_job_is_no_job(job: Job) -> None:
    assert of(collected(Database()), "oceanus_jobs", status="stopped") == 1
    Job.objects.update(deleted_at=timezone.now())
    assert of(collected(Database()), "oceanus_jobs", status="stopped") == 0


def test_an_unreachable_flink_shows_the_age_of_what_is_known(endpoint: FlinkEndpoint) -> None:
    now = timezone.now()
    FlinkEndpoint.objects.update(seen_at=now - timedelta(minutes=2), unreachable_since=now)
    told = collected(Database())
    assert of(told, "oceanus_flink_reachable", cluster="cluster-a", flink_version="2.2.1") == 0
    assert of(told, "oceanus_flink_observation_age_seconds", cluster="cluster-a", flink_version="2.2.1") >= 120


def test_a_seal_is_told(job: Job) -> None:
    audit.seal()
    told = collected(Database())
    assert of(told, "oceanus_record_seals") == 1
    assert of(told, "oceanus_record_unsealed_rows") == 0


# --- The counts of what has ended ---


def stops(told: Told, **labels: str) -> float:
    name = "oceanus_operation_duration_seconds_" + ("bucket" if labels else "count")
    return of(told, name, action="stop", outcome="succeeded", **labels)


def test_durations_are_in_their_buckets(free_record: None, job: Job) -> None:
    for seconds in (0.3, 4, 4, 3600):
        ended(job, seconds)
    told = collected(Database())
    assert [stops(told, le=limit) for limit in ("0.1", "0.5", "2.0", "5.0", "600.0", "+Inf")] == [0, 1, 1, 3, 3, 4]
    assert of(told, "oceanus_operation_duration_seconds_sum", action="stop", outcome="succeeded") == pytest.approx(
        3608.3
    )


def test_old_operations_are_counted_once_and_new_ones_come_on_top(free_record: None, job: Job) -> None:
    old = 2 * SETTLES_AFTER
    Operation.objects.all().delete()
    ended(job, 1, old)
    database = Database()
    assert stops(collected(database)) == 1
    assert database.ended.settled_until == Operation.objects.latest("pk").pk
    ended(job, 1)
    assert [stops(collected(database)), stops(collected(database))] == [2, 2]
    ended(job, 1, old)
    assert stops(collected(database)) == 3


def test_processes_that_began_at_different_times_tell_the_same(free_record: None, job: Job) -> None:
    first = Database()
    for ago in (3, 2, 0):
        ended(job, 7, ago * SETTLES_AFTER)
        collected(first)
    told, later = collected(first), collected(Database())
    same = [key for key in told if key[0].startswith("oceanus_operation_duration")]
    assert stops(told) == 3
    assert {key: told[key] for key in same} == {key: later[key] for key in same}


def test_an_old_operation_that_is_still_open_is_counted_when_it_ends(free_record: None, job: Job) -> None:
    database, old = Database(), 2 * SETTLES_AFTER
    still_open = Operation.objects.create(job=job, action="stop", step="ending")
    Operation.objects.update(created_at=timezone.now() - old)
    ended(job, 1, old)
    assert stops(collected(database)) == 1
    Operation.objects.filter(pk=still_open.pk).update(step="done", outcome="succeeded", ended_at=timezone.now())
    assert stops(collected(database)) == 2


# --- What it costs ---


def test_it_asks_a_known_number_of_times(console: Console, django_assert_num_queries: Any) -> None:
    console.start()
    database = Database()
    with django_assert_num_queries(QUERIES):
        collected(database)
    console.click_stop()
    console.settle()
    with django_assert_num_queries(QUERIES):
        collected(database)


def test_it_costs_little_more_when_something_is_settled(
    free_record: None, job: Job, django_assert_num_queries: Any
) -> None:
    database = Database()
    for _operation in range(3):
        ended(job, 1, 2 * SETTLES_AFTER)
    with django_assert_num_queries(QUERIES_TO_SETTLE):
        collected(database)
    with django_assert_num_queries(QUERIES):
        collected(database)


def test_readers_at_the_same_time_cost_one_look(client: Client, job: Job, django_assert_num_queries: Any) -> None:
    first = client.get("/metrics").text
    metrics_page.page.made_at += HOUR_SECONDS  # however slow this machine is
    with django_assert_num_queries(0):
        assert client.get("/metrics").text == first
    metrics_page.page.made_at -= HOUR_SECONDS + CACHED_SECONDS
    with CaptureQueriesContext(connection) as queries:
        client.get("/metrics")
    assert len(queries) > 0, "it looked anew, even where nothing has changed"


# --- Who may read ---


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1"])
def test_without_a_token_this_machine_may_read(client: Client, address: str) -> None:
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.7", "203.0.113.9", "2001:db8::1", "", "nonsense"])
def test_without_a_token_nobody_else_may(client: Client, address: str) -> None:
    answer = client.get("/metrics", REMOTE_ADDR=address)
    assert answer.status_code == 403
    assert "oceanus_" not in answer.text


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"])
def test_whoever_comes_by_a_proxy_of_this_machine_is_not_this_machine(client: Client, name: str) -> None:
    assert client.get("/metrics", headers={name: "127.0.0.1"}).status_code == 403


def test_with_a_token_it_decides_alone(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "open sesame"
    for told in ({}, {"Authorization": "Bearer open"}, {"Authorization": "open sesame"}, {"Authorization": "Bearer é"}):
        assert client.get("/metrics", headers=told).status_code == 403
    right = {"Authorization": "Bearer open sesame", "X-Forwarded-For": "203.0.113.9"}
    assert client.get("/metrics", headers=right, REMOTE_ADDR="203.0.113.9").status_code == 200


def test_a_signed_in_user_is_no_reason(client: Client, root: Any) -> None:
    client.force_login(root)
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.7").status_code == 403


def test_it_is_for_reading(client: Client) -> None:
    assert client.post("/metrics").status_code == 405


# --- What is away ---


def test_without_a_broker_the_rest_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1")
    told = parsed(client.get("/metrics").text)
    assert of(told, "oceanus_broker_up") == 0
    assert of(told, "oceanus_database_up") == 1
    assert ("oceanus_queue_messages", frozenset()) not in told


def test_messages_that_wait_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.conf, "task_default_queue", "nobody-takes-from-this")
    monkeypatch.setitem(app.conf, "task_routes", {"jobs.tick": {"queue": "nor-from-this"}})
    assert of(collected(Broker()), "oceanus_queue_messages") == 0
    for _message in range(3):
        app.send_task("jobs.perform", queue="nobody-takes-from-this")
    app.send_task("jobs.tick", queue="nor-from-this")
    assert waiting_messages() == 4
    empty_lines()


@pytest.mark.django_db(transaction=True)
def test_without_a_database_that_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connections.close_all()
    monkeypatch.setitem(connections.settings["default"], "HOST", "/nowhere")
    answer = client.get("/metrics")
    connections.close_all()
    assert answer.status_code == 200
    assert of(parsed(answer.text), "oceanus_database_up") == 0


# --- The machine ---


@pytest.mark.parametrize("processes", [1, 2])
def test_the_web_processes_are_told_as_one(processes: int) -> None:
    """Processes of one command, as gunicorn makes them: each tells of all."""
    program = (
        "import os\n"
        "from prometheus_client import CollectorRegistry, generate_latest\n"
        "from oceanus_console.metrics.processes import WebProcesses\n"
        "ready, go = os.pipe()\n"
        f"for child in range({processes}):\n"
        "    if not os.fork():\n"
        "        os.read(ready, 1)\n"
        "        registry = CollectorRegistry()\n"
        "        registry.register(WebProcesses())\n"
        "        os.write(1, generate_latest(registry))\n"
        "        os._exit(0)\n"
        "os.write(go, b'1')\n"
        "os.wait()\n"
        "os.write(go, b'1')\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert result.stdout.count(f"oceanus_web_processes {processes}.0") == 1, result.stderr
    assert of(parsed(result.stdout), "process_open_fds") > 0


def test_dashboard_and_alerts_ask_for_what_is_told(console: Console) -> None:
    console.start()
    Heartbeat.objects.create(name="worker", at=timezone.now())
    told = {name for name, _labels in parsed(Page().read().decode())}
    dashboard = json.loads((Path(settings.BASE_DIR) / "docs" / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = set(re.findall(r"\b(?:oceanus|process)_\w+", " ".join(asked)))
    assert len(names) > 10
    assert not names - told
    alerts = (Path(settings.BASE_DIR) / "docs" / "alerts.yml").read_text()
    of_alerts = set(re.findall(r"\boceanus_\w+", " ".join(re.findall(r"^ *expr: (.*)", alerts, re.MULTILINE))))
    assert len(of_alerts) == 8
    assert not of_alerts - told
