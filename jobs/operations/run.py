"""Run: submit a published version to Flink under an id of ours, and know how it went."""

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.engine import AlreadySubmitted, Engine, JobSight, JobState, NotFound, Refused, Submission, Unreachable
from clusters.flink import plain_path
from clusters.models import Cluster
from jobs.advice import recognize
from jobs.models import Job, Operation, Problem, Run, Snapshot, Version
from jobs.operations.options import flink_options
from jobs.operations.record import (
    Event,
    Refusal,
    end,
    hand_over,
    is_late,
    lock_job,
    look_again,
    move,
    note,
    open_operation,
    problem,
    problem_of,
    update_job,
)
from jobs.operations.restore import refuse_if_gone
from jobs.sql import ScriptError
from jobs.states import Action, Outcome, RunEnd, Step
from jobs.variables import Values, options_of, statements_of
from workspaces.models import Visitor


def run(
    user: Visitor | None,
    job: Job,
    version: Version,
    snapshot: Snapshot | None = None,
    allow_non_restored_state: bool = False,
    attempt: int = 0,
) -> Operation:
    """Ask for a run of `version`, from `snapshot` or without state. Raise Refusal.

    Without a `user` it is the console's own `attempt`, counted from 1, to mend a job that broke (recover.py).
    """
    if snapshot and snapshot.job_id == job.pk:
        refuse_if_gone(snapshot)
    return open_run(user, job, version, snapshot, allow_non_restored_state, attempt)


@transaction.atomic
def open_run(
    user: Visitor | None,
    job: Job,
    version: Version,
    snapshot: Snapshot | None,
    allow_non_restored_state: bool = False,
    attempt: int = 0,
) -> Operation:
    """Ask for a run from a snapshot that was just looked at. Raise Refusal."""
    job = lock_job(job, Action.RUN)
    _refuse_unless_fit(job, version)
    if snapshot:
        # Held until the run names it: from then on it stays where it is.
        snapshot = Snapshot.objects.select_for_update().get(pk=snapshot.pk)
        _refuse_unless_usable(job, snapshot)
    run = Run.objects.create(
        job=job,
        number=job.last_run_number + 1,
        version=version,
        endpoint=job.endpoint,
        restored_from=snapshot,
        allow_non_restored_state=allow_non_restored_state,
        cu=version.cu,
    )
    update_job(job.pk, current_run=run, last_run_number=run.number)
    params = {
        "version": version.number,
        "snapshot": snapshot.serial if snapshot else None,
        "allow_non_restored_state": allow_non_restored_state,
    } | ({"automatic": True, "attempt": attempt} if attempt else {})
    return open_operation(job, Action.RUN, user, Step.SUBMITTING, run=run, params=params)


def _refuse_unless_usable(job: Job, snapshot: Snapshot) -> None:
    if snapshot.job_id != job.pk or snapshot.state != Snapshot.State.COMPLETED:
        raise Refusal(_("This snapshot can't be used for a start."))
    if not job.cluster.supports_snapshot_choice:
        raise Refusal(_("This cluster does not support starting from a chosen snapshot. It must be upgraded first."))


class NotEnoughCu(Refusal):
    """Say that a run does not fit on its cluster now."""


def _refuse_unless_fit(job: Job, version: Version) -> None:
    if job.live_run:
        raise Refusal(_("It is not yet known whether the last run is over. Try again when the cluster answers."))
    if version.job_id != job.pk:
        raise Refusal(_("This version belongs to another job."))
    cluster = Cluster.objects.select_for_update().get(pk=job.cluster_id)
    if not cluster.bindings.filter(workspace=job.workspace_id).exists():
        raise Refusal(_("This cluster is not bound to the workspace."))
    if cluster.is_under_maintenance:
        raise Refusal(_("The cluster is under maintenance: %(reason)s"), reason=cluster.maintenance_reason)
    used = Run.objects.filter(endpoint__cluster=cluster, ended_at=None).aggregate(cu=Sum("cu"))["cu"] or 0
    if used + version.cu > cluster.total_cu:
        raise NotEnoughCu(
            _("Not enough CU on the cluster: the run needs %(needs)s CU, %(free)s of %(total)s CU are free."),
            needs=version.cu,
            free=cluster.total_cu - used,
            total=cluster.total_cu,
        )


