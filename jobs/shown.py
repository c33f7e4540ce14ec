"""How the status of a job is shown: a shape, a word, and a line of progress. Never claims more than Flink said."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from jobs.models import BatchItem, Job, Run
from jobs.states import RunEnd, Status, Step

SHAPES = {
    Status.UNINITIALIZED: "hollow",
    Status.UNPUBLISHED: "hollow",
    Status.OPERATING: "busy",
    Status.RUNNING: "ok",
    Status.STOPPED: "idle",
    Status.PAUSED: "idle",
    Status.FAILED: "bad",
}

ITEM_SHAPES = {
    BatchItem.State.WAITING: "hollow",
    BatchItem.State.WORKING: "busy",
    BatchItem.State.SUCCEEDED: "ok",
    BatchItem.State.FAILED: "bad",
    BatchItem.State.REFUSED: "refused",
    BatchItem.State.CANCELLED: "idle",
}


@dataclass(frozen=True, slots=True)
class Shown:
    shape: str  # ok, busy, idle, bad or hollow: a shape of static/css/parts.css
    word: str
    progress: str
    is_of_flink: bool  # what is shown is known from Flink, so it may be out of date when Flink can't be reached


def shown(job: Job) -> Shown:
    """Return what to show as the status of `job`, which must bring its current run along (`for_rows`)."""
    status = Status(job.status)
    run = job.current_run
    live = run is not None and run.ended_at is None
    if status == Status.RUNNING and run and live and not run.is_up:
        # Flink calls a job RUNNING also while it loops in restarts.
        return Shown("busy", pgettext("status", "Restarting"), _progress(job, run) or _tasks(run), True)
    return Shown(SHAPES[status], str(status.label), _progress(job, run) or _ending(status, run), live or job.is_busy)


def _progress(job: Job, run: Run | None) -> str:
    if not job.is_busy or job.step not in Step.values:
        return ""
    if job.step == Step.STARTING and run and run.tasks_total:
        return f"{Step.STARTING.label} ({run.tasks_up}/{run.tasks_total})"
    return str(Step(job.step).label)


def _tasks(run: Run) -> str:
    return _("%(up)s of %(total)s tasks run") % {"up": run.tasks_up, "total": run.tasks_total}


def _ending(status: Status, run: Run | None) -> str:
    """Tell how it came to stop, where that is more than somebody's stop."""
    if status == Status.STOPPED and run and run.end in (RunEnd.FINISHED, RunEnd.CANCELLED):
        return str(run.get_end_display())
    return ""
