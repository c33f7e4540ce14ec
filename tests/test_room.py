"""When a database hangs, one thread of a web process stays free: for /livez, and to tell others that it is away."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from oceanus_console import health, room
from oceanus_console.applications import WEB_THREADS, web_command
from oceanus_console.room import Room
from tests.until import until

# The database is asked from threads of their own.
pytestmark = pytest.mark.django_db(transaction=True)


class Slow:
    """What comes after: nothing that asks the database ends before it is let go."""

    def __init__(self) -> None:
        self.inside, self.go = 0, threading.Event()
        self.room = Room(self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/slow/":
            self.inside += 1
            self.go.wait(30)
        return HttpResponse("done")

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.room(RequestFactory().get(path, headers=headers))


@pytest.fixture
def full() -> Iterator[Slow]:
    """A process with all of its threads but one in use."""
    slow = Slow()
    threads = [threading.Thread(target=slow.get, args=["/slow/"]) for _thread in range(WEB_THREADS - 1)]
    for thread in threads:
        thread.start()
    until(lambda: slow.inside == WEB_THREADS - 1, "they are in")
    yield slow
    slow.go.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(health, "SECONDS", 0.3)
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for name, value in {"HOST": "127.0.0.1", "PORT": silent.getsockname()[1]}.items():
            monkeypatch.setitem(connections.settings["default"], name, value)
        yield


def test_the_last_thread_tells_that_the_database_is_away(full: Slow, hangs: None) -> None:
    answer = full.get("/spaces/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "database does not answer" in answer.text
    assert "数据库" in full.get("/spaces/", **{"Accept-Language": "zh-Hans"}).text
    told = full.get("/", **{"X-TC-Action": "DescribeJobs", "X-TC-Language": "en-US"})
    assert (told.status_code, told.headers["Content-Type"]) == (200, "application/json")
    assert "database is away" in told.text
    for path in ("/livez", "/static/css/console.css"):
        assert full.get(path).text == "done"


def test_while_the_database_answers_one_waits_for_a_place(full: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.05)
    asked, look = [], room.is_answering

    def see() -> bool:
        asked.append(look())
        return asked[-1]

    monkeypatch.setattr(room, "is_answering", see)
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(full.get("/spaces/")))
    waiting.start()
    until(lambda: len(asked) >= 2, "it was looked twice")
    assert not answers
    full.go.set()
    waiting.join()
    assert answers[0].text == "done"
    assert set(asked) == {True}


def test_who_has_left_makes_room(full: Slow) -> None:
    full.go.set()
    assert [full.get("/spaces/").text for _one in range(3 * WEB_THREADS)] == ["done"] * (3 * WEB_THREADS)


def test_the_documented_unit_has_as_many_threads() -> None:
    documented = (settings.BASE_DIR / "docs" / "deploy.md").read_text()
    (unit,) = [line for line in documented.splitlines() if line.startswith("ExecStart=") and "gunicorn" in line]
    assert unit.endswith(" ".join(web_command("")).partition("--worker-class")[2])