def submit(operation: Operation, engine: Engine) -> None:
    """Bring the run to Flink, however often it takes: always under the same id, so never twice."""
    run = operation.run
    assert run is not None
    if is_late(operation):
        _give_up(operation, run)
        return
    if run.submitted_at:
        try:
            engine.job(run.flink_job_id)
        except NotFound:
            pass
        else:
            _accepted(operation, run, Event.ADOPTED)
            return
    try:
        submission = submission_of(run)
    except ScriptError as error:
        # A variable that is gone. If Flink may have taken an earlier request, the run stays open until we know.
        why = problem(error.reason, **error.values)
        end(operation, Outcome.FAILED, why, None if run.submitted_at else RunEnd.NEVER_STARTED)
        return
    if _waits_for_slots(operation, run, engine):
        return
    _send(operation, run, engine, submission)


def _send(operation: Operation, run: Run, engine: Engine, submission: Submission) -> None:
    # Identity before action: from here on Flink may know the id.
    first = Run.objects.filter(pk=run.pk, submitted_at=None).update(submitted_at=timezone.now())
    note(operation, Event.ASKED, f"job {run.flink_job_id}")
    try:
        engine.submit(submission)
    except AlreadySubmitted:
        _accepted(operation, run, Event.ADOPTED)
    except Refused as refusal:
        _refused(operation, engine, refusal, submission)
    except Unreachable:
        if first:
            Run.objects.filter(pk=run.pk).update(submitted_at=None)
        raise
    else:
        _accepted(operation, run, Event.ACCEPTED)


def submission_of(run: Run) -> Submission:
    """Return what Flink is to get, with the variables' values of this moment. Raise ScriptError."""
    version, values = run.version, Values(run.job.workspace_id)
    return Submission(
        job_id=run.flink_job_id,
        name=run.job.name,
        statements=statements_of(version.sql, values),
        parallelism=version.parallelism,
        options=options_of(flink_options(version), values),
        restore_from=run.restored_from.location if run.restored_from else "",
        allow_non_restored_state=run.allow_non_restored_state,
    )


def _waits_for_slots(operation: Operation, run: Run, engine: Engine) -> bool:
    """Tell whether the run must wait for slots; a run that can never fit is ended."""
    capacity = engine.capacity()
    needed = run.version.parallelism
    type(run.endpoint).objects.filter(pk=run.endpoint_id).update(
        slots_total=capacity.slots_total, slots_free=capacity.slots_free
    )
    if 0 < capacity.slots_total < needed:
        why = problem("too-few-slots", needed=needed, total=capacity.slots_total)
        end(operation, Outcome.FAILED, why, RunEnd.NEVER_STARTED)
        return True
    if capacity.slots_free < needed:
        look_again(operation, Event.WAITING_FOR_SLOTS, f"{capacity.slots_free} < {needed}", seconds=1)
        return True
    return False


def _accepted(operation: Operation, run: Run, event: Event) -> None:
    # Set before the move: from now on an absence means lost, not "never started".
    Run.objects.filter(pk=run.pk, flink_state="").update(flink_state=JobState.CREATED)
    hand_over(operation, Step.STARTING, event)


def _refused(operation: Operation, engine: Engine, refusal: Refused, submission: Submission) -> None:
    """Sort a refusal: a bad savepoint leaves a FAILED job under our id, a bad script leaves nothing."""
    run = operation.run
    assert run is not None
    try:
        sight = engine.job(run.flink_job_id)
    except NotFound:
        note(operation, Event.REFUSED, refusal.summary)
        end(operation, Outcome.FAILED, problem_of(refusal, run, submission.statements), RunEnd.NEVER_STARTED)
        return
    if sight.state == JobState.FAILED:
        note(operation, Event.REFUSED, refusal.summary)
        end(operation, Outcome.FAILED, problem_of(refusal, run, submission.statements), RunEnd.FAILED)
    else:
        _accepted(operation, run, Event.ADOPTED)


