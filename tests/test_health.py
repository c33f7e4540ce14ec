"""GET /healthz: 200 when all is there, else 503 and what is missing; to anybody, soon, and whatever is broken.

And /livez and /readyz, of which each says only its part.
"""

import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from clusters.models import Cluster, FlinkEndpoint
from oceanus_console import health
from oceanus_console.heartbeat import record_heartbeat
from oceanus_console.models import Heartbeat

# The checks look from threads of their own, so the rows must be committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alive() -> None:
    for name in ("worker", "beat"):
        record_heartbeat(name)


@pytest.fixture
def embedded_cluster() -> FlinkEndpoint:
    cluster = Cluster.objects.create(name="embedded", is_embedded=True, snapshot_directory="file:///tmp")
    return FlinkEndpoint.objects.create(
        cluster=cluster, flink_version="2.2.1", rest_url="http://127.0.0.1:1", seen_at=timezone.now()
    )


def test_all_is_well(client: Client, alive: None, embedded_cluster: FlinkEndpoint) -> None:
    response = client.get("/healthz")
    assert response.json() == {
        "missing": [],
        "database": "ok",
        "broker": "ok",
        "worker": "ok",
        "beat": "ok",
        "cluster": "ok",
    }
    assert response.status_code == 200


def test_without_a_default_cluster_none_is_missing(client: Client, alive: None) -> None:
    response = client.get("/healthz")
    assert response.json()["cluster"] == "ok: none"
    assert response.status_code == 200


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_a_process_that_has_not_been_seen_for_long_is_missing(client: Client, alive: None, name: str) -> None:
    Heartbeat.objects.filter(name=name).update(at=timezone.now() - timedelta(seconds=11))
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["missing"] == [name]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"unreachable_since": timezone.now()}, "unreachable since"),
        ({"seen_at": None}, "not seen lately"),
        ({"seen_at": timezone.now() - timedelta(minutes=5)}, "not seen lately"),
    ],
)
def test_the_cluster_is_missing(
    client: Client, alive: None, embedded_cluster: FlinkEndpoint, change: dict[str, object], word: str
) -> None:
    FlinkEndpoint.objects.update(**change)
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["missing"] == ["cluster"]
    assert response.json()["cluster"].startswith(word)


def test_without_a_database_it_still_answers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connections.close_all()
    monkeypatch.setitem(connections.settings["default"], "HOST", "/nowhere")
    started = time.monotonic()
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["missing"] == ["database", "worker", "beat", "cluster"]
    assert time.monotonic() - started < 3.5


def test_a_database_that_hangs_does_not_let_the_broker_look_as_if_it_did(
    client: Client, alive: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for name, value in {"HOST": "127.0.0.1", "PORT": silent.getsockname()[1]}.items():
            monkeypatch.setitem(connections.settings["default"], name, value)
        asked = [client.get("/healthz").json() for _more_than_threads in range(5)]
    assert {one["database"] for one in asked} == {"no answer"}
    assert {one["broker"] for one in asked} == {"ok"}


@pytest.mark.django_db(transaction=True)
def test_a_database_without_a_connection_left_is_called_so(
    client: Client, alive: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    try:
        monkeypatch.setitem(connections.settings["default"], "USER", "crowded")
        connections.close_all()
        response, ready = client.get("/healthz"), client.get("/readyz")
    finally:
        monkeypatch.undo()
        connections.close_all()
        with connections["default"].cursor() as cursor:
            cursor.execute("DROP ROLE crowded")
    assert response.status_code == ready.status_code == 503
    assert response.json()["database"] == "no connection left (max_connections)"
    assert ready.text == "database: no connection left (max_connections)\n"


def test_a_database_that_takes_nothing_is_missing(client: Client, alive: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a replica does, after a fail-over."""
    connections.close_all()
    options = connections.settings["default"]["OPTIONS"]
    monkeypatch.setitem(options, "options", f"{options['options']} -c default_transaction_read_only=on")
    response = client.get("/healthz")
    assert (response.status_code, response.json()["missing"]) == (503, ["database"])
    assert response.json()["database"] == "read-only"
    assert client.get("/readyz").status_code == 200  # pages can be read


def test_it_is_for_reading(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_a_heartbeat_moves_on() -> None:
    record_heartbeat("worker")
    first = Heartbeat.objects.get(name="worker").at
    record_heartbeat("worker")
    assert Heartbeat.objects.get(name="worker").at > first


# --- /livez and /readyz ---


def test_it_lives_and_is_ready(client: Client) -> None:
    for path in ("/livez", "/readyz"):
        response = client.get(path)
        assert (response.status_code, response.text) == (200, "ok\n")
        assert client.post(path).status_code == 405


def test_without_worker_and_flink_requests_may_come_all_the_same(
    client: Client, embedded_cluster: FlinkEndpoint
) -> None:
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    assert client.get("/healthz").status_code == 503
    assert client.get("/readyz").status_code == 200


def test_to_live_it_needs_no_database(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/livez").status_code == 200


def test_without_a_database_it_lives_but_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connections.close_all()
    monkeypatch.setitem(connections.settings["default"], "HOST", "/nowhere")
    assert client.get("/livez").status_code == 200
    response = client.get("/readyz")
    assert (response.status_code, response.text) == (503, "database: no answer\n")


def test_before_the_migrations_it_is_not_ready(client: Client) -> None:
    """As during an upgrade: the new release runs, and its tables are not there yet."""
    newest = MigrationRecorder.Migration.objects.filter(app="oceanus_console").latest("name")
    newest.delete()
    response = client.get("/readyz")
    newest.save(force_insert=True)
    assert (response.status_code, response.text) == (503, f"not migrated: oceanus_console.{newest.name}\n")
    assert client.get("/readyz").status_code == 200


def test_a_newer_database_is_good_enough(client: Client) -> None:
    """As during an upgrade: the tables are there, and an old web process still works."""
    newer = MigrationRecorder.Migration.objects.create(app="jobs", name="9999_of_a_later_release")
    response = client.get("/readyz")
    newer.delete()
    assert response.status_code == 200
