"""Acts that never touch a running job: create, save, check, publish, delete."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Value, When
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from clusters.engine import EngineError, Refused, Submission, Unanswered, Unreachable
from clusters.models import Cluster, FlinkEndpoint
from jobs import advice
from jobs.masking import mask, secrets_in
from jobs.models import Draft, Folder, Job, Operation, Problem, Version
from jobs.models.definition import NOTE_LENGTH, SQL_LENGTH
from jobs.models.run import new_flink_id
from jobs.operations.folders import hold_folder
from jobs.operations.opening import done, lock_job, only, record_all_done, record_done, sort_out
from jobs.operations.options import flink_options
from jobs.operations.record import update_job, update_jobs
from jobs.operations.unrecorded import noted_of
from jobs.secrets import secret_values
from jobs.sql import ScriptError
from jobs.states import Action, Status
from jobs.variables import Values, names_of, options_of, refuse_masked, refuse_unknown, statements_of
from workspaces import clock
from workspaces.acts import hold
from workspaces.models import Visitor, Workspace
from workspaces.refusal import NameTaken, Refusal
from workspaces.variables import hidden_values


class Conflict(Refusal):
    """Somebody saved the draft in between; `draft` is what he saved, `is_own` tells that it was the same user elsewhere."""

    def __init__(self, draft: Draft, user: Visitor) -> None:
        self.draft, self.is_own = draft, draft.saved_by_id == user.pk
        super().__init__(
            _("You saved this draft elsewhere in the meantime, in another tab or window. Nothing was overwritten.")
            if self.is_own
            else _("Somebody else saved this draft in the meantime. Nothing of yours or theirs was overwritten.")
        )


def create_job(
    user: Visitor,
    workspace: Workspace,
    name: str,
    cluster: Cluster,
    endpoint: FlinkEndpoint,
    folder: Folder | None = None,
    description: str = "",
) -> Job:
    """Create an empty job. Raise Refusal for a taken name, for what is gone, or for a cluster of other workspaces (G8)."""
    try:
        with transaction.atomic():
            hold(workspace.pk)
            hold_folder(workspace.pk, folder)
            # Locked: who takes the binding or the endpoint away waits, and then counts this job.
            Cluster.objects.select_for_update(no_key=True).filter(pk=cluster.pk).first()
            if not cluster.bindings.filter(workspace=workspace).exists() or endpoint.cluster_id != cluster.pk:
                raise Refusal(_("This cluster is not bound to the workspace."))
            if not cluster.endpoints.filter(pk=endpoint.pk).exists():
                raise Refusal(_("This Flink endpoint was removed in the meantime."))
            job = Job.objects.create(
                workspace=workspace,
                name=name,
                cluster=cluster,
                endpoint=endpoint,
                folder=folder,
                description=description,
                created_by_id=user.pk,
            )
            record_done(job, Action.CREATE, user, name=name, cluster=cluster.name, flink_version=endpoint.flink_version)
    except IntegrityError as error:
        raise NameTaken(_("There is already a job with this name in the workspace.")) from error
    return job


def refuse_too_long(sql: str) -> None:
    """Raise Refusal for a script that is too long."""
    if len(sql) > SQL_LENGTH:
        sentence = _("The script has %(size)s characters; it may have %(most)s at most.")
        raise Refusal(sentence, size=len(sql), most=SQL_LENGTH)


@transaction.atomic
def save_draft(user: Visitor, job: Job, revision: int, values: dict[str, Any], **told: Any) -> Draft:
    """Save the draft over the one with `revision` (0: there was none). Raise Conflict when that isn't the last any more.

    `told`: what else goes on record. What says the same as the last save is none of its own: the draft stays as it is, and nothing is put on record.
    """
    refuse_too_long(values.get("sql", ""))
    job = lock_job(job, Action.SAVE)
    draft = Draft.objects.select_related("saved_by").filter(job=job).first()
    # Where there is none yet, nothing can be overwritten.
    if draft and draft.revision != revision:
        raise Conflict(draft, user)
    if draft and all(getattr(draft, name) == value for name, value in values.items()):
        return draft
    draft = draft or Draft(job=job, revision=0)
    for name, value in values.items():
        setattr(draft, name, value)
    draft.revision += 1
    draft.saved_by_id = user.pk
    draft.save()
    status = {"status": Status.UNPUBLISHED} if job.status == Status.UNINITIALIZED else {}
    update_job(job.pk, updated_at=clock.now(), **status)
    record_done(job, Action.SAVE, user, revision=draft.revision, **told)
    return draft


def restore_version(user: Visitor, version: Version, revision: int) -> Draft:
    """Make the draft say what a version says. Raise Conflict when the draft with `revision` isn't the last any more."""
    values = version.values()
    if not version.job.cluster.supports_fine_grained:
        values |= {"jobmanager_spec": Decimal(1), "taskmanager_spec": Decimal(1)}
    return save_draft(user, version.job, revision, values, version=version.number)


