"""A real standby that has not got the last seconds takes over, and nothing is started a second time (G2)."""

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from clusters.models import FlinkEndpoint
from jobs.operations.unrecorded import NOTED_WITHIN
from oceanus_console.child import Log
from oceanus_console.embedded import Postgres
from oceanus_console.home import make_passable
from oceanus_console.supervisor import running
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.services import OURS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("DATABASE_URL" not in os.environ[OURS].split(), reason="nobody knows how to copy your server"),
]


@pytest.fixture
def standby() -> Iterator[Postgres]:
    """Where a standby can be made of the server of the tests."""
    home = Path(tempfile.mkdtemp(prefix="oceanus-test-standby-"))
    for directory in (home, home / "run"):
        make_passable(directory)
    yield Postgres(home, durable=False)
    shutil.rmtree(home)


def copy_of_the_server(standby: Postgres) -> None:
    here = settings.DATABASES["default"]
    asked = ["-D", standby.data, "-h", here["HOST"], "-U", here["USER"], "--checkpoint=fast", "--no-sync"]
    standby.data.mkdir(mode=0o700)
    if standby.user:
        shutil.chown(standby.data, standby.user)
    command = [standby.binaries() / "pg_basebackup", *asked]
    subprocess.run(command, check=True, user=standby.user or None, cwd="/", timeout=60)
    (standby.data / "standby.signal").touch()


def test_what_a_standby_has_not_heard_of_is_not_started_again(
    console: Console, fake: FakeFlink, standby: Postgres
) -> None:
    console.watch()
    copy_of_the_server(standby)
    before = FlinkEndpoint.objects.get()
    flink_id = console.start().flink_job_id

    here = connection.settings_dict["HOST"]
    with running([standby.child()], Log(io.StringIO())):
        connection.close()
        connection.settings_dict["HOST"] = str(standby.sockets)
        try:
            with psycopg.connect(host=str(standby.sockets), user="console", dbname="console") as asked:
                asked.execute("SELECT pg_promote()")
            now = FlinkEndpoint.objects.get()
            assert (now.seen_at, now.seen_under) == (before.seen_at, before.seen_under)
            assert console.job.runs.count() == 0, "it has never heard of it"
            FlinkEndpoint.objects.update(seen_at=before.seen_at + NOTED_WITHIN)  # however slow the copy was
            console.click_run()
            console.perform()
            assert console.job.problem
            assert console.job.problem.code == "runs-unrecorded"
            assert list(fake.jobs) == [flink_id]
            console.watch()
            assert (console.job.status, console.run.flink_job_id) == ("running", flink_id)
        finally:
            connection.close()
            connection.settings_dict["HOST"] = here
