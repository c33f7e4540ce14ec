"""Flink's answers in our words. Whatever has an unexpected shape is no answer."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from clusters.engine import (
    AlreadySubmitted,
    Checkpoint,
    EngineError,
    JobSight,
    JobState,
    NotFound,
    Refused,
    Sights,
    Unanswered,
)
from clusters.network import not_of_flink

TRACE_LIMIT = 60_000
# Flink says these when it gave up waiting for itself: the deed may still have been done.
UNSURE = re.compile(
    r"TimeoutException|AskTimeout|LeaderElection|leader election|RecipientUnreachable|FencingTokenException"
)
DUPLICATE = re.compile(r"Duplicate(Job|Application)SubmissionException")
UNKNOWN_JOB = re.compile(
    r"FlinkJobNotFoundException|Job [0-9a-f]{32} not found|There is no savepoint operation with triggerId"
)
# How JSON writes the one character that PostgreSQL does not take: it stands in errors that quote binary data.
NUL, REPLACED = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000"), rb"\1\\ufffd"


def parsed(body: bytes) -> Any:
    """Return what a JSON text says, each NUL in it replaced. Raise ValueError for anything else."""
    return json.loads(NUL.sub(REPLACED, body) if b"\\u0000" in body else body)


def of_flink(status: int, body: bytes) -> Any:
    """Return what Flink answered. Raise what it means when it is no, and Unanswered for what is not of Flink."""
    try:
        data = parsed(body)
    except ValueError as error:
        raise Unanswered(not_of_flink(status, body)) from error
    if status < 300 and isinstance(data, dict | list):
        return data  # a list in one case: the JobManager's configuration
    if not isinstance(data, dict):
        raise Unanswered(not_of_flink(status, body))
    raise _error(status, data, body)


def _error(status: int, data: dict[str, Any], body: bytes) -> EngineError:
    errors = data.get("errors")
    if not isinstance(errors, list):
        return Unanswered(not_of_flink(status, body))
    trace = "\n".join(str(line) for line in errors)[:TRACE_LIMIT]
    summary = root_cause(trace)
    if DUPLICATE.search(trace):
        return AlreadySubmitted(summary, trace)
    if UNKNOWN_JOB.search(trace):
        return NotFound(summary, trace)
    if status == 503 or UNSURE.search(summary):
        return Unanswered(summary, trace)
    return Refused(summary, trace)


@contextmanager
def understanding(data: dict[str, Any]) -> Iterator[None]:
    """Turn an answer of an unexpected shape into Unanswered: from it nothing may be concluded, least of all "no jobs"."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Unanswered(f"Not an answer of Flink ({error!r}): {str(data)[:200]}") from error


class Overview(Sights):
    """What Flink shows of its jobs. Most of them have ended long ago, and are put into our words only if somebody asks for them."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = {str(row["jid"]): row for row in rows}
        ended = {str(state) for state in JobState if state.is_over}
        self._sights = {one: _sight_of_overview(row) for one, row in self._rows.items() if row["state"] not in ended}
        self.alive = frozenset(self._sights)

    def __getitem__(self, job_id: str) -> JobSight:
        if job_id not in self._sights:
            row = self._rows[job_id]
            with understanding(row):
                self._sights[job_id] = _sight_of_overview(row)
        return self._sights[job_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _sight_of_overview(row: dict[str, Any]) -> JobSight:
    tasks = row.get("tasks", {})
    return JobSight(
        job_id=row["jid"],
        state=JobState(row["state"]),
        tasks_up=tasks.get("running", 0) + tasks.get("finished", 0),
        tasks_total=tasks.get("total", 0),
        started_at=moment(row.get("start-time")),
        ended_at=moment(row.get("end-time")),
    )


def checkpoint_of(row: dict[str, Any]) -> Checkpoint:
    triggered_at = moment(row["trigger_timestamp"])
    completed_at = moment(row["latest_ack_timestamp"]) or triggered_at
    if triggered_at is None or completed_at is None:
        raise ValueError("a completed checkpoint has its times")
    return Checkpoint(str(row["external_path"]), triggered_at, completed_at, int(row["state_size"]))


def moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds and milliseconds > 0 else None


# Above the innermost cause, which only says what is wrong with the value.
WHICH_KEY = re.compile(r"Could not parse value '.*' for key '.*'\.$", re.MULTILINE)


def root_cause(trace: str) -> str:
    """Return the message of the innermost cause of a Java stack trace, all its lines, without the frames.

    When a value can't be read, what Flink says of its key stands before that.
    """
    lines = [line for line in trace.splitlines() if not re.match(r"\s*(at |\.\.\. \d+|~?\[|Suppressed: )", line)]
    lines = [
        line for line in lines if "End of exception on server side" not in line and line != "Internal server error."
    ]
    last = max((i for i, line in enumerate(lines) if line.lstrip().startswith("Caused by: ")), default=0)
    text = "\n".join(lines[last:]).strip().removeprefix("<Exception on server side:").strip()
    text = text.removeprefix("Caused by: ")
    # "org.apache.flink.table.api.ValidationException: text" -> "ValidationException: text"
    text = re.sub(r"^(?:[a-z_][\w$]*\.)+(?=[A-Z])", "", text)
    key = WHICH_KEY.search(trace)
    return (f"{key[0]}\n{text}" if key and key[0] not in text else text)[:4000]
