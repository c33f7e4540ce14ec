"""What Flink measures of a running job, and what it remembers of its exceptions: a few requests, made only while somebody looks."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from clusters.engine import CheckpointFigures, Figures, PastException, TaskFigures
from clusters.flink_answers import TRACE_LIMIT, moment, root_cause, understanding

Get = Callable[[str], Any]

# Each task costs a request; who has more of them looks at Flink itself.
TASKS_MEASURED = 30
# Flink keeps 16, unless it is told otherwise.
EXCEPTIONS_TOLD = 20
IN, OUT, BUSY, HELD_UP = (
    "numRecordsInPerSecond",
    "numRecordsOutPerSecond",
    "busyTimeMsPerSecond",
    "backPressuredTimeMsPerSecond",
)
# For a task as a whole Flink counts nothing that comes in from outside; its source operators tell. A comma would part two names.
OF_A_SOURCE = re.compile(rf"Source__[^,]*\.{OUT}")


def figures_of(get: Get, job_id: str) -> Figures:
    job, checkpoints, counters = (
        get(f"/jobs/{job_id}"),
        get(f"/jobs/{job_id}/checkpoints"),
        get(f"/jobs/{job_id}/metrics?get=numRestarts"),
    )
    with understanding(job):
        with_input = {node["id"] for node in job["plan"]["nodes"] if node.get("inputs")}
        vertices = job["vertices"][:TASKS_MEASURED]
        tasks = [_task(get, job_id, vertex, vertex["id"] not in with_input) for vertex in vertices]
    with understanding(counters):
        restarts = next((int(one["value"]) for one in counters if one["id"] == "numRestarts"), None)
    with understanding(checkpoints):
        counts = checkpoints["counts"]
        known = [_checkpoint(row) for row in checkpoints["history"]]
        return Figures(tasks, known, counts["completed"], counts["failed"], restarts)


def exceptions_of(get: Get, job_id: str) -> list[PastException]:
    data = get(f"/jobs/{job_id}/exceptions?maxExceptions={EXCEPTIONS_TOLD}")
    with understanding(data):
        return [_exception(row) for row in data["exceptionHistory"]["entries"][:EXCEPTIONS_TOLD]]


def _exception(row: Mapping[str, Any]) -> PastException:
    at = moment(row["timestamp"])
    if at is None:
        raise ValueError("an exception has its time")
    trace = str(row["stacktrace"])
    return PastException(
        at=at,
        name=str(row["exceptionName"]),
        summary=root_cause(trace),
        trace=trace[:TRACE_LIMIT],
        task=str(row.get("taskName") or ""),
        # Host and port have the name "location" before Flink 1.19.
        place=" · ".join(filter(None, [row.get("taskManagerId"), row.get("endpoint") or row.get("location")])),
        beside=_beside(row.get("concurrentExceptions") or []),
    )


def _beside(rows: Sequence[Mapping[str, Any]]) -> list[PastException]:
    return [_exception(row) for row in rows[:EXCEPTIONS_TOLD]]


def _task(get: Get, job_id: str, vertex: Mapping[str, Any], is_source: bool) -> TaskFigures:
    path = f"/jobs/{job_id}/vertices/{vertex['id']}/subtasks/metrics"
    operators = [one["id"] for one in get(path) if OF_A_SOURCE.fullmatch(one["id"])] if is_source else []
    # Flink begins to gather them when it is first asked: until then the list is empty.
    rows = get(f"{path}?get={quote(','.join([IN, OUT, BUSY, HELD_UP, *operators]))}")
    found = {row["id"]: row for row in rows}
    brought = [value for one in operators if (value := _number(found, one, "sum")) is not None]
    return TaskFigures(
        name=str(vertex["name"]),
        parallelism=int(vertex["parallelism"]),
        records_in=None if is_source else _number(found, IN, "sum"),
        records_out=_number(found, OUT, "sum"),
        busy=_share(_number(found, BUSY, "max")),
        backpressured=_share(_number(found, HELD_UP, "max")),
        source_records=sum(brought) if brought else None,
    )


def _number(found: Mapping[str, Any], name: str, how: str) -> float | None:
    """Return a metric; None where there is none, or "NaN", which Flink writes for what it can't tell."""
    value = float(found[name][how]) if name in found else math.nan
    return value if math.isfinite(value) else None


def _share(milliseconds_per_second: float | None) -> float | None:
    return None if milliseconds_per_second is None else min(1.0, milliseconds_per_second / 1000)


def _checkpoint(row: Mapping[str, Any]) -> CheckpointFigures:
    at = moment(row["trigger_timestamp"])
    if at is None:
        raise ValueError("a checkpoint has been triggered")
    return CheckpointFigures(
        number=int(row["id"]),
        state=str(row["status"]),
        is_savepoint=bool(row["is_savepoint"]),
        triggered_at=at,
        duration_ms=max(0, int(row["end_to_end_duration"])),
        size_bytes=max(0, int(row["state_size"])),
    )
