"""The console under trial: `up` as a child of ours, seen from outside. No Django in here."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Short, so that what can't go on ends within a trial. How long a job may be missing stays over a minute (a job lost by mistake
# would be a finding), and below the wait for an end, as it is by default.
DEADLINES = {
    "OCEANUS_SUBMITTING_SECONDS": "40",
    "OCEANUS_STARTING_SECONDS": "60",
    "OCEANUS_ASKING_SECONDS": "30",
    "OCEANUS_SNAPSHOTTING_SECONDS": "30",
    "OCEANUS_ENDING_SECONDS": "100",
    "OCEANUS_LOST_AFTER_SECONDS": "75",
}
PARTS = ("postgres", "valkey", "zookeeper", "jobmanager", "taskmanager", "web", "worker", "beat")


class NotUp(Exception):
    """Say what the console under trial lacks."""


class Console:
    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.url = f"http://127.0.0.1:{port}"
        self.output = home.with_name("up.log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start `up`; what is set for services of our own must not reach it."""
        ours = {"DATABASE_URL", "CELERY_BROKER_URL"}
        environment = {key: value for key, value in os.environ.items() if key not in ours}
        environment |= {"OCEANUS_HOME": str(self.home), **DEADLINES}
        command = [sys.executable, "-m", "oceanus_console.up", "--port", str(self.port)]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=ROOT,
            )

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def health(self) -> dict[str, Any]:
        """Return what /healthz answers; {"missing": ["web"]} when nobody does."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error, contextlib.suppress(ValueError):
                return dict(json.load(error))
        except (OSError, ValueError):
            pass
        return {"missing": ["web"]}

    def is_healthy(self) -> bool:
        """Tell whether every part is there: as /healthz says, and as processes."""
        return not self.health()["missing"] and set(PARTS) <= set(self.pids())

    def await_up(self, seconds: float) -> None:
        """Wait until it has said that it is up, and every part is there. Raise NotUp."""
        deadline = time.monotonic() + seconds
        while b"Oceanus Console is up" not in self.said():
            if time.monotonic() > deadline or self.process is None or self.process.poll() is not None:
                raise NotUp(f"Not up within {seconds:.0f} s; see {self.output}")
            time.sleep(0.2)
        self.await_health(seconds)

    def await_health(self, seconds: float) -> None:
        """Wait until every part is there. Raise NotUp."""
        deadline = time.monotonic() + seconds
        while not self.is_healthy():
            if time.monotonic() > deadline or self.process is None or self.process.poll() is not None:
                raise NotUp(f"Not up within {seconds:.0f} s: {self.health()}, {sorted(self.pids())}")
            time.sleep(0.2)

    def pids(self) -> dict[str, int]:
        try:
            return dict(json.loads((self.home / "run" / "pids.json").read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def services(self) -> dict[str, str]:
        """Return where the embedded services are, as environment variables."""
        return dict(json.loads((self.home / "run" / "environment.json").read_text()))

    def users(self) -> dict[str, str]:
        """Return the first users: name -> password."""
        found = json.loads((self.home / "credentials.json").read_text())["users"]
        return {one["username"]: one["password"] for one in found}

    @property
    def flink_port(self) -> int:
        return int(json.loads((self.home / "ports.json").read_text())["flink"])

    def said(self, since: int = 0) -> bytes:
        """Return what its processes have written since that many bytes."""
        with self.output.open("rb") as file:
            file.seek(since)
            return file.read()
