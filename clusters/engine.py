"""What we ask of any engine that runs jobs, and the few errors it may raise. No Django in here.

The exception tree, sorted by what the caller must do next:

    EngineError
      Unreachable     nobody took the request: asking again is safe
      Unanswered      the request may have been taken: look before asking again
      NotFound        the engine answers and does not know this job (or this trigger)
      Refused         the engine answered no, with a reason
        AlreadySubmitted   this job id was submitted before: adopt it
        Missing            it has no such file of logs, or no such process
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class EngineError(Exception):
    """Carry what the engine said: a summary (the root cause, one or a few lines) and the whole trace."""

    def __init__(self, summary: str, trace: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.trace = trace


class Unreachable(EngineError):
    """Say that the request surely did not arrive."""


class Unanswered(EngineError):
    """Say that the request may or may not have been carried out."""


class NotFound(EngineError):
    """Say that the engine answers and knows no such thing."""


class Refused(EngineError):
    """Say that the engine answered no."""


class AlreadySubmitted(Refused):
    """Say that a job with this id was submitted before."""


class Missing(Refused):
    """Say that there is no such file of logs, or no such process."""


class JobState(StrEnum):
    """Flink's words for the state of a job (org.apache.flink.api.common.JobStatus)."""

    INITIALIZING = "INITIALIZING"
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    FAILING = "FAILING"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELED = "CANCELED"
    FINISHED = "FINISHED"
    RESTARTING = "RESTARTING"
    SUSPENDED = "SUSPENDED"
    RECONCILING = "RECONCILING"

    @property
    def is_over(self) -> bool:
        return self in (JobState.FAILED, JobState.CANCELED, JobState.FINISHED)


@dataclass(frozen=True, slots=True)
class JobSight:
    """One job as the engine shows it at one moment. `tasks_up` counts running and finished tasks."""

    job_id: str
    state: JobState
    tasks_up: int
    tasks_total: int
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_up(self) -> bool:
        """Tell whether it really works: Flink says RUNNING also while no task of the job runs."""
        return self.state == JobState.RUNNING and self.tasks_total > 0 and self.tasks_up == self.tasks_total


class Sights(Mapping[str, JobSight]):
    """All jobs at one moment: job id -> sight. `alive`: the ids of those that have not ended."""

    alive: frozenset[str]


@dataclass(frozen=True, slots=True)
class Capacity:
    version: str
    taskmanagers: int
    slots_total: int
    slots_free: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement. `line` is its first line in the user's script, counted from 1."""

    kind: str  # "insert", "set" or "other"
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Submission:
    """All that the engine needs to start one SQL job; `job_id` is ours, 32 hex digits."""

    job_id: str
    name: str
    statements: Sequence[Statement]
    parallelism: int
    options: Mapping[str, str] = field(default_factory=dict)
    restore_from: str = ""
    allow_non_restored_state: bool = False


@dataclass(frozen=True, slots=True)
class SavepointSight:
    """How a savepoint that we triggered stands: under way, at a location, or failed."""

    location: str = ""
    failure: str = ""
    trace: str = ""

    @property
    def is_over(self) -> bool:
        return bool(self.location or self.failure)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A completed checkpoint that the engine retains."""

    location: str
    triggered_at: datetime
    completed_at: datetime
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Habits:
    """`keeps_jobs`: jobs outlive the death of what coordinates them (Flink: high availability).

    `checkpoint_directory`: a URI below which each job, unless it says otherwise, has a folder by its id; "" if there is none.
    """

    keeps_jobs: bool
    checkpoint_directory: str


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """One task of a running job, all its subtasks together; records are per second, None is what is not known (yet).

    `busy` and `backpressured` are those of the subtask that is so most, from 0 to 1. `source_records`: what its sources bring in.
    """

    name: str
    parallelism: int
    records_in: float | None
    records_out: float | None
    busy: float | None
    backpressured: float | None
    source_records: float | None


@dataclass(frozen=True, slots=True)
class CheckpointFigures:
    """One checkpoint or savepoint, over or not. `state`: COMPLETED, FAILED or IN_PROGRESS."""

    number: int
    state: str
    is_savepoint: bool
    triggered_at: datetime
    duration_ms: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What can be measured of a running job at one moment; checkpoints as far back as the engine remembers, newest first."""

    tasks: Sequence[TaskFigures]
    checkpoints: Sequence[CheckpointFigures]
    completed_checkpoints: int
    failed_checkpoints: int
    restarts: int | None

    @property
    def records_read(self) -> float | None:
        """What all sources bring in per second, as far as that is known."""
        known = [one.source_records for one in self.tasks if one.source_records is not None]
        return sum(known) if known else None

    @property
    def are_blank(self) -> bool:
        """Tell whether nothing is known of any task: Flink begins to gather when it is first asked, and has nothing until then."""
        measured = (
            (one.source_records, one.records_in, one.records_out, one.busy, one.backpressured) for one in self.tasks
        )
        return all(value is None for values in measured for value in values)


