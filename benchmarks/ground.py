"""What the benchmarks run on: a database and a broker of their own, and the web server as `up` starts it. No Django models in here."""

import io
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oceanus_console.applications import beat_command, web_command, worker_command
from oceanus_console.child import Child, Log
from oceanus_console.embedded import Postgres, Valkey
from oceanus_console.home import make_passable
from oceanus_console.supervisor import running


@contextmanager
def services() -> Iterator[None]:
    """Run PostgreSQL (durable) and the broker for the length of a block; call it before Django reads its settings."""
    home = Path(tempfile.mkdtemp(prefix="oceanus-bench-"))
    for directory in (home, home / "run"):
        make_passable(directory)  # PostgreSQL runs as nobody when we are root
    postgres, valkey = Postgres(home), Valkey(home)
    os.environ |= {
        "OCEANUS_HOME": str(home),
        "OCEANUS_SECRET_KEY": secrets.token_urlsafe(50),
        "OCEANUS_PLAIN_STATIC_FILES": "1",
        "OCEANUS_LOG_LEVEL": "ERROR",
        "DATABASE_URL": postgres.url,
        "CELERY_BROKER_URL": valkey.url,
    }
    try:
        with running([postgres.child(), valkey.child()], Log(io.StringIO())):
            yield
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def web_server() -> Iterator[int]:
    """Serve the console for the length of a block; yield the port on loopback."""
    port = free_port()
    with running([_web(port)], Log(sys.stderr), seconds=60):
        yield port


@contextmanager
def whole_console() -> Iterator[int]:
    """Run web server, worker and beat for the length of a block; yield the web server's port."""
    port = free_port()
    workers = [Child(name="worker", command=worker_command), Child(name="beat", command=beat_command)]
    with running([_web(port), *workers], Log(sys.stderr), seconds=60):
        yield port


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def _web(port: int) -> Child:
    command = [*web_command(f"127.0.0.1:{port}", "benchmarks.web:application"), "--keep-alive", "60"]

    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return Child(name="web", command=lambda: command, is_ready=answers)
