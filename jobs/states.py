"""The states of a job, the acts that can be asked for, and the one table that says what is allowed from where. Pure."""

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Status(TextChoices):
    UNINITIALIZED = "uninitialized", pgettext_lazy("status", "Uninitialized")
    UNPUBLISHED = "unpublished", pgettext_lazy("status", "Unpublished")
    OPERATING = "operating", pgettext_lazy("status", "Operating")
    RUNNING = "running", pgettext_lazy("status", "Running")
    STOPPED = "stopped", pgettext_lazy("status", "Stopped")
    PAUSED = "paused", pgettext_lazy("status", "Paused")
    FAILED = "failed", pgettext_lazy("status", "Failed")


# Tencent Cloud API 3.0, JobV1.Status.
API_CODES = {
    Status.UNINITIALIZED: 1,
    Status.UNPUBLISHED: 2,
    Status.OPERATING: 3,
    Status.RUNNING: 4,
    Status.STOPPED: 5,
    Status.PAUSED: 6,
    Status.FAILED: -1,
}


class Action(TextChoices):
    CREATE = "create", pgettext_lazy("act", "Create")
    SAVE = "save", pgettext_lazy("act", "Save draft")
    PUBLISH = "publish", pgettext_lazy("act", "Publish draft")
    RUN = "run", pgettext_lazy("act", "Run")
    STOP = "stop", pgettext_lazy("act", "Stop")
    SNAPSHOT = "snapshot", pgettext_lazy("act", "Create snapshot")
    COPY = "copy", pgettext_lazy("act", "Create copy")
    CANCEL = "cancel", pgettext_lazy("act", "Cancel operation")
    DELETE = "delete", pgettext_lazy("act", "Delete")
    MOVE = "move", pgettext_lazy("act", "Move")
    RENAME = "rename", pgettext_lazy("act", "Rename")
    RECOVERY = "recovery", pgettext_lazy("act", "Switch auto recovery")
    DESCRIBE = "describe", pgettext_lazy("act", "Describe")
    DELETE_VERSION = "delete-version", pgettext_lazy("act", "Delete version")


ANY = frozenset(Status)
SETTLED_IDLE = frozenset({Status.STOPPED, Status.PAUSED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Rule:
    """`begins` is the status shown while the operation is open (None: unchanged); `refusal` tells why not, to the user."""

    starts_from: frozenset[Status]
    begins: Status | None
    refusal: object


TABLE: dict[Action, Rule] = {
    Action.CREATE: Rule(ANY, None, ""),
    Action.SAVE: Rule(ANY, None, ""),
    Action.PUBLISH: Rule(
        ANY - {Status.UNINITIALIZED}, None, _("There is no saved draft yet. Save the draft, then publish it.")
    ),
    Action.RUN: Rule(
        SETTLED_IDLE, Status.OPERATING, _("Only a stopped, paused or failed job with a published version can be run.")
    ),
    Action.STOP: Rule(frozenset({Status.RUNNING}), Status.OPERATING, _("Only a running job can be stopped.")),
    Action.SNAPSHOT: Rule(frozenset({Status.RUNNING}), None, _("A snapshot can be created of a running job only.")),
    Action.COPY: Rule(ANY, None, ""),
    Action.MOVE: Rule(ANY, None, ""),
    Action.RENAME: Rule(ANY, None, ""),
    Action.RECOVERY: Rule(ANY, None, ""),
    Action.DESCRIBE: Rule(ANY, None, ""),
    Action.DELETE_VERSION: Rule(ANY, None, ""),
    Action.CANCEL: Rule(
        frozenset({Status.OPERATING}), Status.OPERATING, _("There is no operation under way that could be cancelled.")
    ),
    Action.DELETE: Rule(
        ANY - {Status.OPERATING, Status.RUNNING},
        None,
        _("A job that runs or is being operated can't be deleted. Stop it first."),
    ),
}


def is_allowed(action: Action, status: Status) -> bool:
    return status in TABLE[action].starts_from


class Step(TextChoices):
    """Where an open operation stands. A worker acts in the asking steps; in the others the watcher looks how it goes."""

    SUBMITTING = "submitting", _("submitting to Flink")
    STARTING = "starting", _("waiting until all tasks run")
    ASKING = "asking", _("asking Flink")
    SNAPSHOTTING = "snapshotting", _("creating the snapshot")
    WITHDRAWING = "withdrawing", _("cancelling on Flink")
    ENDING = "ending", _("waiting until the job has ended")
    DONE = "done", _("done")


ASKING_STEPS = (Step.SUBMITTING, Step.ASKING, Step.WITHDRAWING)
WATCHED_STEPS = (Step.STARTING, Step.SNAPSHOTTING, Step.ENDING)


class Outcome(TextChoices):
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", pgettext_lazy("outcome", "Failed")
    CANCELLED = "cancelled", _("Cancelled")


class RunEnd(TextChoices):
    """How a run ended. Empty while it is not over."""

    STOPPED = "stopped", pgettext_lazy("run", "Stopped")
    # Stopped with a snapshot, through the API, to be resumed from it.
    PAUSED = "paused", pgettext_lazy("run", "Paused")
    FINISHED = "finished", pgettext_lazy("run", "Finished")
    CANCELLED = "cancelled", pgettext_lazy("run", "Cancelled")
    FAILED = "failed", pgettext_lazy("run", "Failed")
    LOST = "lost", pgettext_lazy("run", "Lost")
    NEVER_STARTED = "never-started", pgettext_lazy("run", "Never started")


def status_after(end: RunEnd) -> Status:
    """Return what a job is once its run has ended so (the rule of the true state)."""
    if end == RunEnd.PAUSED:
        return Status.PAUSED
    return Status.FAILED if end in (RunEnd.FAILED, RunEnd.LOST) else Status.STOPPED
