"""Folders: create, rename, move, delete; and moving jobs into them."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from jobs.models import Folder, Job, Operation
from jobs.operations.opening import done, lock_job, only, record_all_done, record_done, sort_out
from jobs.operations.record import update_job, update_jobs
from jobs.states import Action
from jobs.tree import DEEPEST, Branch, Tree, tree_of
from workspaces import clock
from workspaces.acts import locked, record
from workspaces.models import Event, Visitor, Workspace
from workspaces.prepared import ask
from workspaces.refusal import NameTaken, Refusal


@transaction.atomic
def create_folder(user: User, workspace: Workspace, name: str, parent: Folder | None) -> Folder:
    """Create a folder below `parent` (None: the root). Raise Refusal."""
    tree = _lock_folders(workspace.pk)
    above = _target(tree, workspace.pk, parent)
    if above and len(above.path) >= DEEPEST:
        raise Refusal(_("Folders can't be nested deeper than %(levels)s levels."), levels=DEEPEST)
    with _unless_taken():
        made = Folder.objects.create(workspace=workspace, name=name, parent=parent)
    record(user, workspace.serial, Event.Code.FOLDER_CREATED, name=_place(above, name))
    return made


@transaction.atomic
def rename_folder(user: User, folder: Folder, name: str) -> None:
    """Give a folder another name; it stays where it is. Raise Refusal."""
    tree = _lock_folders(folder.workspace_id)
    now, branch = _lock_folder(folder), _branch(tree, folder)
    if now.name == name:
        return
    with _unless_taken():
        Folder.objects.filter(pk=now.pk).update(name=name)
    record(user, now.workspace.serial, Event.Code.FOLDER_RENAMED, before=_place(branch.parent, now.name), after=name)


@transaction.atomic
def move_folder(user: User, folder: Folder, parent: Folder | None, name: str = "") -> None:
    """Move a folder below `parent` (None: the root) with all that is in it, and give it another `name` if there is one. Raise Refusal."""
    tree = _lock_folders(folder.workspace_id)
    now, branch = _lock_folder(folder), _branch(tree, folder)
    above, name = _target(tree, folder.workspace_id, parent), name or now.name
    if now.parent_id == (parent.pk if parent else None):
        return rename_folder(user, folder, name)
    _refuse_unless_fit(branch, above)
    with _unless_taken():
        Folder.objects.filter(pk=now.pk).update(parent=parent, name=name)
    before = _place(branch.parent, now.name)
    record(user, now.workspace.serial, Event.Code.FOLDER_MOVED, before=before, after=_place(above, name))


def _refuse_unless_fit(branch: Branch, above: Branch | None) -> None:
    """Raise Refusal if a folder can't be put below `above`."""
    if above and branch in above.path:
        raise Refusal(_("A folder can't be moved into itself."))
    height, level = branch.height, len(above.path) if above else 0
    # What is too deep already may always come up.
    if level + height > DEEPEST and level + 1 > len(branch.path):
        sentence = _(
            "There, the deepest folder would be on level %(deepest)s. "
            "Folders can't be nested deeper than %(levels)s levels."
        )
        raise Refusal(sentence, deepest=level + height, levels=DEEPEST)


@transaction.atomic
def delete_folder(user: User, folder: Folder) -> None:
    """Delete an empty folder. Raise Refusal."""
    tree = _lock_folders(folder.workspace_id)
    now, branch = _lock_folder(folder), _branch(tree, folder)
    jobs, children = now.jobs.filter(deleted_at=None).count(), now.children.count()
    if jobs or children:
        raise Refusal(
            _("The folder is not empty: it holds %(jobs)s jobs and %(folders)s folders. Move them out first."),
            jobs=jobs,
            folders=children,
        )
    # Deleted jobs stay on record; they no longer need a folder.
    deleted = now.jobs.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    Job.objects.filter(pk__in=list(deleted)).update(folder=None)
    record(user, now.workspace.serial, Event.Code.FOLDER_DELETED, name=_place(branch.parent, now.name))
    now.delete()


# The workspace comes first, as with those who change folders.
HOLD = """
    WITH here AS (SELECT id FROM workspaces_workspace WHERE id = %s FOR KEY SHARE)
    SELECT folder.id FROM jobs_folder AS folder JOIN here ON folder.workspace_id = here.id
    WHERE folder.id = %s FOR KEY SHARE OF folder
"""


