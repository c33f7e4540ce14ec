"""A release comes in beside the one that works: no request is lost, nobody's transaction is ended, and the former release may come back."""

import io
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations import (
    AddField,
    AlterModelTable,
    DeleteModel,
    Migration,
    RemoveField,
    RenameField,
    RenameModel,
)
from django.db.migrations.loader import MigrationLoader
from django.test import Client

from tests.conftest import let_tests_empty_the_record
from tests.threads import in_thread
from tests.until import until

# The newest migrations of the first release, which no other release can have worked beside.
FIRST_RELEASE = {"workspaces": 5, "clusters": 5, "jobs": 8, "api": 1, "oceanus_console": 3}
WHAT_OTHERS_READ = (RemoveField, DeleteModel, RenameField, RenameModel, AlterModelTable)


def breaks_the_former(migration: Migration) -> list[str]:
    """Return what a release that doesn't know this migration could not live with: columns that it must fill, or that are gone."""
    found = []
    for one in migration.operations:
        if isinstance(one, AddField) and not (one.field.null or one.field.has_db_default() or one.field.many_to_many):
            found.append(f"{migration}: {one.model_name}.{one.name} needs null=True or a db_default")
        if isinstance(one, WHAT_OTHERS_READ):
            found.append(f"{migration}: {one.describe()}, which the release before still uses")
    return found


def test_the_former_release_can_live_with_migrations() -> None:
    known = MigrationLoader(None).disk_migrations
    ours = {key: one for key, one in known.items() if key[0] in FIRST_RELEASE}
    assert [
        found
        for (app, name), one in ours.items()
        if int(name[:4]) > FIRST_RELEASE[app]
        for found in breaks_the_former(one)
    ] == []
    # What it looks for is found where it is.
    assert breaks_the_former(ours["clusters", "0005_checkpoint_directory"]) == [
        "clusters.0005_checkpoint_directory: flinkendpoint.checkpoint_directory needs null=True or a db_default"
    ]
    assert breaks_the_former(ours["clusters", "0004_high_availability"]) == []


# --- migrating beside a console that works ---


@pytest.fixture
def before_retention(transactional_db: None) -> Iterator[None]:
    """The tables as they were before a migration that changes many of them."""
    call_command("migrate", "oceanus_console", "0002", verbosity=0)
    try:
        yield
    finally:
        call_command("migrate", verbosity=0)
        let_tests_empty_the_record()


def test_migrate_gives_way_and_comes_back(before_retention: None) -> None:
    """Else one of the two would be ended by PostgreSQL: each has a table that the other waits for."""
    told = io.StringIO()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL deadlock_timeout = '600ms'")  # PostgreSQL ends whose time is over first
        cursor.execute("LOCK TABLE jobs_batchitem IN ROW EXCLUSIVE MODE")
        migrating = in_thread(lambda: call_command("migrate", verbosity=0, stderr=told))
        until(lambda: waits_for(cursor, "jobs_batchitem"), "it waits for a table of ours, and has others")
        cursor.execute("SELECT count(*) FROM jobs_operation")  # which it has
        until(lambda: "trying again" in told.getvalue(), "it has given way")
    migrating.join()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname = 'jobs_batchitem_is_kept' AND tgtype & 8 = 8")
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT name FROM django_migrations WHERE app = 'oceanus_console' ORDER BY id DESC LIMIT 1")
        assert cursor.fetchone() == (MigrationLoader(None).graph.leaf_nodes("oceanus_console")[0][1],)


def waits_for(cursor: Any, table: str) -> bool:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted", [table])
    return bool(cursor.fetchone()[0])


# --- restarting the web process ---


def test_no_request_is_lost_while_the_web_process_is_restarted() -> None:
    """With the command of the unit in docs/deploy.md, and a socket that is kept open as systemd does."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as kept:
        url = f"http://127.0.0.1:{kept.getsockname()[1]}/livez"
        answers: list[object] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                try:
                    with urllib.request.urlopen(url, timeout=60) as answer:
                        answers.append(answer.status)
                except OSError as error:
                    answers.append(error)

        def some_more() -> None:
            enough = len(answers) + 50
            until(lambda: len(answers) >= enough, "requests are answered")

        web = as_systemd(kept)
        visitors = [threading.Thread(target=ask) for _ in range(8)]
        try:
            for visitor in visitors:
                visitor.start()
            some_more()
            web.send_signal(signal.SIGTERM)
            assert web.wait(timeout=20) == 0
            web = as_systemd(kept)
            some_more()
        finally:
            over.set()
            for visitor in visitors:
                visitor.join()
            web.terminate()
            web.wait(timeout=20)
    assert set(answers) == {200}


# What systemd does between fork and exec.
BECOME = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[2], sys.argv[2:])"


def as_systemd(listening: socket.socket) -> subprocess.Popen[bytes]:
    """Start the web process with the socket as its descriptor 3."""
    unit = (Path(settings.BASE_DIR) / "docs" / "deploy.md").read_text()
    [command] = re.findall(r"^ExecStart=/usr/bin/env .venv/bin/python (-m gunicorn .*)$", unit, re.MULTILINE)
    return subprocess.Popen(
        [sys.executable, "-c", BECOME, str(listening.fileno()), sys.executable, *shlex.split(command)],
        pass_fds=[listening.fileno()],
        cwd=settings.BASE_DIR,
        env=os.environ | {"OCEANUS_ALLOWED_HOSTS": "127.0.0.1"},
    )


# --- pages of the former release ---


@pytest.fixture
def collected(tmp_path: Path, settings: Any) -> None:
    """Static files as they are served: under names that tell their versions."""
    (tmp_path / "staticfiles.json").write_text(
        '{"version": "1.1", "paths": {"css/pages.css": "css/pages.aaaaaaaaaaaa.css"}}'
    )
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }


def test_a_page_of_another_release_gets_its_files(client: Client, collected: None) -> None:
    answer = client.get("/static/css/pages.0123456789ab.css")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/static/css/pages.aaaaaaaaaaaa.css")
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "css/gone.0123456789ab.css",
        "css/pages.css",
        "css/pages.0123456789ab",
        "%00.0123456789ab.js",
        "..%2f.0123456789ab.js",
    ],
)
def test_what_was_never_there_is_not_found(client: Client, collected: None, path: str) -> None:
    assert client.get(f"/static/{path}").status_code == 404
