"""The engine over Flink's JobManager REST API (measured on Flink 1.20 to 2.3). No Django models in here."""

import base64
import hashlib
import re
import time
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import urllib3

from clusters.bounded import CONNECT_SECONDS, BoundedHTTP
from clusters.engine import (
    Capacity,
    Checkpoint,
    Failure,
    Figures,
    Habits,
    JobSight,
    JobState,
    PastException,
    Refused,
    SavepointSight,
    Sights,
    Statement,
    Submission,
    Unanswered,
)
from clusters.flink_answers import (
    TRACE_LIMIT,
    Overview,
    checkpoint_of,
    moment,
    of_flink,
    root_cause,
    understanding,
)
from clusters.flink_figures import exceptions_of, figures_of
from clusters.flink_logs import LOG_SECONDS, FlinkLogs
from clusters.network import our_errors, redirected_elsewhere

RUNNER_CLASS = "console.SqlRunner"
LOOK_SECONDS = 10.0
ASK_SECONDS = 15.0
# The first SQL job after a JobManager's start loads the planner; a busy JobManager compiles one job after the other.
SUBMIT_SECONDS = 90.0

MISSING_JAR = re.compile(r"Jar file .* does not exist")


@lru_cache(maxsize=256)
def connect(url: str, runner_jar: Path, submissions_at_a_time: int = 8) -> "FlinkEngine":
    """Return the engine at `url`, the same one each time: its connections are kept alive and shared by threads."""
    return FlinkEngine(url, runner_jar, submissions_at_a_time)


