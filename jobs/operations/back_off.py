"""How soon and how often the console itself runs a job again that has failed or vanished."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs.models import Job, Operation, Problem, Run
from jobs.states import Action, Outcome, RunEnd, Step

BUDGET = 3
WINDOW = timedelta(minutes=10)
# Before the first, the second and the third attempt in the window.
BACK_OFF_SECONDS = (5, 30, 120)

BROKEN = (RunEnd.FAILED, RunEnd.LOST)


def attempts(job_id: int) -> int:
    """Return how often the console has tried to run the job again within the window."""
    since = timezone.now() - WINDOW
    return Operation.objects.filter(job=job_id, created_at__gt=since, params__automatic=True).count()


def plan(job: Job, why: Problem | None, refusal: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the fields of a job that broke: its problem, and when it is run again, if it is. Hold its row.

    `refusal` tells, in all languages, why the last attempt could not even begin.
    """
    if not job.auto_recovery or job.deleted_at:
        return {"problem": why}
    tried = attempts(job.pk)
    more: dict[str, Any] = {"refusal": dict(refusal)} if refusal else {}
    if tried >= BUDGET:
        return {"problem": _told(why, more | {"gave_up": True}), "recover_at": None}
    at = timezone.now() + timedelta(seconds=BACK_OFF_SECONDS[tried])
    return {"problem": _told(why, more | {"attempt": tried + 1}), "recover_at": at}


def _told(why: Problem | None, more: dict[str, Any]) -> Problem:
    """Return the same problem with more to tell. One that is on record is never changed."""
    why = why or Problem(code="failed-without-cause")
    known = {name: value for name, value in why.values.items() if name not in ("attempt", "gave_up", "refusal")}
    return Problem.objects.create(code=why.code, values=known | more, summary=why.summary, trace=why.trace)


def breaks(operation: Operation, outcome: Outcome, run_end: RunEnd | None) -> bool:
    """Tell whether a job is broken by the end of `operation`, though nobody wanted its end."""
    if outcome != Outcome.FAILED:
        return False
    if operation.params.get("automatic"):
        # Withdrawn because it did not come up; one that was cancelled on Flink itself is somebody's wish.
        is_withdrawn = run_end == RunEnd.CANCELLED and operation.step == Step.ENDING
        return is_withdrawn or run_end in (*BROKEN, RunEnd.NEVER_STARTED)
    return operation.action == Action.SNAPSHOT and run_end in BROKEN


def is_broken(run: Run, end: RunEnd) -> bool:
    """Tell whether a run that ended while nobody operated on it broke: it once worked, or the console had begun it."""
    last = Operation.objects.filter(run=run).order_by("pk").last()
    if last and last.step in (Step.WITHDRAWING, Step.ENDING) and (last.action == Action.STOP or last.cancelled_by_id):
        return False  # its end was asked for, and came late
    if is_automatic(run):
        return end in (*BROKEN, RunEnd.NEVER_STARTED)
    return end in BROKEN and run.started_at is not None


def is_automatic(run: Run) -> bool:
    return Operation.objects.filter(run=run, action=Action.RUN, params__automatic=True).exists()


def came_to_nothing(run: Run) -> bool:
    """Tell whether the console began `run` to mend the job, and failed."""
    begun = Operation.objects.filter(run=run, action=Action.RUN, params__automatic=True)
    return (
        run.end not in (RunEnd.STOPPED, RunEnd.PAUSED, RunEnd.FINISHED)
        and begun.filter(outcome=Outcome.FAILED).exists()
    )
