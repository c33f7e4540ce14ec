"""What every click does first: refuse, or open an operation, or put on record what is already done."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from django.db import transaction
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from jobs.masking import mask
from jobs.models import Batch, Job, Operation
from jobs.operations.record import Event, deadline, soon, wake
from jobs.states import TABLE, Action, Outcome, Step
from workspaces import clock
from workspaces.models import Visitor
from workspaces.prepared import Prepared, among, ask, columns
from workspaces.refusal import Refusal

# So many operations are handed to a worker at a time; of those that Flink does at once, more.
ASKED_TOGETHER, QUICK_TOGETHER = 16, 50


def lock_job(job: Job, action: Action) -> Job:
    """Return the job's row as it is now, locked until the transaction ends. Raise Refusal if `action` isn't allowed."""
    return allowed(lock_jobs([job.pk]).get(job.pk), action)


# All who lock many take them in this order, or they wait for each other. Not against those who only refer to a job: PostgreSQL looks at
# what they refer to in an order of its own, when they commit.
LOCKED = Prepared(
    lambda pks: (
        Job.objects.select_for_update(of=("self",), no_key=True)
        .select_related("cluster", "endpoint", "workspace", "current_run")
        .defer("endpoint__unrecorded_jobs")  # thousands, after a backup was restored, and with each job anew
        .filter(among("jobs_job.id", pks), deleted_at=None)
        .order_by("pk")
    ),
    pks=[-1],
)


def lock_jobs(ids: Collection[int]) -> dict[int, Job]:
    """Return id -> job, as they are now, locked until the transaction ends, of those that are not deleted."""
    return {job.pk: job for job in LOCKED.objects(pks=list(ids))}


def allowed(now: Job | None, action: Action) -> Job:
    """Return a job that was locked. Raise Refusal if there is none any more or `action` isn't allowed."""
    if now is None:
        raise Refusal(_("This job has been deleted."))
    if now.why_not(action):
        raise Refusal(lazy(now.why_not, str)(action))
    return now


def sort_out(ids: Collection[int], action: Action) -> tuple[list[Job], dict[int, Refusal]]:
    """Return the jobs that `action` is allowed for, locked until the transaction ends, and why not for each of the others."""
    found, refusals, jobs = lock_jobs(ids), {}, []
    for pk in ids:
        try:
            jobs.append(allowed(found.get(pk), action))
        except Refusal as refusal:
            refusals[pk] = refusal
    return jobs, refusals


# On its job an operation shows its run, the last one if it is new.
OPENED = """
    WITH told AS (
        SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::integer[]) AS told (id, job_id, run_id, number)
    ), noted AS (
        INSERT INTO jobs_operationstep (operation_id, at, step, event, detail) SELECT id, %s, %s, %s, '' FROM told
    )
    UPDATE jobs_job AS job
    SET action = %s, step = %s, status = COALESCE(NULLIF(%s, ''), status), problem_id = NULL, recover_at = NULL,
        current_run_id = COALESCE(told.run_id, current_run_id), last_run_number = GREATEST(last_run_number, told.number),
        changed_at = statement_timestamp()
    FROM told WHERE job.id = told.job_id
    RETURNING job.id
"""


def open_operations(
    jobs: Sequence[Job],
    action: Action,
    user: Visitor | None,
    step: Step,
    batch: Batch | None,
    fields_of: Callable[[Job], dict[str, Any]],
) -> dict[int, Operation]:
    """Write operations down, show them on the jobs, and wake a worker when the transaction is through. Return job id -> operation.

    Without a `user` it is the console itself that asks.
    """
    if not jobs:
        return {}
    asked = {"action": action, "requested_by_id": user.pk if user else None, "step": step, "batch": batch,
             "deadline_at": deadline(step), "look_at": soon()}  # fmt: skip
    opened = Operation.objects.bulk_create(Operation(job=job, **asked, **fields_of(job)) for job in jobs)
    rows = [
        (one.pk, one.job_id, one.run.pk, one.run.number) if one.run else (one.pk, one.job_id, None, 0) for one in opened
    ]
    begins = TABLE[action].begins
    ask(
        OPENED,
        [*columns(rows), clock.now(), str(step), str(Event.REQUESTED), str(action), str(step), str(begins or "")],
    )
    together = (
        QUICK_TOGETHER if action == Action.STOP and not any(one.snapshot_id for one in opened) else ASKED_TOGETHER
    )
    # Each set is of one endpoint: who waits for an answer there holds up nobody elsewhere.
    there: dict[int | None, list[int]] = {}
    for one in opened:
        there.setdefault(one.run.endpoint_id if one.run else None, []).append(one.pk)
    for some in chain.from_iterable(in_sets(pks, together) for pks in there.values()):
        transaction.on_commit(partial(wake, "jobs.perform", *some))
    return {one.job_id: one for one in opened}


def in_sets(pks: Sequence[int], most: int) -> list[Sequence[int]]:
    """Cut into sets of at most so many, in their order."""
    return [pks[first : first + most] for first in range(0, len(pks), most)]


def only(outcomes: Mapping[int, Operation | Refusal]) -> Operation:
    """Return the one operation, opened or on record. Raise the Refusal if there is none."""
    (outcome,) = outcomes.values()
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def record_done(job: Job, action: Action, user: Visitor, **params: Any) -> Operation:
    """Put an act that is already done on record (G9)."""
    operation = done(job, action, user, **params)
    operation.save(force_insert=True)
    return operation


def record_all_done(records: Collection[Operation]) -> dict[int, Operation]:
    """Put acts on different jobs on record, all in one statement; return job id -> record."""
    return {one.job_id: one for one in Operation.objects.bulk_create(records)}


def done(job: Job, action: Action, user: Visitor | None, **params: Any) -> Operation:
    """Return the record of an act that is already done, not saved yet. Without a `user` it is the console's own."""
    return Operation(
        job=job,
        action=action,
        requested_by_id=user.pk if user else None,
        step=Step.DONE,
        outcome=Outcome.SUCCEEDED,
        ended_at=clock.now(),
        params={name: mask(value) if isinstance(value, str) else value for name, value in params.items()},
    )
