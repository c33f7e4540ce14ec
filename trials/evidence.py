"""What the checks judge by, beside the database: what Flink shows, how its jobs ended, what was asked of it, and who clicked."""

import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from trials.people import Click
from trials.proxy import Ask

OVER = frozenset({"FAILED", "CANCELED", "FINISHED"})


@dataclass(frozen=True)
class FlinkJob:
    state: str
    tasks_up: int
    tasks_total: int

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def is_up(self) -> bool:
        return self.state == "RUNNING" and 0 < self.tasks_total == self.tasks_up


@dataclass(frozen=True)
class Evidence:
    """`since`: when the trial began; `jobs`: Flink job id -> what Flink shows; `ends`: id -> how it ended, as far as known.

    `snapshot_root`: where snapshots lie; `people`: user name -> all that was clicked under it; `definitions`: versions as they
    were published, version id -> their text; `doubtful`: ids that were out of sight once, so that nobody can know their end.
    """

    since: datetime
    jobs: Mapping[str, FlinkJob]
    ends: Mapping[str, str]
    snapshot_root: Path
    asks: Sequence[Ask] = ()
    people: Mapping[str, Sequence[Click]] = field(default_factory=dict)
    definitions: dict[int, str] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    can_be_recorded: Callable[[Path], bool] = lambda _path: True

    @property
    def alive(self) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if not job.is_over]

    def end_of(self, job_id: str) -> str:
        """Return how Flink says that a job ended; "" when it lives or nothing is known."""
        if job_id in self.doubtful:
            return ""
        shown = self.jobs.get(job_id)
        return shown.state if shown and shown.is_over else "" if shown else self.ends.get(job_id, "")


class Archive:
    """Flink's archive of ended jobs: a file for each, which never changes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.read: dict[str, str] = {}

    def ends(self) -> Mapping[str, str]:
        """Return job id -> the state in which it ended."""
        for path in self.directory.rglob("*"):
            if path.is_file() and path.name not in self.read and (state := state_in_archive(path)):
                self.read[path.name] = state
        return dict(self.read)


def state_in_archive(path: Path) -> str:
    """Return the state of the job in one file of the archive; "" when it is not one, or being written."""
    try:
        entries = json.loads(path.read_bytes())["archive"]
        found = next(one for one in entries if one["path"] == f"/jobs/{path.name}")
        return str(json.loads(found["json"])["state"])
    except (ValueError, KeyError, TypeError, StopIteration):
        return ""


def ask_flink(url: str) -> dict[str, FlinkJob]:
    """Return what Flink shows of all its jobs. Raise OSError or ValueError when it does not answer."""
    with urllib.request.urlopen(f"{url}/jobs/overview", timeout=10) as answer:
        rows: list[dict[str, Any]] = json.load(answer)["jobs"]
    return {row["jid"]: _job_of(row["state"], row["tasks"]) for row in rows}


def _job_of(state: str, tasks: Mapping[str, int]) -> FlinkJob:
    return FlinkJob(state, tasks["running"] + tasks["finished"], tasks["total"])
