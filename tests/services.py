"""A pytest plugin (pyproject.toml, addopts): PostgreSQL and the broker for the tests, there before Django reads its settings.

With DATABASE_URL or CELERY_BROKER_URL set, those are used.
"""

import io
import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from oceanus_console.child import Log
from oceanus_console.embedded import Postgres, Valkey
from oceanus_console.home import make_passable
from oceanus_console.supervisor import running

services = ExitStack()
# Names the addresses that we have set ourselves, for the processes among which pytest-xdist shares the tests: each has its own services.
OURS = "OCEANUS_TEST_SERVICES"


def start() -> None:
    home = Path(tempfile.mkdtemp(prefix="oceanus-test-"))
    services.callback(shutil.rmtree, home, ignore_errors=True)
    for directory in (home, home / "run"):
        make_passable(directory)  # PostgreSQL runs as nobody when we are root
    os.environ["OCEANUS_HOME"] = str(home)
    os.environ["OCEANUS_PLAIN_STATIC_FILES"] = "1"
    # Each test client would list all files that were collected here.
    os.environ["OCEANUS_STATIC_ROOT"] = str(home / "static")
    (home / "static").mkdir()
    os.environ.setdefault("OCEANUS_SECRET_KEY", secrets.token_urlsafe(50))  # nothing is served with the default one
    postgres, valkey = Postgres(home, durable=False), Valkey(home)
    children = []
    for name in os.environ.pop(OURS, "").split():
        del os.environ[name]
    ours = {
        name: one
        for name, one in (("DATABASE_URL", postgres), ("CELERY_BROKER_URL", valkey))
        if not os.environ.get(name)
    }
    for name, one in ours.items():
        children.append(one.child())
        os.environ[name] = one.url
    os.environ[OURS] = " ".join(ours)
    services.enter_context(running(children, Log(io.StringIO())))


def pytest_unconfigure(config: pytest.Config) -> None:
    services.close()


# pytest-django reads the settings before any conftest.py or hook of ours is called; importing us comes first.
start()
