"""Copy: a new job with the source's definition, without its state, runs and snapshots."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from clusters.cu import cu_text
from clusters.models import Cluster, FlinkEndpoint
from jobs.models import Definition, Draft, Folder, Job, Operation, Version
from jobs.operations.folders import hold_folder
from jobs.operations.opening import allowed, done, lock_job, lock_jobs
from jobs.states import Action, Status
from workspaces.models import Visitor, Workspace
from workspaces.refusal import NameTaken, Refusal

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
    return list(_changes(job, endpoint_for_copy(job, cluster), cluster, definition))


def _changes(job: Job, endpoint: FlinkEndpoint, cluster: Cluster, definition: Definition | None) -> Iterator[Change]:
    if endpoint.flink_version != job.endpoint.flink_version:
        yield Change("flink-version", job.endpoint.flink_version, endpoint.flink_version)
    if definition and not cluster.supports_fine_grained:
        for what, spec in (
            ("jobmanager-spec", definition.jobmanager_spec),
            ("taskmanager-spec", definition.taskmanager_spec),
        ):
            if spec != WHOLE_CU:
                yield Change(what, cu_text(spec), cu_text(WHOLE_CU))


def published_definition(job: Job) -> Version | None:
    """Return what a copy takes over as its version 1: the online version, else the latest."""
    return _published_definitions([job]).get(job.pk)


def _published_definitions(jobs: Collection[Job]) -> dict[int, Version]:
    online = [job.current_run.version_id for job in jobs if job.live_run and job.current_run]
    others = [job.pk for job in jobs if not job.live_run]
    latest = Version.objects.filter(job__in=others).order_by("job_id", "-number").distinct("job_id")
    return {one.job_id: one for one in (*latest, *Version.objects.filter(pk__in=online))}


def name_of_copy(source: Job, at: datetime) -> str:
    """Return the product's name for a copy: the source's with `_YYYY-MM-DD_HH_MM_SS` in the zone of `at`, short enough, not taken yet."""
    return _Names(source.workspace_id, at).give(source)


class _Names:
    """The names for copies made at one time, read from the workspace once; a name that was given is taken."""

    def __init__(self, workspace_id: int, at: datetime) -> None:
        self._suffix = at.strftime("_%Y-%m-%d_%H_%M_%S")
        names = Job.objects.filter(workspace=workspace_id, deleted_at=None, name__contains=self._suffix)
        self._taken = set(names.values_list("name", flat=True))

    def give(self, source: Job) -> str:
        for number in range(1, 1000):
            counted = self._suffix + (f"_{number}" if number > 1 else "")
            name = source.name[: LONGEST_NAME - len(counted)] + counted
            if name not in self._taken:
                self._taken.add(name)
                return name
        raise Refusal(_("No free name was found for the copy."))


@dataclass(frozen=True, slots=True)
class Copy:
    """A new job, not in the database before `_insert`, where it comes from, and what is otherwise in it."""

    new: Job
    source: Job
    version: Version | None
    draft: Draft | None
    changes: list[Change]


@transaction.atomic
def copy(user: Visitor, job: Job, cluster: Cluster, name: str, folder: Folder | None) -> tuple[Job, list[Change]]:
    """Make a copy in the same workspace; return it and what is otherwise in it. Raise Refusal."""
    hold_folder(job.workspace_id, folder)
    job = lock_job(job, Action.COPY)
    cluster = _lock_target(cluster, job.workspace_id)
    draft = Draft.objects.filter(job=job).first()
    made = _copy_of(user, job, cluster, name, folder.pk if folder else None, published_definition(job), draft)
    try:
        _insert(user, [made])
    except IntegrityError as error:
        raise NameTaken(_("There is already a job with this name in the workspace.")) from error
    return made.new, made.changes


@transaction.atomic
def copy_many(
    user: Visitor, workspace: Workspace, ids: Collection[int], cluster: Cluster, at: datetime
) -> dict[int, Copy | Refusal]:
    """Copy jobs of a workspace beside themselves, in a number of statements that does not depend on theirs.

    Return what came of each id. Raise Refusal if none can be copied there, and IntegrityError if a name was taken just now:
    then nothing was copied, and the next try gives another one.
    """
    # That the jobs are in them keeps the folders, too: only an empty one is deleted.
    jobs = lock_jobs(ids)
    cluster = _lock_target(cluster, workspace.pk)
    versions = _published_definitions(jobs.values())
    drafts = {one.job_id: one for one in Draft.objects.filter(job__in=jobs)}
    names = _Names(workspace.pk, at)

    def outcome(pk: int) -> Copy | Refusal:
        try:
            job = allowed(jobs.get(pk), Action.COPY)
            name = names.give(job)
            return _copy_of(user, job, cluster, name, job.folder_id, versions.get(pk), drafts.get(pk))
        except Refusal as no:
            return no

    outcomes = {pk: outcome(pk) for pk in ids}
    _insert(user, [one for one in outcomes.values() if isinstance(one, Copy)])
    return outcomes


def _lock_target(cluster: Cluster, workspace_id: int) -> Cluster:
    """Return the cluster as it is now, with its Flink versions. Who takes the binding away waits, and then counts the copies."""
    now = Cluster.objects.select_for_update(no_key=True).prefetch_related("endpoints").filter(pk=cluster.pk).first()
    if now is None:
        raise Refusal(_("The target cluster does not exist any more."))
    if not now.bindings.filter(workspace=workspace_id).exists():
        raise Refusal(_("This cluster is not bound to the workspace."))
    return now


def _copy_of(
    user: Visitor,
    source: Job,
    cluster: Cluster,
    name: str,
    folder_id: int | None,
    version: Version | None,
    draft: Draft | None,
) -> Copy:
    endpoint = endpoint_for_copy(source, cluster)
    new = Job(
        workspace_id=source.workspace_id,
        folder_id=folder_id,
        name=name,
        type=source.type,
        cluster=cluster,
        endpoint=endpoint,
        status=Status.STOPPED if version else Status.UNPUBLISHED if draft else Status.UNINITIALIZED,
        last_version_number=1 if version else 0,
        description=source.description,
        auto_recovery=source.auto_recovery,
        created_by_id=user.pk,
    )
    return Copy(new, source, version, draft, list(_changes(source, endpoint, cluster, version or draft)))


def _insert(user: Visitor, copies: Sequence[Copy]) -> None:
    """Insert the jobs, what they do, and the record of it. Raise IntegrityError if a name is taken."""
    Job.objects.bulk_create(one.new for one in copies)
    Draft.objects.bulk_create(
        Draft(job=one.new, saved_by_id=user.pk, **_values(one.draft, one.new.cluster)) for one in copies if one.draft
    )
    Version.objects.bulk_create(_first_version(user, one, one.version) for one in copies if one.version)
    Operation.objects.bulk_create(line for one in copies for line in _record(user, one))


def _first_version(user: Visitor, one: Copy, version: Version) -> Version:
    note = _("copied from %(name)s v%(number)s") % {"name": one.source.name, "number": version.number}
    return Version(job=one.new, number=1, note=note, published_by_id=user.pk, **_values(version, one.new.cluster))


def _record(user: Visitor, one: Copy) -> tuple[Operation, Operation]:
    new, source, number = one.new, one.source, one.version and one.version.number
    return (
        done(source, Action.COPY, user, copy=new.serial, name=new.name, cluster=new.cluster.name),
        done(new, Action.CREATE, user, copied_from=source.serial, version=number),
    )


def _values(definition: Definition, cluster: Cluster) -> dict[str, Any]:
    values = definition.values()
    if not cluster.supports_fine_grained:
        values |= {"jobmanager_spec": WHOLE_CU, "taskmanager_spec": WHOLE_CU}
    return values
