"""A worker whose machine is gone, or cut off, does not keep for hours what it had locked: both ends notice in half a minute."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from oceanus_console.embedded import Postgres
from oceanus_console.home import is_free, make_passable
from oceanus_console.supervisor import running

ASK = """
import django, socket
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    for name in ("idle", "interval", "count"):
        cursor.execute(f"SHOW tcp_keepalives_{name}")
        print(*cursor.fetchone(), end=" ")
    cursor.execute("SHOW tcp_user_timeout")
    print(*cursor.fetchone())
ours = socket.socket(fileno=connection.connection.fileno())
print(*(ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in %r))
ours.detach()
"""
OURS = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL that is reached over the network."""
    make_passable(tmp_path)
    (tmp_path / "run").mkdir()
    make_passable(tmp_path / "run")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    postgres = Postgres(tmp_path, durable=False)
    child = replace(
        postgres.child(),
        command=lambda: [*postgres.command(), "--listen_addresses=127.0.0.1", f"--port={port}"],
        is_ready=lambda: not is_free("127.0.0.1", port),
    )
    with running([child]):
        yield f"postgres://console@127.0.0.1:{port}/console"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such time-outs")
def test_both_ends_of_a_connection_to_postgresql_notice_it_within_half_a_minute(address: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", ASK % (OURS,)],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "oceanus_console.settings"},
        capture_output=True,
        text=True,
    )
    theirs, ours = told.stdout.splitlines() or [told.stderr, ""]
    assert theirs == "10 5 3 30000"
    assert ours == "10 5 3 30000"
