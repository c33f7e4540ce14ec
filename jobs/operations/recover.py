"""Auto recovery: the console runs a job again that has failed or vanished, as an ordinary operation (back_off.py: when)."""

from datetime import UTC, datetime, timedelta

from django.db import transaction

from jobs.models import Job, Operation, Run
from jobs.operations import back_off
from jobs.operations.opening import lock_job, record_done
from jobs.operations.record import Lock, alone, problem, update_job
from jobs.operations.restore import where_to_go_on
from jobs.operations.run import run
from jobs.states import Action, Outcome, Step
from workspaces import clock
from workspaces.models import Visitor
from workspaces.prepared import Prepared
from workspaces.refusal import Refusal

# A recovery that a worker has in hand is offered again after this, should he have died.
REOFFER_SECONDS = 3
AT_ONCE = 100


@transaction.atomic
def switch_recovery(user: Visitor, job: Job, on: bool) -> None:
    """Let the console run the job again by itself from now on, or never. Raise Refusal."""
    job = lock_job(job, Action.RECOVERY)
    if job.auto_recovery == on:
        return
    update_job(job.pk, auto_recovery=on, recover_at=None)
    record_done(job, Action.RECOVERY, user, auto_recovery=on)


def due_recoveries() -> list[int]:
    """Claim the jobs whose time has come, so that of two ticks at once one takes each; return at most a hundred."""
    now = clock.now()
    return [pk for pk, at in DUE.rows(now=now) if _offer(pk, at, now)]


DUE = Prepared(
    lambda now: (
        Job.objects.filter(recover_at__lte=now, deleted_at=None)
        .order_by("recover_at")
        .values_list("pk", "recover_at")[:AT_ONCE]
    ),
    now=datetime(1970, 1, 1, tzinfo=UTC),
)


def _offer(job_id: int, at: datetime | None, now: datetime) -> bool:
    again = now + timedelta(seconds=REOFFER_SECONDS)
    return bool(Job.objects.filter(pk=job_id, recover_at=at).update(recover_at=again))


def recover(job_id: int) -> None:
    """Run the job again if it is still due, broken and idle. Anybody may call this at any time, any number of times."""
    soon = clock.now() + timedelta(seconds=REOFFER_SECONDS)
    with alone(Lock.RECOVERY, job_id) as mine:
        jobs = Job.objects.select_related("problem", "current_run__version", "current_run__job")
        job = jobs.filter(pk=job_id, recover_at__lte=soon, deleted_at=None).first()
        if not mine or job is None or job.current_run is None:
            return
        attempt = back_off.attempts(job_id) + 1
        try:
            _run_again(job, job.current_run, attempt)
        except Refusal as refusal:
            _put_off(job, job.current_run, attempt, refusal)


def _run_again(job: Job, broken: Run, attempt: int) -> None:
    snapshot = where_to_go_on(broken)
    with transaction.atomic():
        if _claim(job):
            run(None, job, broken.version, snapshot, broken.allow_non_restored_state, attempt=attempt)


@transaction.atomic
def _put_off(job: Job, broken: Run, attempt: int, refusal: Refusal) -> None:
    """Put an attempt that could not begin on record, and try once more later."""
    if not _claim(job):
        return
    reason = refusal.in_all_languages()
    Operation.objects.create(
        job=job,
        action=Action.RUN,
        step=Step.DONE,
        outcome=Outcome.FAILED,
        ended_at=clock.now(),
        problem=problem("recovery-refused", refusal=reason),
        params={"version": broken.version.number, "automatic": True, "attempt": attempt},
    )
    update_job(job.pk, **back_off.plan(job, job.problem, reason))


def _claim(job: Job) -> bool:
    """Take the job as it was looked at, and hold its row; False when somebody has done something with it since."""
    same = Job.objects.filter(pk=job.pk, recover_at=job.recover_at, current_run=job.current_run_id)
    return bool(same.filter(auto_recovery=True, action="", deleted_at=None).update(recover_at=None))
