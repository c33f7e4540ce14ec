"""HEAD, by which what watches a console asks as often as it likes; and long addresses."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings

from oceanus_console.applications import web_command
from tests.test_deploy_check import PRODUCTION
from tests.until import until

ADDRESSES = ["/livez", "/login/", "/nowhere", "/api/tc3", "/static/css/layout.css"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Serve the console as in production; return the port and where its log is. It needs no database for this."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = {"DJANGO_SETTINGS_MODULE": "oceanus_console.settings", **PRODUCTION, "OCEANUS_HTTPS": "false"}
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            web_command(f"127.0.0.1:{port}"), env=os.environ | told, cwd=settings.BASE_DIR, stderr=output
        ) as web,
    ):
        try:
            until(lambda: answers(port), "the web process answers")
            yield port, log
        finally:
            web.terminate()


def answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/livez")[0] == 200
    except OSError:
        return False


def ask(port: int, method: str, address: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(connection):
        connection.request(method, address, headers={"Host": "console.example.com", "Connection": "close"})
        with connection.getresponse() as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()


def test_it_is_answered_as_get_is_and_nobody_is_warned(served: tuple[int, Path]) -> None:
    port, log = served
    for address in ADDRESSES:
        status, kind, _body = ask(port, "GET", address)
        assert ask(port, "HEAD", address) == (status, kind, b"")
    assert "gunicorn" not in log.read_text()


def test_a_program_may_ask_by_get_with_many_words(served: tuple[int, Path]) -> None:
    port, _log = served
    status, kind, body = ask(port, "GET", "/api/tc3?Filters=" + "x" * 8000)
    assert (status, kind) == (200, "application/json"), body[:200]
