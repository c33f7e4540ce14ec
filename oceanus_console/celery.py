"""Celery wakes steps up and nothing else; what is to be done stands in PostgreSQL."""

import os
import time
import warnings
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.signals import setup_logging, worker_ready

from oceanus_console.heartbeat import record_heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanus_console.settings")
# The embedded console may run as root (in a container, say), and its broker is reached over a private socket.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("oceanus_console")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

HEARTBEAT_SECONDS = 2.0


def queues() -> list[str]:
    """Return the names of the lines in which messages wait; settings.py says which waits where."""
    return sorted({app.conf.task_default_queue, *(route["queue"] for route in app.conf.task_routes.values())})


@setup_logging.connect
def leave_logging(**_told: Any) -> None:
    """Let logging be as settings.py says; Celery by itself would put the level of its command line over OCEANUS_LOG_LEVEL."""


@worker_ready.connect
def go_on_without_a_word(**_told: Any) -> None:
    """Leave out what Celery, having asked for all its warnings, says at each loss of the broker: that tasks go on.

    That is what we want: they are short, and may be done twice.
    """
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)


class BeatingScheduler(Scheduler):
    """Keep the schedule in memory (it is constant), and record every 2 s that beat is there."""

    recorded_at = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        seconds: float = super().tick(*args, **kwargs)
        if time.monotonic() - self.recorded_at >= HEARTBEAT_SECONDS:
            self.recorded_at = time.monotonic()
            record_heartbeat("beat")
        return min(seconds, HEARTBEAT_SECONDS)
