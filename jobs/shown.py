"""How the status of a job is shown: a shape, a word, and a line of progress. Never claims more than Flink said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from jobs.models import BatchItem, Job, Run
from jobs.operations.back_off import BUDGET, WINDOW
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
    progress = _progress(job, run) or recovery(job) or _ending(status, run)
    return Shown(SHAPES[status], str(status.label), progress, live or job.is_busy)


def _progress(job: Job, run: Run | None) -> str:
    if not job.is_busy or job.step not in Step.values:
        return ""
    if job.step == Step.STARTING and run and run.tasks_total:
        return f"{Step.STARTING.label} ({run.tasks_up}/{run.tasks_total})"
    return str(Step(job.step).label)


def recovery(job: Job) -> str:
    """Tell when the console itself runs the job again, or that it has given up."""
    why = job.problem
    if why is None:
        return ""
    if job.recover_at:
        told = job.recover_at.strftime("%H:%M:%S")
        at = format_html('<time datetime="{}" data-clock>{}</time>', job.recover_at.isoformat(), told)
        text = _("runs again automatically at {time} (attempt {attempt} of {budget})")
        return format_html(text, time=at, attempt=why.values.get("attempt", 1), budget=BUDGET)
    if why.values.get("gave_up"):
        text = _("Run again automatically %(times)s times in %(minutes)s minutes; now it is up to you.")
        return f"{text % {'times': BUDGET, 'minutes': WINDOW // timedelta(minutes=1)}} {why.refusal}".strip()
    return ""


def _tasks(run: Run) -> str:
    return _("%(up)s of %(total)s tasks run") % {"up": run.tasks_up, "total": run.tasks_total}


def _ending(status: Status, run: Run | None) -> str:
    """Tell how it came to stop, where that is more than somebody's stop."""
    if status == Status.STOPPED and run and run.end in (RunEnd.FINISHED, RunEnd.CANCELLED):
        return str(run.get_end_display())
    return ""
