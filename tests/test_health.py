"""GET /healthz: 200 when all is there, else 503 and what is missing; to anybody, soon, and whatever is broken."""

import time
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from clusters.models import Cluster, FlinkEndpoint
from oceanus_console.models import Heartbeat

# The checks look from threads of their own, so the rows must be committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alive() -> None:
    for name in ("worker", "beat"):
        Heartbeat.record(name)


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


def test_it_is_for_reading(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_a_heartbeat_moves_on() -> None:
    Heartbeat.record("worker")
    first = Heartbeat.objects.get(name="worker").at
    Heartbeat.record("worker")
    assert Heartbeat.objects.get(name="worker").at > first
