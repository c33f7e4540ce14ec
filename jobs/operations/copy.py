"""Copy: a new job with the source's definition, without its state, runs and snapshots."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster, FlinkEndpoint
from jobs.models import Definition, Draft, Folder, Job, Version
from jobs.operations.record import Refusal, lock_job, record_done
from jobs.states import Action, Status
from workspaces.models import Visitor

LONGEST_NAME = 49
WHOLE_CU = Decimal(1)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that the copy has otherwise than its source: `what` is "flink-version", "jobmanager-spec" or "taskmanager-spec"."""

    what: str
    before: str
    after: str

    def as_json(self) -> dict[str, str]:
        return {"what": self.what, "before": self.before, "after": self.after}

    def __str__(self) -> str:
        return sentence(self.as_json())


def sentence(change: dict[str, str]) -> str:
    """Return a change in the user's words; it may come back from a batch item as JSON."""
    texts = {
        "flink-version": _("Flink version %(before)s becomes %(after)s"),
        "jobmanager-spec": _("JobManager spec %(before)s CU becomes %(after)s CU"),
        "taskmanager-spec": _("TaskManager spec %(before)s CU becomes %(after)s CU"),
    }
    return texts[change["what"]] % change


def endpoint_for_copy(job: Job, cluster: Cluster) -> FlinkEndpoint:
    """Return the source's Flink version on the target cluster, or the target's default. Raise Refusal if it has none."""
    endpoints = list(cluster.endpoints.all())
    same = [one for one in endpoints if one.flink_version == job.endpoint.flink_version]
    found = same or [one for one in endpoints if one.is_default]
    if not found:
        raise Refusal(_("The target cluster has no Flink version yet."))
    return found[0]


def changes_of_copy(job: Job, cluster: Cluster, definition: Definition | None) -> list[Change]:
    """Return what a copy of `job` to `cluster` would have otherwise. Raise Refusal."""
    endpoint = endpoint_for_copy(job, cluster)
    changes = []
    if endpoint.flink_version != job.endpoint.flink_version:
        changes.append(Change("flink-version", job.endpoint.flink_version, endpoint.flink_version))
    if definition and not cluster.supports_fine_grained:
        for what, spec in (
            ("jobmanager-spec", definition.jobmanager_spec),
            ("taskmanager-spec", definition.taskmanager_spec),
        ):
            if spec != WHOLE_CU:
                changes.append(Change(what, f"{spec.normalize():f}", f"{WHOLE_CU}"))
    return changes


def published_definition(job: Job) -> Version | None:
    """Return what a copy takes over as its version 1: the online version, else the latest."""
    if job.live_run and job.current_run:
        return job.current_run.version
    return job.versions.first()


@transaction.atomic
def copy(user: Visitor, job: Job, cluster: Cluster, name: str, folder: Folder | None) -> tuple[Job, list[Change]]:
    """Make a copy in the same workspace; return it and what is otherwise in it. Raise Refusal."""
    job = lock_job(job, Action.COPY)
    Cluster.objects.select_for_update().get(pk=cluster.pk)
    if not cluster.bindings.filter(workspace=job.workspace_id).exists():
        raise Refusal(_("This cluster is not bound to the workspace."))
    if folder and folder.workspace_id != job.workspace_id:
        raise Refusal(_("This folder belongs to another workspace."))
    version, draft = published_definition(job), Draft.objects.filter(job=job).first()
    changes = changes_of_copy(job, cluster, version or draft)
    new = _new_job(user, job, cluster, name, folder, version, draft)
    if draft:
        Draft.objects.create(job=new, saved_by_id=user.pk, **_values(draft, cluster))
    if version:
        note = _("copied from %(name)s v%(number)s") % {"name": job.name, "number": version.number}
        Version.objects.create(job=new, number=1, note=note, published_by_id=user.pk, **_values(version, cluster))
    record_done(job, Action.COPY, user, copy=new.serial, name=name, cluster=cluster.name)
    record_done(new, Action.CREATE, user, copied_from=job.serial, version=version.number if version else None)
    return new, changes


def _new_job(
    user: Visitor,
    source: Job,
    cluster: Cluster,
    name: str,
    folder: Folder | None,
    version: Version | None,
    draft: Draft | None,
) -> Job:
    status = Status.STOPPED if version else Status.UNPUBLISHED if draft else Status.UNINITIALIZED
    try:
        with transaction.atomic():
            return Job.objects.create(
                workspace=source.workspace,
                folder=folder,
                name=name,
                type=source.type,
                cluster=cluster,
                endpoint=endpoint_for_copy(source, cluster),
                status=status,
                last_version_number=1 if version else 0,
                description=source.description,
                auto_recovery=source.auto_recovery,
                created_by_id=user.pk,
            )
    except IntegrityError as error:
        raise Refusal(_("There is already a job with this name in the workspace.")) from error


def _values(definition: Definition, cluster: Cluster) -> dict[str, Any]:
    values = definition.values()
    if not cluster.supports_fine_grained:
        values |= {"jobmanager_spec": WHOLE_CU, "taskmanager_spec": WHOLE_CU}
    return values


def name_of_copy(source: Job, at: datetime) -> str:
    """Return the product's name for a copy: the source's with `_YYYY-MM-DD_HH_MM_SS`, short enough, not taken yet."""
    suffix = timezone.localtime(at).strftime("_%Y-%m-%d_%H_%M_%S")
    names = Job.objects.filter(workspace=source.workspace_id, deleted_at=None)
    for number in range(1, 1000):
        counted = suffix + (f"_{number}" if number > 1 else "")
        name = source.name[: LONGEST_NAME - len(counted)] + counted
        if not names.filter(name=name).exists():
            return name
    raise Refusal(_("No free name was found for the copy."))
