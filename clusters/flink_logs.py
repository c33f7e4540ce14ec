"""The processes of a Flink and what they log. Flink sends a file whole and from its beginning: it knows no Range."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import urllib3

from clusters.bounded import CONNECT_SECONDS, BoundedHTTP
from clusters.engine import Missing, Refused
from clusters.flink_answers import moment, of_flink, understanding
from clusters.network import our_errors, redirected_elsewhere
from clusters.process_logs import Log, LogFile, TaskManager

# So long for the next piece of an answer, and PATIENCE times as long for all of it (clusters/bounded.py): a person waits.
LOG_SECONDS = 5.0
PIECE_BYTES = 64 * 1024
# Each task costs a request; of a job with more of them, or if Flink takes longer than LOG_SECONDS, not all TaskManagers may be found.
TASKS_ASKED = 30
HOST = re.compile(r"@([^/]+)/")
# How Flink calls a TaskManager of a task that has none yet.
NOWHERE = "(unassigned)"
GONE = re.compile(r"does not exist|because it was unknown|Unable to load requested file|Could not find TaskExecutor")


class FlinkLogs:
    def __init__(self, url: str, http: BoundedHTTP, get: Callable[[str], Any]) -> None:
        self._url, self._http, self._get = url, http, get

    def jobs(self) -> list[str]:
        data = self._get("/jobs")
        with understanding(data):
            return [str(row["id"]) for row in data["jobs"]]

    def taskmanagers(self) -> list[TaskManager]:
        data = self._get("/taskmanagers")
        with understanding(data):
            return [_taskmanager(row) for row in data["taskmanagers"]]

    def taskmanagers_of(self, job_id: str) -> list[str]:
        job = self._get(f"/jobs/{job_id}")
        with understanding(job):
            vertices = [quote(str(vertex["id"]), safe="") for vertex in job["vertices"][:TASKS_ASKED]]
        found: dict[str, None] = {}
        until = time.monotonic() + LOG_SECONDS
        for vertex in vertices:
            if time.monotonic() >= until:
                break
            data = self._get(f"/jobs/{job_id}/vertices/{vertex}/taskmanagers")
            with understanding(data):
                found |= dict.fromkeys(str(row["taskmanager-id"]) for row in data["taskmanagers"])
        return [one for one in found if one != NOWHERE]

    def files(self, process: str) -> list[LogFile]:
        with _missing():
            data = self._get(_place(process) + "/logs")
        with understanding(data):
            files = [LogFile(str(row["name"]), int(row["size"]), moment(row.get("mtime"))) for row in data["logs"]]
        return sorted(
            files, key=lambda one: (one.written_at.timestamp() if one.written_at else 0, one.name), reverse=True
        )

    @contextmanager
    def read(self, process: str, name: str, *, is_listed: bool) -> Iterator[Log]:
        url = self._url + _place(process) + (f"/logs/{quote(name, safe='')}" if is_listed else f"/{name}")
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=LOG_SECONDS)
        with our_errors(), self._http.begin("GET", url, timeout=timeout) as answer:
            redirected_elsewhere(answer)
            if answer.status >= 300:
                with _missing():
                    of_flink(answer.status, answer.read(PIECE_BYTES))
            yield Log(answer.length_remaining, _pieces(answer))


def _pieces(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    with our_errors():
        # As they come: what is there when the connection breaks off is told.
        while piece := answer.read1(PIECE_BYTES):
            yield piece


def _place(process: str) -> str:
    return f"/taskmanagers/{quote(process, safe='')}" if process else "/jobmanager"


@contextmanager
def _missing() -> Iterator[None]:
    try:
        yield
    except Refused as refusal:
        if GONE.search(refusal.trace):
            raise Missing(refusal.summary, refusal.trace) from refusal
        raise


def _taskmanager(row: Mapping[str, Any]) -> TaskManager:
    host = HOST.search(str(row.get("path")))
    return TaskManager(str(row["id"]), host[1] if host else "")
