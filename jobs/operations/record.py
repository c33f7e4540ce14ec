"""What every act shares: refusing, opening, claiming, moving and ending an operation, each by compare-and-set.

Whoever holds several rows locks them in this order: job, cluster, operation, run, snapshot.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError

from clusters.engine import EngineError, Statement
from clusters.models import FlinkEndpoint
from jobs.advice import line_of, recognize
from jobs.masking import mask
from jobs.models import Job, Operation, OperationStep, Problem, Run, Snapshot
from jobs.operations.back_off import breaks, came_to_nothing, plan
from jobs.secrets import secret_values
from jobs.states import TABLE, WATCHED_STEPS, Action, Outcome, RunEnd, Status, Step, status_after
from workspaces.models import Visitor
from workspaces.refusal import Refusal

log = logging.getLogger(__name__)
Event = OperationStep.Event

# How long after the click the watcher looks for an operation that nobody has begun (a message was lost).
FALLBACK_SECONDS = 3
FOLLOW_UP_SECONDS = 0.25
# The details of these are our own words: ids, numbers, an outcome.
TOLD_BY_US = frozenset({Event.ASKED, Event.WAITING_FOR_SLOTS, Event.ENDED})
# Namespaces of our advisory locks.
OPERATION_LOCK, ENDPOINT_LOCK, BATCH_LOCK = 1, 2, 3


def lock_job(job: Job, action: Action) -> Job:
    """Return the job's row as it is now, locked until the transaction ends. Raise Refusal if `action` isn't allowed."""
    now = (
        Job.objects.select_for_update(of=("self",))
        .select_related("cluster", "endpoint", "workspace", "current_run")
        .filter(pk=job.pk, deleted_at=None)
        .first()
    )
    if now is None:
        raise Refusal(_("This job has been deleted."))
    if now.why_not(action):
        raise Refusal(lazy(now.why_not, str)(action))
    return now


def open_operation(job: Job, action: Action, user: Visitor | None, step: Step, **fields: Any) -> Operation:
    """Write the operation down, show it on the job, and wake a worker when the transaction is through.

    Without a `user` it is the console itself that asks.
    """
    asked = {"requested_by_id": user.pk if user else None, "deadline_at": deadline(step), "look_at": soon()}
    operation = Operation.objects.create(job=job, action=action, step=step, **asked, **fields)
    note(operation, Event.REQUESTED)
    begins = TABLE[action].begins
    shown = {"action": action, "step": step, "problem": None} | ({"status": begins} if begins else {})
    update_job(job.pk, recover_at=None, **shown)
    transaction.on_commit(lambda: wake("jobs.perform", operation.pk))
    return operation


def record_done(job: Job, action: Action, user: Visitor, **params: Any) -> Operation:
    """Put an act that is already done on record (G9)."""
    return Operation.objects.create(
        job=job,
        action=action,
        requested_by_id=user.pk,
        step=Step.DONE,
        outcome=Outcome.SUCCEEDED,
        ended_at=timezone.now(),
        params={name: mask(value) if isinstance(value, str) else value for name, value in params.items()},
    )


def wake(task: str, *args: object, countdown: float = 0) -> None:
    """Send a task. A broker that is away costs a second, not the act: the next tick finds the row."""
    try:
        current_app.send_task(task, args=args, countdown=countdown or None)
    except OperationalError as error:
        log.warning("The broker is away (%s); the next tick will find what is due.", error)


def follow_up(endpoint: FlinkEndpoint) -> None:
    """Let the watcher look at `endpoint` in a moment; however many ask for it, it looks once."""
    now = timezone.now()
    due = FlinkEndpoint.objects.filter(pk=endpoint.pk).exclude(follow_up_at__gt=now - timedelta(seconds=2))
    if due.update(follow_up_at=now + timedelta(seconds=FOLLOW_UP_SECONDS)):
        wake("jobs.watch", endpoint.pk, countdown=FOLLOW_UP_SECONDS)


@contextmanager
def alone(namespace: int, pk: int) -> Iterator[bool]:
    """Hold an advisory lock; yield False when somebody else has it. It dies with the process, so nothing stays claimed.

    It only keeps two workers from doing the same work twice; what keeps the rows right are the compare-and-sets.
    """
    key = (namespace << 48) + pk
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        mine = cursor.fetchone()[0]
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def move(operation: Operation, step: Step, event: Event | None = None, detail: str = "") -> bool:
    """Take the operation from the step it was read in to `step`; False when it isn't there any more."""
    with transaction.atomic():
        moved = Operation.objects.filter(pk=operation.pk, step=operation.step, ended_at=None).update(
            step=step, deadline_at=deadline(step), look_at=timezone.now(), attempts=0
        )
        if not moved:
            return False
        operation.step = step
        if event:
            note(operation, event, detail)
        update_job(operation.job_id, step=step)
    if step not in WATCHED_STEPS:
        transaction.on_commit(lambda: wake("jobs.perform", operation.pk))
    return True


