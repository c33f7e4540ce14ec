"""How soon and how often the console itself runs a job again that has failed or vanished."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Count

from jobs.models import Job, Operation, Problem, Run
from jobs.states import Action, Outcome, RunEnd, Step
from workspaces import clock

BUDGET = 3
WINDOW = timedelta(minutes=10)
# Before the first, the second and the third attempt in the window.
BACK_OFF_SECONDS = (5, 30, 120)

BROKEN = (RunEnd.FAILED, RunEnd.LOST)


def attempts(job_id: int) -> int:
    """Return how often the console has tried to run the job again within the window."""
    return _attempts([job_id]).get(job_id, 0)


def _attempts(job_ids: Collection[int]) -> dict[int, int]:
    automatic = Operation.objects.filter(job__in=job_ids, created_at__gt=clock.now() - WINDOW, params__automatic=True)
    return dict(automatic.order_by().values_list("job").annotate(Count("pk")))


def plan(job: Job, why: Problem | None, refusal: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the fields of a job that broke: its problem, and when it is run again, if it is. Hold its row.

    `refusal` tells, in all languages, why the last attempt could not even begin.
    """
    return plans([(job, why)], {"refusal": dict(refusal)} if refusal else {})[job.pk]


def plans(
    broken: Sequence[tuple[Job, Problem | None]], more: Mapping[str, Any] | None = None
) -> dict[int, dict[str, Any]]:
    """Return the same for many jobs, by their ids. Hold their rows."""
    mended = [job.pk for job, _why in broken if job.auto_recovery and not job.deleted_at]
    tried = _attempts(mended) if mended else {}
    planned: dict[int, dict[str, Any]] = {job.pk: {"problem": why} for job, why in broken}
    for job, why in broken:
        if job.pk in mended:
            planned[job.pk] = _planned(why, tried.get(job.pk, 0), more or {})
    # Those on record are never changed, so these are new.
    Problem.objects.bulk_create(planned[pk]["problem"] for pk in mended)
    return planned


def _planned(why: Problem | None, tried: int, more: Mapping[str, Any]) -> dict[str, Any]:
    if tried >= BUDGET:
        return {"problem": _told(why, {**more, "gave_up": True}), "recover_at": None}
    at = clock.now() + timedelta(seconds=BACK_OFF_SECONDS[tried])
    return {"problem": _told(why, {**more, "attempt": tried + 1}), "recover_at": at}


def _told(why: Problem | None, more: Mapping[str, Any]) -> Problem:
    """Return the same problem with more to tell, not yet written down."""
    why = why or Problem(code="failed-without-cause")
    known = {name: value for name, value in why.values.items() if name not in ("attempt", "gave_up", "refusal")}
    return Problem(code=why.code, values={**known, **more}, summary=why.summary, trace=why.trace)


def breaks(operation: Operation, outcome: Outcome, run_end: RunEnd | None) -> bool:
    """Tell whether a job is broken by the end of `operation`, though nobody wanted its end."""
    if outcome != Outcome.FAILED:
        return False
    if operation.run and operation.run.is_unseen_here:
        return False  # it may run on, elsewhere
    if operation.params.get("automatic"):
        return _is_in_vain(run_end, operation)
    return operation.action == Action.SNAPSHOT and run_end in BROKEN


def those_broken(ended: Mapping[Run, RunEnd]) -> set[Run]:
    """Return which of the runs that ended while nobody operated on them broke: they once worked, or the console had begun them."""
    of_these = Operation.objects.filter(run__in=ended)
    last = {one.run_id: one for one in of_these.order_by("run_id", "-pk").distinct("run_id")}
    automatic = set(of_these.filter(action=Action.RUN, params__automatic=True).values_list("run", flat=True))
    return {run for run, end in ended.items() if _is_broken(run, end, last.get(run.pk), run.pk in automatic)}


def _is_broken(run: Run, end: RunEnd, last: Operation | None, is_automatic: bool) -> bool:
    if last and last.step in (Step.WITHDRAWING, Step.ENDING) and (last.action == Action.STOP or last.cancelled_by_id):
        return False  # its end was asked for, and came late
    if run.is_unseen_here:
        return False  # it may run on, elsewhere
    if is_automatic:
        return _is_in_vain(end, last)
    return end in BROKEN and run.started_at is not None


def _is_in_vain(end: RunEnd | None, last: Operation | None) -> bool:
    """Tell whether a run that the console began has come to nothing; `last`: the last operation on it."""
    # Withdrawn because it did not come up; one that was cancelled on Flink itself is somebody's wish.
    is_withdrawn = end == RunEnd.CANCELLED and last is not None and last.step == Step.ENDING
    return is_withdrawn or end in (*BROKEN, RunEnd.NEVER_STARTED)


def came_to_nothing(runs: Collection[Run]) -> set[int]:
    """Return which of these runs (ids) the console began to mend their jobs, and failed."""
    likely = [run.pk for run in runs if run.end not in (RunEnd.STOPPED, RunEnd.PAUSED, RunEnd.FINISHED)]
    begun = Operation.objects.filter(run__in=likely, action=Action.RUN, params__automatic=True)
    return set(begun.filter(outcome=Outcome.FAILED).values_list("run", flat=True)) if likely else set()
