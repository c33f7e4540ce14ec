"""What we ask of any engine about the logs of its processes. No Django in here."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

# What every process has under a name of its own; all other files are named as they are listed.
LOG, STDOUT = "log", "stdout"


@dataclass(frozen=True, slots=True)
class TaskManager:
    """A process that runs tasks. `host`: the address and port where it is; "" if that is not told."""

    id: str
    host: str


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file in the log directory of a process."""

    name: str
    size_bytes: int
    written_at: datetime | None


@dataclass(frozen=True, slots=True)
class Log:
    """A log while it is being read: its pieces from its beginning to its end, and its size if that is known."""

    size_bytes: int | None
    pieces: Iterator[bytes]


class ProcessLogs(Protocol):
    """Look into the logs of one running engine; "" names its JobManager. Raises what the engine raises (clusters/engine.py)."""

    def jobs(self) -> Sequence[str]:
        """Return the ids of all jobs that the engine knows, whoever runs them."""

    def taskmanagers(self) -> Sequence[TaskManager]: ...

    def taskmanagers_of(self, job_id: str) -> Sequence[str]:
        """Return the ids of the TaskManagers that run tasks of a job, or ran them last. Raise NotFound."""

    def files(self, process: str) -> Sequence[LogFile]:
        """Return what stands in the log directory of a process, newest first. Raise Missing, Refused."""

    def read(self, process: str, name: str, *, is_listed: bool) -> AbstractContextManager[Log]:
        """Begin to read a listed file, or else LOG or STDOUT. The engine sends all of it. Raise Missing, Refused."""