@dataclass(frozen=True, slots=True)
class PastException:
    """What was thrown in a job, and made it restart or fail.

    `task` and `place` (of the TaskManager) are "" where it was none of one task; `beside`: what was thrown at the same time.
    """

    at: datetime
    name: str
    summary: str
    trace: str
    task: str
    place: str
    beside: Sequence["PastException"] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, in the engine's words."""

    summary: str
    trace: str


class Engine(Protocol):
    """Speak to one running engine. Every method may raise Unreachable and Unanswered; more is said at the method."""

    def capacity(self) -> Capacity: ...

    def habits(self) -> Habits:
        """Return how the engine is configured, as far as it matters to us."""

    def jobs(self, seconds: float | None = None) -> Sights:
        """Look at all jobs at once: job id -> sight. Wait so many seconds for the answer; None is as long as usual."""

    def job(self, job_id: str) -> JobSight:
        """Look at one job. Raise NotFound."""

    def look(self, path: str) -> str:
        """Return the engine's own answer, JSON as it came, about a path of its API that only looks. Raise NotFound, Refused."""

    def check(self, submission: Submission) -> None:
        """Let the engine compile the job without starting it. Raise Refused."""

    def submit(self, submission: Submission) -> None:
        """Start the job. Raise Refused, AlreadySubmitted."""

    def cancel(self, job_id: str) -> None:
        """End the job without a savepoint; asking twice is safe. Raise NotFound."""

    def stop(self, job_id: str, directory: str, trigger_id: str) -> None:
        """Ask for a savepoint into `directory` and the job's end after it; asking twice with one trigger id is safe. Raise NotFound, Refused."""

    def savepoint(self, job_id: str, directory: str, trigger_id: str) -> None:
        """Ask for a savepoint into `directory` while the job runs on; asking twice with one trigger id is safe. Raise NotFound, Refused."""

    def savepoint_sight(self, job_id: str, trigger_id: str) -> SavepointSight:
        """Look how a triggered savepoint stands. Raise NotFound when the engine has forgotten the trigger (Flink: after 5 minutes)."""

    def find_savepoint(self, job_id: str, directory: str) -> str:
        """Return the location of a completed savepoint below `directory` from the job's own history, or "". Raise NotFound."""

    def newest_checkpoint(self, job_id: str) -> Checkpoint | None:
        """Return the newest completed checkpoint of a job that is still kept, savepoints aside. Raise NotFound."""

    def figures(self, job_id: str) -> Figures:
        """Measure a running job. Raise NotFound, Refused."""

    def exceptions(self, job_id: str) -> Sequence[PastException]:
        """Return what was thrown in a job, as far back as the engine remembers. Raise NotFound, Refused."""

    def failure(self, job_id: str) -> Failure:
        """Return why a job failed. Raise NotFound."""

    def restored_from(self, job_id: str) -> str:
        """Return the location that the job was restored from, or "". Raise NotFound."""
