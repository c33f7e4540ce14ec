"""The end of runs that nobody has asked for: as many as a look has found, in a few statements."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from jobs.models import Job, Problem, Run
from jobs.operations.back_off import plans, those_broken
from jobs.operations.ending import key_of, show
from jobs.operations.record import write_rows
from jobs.states import RunEnd
from workspaces import clock

CLOSED = """
    UPDATE jobs_run SET ended_at = told.at, "end" = told.how, problem_id = told.why
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::bigint[]) AS told (id, at, how, why)
    WHERE jobs_run.id = told.id
"""


@dataclass(frozen=True, slots=True)
class Closing:
    """How a run ended, and why."""

    run: Run
    end: RunEnd
    why: Problem | None = None


@transaction.atomic
def close_all(closings: Sequence[Closing]) -> None:
    """Write down how these runs ended, and show the true state of their jobs; what was known already stays."""
    locked = Job.objects.select_for_update(no_key=True).filter(pk__in=[one.run.job_id for one in closings])
    # A newer click goes first: an operation that was opened since our look judges this run itself.
    jobs = {job.pk: job for job in locked.order_by("pk") if not job.is_busy}
    still_open = Run.objects.select_for_update(no_key=True).filter(
        pk__in=[one.run.pk for one in closings], ended_at=None
    )
    open_ids = set(still_open.order_by("pk").values_list("pk", flat=True))
    counting = [one for one in closings if one.run.job_id in jobs and one.run.pk in open_ids]
    if not counting:
        return
    broken = those_broken({one.run: one.end for one in counting})
    planned = plans([(jobs[one.run.job_id], one.why) for one in counting if one.run in broken])
    told = {one.run.job_id: planned.get(one.run.job_id, {"problem": one.why}) for one in counting}
    now = clock.now()
    runs = [(one.run.pk, now, str(one.end), key_of(told[one.run.job_id]["problem"])) for one in counting]
    write_rows(CLOSED, runs)
    show(told)
