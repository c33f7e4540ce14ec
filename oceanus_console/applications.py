"""The console's own processes, as command lines: what `up` starts, and what benchmarks and tests measure. No Django models in here."""

import sys
from collections.abc import Sequence
from pathlib import Path

WEB_THREADS = 8  # of each web process (oceanus_console/room.py)
ROOT = Path(__file__).resolve().parent.parent


def web_command(bind: str, application: str = "oceanus_console.wsgi") -> Sequence[str]:
    """Return how to serve `application` on `bind` ("host:port")."""
    return [
        *(sys.executable, "-m", "gunicorn", application, "--chdir", str(ROOT), "--bind", bind),
        *(
            "--worker-class",
            "gthread",
            "--workers",
            "2",
            "--threads",
            str(WEB_THREADS),
            "--preload",
            "--graceful-timeout",
            "5",
        ),
        *("--keep-alive", "10"),  # longer than a page waits between two polls
        *("--limit-request-line", "8190", "--log-level", "warning", "--no-control-socket"),
    ]


def worker_command() -> Sequence[str]:
    """Return how to run a worker, from this directory."""
    return [sys.executable, "-m", "oceanus_console.worker"]


def beat_command() -> Sequence[str]:
    return [sys.executable, "-m", "oceanus_console.beat"]
