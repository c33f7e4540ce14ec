"""Real Celery workers and beats, on the test's database; for tests that go all the way."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from celery import current_app
from django.conf import settings
from django.db import connection

from clusters.models import FlinkEndpoint
from oceanus_console.applications import beat_command, worker_command
from oceanus_console.celery import app, queues
from oceanus_console.models import Heartbeat
from tests.until import until


@dataclass
class Crew:
    """The processes, each of which may be killed at any time."""

    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    beats: list[subprocess.Popen[bytes]] = field(default_factory=list)


def empty_lines() -> None:
    """Take away the messages that wait."""
    with app.connection_for_write() as broker:
        lines = [app.amqp.queues[name] for name in queues()]
        app.amqp.TaskConsumer(broker.default_channel, queues=lines).purge()


@contextmanager
def running_worker(workers: int = 1, beats: int = 1) -> Iterator[Crew]:
    """Run workers and beats until the block ends; it begins when all workers and a beat have shown that they live."""
    environment = os.environ | {
        "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"],
        "OCEANUS_SQL_RUNNER_JAR": str(settings.SQL_RUNNER_JAR),
        "OCEANUS_LOG_LEVEL": "WARNING",
    }
    work = [*worker_command(), "--concurrency", "4"]
    crew = Crew()
    try:
        for number in range(workers):
            crew.workers.append(subprocess.Popen([*work, "--name", f"worker{number}"], env=environment))
        for number in range(beats):
            time.sleep(0.5 * number)  # half a tick: those of different machines aren't in step either
            crew.beats.append(subprocess.Popen(list(beat_command()), env=environment))
        until(lambda: Heartbeat.objects.filter(name__in=["worker", "beat"]).count() == 2, "worker and beat live")
        if workers > 1:
            until(lambda: len(current_app.control.ping(timeout=0.5)) == workers, "all workers live")
        yield crew
    finally:
        _end([*crew.workers, *crew.beats])
        FlinkEndpoint.objects.update(look_at=None)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    # Its last look may still hold rows; nothing may be left when the tables are emptied.
    for process in processes:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
