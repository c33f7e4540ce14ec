"""The embedded PostgreSQL and broker, in awkward homes."""

import io
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import environ
import psycopg
import pytest
import redis
from kombu import Connection

from oceanus_console import embedded
from oceanus_console.child import Child, Log
from oceanus_console.embedded import Postgres, Valkey
from oceanus_console.home import Home, is_free, make_passable
from oceanus_console.supervisor import Supervisor, running

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about what root must mind")


@pytest.fixture
def base() -> Iterator[Path]:
    """Give a directory that every account may pass, as most checkouts are in one."""
    with tempfile.TemporaryDirectory(prefix="oceanus-embedded-") as directory:
        make_passable(Path(directory))
        yield Path(directory)


def a_home(path: Path) -> Path:
    for directory in (path, path / "run"):
        make_passable(directory)
    return path


def run(*children: Child) -> Any:
    return running(children, Log(io.StringIO()), seconds=60)


def query(postgres: Postgres, sql: str) -> Any:
    at: Any = environ.Env.db_url_config(postgres.url)  # as settings.py does
    with psycopg.connect(host=at["HOST"], user=at["USER"], dbname=at["NAME"]) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


@pytest.mark.parametrize("name", ["plain", "with a space and 100%+", "数据"])
def test_it_works_wherever_the_home_is(base: Path, name: str) -> None:
    home = a_home(base / name)
    postgres, valkey = Postgres(home, durable=False), Valkey(home)
    with run(postgres.child(), valkey.child()):
        assert query(postgres, "SHOW listen_addresses") == ("",)
        with Connection(valkey.url) as broker:
            broker.ensure_connection(max_retries=1, timeout=3)
    assert postgres.data.is_relative_to(home)


def test_data_outlive_a_restart_and_a_kill(base: Path) -> None:
    home = a_home(base / "home")
    postgres, valkey = Postgres(home), Valkey(home)
    supervisor = Supervisor([postgres.child(), valkey.child()], Log(io.StringIO()))
    try:
        while not supervisor.all_ready:
            supervisor.tick()
        query(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
            client.set("kept", 42)
        pid = supervisor.processes["postgres"].pid
        os.kill(pid, signal.SIGKILL)
        while supervisor.processes["postgres"].pid in (0, pid) or not supervisor.all_ready:
            supervisor.tick()
        assert query(postgres, "SELECT answer FROM kept") == (42,)
    finally:
        supervisor.stop()
    with run(postgres.child(), valkey.child()):
        assert query(postgres, "SELECT answer FROM kept") == (42,)
        with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
            assert client.get("kept") == b"42"


def test_a_copy_of_a_home_can_be_put_back(base: Path) -> None:
    """A copy belongs to whoever has copied, and may be open to others, which PostgreSQL takes for a reason not to start."""
    home = Home(a_home(base / "home"))
    key, postgres = home.secret_key(), Postgres(home.path)
    with run(postgres.child()):
        query(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
    subprocess.run(["cp", "-r", home.path, base / "copy"], check=True)
    subprocess.run(["chmod", "-R", "go+rX", base / "copy"], check=True)
    shutil.rmtree(home.path)
    (base / "copy").rename(home.path)
    for _again in range(2):
        postgres = Postgres(home.path)
        with run(postgres.child()):
            assert query(postgres, "SELECT answer FROM kept") == (42,)
    assert home.secret_key() == key
    assert (home.path / "secret_key").stat().st_mode & 0o077 == 0


@as_root
def test_what_a_link_leads_to_is_not_given_away(base: Path) -> None:
    (base / "elsewhere").mkdir(mode=0o755)
    (base / "elsewhere" / "file").touch()
    (base / "postgres").symlink_to(base / "elsewhere")
    embedded.give_back(base / "postgres", "nobody")
    assert {one.owner() for one in (base / "elsewhere", base / "elsewhere" / "file")} == {"root"}


def test_a_path_too_long_for_a_socket_is_got_round(base: Path) -> None:
    home = a_home(base / ("long" * 20))
    postgres, valkey = Postgres(home, durable=False), Valkey(home)
    with run(postgres.child(), valkey.child()):
        assert query(postgres, "SELECT 1") == (1,)
        with Connection(valkey.url) as broker:
            broker.ensure_connection(max_retries=1, timeout=3)
    for directory in (postgres.sockets, valkey.sockets):
        assert not directory.is_relative_to(home)
        assert directory.stat().st_mode & 0o077 == 0
        directory.rmdir()
    assert postgres.data.is_relative_to(home)


def test_a_directory_of_somebody_else_is_not_used(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (base / "trap").symlink_to("/")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        embedded.make_private(base / "trap")


@as_root
def test_a_home_that_is_closed_to_others_keeps_its_mode(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "FALLBACK_DIRECTORY", base / "elsewhere")
    closed = base / "root"
    closed.mkdir(mode=0o700)
    home = a_home(closed / "home")
    for _ in range(2):
        postgres = Postgres(home, durable=False)
        with run(postgres.child()):
            query(postgres, "CREATE TABLE IF NOT EXISTS kept ()")
            assert query(postgres, "SELECT count(*) FROM kept") == (0,)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert postgres.data.is_relative_to(base / "elsewhere")
    assert postgres.data.stat().st_mode & 0o077 == 0
    # It stays there, also when the home is opened later.
    closed.chmod(0o755)
    assert Postgres(home).data == postgres.data


@as_root
def test_programs_that_are_closed_to_others_are_copied(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "FALLBACK_DIRECTORY", base / "elsewhere")
    monkeypatch.setattr(embedded, "open_to_all", lambda path: "site-packages" not in str(path))
    postgres = Postgres(a_home(base / "home"), durable=False)
    with run(postgres.child()):
        assert query(postgres, "SELECT 1") == (1,)
    assert postgres.binaries().is_relative_to(base / "elsewhere")


def test_a_home_has_one_owner_and_keeps_its_secrets(base: Path) -> None:
    home = Home(base / "home")
    with home.ours():
        key, ports = home.secret_key(), home.ports("flink", "zookeeper")
        path, users = home.credentials("http://first")
        assert home.secret_key() == key
        assert home.ports("flink", "zookeeper") == ports
        assert home.credentials("http://second") == (path, users)
        assert path.read_text().count("http://second") == 1
        assert all(is_free("127.0.0.1", port) for port in ports.values())
        for file in ("secret_key", "ports.json", "credentials.json"):
            assert (home.path / file).stat().st_mode & 0o777 == 0o600
    assert users == [
        {"username": "admin", "password": ANY, "role": "super admin"},
        {"username": "developer", "password": ANY, "role": "developer"},
    ]
    assert users[0]["password"] != users[1]["password"]


def test_the_database_is_not_asked_before_it_says_that_it_is_ready(base: Path) -> None:
    postgres = Postgres(a_home(base / "home"), durable=False)
    with run(postgres.child()):
        assert postgres.is_ready()
        told = postgres.data / "postmaster.pid"
        said = told.read_text()
        told.write_text(said.replace("ready", "starting"))
        assert not postgres.is_ready()
        told.write_text(said)
        assert postgres.is_ready()
