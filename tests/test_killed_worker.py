"""A worker is killed (SIGKILL) at each request of each act, just before or just after Flink carried it out.

The next worker carries on: nothing is done twice, nothing is lost, nothing stays stuck (G2, G3, G5).
"""

import os
import signal
import subprocess
import sys

import pytest
from django.db import connection

from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.test_lost_answers import check, click, prepare

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = """
import sys, django
django.setup()
from django.conf import settings
from django.db import connections
from pathlib import Path
connections["default"].settings_dict["NAME"] = sys.argv[1]
settings.SQL_RUNNER_JAR = Path(sys.argv[2])
from jobs import operations
operations.perform(int(sys.argv[3]))
"""

MOMENTS = [
    ("run", ("GET", r"/overview")),
    ("run", ("POST", r"/jars/upload")),
    ("run", ("POST", r"/jars/[^/]*/run")),
    ("stop-with-snapshot", ("POST", r"/jobs/[^/]*/stop")),
    ("stop", ("PATCH", r"/jobs/.*")),
    ("snapshot", ("POST", r"/jobs/[^/]*/savepoints")),
    ("run-from-snapshot", ("POST", r"/jars/[^/]*/run")),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("act", "moment"), MOMENTS, ids=lambda one: "".join(one) if isinstance(one, str) else one[1])
def test_the_next_worker_carries_on(
    console: Console, fake: FakeFlink, settings, act: str, moment: tuple[str, str], when: str
) -> None:
    prepare(console, act)
    operation = click(console, act)
    worker = start_worker(operation.pk, settings.SQL_RUNNER_JAR)
    fake.on(moment, lambda request: worker.send_signal(signal.SIGKILL), when=when)
    assert worker.wait(timeout=30) == -signal.SIGKILL
    console.settle()
    check(console, fake, act)


def start_worker(operation_id: int, runner_jar: object) -> subprocess.Popen[bytes]:
    """Start a process of its own that performs the operation in the test's database."""
    arguments = [connection.settings_dict["NAME"], str(runner_jar), str(operation_id)]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "oceanus_console.settings"},
    )
