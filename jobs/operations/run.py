"""Run: the click that asks for a run of a published version. submit.py brings it to Flink, settle.py judges how it went."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from clusters.cu import cu_text
from clusters.models import Cluster, ClusterBinding
from jobs.flink_ids import flink_id_of_run
from jobs.models import Batch, Job, Operation, Run, Snapshot, Version
from jobs.operations.opening import only, open_operations, sort_out
from jobs.operations.restore import refuse_if_gone
from jobs.states import Action, Step
from workspaces.models import Visitor
from workspaces.prepared import Prepared, among
from workspaces.refusal import Refusal


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


def open_run(
    user: Visitor | None,
    job: Job,
    version: Version,
    snapshot: Snapshot | None,
    allow_non_restored_state: bool = False,
    attempt: int = 0,
) -> Operation:
    """Ask for a run from a snapshot that was just looked at. Raise Refusal."""
    return only(open_runs(user, [Start(job.pk, version, snapshot, allow_non_restored_state, attempt)]))


@dataclass(frozen=True, slots=True)
class Start:
    """What a job is to be started with."""

    job_id: int
    version: Version
    snapshot: Snapshot | None = None
    allow_non_restored_state: bool = False
    attempt: int = 0


@transaction.atomic
def open_runs(
    user: Visitor | None, starts: Sequence[Start], batch: Batch | None = None
) -> dict[int, Operation | Refusal]:
    """Ask for runs of different jobs, in a number of statements that does not depend on theirs; tell of each what came of it."""
    jobs, refusals = sort_out([one.job_id for one in starts], Action.RUN)
    start_of = {one.job_id: one for one in starts}
    ground = Ground(jobs, starts)
    runs: dict[int, Run] = {}
    for job in jobs:
        try:
            runs[job.pk] = ground.run_of(job, start_of[job.pk])
        except Refusal as refusal:
            refusals[job.pk] = refusal
    fit = [job for job in jobs if job.pk in runs]
    Run.objects.bulk_create(runs.values())
    opened = open_operations(
        fit, Action.RUN, user, Step.SUBMITTING, batch, lambda job: _as_asked(start_of[job.pk], runs[job.pk])
    )
    return refusals | opened


def _as_asked(start: Start, run: Run) -> dict[str, Any]:
    params = {
        "version": start.version.number,
        "snapshot": start.snapshot.serial if start.snapshot else None,
        "allow_non_restored_state": start.allow_non_restored_state,
    } | ({"automatic": True, "attempt": start.attempt} if start.attempt else {})
    return {"run": run, "params": params}


class NotEnoughCu(Refusal):
    """Say that a run does not fit on its cluster now."""


CLUSTERS = Prepared(
    lambda pks: Cluster.objects.select_for_update(no_key=True).filter(among("clusters_cluster.id", pks)).order_by("pk"),
    pks=[-1],
)
BOUND = Prepared(
    lambda pks: (
        ClusterBinding.objects.filter(among("clusters_clusterbinding.cluster_id", pks))
        .order_by()
        .values_list("cluster", "workspace")
    ),
    pks=[-1],
)
# Jobs that are locked keep the versions that they have now.
VERSIONS = Prepared(
    lambda pks: Version.objects.filter(among("jobs_version.id", pks)).order_by().values_list("pk"), pks=[-1]
)
IN_USE = Prepared(
    lambda pks: (
        Run.objects.filter(among("clusters_flinkendpoint.cluster_id", pks), ended_at=None)
        .order_by()
        .values_list("endpoint__cluster")
        .annotate(Sum("cu"))
    ),
    pks=[-1],
)


class Ground:
    """What decides whether runs fit: clusters and snapshots, locked, the versions that are left, and the CU in use, counted up by what fits."""

    def __init__(self, jobs: Sequence[Job], starts: Sequence[Start]) -> None:
        pks = list({job.cluster_id for job in jobs})
        self.clusters = {one.pk: one for one in CLUSTERS.objects(pks=pks)} if jobs else {}
        self.bound = set(BOUND.rows(pks=pks)) if jobs else set()
        used = dict(IN_USE.rows(pks=pks)) if jobs else {}
        self.used = {pk: used.get(pk) or Decimal(0) for pk in self.clusters}
        of_starts = [one.version.pk for one in starts]
        self.versions = {pk for (pk,) in VERSIONS.rows(pks=of_starts)} if jobs else set()
        # Held until a run names it: from then on it stays where it is.
        named = [one.snapshot.pk for one in starts if one.snapshot]
        held = Snapshot.objects.select_for_update(no_key=True).filter(pk__in=named).order_by("pk")
        self.snapshots = {one.pk: one for one in held} if named else {}

    def run_of(self, job: Job, start: Start) -> Run:
        """Return the run, not saved yet, and take its CU. Raise Refusal."""
        self._refuse_unless_fit(job, start.version)
        if start.snapshot:
            _refuse_unless_usable(job, self.snapshots[start.snapshot.pk])
        self.used[job.cluster_id] += start.version.cu
        return Run(
            job=job,
            number=job.last_run_number + 1,
            version=start.version,
            endpoint=job.endpoint,
            flink_job_id=flink_id_of_run(job.serial, start.version.number, start.version.published_at),
            restored_from=start.snapshot,
            allow_non_restored_state=start.allow_non_restored_state,
            cu=start.version.cu,
        )

    def _refuse_unless_fit(self, job: Job, version: Version) -> None:
        if job.live_run:
            raise Refusal(_("It is not yet known whether the last run is over. Try again when the cluster answers."))
        if version.job_id != job.pk:
            raise Refusal(_("This version belongs to another job."))
        if version.pk not in self.versions:
            raise Refusal(_("Version %(number)s was deleted in the meantime."), number=version.number)
        if version.is_lost:
            raise Refusal(
                _("What version %(number)s does is not on record any more. Write it and publish it anew."),
                number=version.number,
            )
        cluster = self.clusters[job.cluster_id]
        if (cluster.pk, job.workspace_id) not in self.bound:
            raise Refusal(_("This cluster is not bound to the workspace."))
        if cluster.is_under_maintenance:
            raise Refusal(_("The cluster is under maintenance: %(reason)s"), reason=cluster.maintenance_reason)
        if self.used[cluster.pk] + version.cu > cluster.total_cu:
            raise NotEnoughCu(
                _("Not enough CU on the cluster: the run needs %(needs)s CU, %(free)s of %(total)s CU are free."),
                needs=cu_text(version.cu),
                free=cu_text(cluster.total_cu - self.used[cluster.pk]),
                total=cu_text(cluster.total_cu),
            )


def _refuse_unless_usable(job: Job, snapshot: Snapshot) -> None:
    if snapshot.job_id != job.pk or snapshot.state != Snapshot.State.COMPLETED:
        raise Refusal(_("This snapshot can't be used for a start."))
    if not job.cluster.supports_snapshot_choice:
        raise Refusal(_("This cluster does not support starting from a chosen snapshot. It must be upgraded first."))