def _give_up(operation: Operation, run: Run) -> None:
    """End a submission that came to nothing in time. If Flink may have taken it, the run stays open until we know."""
    note(operation, Event.TOO_LATE)
    last = operation.steps.exclude(event__in=[Event.TOO_LATE, Event.ASKED]).last()
    if last and last.event == Event.WAITING_FOR_SLOTS:
        why = problem("no-free-slots", needed=run.version.parallelism)
    else:
        why = problem("cluster-unreachable", summary=last.detail if last else "", cluster=run.endpoint.cluster.name)
    end(operation, Outcome.FAILED, why, None if run.submitted_at else RunEnd.NEVER_STARTED)


def settle_start(operation: Operation, engine: Engine, sight: JobSight) -> None:
    """Judge a start by what Flink shows."""
    run = operation.run
    assert run is not None
    if sight.state == JobState.FAILED:
        end(operation, Outcome.FAILED, failure_of(engine, run), RunEnd.FAILED)
    elif _is_hopeless(operation, engine, run, sight):
        return
    elif sight.state == JobState.FINISHED:
        _started(run, sight)
        end(operation, Outcome.SUCCEEDED, run_end=RunEnd.FINISHED)
    elif sight.state == JobState.CANCELED:
        end(operation, Outcome.FAILED, problem("cancelled-outside"), RunEnd.CANCELLED)
    elif sight.is_up and _is_restored(run, engine):
        _started(run, sight)
        end(operation, Outcome.SUCCEEDED)
    elif is_late(operation):
        withdraw_late(operation, engine, run)
    elif sight.state == JobState.RESTARTING and not operation.job.problem_id:
        # It may still come up, so the operation goes on; but the user sees why it takes so long, and may cancel.
        update_job(operation.job_id, problem=failure_of(engine, run))


def _is_hopeless(operation: Operation, engine: Engine, run: Run, sight: JobSight) -> bool:
    """Withdraw a run at once that restarts for ever, because the state it was given does not fit; tell whether it was so."""
    if not run.restored_from_id or not (sight.is_up or sight.state == JobState.RESTARTING):
        return False
    try:
        failure = engine.failure(run.flink_job_id)
    except NotFound:
        return False
    if not recognize(f"{failure.summary}\n{failure.trace}").is_hopeless:
        return False
    why = problem("flink", failure.summary, failure.trace, of=run)
    Operation.objects.filter(pk=operation.pk, ended_at=None).update(problem=why)
    move(operation, Step.WITHDRAWING, Event.HOPELESS, failure.summary)
    return True


def withdraw_late(operation: Operation, engine: Engine, run: Run) -> None:
    why = operation.job.problem or failure_of(engine, run)
    if not why.summary:
        why = problem("start-too-slow")
    Operation.objects.filter(pk=operation.pk, ended_at=None).update(problem=why)
    move(operation, Step.WITHDRAWING, Event.TOO_LATE)


def failure_of(engine: Engine, run: Run) -> Problem:
    """Keep why Flink says that the job failed."""
    try:
        failure = engine.failure(run.flink_job_id)
    except NotFound:
        return problem("failed-without-cause")
    if not failure.summary:
        return problem("failed-without-cause")
    return problem("flink", failure.summary, failure.trace, of=run)


def _is_restored(run: Run, engine: Engine) -> bool:
    """Tell whether Flink confirms that it began where it was told to."""
    if not run.restored_from:
        return True
    return plain_path(engine.restored_from(run.flink_job_id)) == plain_path(run.restored_from.location)


def _started(run: Run, sight: JobSight) -> None:
    Run.objects.filter(pk=run.pk, started_at=None).update(started_at=sight.started_at or timezone.now())
