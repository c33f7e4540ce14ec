"""Run: the click that asks for a run of a published version. submit.py brings it to Flink, settle.py judges how it went."""

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster
from jobs.models import Job, Operation, Run, Snapshot, Version
from jobs.operations.record import (
    Refusal,
    lock_job,
    open_operation,
    update_job,
)
from jobs.operations.restore import refuse_if_gone
from jobs.states import Action, Step
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
