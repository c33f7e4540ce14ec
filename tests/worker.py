"""A real Celery worker with beat, on the test's database; for tests that go all the way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from clusters.models import FlinkEndpoint
from oceanus_console.models import Heartbeat
from tests.until import until


@contextmanager
def running_worker() -> Iterator[None]:
    """Run worker and beat until the block ends; it begins when both have shown that they live."""
    environment = os.environ | {
        "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"],
        "OCEANUS_SQL_RUNNER_JAR": str(settings.SQL_RUNNER_JAR),
        "OCEANUS_LOG_LEVEL": "WARNING",
    }
    celery = [sys.executable, "-m", "celery", "-A", "oceanus_console"]
    quiet = ["--loglevel", "WARNING"]
    processes = [
        subprocess.Popen([*celery, "worker", "-P", "threads", "-c", "4", "--without-gossip", *quiet], env=environment),
        subprocess.Popen([*celery, "beat", "--pidfile", "", *quiet], env=environment),
    ]
    try:
        until(lambda: Heartbeat.objects.filter(name__in=["worker", "beat"]).count() == 2, "worker and beat live")
        yield
    finally:
        for process in processes:
            process.terminate()
        # Its last look may still hold rows; nothing may be left when the tables are emptied.
        for process in processes:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        FlinkEndpoint.objects.update(look_at=None)