@transaction.atomic
def publish(user: Visitor, job: Job, note: str, as_number: int | None = None) -> Version:
    """Publish the saved draft as the next version. Raise Refusal for a draft that can't be taken apart.

    `as_number`: the number that the user was told it would get; another one is refused, so the same click sent twice publishes once.
    """
    if as_number is not None:
        latest = lock_job(job, Action.PUBLISH).last_version_number
        if latest + 1 != as_number:
            raise Refusal(
                _("Version %(number)s was published in the meantime. Look at it before you publish."), number=latest
            )
    record = only(publish_many(user, [job.pk], note))
    return job.versions.get(number=record.params["version"])


@transaction.atomic
def publish_many(user: Visitor, job_ids: Collection[int], note: str) -> dict[int, Operation | Refusal]:
    """Publish the saved drafts of jobs, in a number of statements that does not depend on theirs; tell of each what came of it."""
    jobs, refusals = sort_out(job_ids, Action.PUBLISH)
    drafts = {draft.job_id: draft for draft in Draft.objects.filter(job__in=jobs)}
    return refusals | _published(user, {job: drafts[job.pk] for job in jobs}, note)


@transaction.atomic
def publish_definition(user: Visitor, job: Job, values: dict[str, Any], note: str) -> Version:
    """Publish a definition that comes whole, from a program, as the next version. Raise Refusal.

    The draft follows it when nobody has anything in it that is not published: when there was none, or it was as the latest
    version is. Else it stays as it is, so that nobody's work is overwritten unseen.
    """
    refuse_too_long(str(values.get("sql", "")))
    job = lock_job(job, Action.SAVE)
    draft, latest = Draft.objects.filter(job=job).first(), job.versions.first()
    if draft is None or (latest and draft.is_like(latest)):
        draft = save_draft(user, job, draft.revision if draft else 0, values)
        job = lock_job(job, Action.PUBLISH)
    record = only(_published(user, {job: Draft(job=job, **values)}, note))
    return job.versions.get(number=record.params["version"])


def _published(user: Visitor, drafts: Mapping[Job, Draft], note: str) -> dict[int, Operation | Refusal]:
    """Publish what locked jobs of one workspace are to be, each as its next version."""
    if not note.strip():
        raise Refusal(_("A version note is required."))
    if len(note.strip()) > NOTE_LENGTH:
        raise Refusal(_("A version note has at most %(most)s characters."), most=NOTE_LENGTH)
    refusals, versions = {}, []
    workspace = next((job.workspace_id for job in drafts), 0)
    names, hidden = names_of(workspace), hidden_values(workspace)
    for job, draft in drafts.items():
        try:
            refuse_unknown(draft.sql, draft.properties, names)
        except ScriptError as error:
            refusals[job.pk] = Refusal(lazy(_cause_in_script, str)(error))
        else:
            told = _cut(mask(note.strip(), secrets_in(draft.sql, draft.properties) | hidden))
            number = job.last_version_number + 1
            versions.append(Version(job=job, number=number, note=told, published_by_id=user.pk, **draft.values()))
    Version.objects.bulk_create(versions)
    update_jobs(
        [one.job_id for one in versions],
        last_version_number=F("last_version_number") + 1,
        updated_at=clock.now(),
        status=Case(When(status=Status.UNPUBLISHED, then=Value(str(Status.STOPPED))), default=F("status")),
    )
    return refusals | record_all_done(
        [done(one.job, Action.PUBLISH, user, version=one.number, note=one.note) for one in versions]
    )