def hold_folder(workspace_id: int, folder: Folder | None) -> None:
    """See to it that a folder stays until what is put into it is there: who deletes it waits, then counts. Raise Refusal.

    To be called before a job is locked.
    """
    _refuse_foreign(workspace_id, folder)
    if folder and not ask(HOLD, [workspace_id, folder.pk]):
        raise _gone(folder)


def move_job(user: Visitor, job: Job, folder: Folder | None) -> Job:
    """Put a job into a folder (None: the root). Allowed in any state. Raise Refusal."""
    job = only(move_many(user, [job.pk], folder)).job
    job.folder = folder
    return job


@transaction.atomic
def move_many(user: Visitor, job_ids: Collection[int], folder: Folder | None) -> dict[int, Operation | Refusal]:
    """Put jobs into a folder, in a number of statements that does not depend on theirs; tell of each what came of it.

    Raise Refusal if the folder is gone.
    """
    if folder:
        hold_folder(folder.workspace_id, folder)
    jobs, refusals = sort_out(job_ids, Action.MOVE)
    for job in jobs:
        _refuse_foreign(job.workspace_id, folder)
    update_jobs([job.pk for job in jobs], folder=folder, updated_at=clock.now())
    name = str(folder) if folder else ""
    return refusals | record_all_done([done(job, Action.MOVE, user, folder=name) for job in jobs])


@transaction.atomic
def rename_job(user: Visitor, job: Job, name: str) -> Job:
    """Give a job another name. Allowed in any state; what runs keeps the name it was started with. Raise Refusal."""
    job = lock_job(job, Action.RENAME)
    try:
        with transaction.atomic():
            update_job(job.pk, name=name, updated_at=clock.now())
    except IntegrityError as error:
        raise NameTaken(_("There is already a job with this name in the workspace.")) from error
    record_done(job, Action.RENAME, user, before=job.name, after=name)
    job.name = name
    return job


@transaction.atomic
def describe_job(user: Visitor, job: Job, description: str) -> Job:
    """Give a job another description. Allowed in any state. Raise Refusal."""
    job = lock_job(job, Action.DESCRIBE)
    update_job(job.pk, description=description, updated_at=clock.now())
    record_done(job, Action.DESCRIBE, user, description=description)
    job.description = description
    return job


def path_of(folder: Folder) -> Sequence[Folder]:
    """Return the folders from the root down to this one."""
    path = [folder]
    while (above := path[0].parent) and above not in path:
        path.insert(0, above)
    return path


def _lock_folders(workspace_id: int) -> Tree:
    """Return the folders of a workspace as they are; until the transaction ends nobody else changes them. Raise Refusal."""
    return tree_of(locked(workspace_id, no_key=True))


def _lock_folder(folder: Folder) -> Folder:
    """Return the folder as it is, when all who put a job into it are done. Raise Refusal."""
    rows = Folder.objects.select_for_update(of=("self",)).select_related("workspace")
    if now := rows.filter(pk=folder.pk).first():
        return now
    raise _gone(folder)


def _target(tree: Tree, workspace_id: int, folder: Folder | None) -> Branch | None:
    """Return the place of the folder that another is to be put into; None for the root. Raise Refusal."""
    _refuse_foreign(workspace_id, folder)
    return _branch(tree, folder) if folder else None


def _branch(tree: Tree, folder: Folder) -> Branch:
    if found := tree.find(folder.pk):
        return found
    raise _gone(folder)


@contextmanager
def _unless_taken() -> Iterator[None]:
    """Turn what the database says of a name that is taken into a Refusal."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise NameTaken(_("There is already a folder with this name here.")) from error


def _place(above: Branch | None, name: str) -> str:
    return "/".join([*(one.name for one in above.path), name] if above else [name])


def _gone(folder: Folder) -> Refusal:
    return Refusal(_("The folder %(name)s was deleted in the meantime."), name=folder.name)


def _refuse_foreign(workspace_id: int, folder: Folder | None) -> None:
    if folder and folder.workspace_id != workspace_id:
        raise Refusal(_("This folder belongs to another workspace."))
