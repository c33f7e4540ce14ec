"""Folders: create, rename, move, delete; and moving jobs into them."""

from collections.abc import Collection, Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobs.models import Folder, Job, Operation
from jobs.operations.opening import done, lock_job, only, record_all_done, record_done, sort_out
from jobs.operations.record import update_job, update_jobs
from jobs.states import Action
from jobs.tree import DEEPEST
from workspaces.models import Visitor, Workspace
from workspaces.refusal import Refusal


def create_folder(workspace: Workspace, name: str, parent: Folder | None) -> Folder:
    """Create a folder below `parent` (None: the root). Raise Refusal."""
    _refuse_foreign(workspace.pk, parent)
    if parent and len(path_of(parent)) >= DEEPEST:
        raise Refusal(_("Folders can't be nested deeper than %(levels)s levels."), levels=DEEPEST)
    try:
        with transaction.atomic():
            return Folder.objects.create(workspace=workspace, name=name, parent=parent)
    except IntegrityError as error:
        raise Refusal(_("There is already a folder with this name here.")) from error


def change_folder(folder: Folder, name: str, parent: Folder | None) -> Folder:
    """Rename a folder or move it below `parent`, or both. Raise Refusal."""
    _refuse_foreign(folder.workspace_id, parent)
    if parent and folder in path_of(parent):
        raise Refusal(_("A folder can't be moved into itself."))
    folder.name, folder.parent = name, parent
    try:
        with transaction.atomic():
            folder.save(update_fields=["name", "parent"])
    except IntegrityError as error:
        raise Refusal(_("There is already a folder with this name here.")) from error
    return folder


@transaction.atomic
def delete_folder(folder: Folder) -> None:
    """Delete an empty folder. Raise Refusal."""
    Folder.objects.select_for_update().get(pk=folder.pk)
    jobs, children = folder.jobs.filter(deleted_at=None).count(), folder.children.count()
    if jobs or children:
        raise Refusal(
            _("The folder is not empty: it holds %(jobs)s jobs and %(folders)s folders. Move them out first."),
            jobs=jobs,
            folders=children,
        )
    # Deleted jobs stay on record; they no longer need a folder.
    folder.jobs.update(folder=None)
    folder.delete()


def move_job(user: Visitor, job: Job, folder: Folder | None) -> Job:
    """Put a job into a folder (None: the root). Allowed in any state. Raise Refusal."""
    job = only(move_many(user, [job.pk], folder)).job
    job.folder = folder
    return job


@transaction.atomic
def move_many(user: Visitor, job_ids: Collection[int], folder: Folder | None) -> dict[int, Operation | Refusal]:
    """Put jobs into a folder, in a number of statements that does not depend on theirs; tell of each what came of it."""
    jobs, refusals = sort_out(job_ids, Action.MOVE)
    for job in jobs:
        _refuse_foreign(job.workspace_id, folder)
    update_jobs([job.pk for job in jobs], folder=folder, updated_at=timezone.now())
    name = str(folder) if folder else ""
    return refusals | record_all_done([done(job, Action.MOVE, user, folder=name) for job in jobs])


@transaction.atomic
def rename_job(user: Visitor, job: Job, name: str) -> Job:
    """Give a job another name. Allowed in any state; what runs keeps the name it was started with. Raise Refusal."""
    job = lock_job(job, Action.RENAME)
    try:
        with transaction.atomic():
            update_job(job.pk, name=name, updated_at=timezone.now())
    except IntegrityError as error:
        raise Refusal(_("There is already a job with this name in the workspace.")) from error
    record_done(job, Action.RENAME, user, before=job.name, after=name)
    job.name = name
    return job


@transaction.atomic
def describe_job(user: Visitor, job: Job, description: str) -> Job:
    """Give a job another description. Allowed in any state. Raise Refusal."""
    job = lock_job(job, Action.DESCRIBE)
    update_job(job.pk, description=description, updated_at=timezone.now())
    record_done(job, Action.DESCRIBE, user, description=description)
    job.description = description
    return job


def path_of(folder: Folder) -> Sequence[Folder]:
    """Return the folders from the root down to this one."""
    path = [folder]
    while (above := path[0].parent) and above not in path:
        path.insert(0, above)
    return path


def _refuse_foreign(workspace_id: int, folder: Folder | None) -> None:
    if folder and folder.workspace_id != workspace_id:
        raise Refusal(_("This folder belongs to another workspace."))