def _cut(note: str) -> str:
    """Return a note that the stars over its secrets may have made longer than the user's own was, as long as it may be."""
    return note if len(note) <= NOTE_LENGTH else note[: NOTE_LENGTH - 1] + "…"


def _cause_in_script(error: ScriptError) -> str:
    return advice.explain(problem_in_script(error)).cause


@transaction.atomic
def delete_version(user: Visitor, version: Version) -> None:
    """Delete a version that never ran; its number is not given again. Raise Refusal for one that runs or ran (G7, G9)."""
    job = lock_job(version.job, Action.DELETE_VERSION)
    if not job.versions.filter(pk=version.pk).exists():
        raise Refusal(_("Version %(number)s was deleted in the meantime."), number=version.number)
    refuse_what_ran(job, version)
    version.delete()
    update_job(job.pk, updated_at=clock.now())
    record_done(job, Action.DELETE_VERSION, user, version=version.number, note=version.note)


def refuse_what_ran(job: Job, version: Version) -> None:
    """Raise Refusal for a version that runs or ran."""
    if job.online_number == version.number:
        raise Refusal(_("Version %(number)s runs, so it can't be deleted."), number=version.number)
    if version.runs.exists():
        raise Refusal(_("Version %(number)s has run. The record tells of it, so it stays."), number=version.number)


def delete(user: Visitor, job: Job) -> None:
    """Take the job away from everybody's eyes; its record stays."""
    only(delete_many(user, [job.pk]))


@transaction.atomic
def delete_many(user: Visitor, job_ids: Collection[int]) -> dict[int, Operation | Refusal]:
    """Take jobs away, in a number of statements that does not depend on theirs; tell of each what came of it."""
    jobs, refusals = sort_out(job_ids, Action.DELETE)
    unsure = Refusal(_("It is not yet known whether the last run is over. Try again when the cluster answers."))
    unrecorded = noted_of(jobs)
    kept = {job.pk: unsure for job in jobs if job.live_run or job.serial in unrecorded}
    refusals |= kept
    over = [job for job in jobs if job.pk not in kept]
    update_jobs([job.pk for job in over], deleted_at=clock.now(), recover_at=None)
    return refusals | record_all_done([done(job, Action.DELETE, user, name=job.name) for job in over])


def check(job: Job, values: dict[str, Any]) -> Problem | None:
    """Let Flink compile the draft; return what is wrong, unsaved, with `values["line"]` where it can be told."""
    draft, variables = Draft(job=job, **values), Values(job.workspace_id)
    try:
        statements = statements_of(draft.sql, variables)
        options = options_of(flink_options(draft, restart_by_default=False), variables)
        refuse_masked(draft.sql, draft.properties)
    except ScriptError as error:
        return problem_in_script(error)
    submission = Submission(
        job_id=new_flink_id(),
        name=job.name,
        statements=statements,
        parallelism=draft.parallelism,
        options=options,
    )
    try:
        job.endpoint.engine().check(submission)
    except Refused as error:
        line = advice.line_of(error.summary, error.trace, statements)
        return _masked(draft, "flink", error, {"line": line} if line else {})
    except (Unreachable, Unanswered) as error:
        return _masked(draft, "cluster-unreachable", error, {"cluster": job.cluster.name})
    return None


def problem_in_script(error: ScriptError) -> Problem:
    return Problem(code=error.reason, values=error.values)


def _masked(draft: Draft, code: str, error: EngineError, values: dict[str, Any]) -> Problem:
    secrets = secret_values(draft)
    return Problem(code=code, summary=mask(error.summary, secrets), trace=mask(error.trace, secrets), values=values)
