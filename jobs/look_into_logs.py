"""One look into the logs of the Flink that a run is on: which process, which file, and the end of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from threading import BoundedSemaphore

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.engine import EngineError, Missing, NotFound, Refused
from clusters.network import told
from clusters.process_logs import LOG, STDOUT, LogFile, ProcessLogs, TaskManager
from jobs.flink_logs import LONGEST_SEARCH, End, Line, Wish
from jobs.masking import mask
from jobs.models import Run
from jobs.shared_flinks import is_among_others, secrets_near
from workspaces import clock

SHOWN_LINES, SHOWN_CHARACTERS = 500, 256 * 1024
# How often a page that follows a log reads it again; of a large one no more than so many bytes a second.
FOLLOWED_EVERY_SECONDS, FOLLOWED_BYTES_PER_SECOND = 5, 2_000_000
# A log is sent whole, which takes seconds if it is large: so many at a time, and so many that wait for their turn, leave threads of
# the process to other pages, however many people follow the logs of a Flink that is slow.
AT_A_TIME, WAITING, WAITS_SECONDS = 2, 2, 3.0
# What an address may name: how the job was started; the TaskManager that runs it; the JobManager; a TaskManager by its id.
STARTUP, RUNNING, JOBMANAGER, TASKMANAGER = "startup", "running", "jobmanager", "taskmanager:"
# Before the name of a file that is listed; LOG and STDOUT stand for themselves.
LISTED = "file:"

_turns, _places = BoundedSemaphore(AT_A_TIME), BoundedSemaphore(AT_A_TIME + WAITING)


class Unread(Exception):
    """Say to the user why nothing was read."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an address asks for; "" is what most people want. `of`: the process that `file` was chosen for."""

    process: str
    of: str
    file: str
    search: str
    level: str
    is_followed: bool

    @classmethod
    def made_in(cls, query: QueryDict) -> Choice:
        def text(name: str) -> str:
            return query.get(name, "").replace("\0", "").strip()[:500]

        search = text("q")[:LONGEST_SEARCH]
        return cls(text("process"), text("of"), text("file"), search, text("level"), text("follow") == "on")

    @property
    def wish(self) -> Wish:
        return Wish.of(self.search, self.level)


@dataclass
class Look:
    """What came of a look. `process` and `file`: what it went to; `unread`: why nothing was read; `mine`: ids of TaskManagers."""

    wish: Wish
    process: str = ""
    file: str = LOG
    taskmanagers: Sequence[TaskManager] = ()
    mine: Sequence[str] = ()
    files: Sequence[LogFile] = ()
    end: End | None = None
    unread: str = ""
    read_at: datetime = field(default_factory=timezone.now)

    @cached_property
    def lines(self) -> Sequence[Line]:
        """What a page shows; a download needs none of it."""
        return self.end.lines(SHOWN_LINES, self.wish) if self.end and not self.unread else ()

    @property
    def seconds(self) -> int:
        """After how long it may be read again."""
        size = self.end.bytes_read if self.end else 0
        return max(FOLLOWED_EVERY_SECONDS, size // FOLLOWED_BYTES_PER_SECOND)

    @property
    def place(self) -> str:
        """The process, as the reader of logs calls it."""
        return self.process.removeprefix(TASKMANAGER) if self.process.startswith(TASKMANAGER) else ""

    @property
    def is_process_listed(self) -> bool:
        return self.process in ("", JOBMANAGER) or any(one.id == self.place for one in self.taskmanagers)

    @property
    def listed_file(self) -> str:
        """The name of the file, if it is one of those that are listed."""
        return self.file.removeprefix(LISTED) if self.file.startswith(LISTED) else ""

    @property
    def is_file_listed(self) -> bool:
        return not self.listed_file or any(one.name == self.listed_file for one in self.files)


def look(
    run: Run, choice: Choice, most: int = SHOWN_CHARACTERS, *, is_again: bool = False, sees_all: bool = False
) -> Look:
    """Look into a log, and keep `most` characters of its end.

    `is_again`: what there is to choose from is known already. `sees_all`: who looks may read about jobs of all workspaces.
    """
    found = Look(choice.wish, "" if choice.process == RUNNING else choice.process)
    is_again = is_again and bool(found.process)
    if run.endpoint.unreachable_since:
        found.unread = _("The cluster can't be reached. As soon as it answers, its logs can be read.")
        return found
    secrets = secrets_near(run)
    try:
        with _turn():
            logs = run.endpoint.logs()
            if not sees_all and is_among_others(run, logs.jobs()):
                raise Unread(
                    _(
                        "Other workspaces run jobs on this Flink, too, under another address. Only super admins may read its logs; ask one if you need them."
                    )
                )
            _choose_process(found, logs, run, is_again)
            _choose_file(found, logs, choice, is_again)
            found.end = End()
            is_listed = found.file.startswith(LISTED)
            with logs.read(found.place, found.file.removeprefix(LISTED), is_listed=is_listed) as log:
                found.end.read(log, found.wish, most, secrets)
                found.read_at = clock.now()
    except Unread as why:
        found.unread = str(why)
    except Missing:
        found.unread = _(
            "Flink has no such file: this process does not write one, or it has been removed. Choose another one."
        )
    except Refused as refusal:
        found.unread = _("Flink does not give the file out: %(reason)s") % {"reason": mask(refusal.summary, secrets)}
    except EngineError as error:
        found.unread = _("The log could not be read: %(reason)s") % {"reason": mask(told(error.summary), secrets)}
    return found


@contextmanager
def _turn() -> Iterator[None]:
    with _held(_places, 0), _held(_turns, WAITS_SECONDS):
        yield


@contextmanager
def _held(some: BoundedSemaphore, seconds: float) -> Iterator[None]:
    if not some.acquire(timeout=seconds):
        raise Unread(_("Other logs are being read at this moment. Try again in some seconds."))
    try:
        yield
    finally:
        some.release()


def _choose_process(found: Look, logs: ProcessLogs, run: Run, is_again: bool) -> None:
    """Find the process: what is asked for, if the cluster has it; by default a TaskManager of the run, or else the JobManager."""
    if not is_again or found.place:
        found.taskmanagers = logs.taskmanagers()
    if not is_again:
        found.mine = _of_the_run(logs, run)
        found.taskmanagers = sorted(found.taskmanagers, key=lambda one: (one.id not in found.mine, one.id))
    known = [one.id for one in found.taskmanagers]
    if not found.process:
        first = next((one for one in known if one in found.mine), None)
        found.process = JOBMANAGER if first is None else TASKMANAGER + first
    elif found.process != JOBMANAGER and found.place not in known:
        raise Unread(
            _(
                "The cluster has no such TaskManager any more. Choose another one; the log of one that has died can only be read on its host."
            )
        )


def _of_the_run(logs: ProcessLogs, run: Run) -> Sequence[str]:
    try:
        return logs.taskmanagers_of(run.flink_job_id) if run.submitted_at else []
    except NotFound:
        return []  # over for long, or it never came up


def _choose_file(found: Look, logs: ProcessLogs, choice: Choice, is_again: bool) -> None:
    """Find the file: what is asked for, if the process has it. One that was chosen for another process counts for nothing."""
    asked = choice.file if choice.of in ("", found.process) else ""
    is_listed = asked.startswith(LISTED)
    if not is_again or is_listed:
        found.files = logs.files(found.place)
    if is_listed and asked.removeprefix(LISTED) not in [one.name for one in found.files]:
        found.file = asked
        raise Unread(
            _("There is no such file any more: Flink keeps only the newest of its old logs. Choose another one.")
        )
    found.file = asked if is_listed or asked == STDOUT else LOG