class FlinkEngine:
    def __init__(self, url: str, runner_jar: Path, submissions_at_a_time: int = 8) -> None:
        self.url = url.rstrip("/")
        self.runner_jar = runner_jar
        self._http = BoundedHTTP()
        self.logs = FlinkLogs(self.url, self._http, partial(self._get, read_seconds=LOG_SECONDS))
        self._jar_id = ""
        # With more at a time a JobManager compiles no faster, and each takes longer.
        self._submitting = BoundedSemaphore(submissions_at_a_time)

    # --- looking ---

    def capacity(self) -> Capacity:
        data = self._get("/overview")
        with understanding(data):
            return Capacity(
                version=data["flink-version"],
                taskmanagers=data["taskmanagers"],
                slots_total=data["slots-total"],
                slots_free=data["slots-available"],
            )

    def habits(self) -> Habits:
        rows: Any = self._get("/jobmanager/config")
        with understanding(rows):
            options = {str(row["key"]): str(row["value"]) for row in rows}
        # The short keys are those of Flink 1.x.
        kind = options.get("high-availability.type") or options.get("high-availability") or ""
        place = options.get("execution.checkpointing.dir") or options.get("state.checkpoints.dir") or ""
        return Habits(kind.upper() not in ("", "NONE"), place.rstrip("/"))

    def jobs(self, seconds: float | None = None) -> Sights:
        data = self._get("/jobs/overview", seconds)
        with understanding(data):
            return Overview(data["jobs"])

    def job(self, job_id: str) -> JobSight:
        data = self._get(f"/jobs/{job_id}")
        with understanding(data):
            tasks = [vertex["tasks"] for vertex in data["vertices"]]
            return JobSight(
                job_id,
                JobState(data["state"]),
                tasks_up=sum(one.get("RUNNING", 0) + one.get("FINISHED", 0) for one in tasks),
                tasks_total=sum(vertex["parallelism"] for vertex in data["vertices"]),
                started_at=moment(data.get("start-time")),
                ended_at=moment(data.get("end-time")),
            )

    def look(self, path: str) -> str:
        status, body = self._request("GET", path, read_seconds=LOOK_SECONDS)
        if status >= 300:
            of_flink(status, body)
        return body.decode(errors="replace")

    def figures(self, job_id: str) -> Figures:
        return figures_of(self._get, job_id)

    def exceptions(self, job_id: str) -> Sequence[PastException]:
        return exceptions_of(self._get, job_id)

    def failure(self, job_id: str) -> Failure:
        data = self._get(f"/jobs/{job_id}/exceptions?maxExceptions=3")
        with understanding(data):
            entries = data["exceptionHistory"]["entries"]
            trace = str(entries[0]["stacktrace"] if entries else data.get("root-exception") or "")
        return Failure(root_cause(trace), trace[:TRACE_LIMIT]) if trace else Failure("", "")

    def restored_from(self, job_id: str) -> str:
        data = self._get(f"/jobs/{job_id}/checkpoints")
        with understanding(data):
            return str((data["latest"].get("restored") or {}).get("external_path") or "")

    def savepoint_sight(self, job_id: str, trigger_id: str) -> SavepointSight:
        data = self._get(f"/jobs/{job_id}/savepoints/{trigger_id}")
        with understanding(data):
            if data["status"]["id"] != "COMPLETED":
                return SavepointSight()
            operation = data["operation"]
            if operation.get("location"):
                return SavepointSight(location=str(operation["location"]))
            # `serialized-throwable` (tens of kB) stays behind.
            trace = str(operation["failure-cause"]["stack-trace"])
        return SavepointSight(failure=root_cause(trace) or "The savepoint failed.", trace=trace[:TRACE_LIMIT])

    def find_savepoint(self, job_id: str, directory: str) -> str:
        data = self._get(f"/jobs/{job_id}/checkpoints")
        with understanding(data):
            known = [one for one in [data["latest"].get("savepoint"), *data["history"]] if one]
            paths = [str(one.get("external_path") or "") for one in known if one["status"] == "COMPLETED"]
        return next((path for path in paths if plain_path(path).startswith(plain_path(directory) + "/")), "")

    def newest_checkpoint(self, job_id: str) -> Checkpoint | None:
        data = self._get(f"/jobs/{job_id}/checkpoints")
        with understanding(data):
            known = [one for one in [data["latest"].get("completed"), *data["history"]] if one]
            kept = [one for one in known if one["status"] == "COMPLETED" and not one["is_savepoint"]]
            # A JobManager that keeps checkpoints in its memory gives no path ("<checkpoint-not-externally-addressable>").
            paths = [one for one in kept if not one["discarded"] and ":/" in str(one.get("external_path"))]
            newest = max(paths, key=lambda one: int(one["id"]), default=None)
            return checkpoint_of(newest) if newest else None

    # --- asking ---

    def check(self, submission: Submission) -> None:
        self._with_runner("plan", submission, read_seconds=SUBMIT_SECONDS)

    def submit(self, submission: Submission) -> None:
        with self._submitting:
            self._with_runner("run", submission, read_seconds=SUBMIT_SECONDS)

    def cancel(self, job_id: str) -> None:
        self._ask("PATCH", f"/jobs/{job_id}?mode=cancel")

    def stop(self, job_id: str, directory: str, trigger_id: str) -> None:
        body = {"targetDirectory": directory, "drain": False, "formatType": "CANONICAL", "triggerId": trigger_id}
        self._ask("POST", f"/jobs/{job_id}/stop", body)

    def savepoint(self, job_id: str, directory: str, trigger_id: str) -> None:
        # Flink spells this one's fields otherwise than those of /stop.
        body = {"target-directory": directory, "cancel-job": False, "formatType": "CANONICAL", "triggerId": trigger_id}
        self._ask("POST", f"/jobs/{job_id}/savepoints", body)

    # --- the SQL runner ---

    def _with_runner(self, act: str, submission: Submission, read_seconds: float) -> None:
        body = _runner_request(submission)
        try:
            self._ask("POST", f"/jars/{self._runner()}/{act}", body, read_seconds)
        except Refused as refusal:
            # The JobManager lost its uploads: nothing was started, so the same id may be sent again.
            if not MISSING_JAR.search(refusal.trace):
                raise
            self._jar_id = ""
            self._ask("POST", f"/jars/{self._runner()}/{act}", body, read_seconds)

    def _runner(self) -> str:
        """Return the jar id of our runner on this JobManager; upload it when it is not there."""
        if not self._jar_id:
            content = self.runner_jar.read_bytes()
            name = f"oceanus-sql-runner-{hashlib.sha256(content).hexdigest()[:12]}.jar"
            data = self._get("/jars")
            with understanding(data):
                there = [str(one["id"]) for one in data["files"] if one["name"] == name]
            self._jar_id = there[0] if there else self._upload(name, content)
        return self._jar_id

    def _upload(self, name: str, content: bytes) -> str:
        fields = {"jarfile": (name, content, "application/x-java-archive")}
        answer = self._send("POST", "/jars/upload", read_seconds=ASK_SECONDS, fields=fields)
        with understanding(answer):
            return str(answer["filename"]).rsplit("/", 1)[-1]

    # --- the wire: the one place that turns the world's errors into ours ---

    def _get(self, path: str, read_seconds: float | None = None) -> dict[str, Any]:
        seconds = LOOK_SECONDS if read_seconds is None else read_seconds
        asked = time.monotonic()
        try:
            return self._send("GET", path, read_seconds=seconds)
        except Unanswered:
            if time.monotonic() - asked >= seconds:
                raise
            # A kept-alive connection may have been closed under us; looking twice does no harm.
            return self._send("GET", path, read_seconds=seconds)

    def _ask(self, method: str, path: str, body: object = None, read_seconds: float = ASK_SECONDS) -> dict[str, Any]:
        return self._send(method, path, read_seconds=read_seconds, json=body)

    def _send(self, method: str, path: str, *, read_seconds: float, **content: Any) -> dict[str, Any]:
        return of_flink(*self._request(method, path, read_seconds=read_seconds, **content))

    def _request(self, method: str, path: str, *, read_seconds: float, **content: Any) -> tuple[int, bytes]:
        if content.get("json", ...) is None:
            del content["json"]
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)
        with our_errors():
            answer, body = self._http.ask(method, self.url + path, timeout=timeout, **content)
        redirected_elsewhere(answer)
        return answer.status, body


def plain_path(uri: str) -> str:
    """Return a file URI in one spelling: Flink answers `file:/x` where we asked for `file:///x`."""
    return re.sub(r"^file:/+", "/", uri).rstrip("/")


def _runner_request(submission: Submission) -> dict[str, Any]:
    body: dict[str, Any] = {
        "entryClass": RUNNER_CLASS,
        "programArgsList": _program_args(submission.statements),
        "jobId": submission.job_id,
        "parallelism": submission.parallelism,
        "flinkConfiguration": {"pipeline.name": submission.name, **submission.options},
    }
    if submission.restore_from:
        body |= {
            "savepointPath": submission.restore_from,
            "allowNonRestoredState": submission.allow_non_restored_state,
            "claimMode": "NO_CLAIM",
        }
    return body


def _program_args(statements: Sequence[Statement]) -> list[str]:
    # Padded with newlines, so that "line N" in Flink's errors is the user's line N.
    texts = (
        f"{one.kind}\n{number}\n" + ("" if one.kind == "set" else "\n" * (one.line - 1)) + one.text
        for number, one in enumerate(statements, start=1)
    )
    return [base64.b64encode(text.encode()).decode() for text in texts]