def hand_over(operation: Operation, step: Step, event: Event | None = None, detail: str = "") -> None:
    """Take the operation to a step that the watcher judges, and let him look in a moment."""
    assert operation.run is not None, "what Flink was asked for has a run"
    if move(operation, step, event, detail):
        follow_up(operation.run.endpoint)


def look_again(operation: Operation, event: Event, detail: str = "", seconds: float | None = None) -> None:
    """Leave the operation where it is and come back: after `seconds`, else with growing distance up to 10 s."""
    pause = seconds if seconds is not None else min(10.0, 0.5 * 2 ** min(operation.attempts, 5))
    last = operation.steps.last()
    if last is None or last.event != event:
        note(operation, event, detail)
    Operation.objects.filter(pk=operation.pk, ended_at=None).update(
        look_at=timezone.now() + timedelta(seconds=pause), attempts=F("attempts") + 1
    )
    wake("jobs.perform", operation.pk, countdown=pause)


def note(operation: Operation, event: Event, detail: str = "") -> None:
    """Write a line of the record, without the secrets that Flink's words may repeat."""
    if detail and operation.run and event not in TOLD_BY_US:
        detail = mask(detail, secret_values(operation.run.version))
    OperationStep.objects.create(operation=operation, step=operation.step, event=event, detail=detail)


def end(operation: Operation, outcome: Outcome, problem: Problem | None = None, run_end: RunEnd | None = None) -> bool:
    """End the operation, and its run when `run_end` says how, and show the true state. The first ending counts."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=operation.job_id)
        told = plan(job, problem) if breaks(operation, outcome, run_end) else {"problem": problem}
        problem = told["problem"]
        ended = Operation.objects.filter(pk=operation.pk, ended_at=None).update(
            ended_at=timezone.now(), outcome=outcome, problem=problem, look_at=None
        )
        if not ended:
            return False
        note(operation, Event.ENDED, str(outcome))
        if run_end and operation.run_id:
            close_run(operation.run_id, run_end, problem)
        update_job(job.pk, action="", step="", status=true_status(job.pk), **told)
        if batch_id := operation.batch_id:
            transaction.on_commit(lambda: wake("jobs.advance", batch_id))
    return True


def close_run(run_id: int, end: RunEnd, problem: Problem | None = None) -> bool:
    """Write down how a run ended; False when that was already known."""
    return bool(Run.objects.filter(pk=run_id, ended_at=None).update(ended_at=timezone.now(), end=end, problem=problem))


def true_status(job_id: int) -> Status:
    """Return the status of a job without an open operation: what we last knew of it on Flink."""
    job = Job.objects.select_related("current_run").get(pk=job_id)
    run = job.current_run
    if run is None:
        return Status.STOPPED if job.last_version_number else Status(job.status)
    # A run that Flink has never confirmed isn't shown as running; it stays open until we know (G2).
    while_open = Status.RUNNING if run.flink_state else Status.STOPPED
    status = status_after(RunEnd(run.end)) if run.ended_at else while_open
    # An automatic run that came to nothing leaves the job as broken as it was.
    return Status.FAILED if status == Status.STOPPED and came_to_nothing(run) else status


def update_job(job_id: int, **fields: Any) -> None:
    Job.objects.filter(pk=job_id).update(**fields, changed_at=Now())


def problem_of(error: EngineError, run: Run, statements: Sequence[Statement] = ()) -> Problem:
    """Keep what the engine said of a run, with the line of the script that it is about, where that can be told."""
    line = line_of(error.summary, error.trace, statements)
    return problem("flink", error.summary, error.trace, of=run, **({"line": line} if line else {}))


def problem(code: str, summary: str = "", trace: str = "", of: Run | None = None, **values: Any) -> Problem:
    """Keep a problem: a code of ours (jobs/advice.py), or "flink" with Flink's words `of` a run, without its secrets."""
    if code == "flink":
        values["known"] = recognize(summary + "\n" + trace).title
    secrets = secret_values(of.version) if of else ()
    return Problem.objects.create(code=code, values=values, summary=mask(summary, secrets), trace=mask(trace, secrets))


def deadline(step: Step) -> datetime:
    key = "ending" if step == Step.WITHDRAWING else str(step)
    return timezone.now() + timedelta(seconds=settings.STEP_DEADLINE_SECONDS[key])


def is_late(operation: Operation) -> bool:
    return operation.deadline_at is not None and operation.deadline_at < timezone.now()


def soon() -> datetime:
    return timezone.now() + timedelta(seconds=FALLBACK_SECONDS)


def complete_snapshot(snapshot: Snapshot, location: str, size_bytes: int | None) -> bool:
    """Write down where a snapshot lies (G3); False when it was already settled."""
    return bool(
        Snapshot.objects.filter(pk=snapshot.pk, state=Snapshot.State.CREATING).update(
            state=Snapshot.State.COMPLETED, location=location, size_bytes=size_bytes, ended_at=timezone.now()
        )
    )


def fail_snapshot(snapshot: Snapshot, why: Problem | None) -> bool:
    return bool(
        Snapshot.objects.filter(pk=snapshot.pk, state=Snapshot.State.CREATING).update(
            state=Snapshot.State.FAILED, problem=why, ended_at=timezone.now()
        )
    )
