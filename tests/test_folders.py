"""Folders: create, rename, move, delete; moving and renaming jobs."""

import pytest

from jobs import operations
from jobs.models import Folder, Job, Operation
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_names_are_unique_among_siblings(workspace) -> None:
    a = operations.create_folder(workspace, "a", None)
    operations.create_folder(workspace, "a", a)
    for parent in (None, a):
        with pytest.raises(operations.Refusal, match="already a folder"):
            operations.create_folder(workspace, "a", parent)
    b = operations.create_folder(workspace, "b", None)
    with pytest.raises(operations.Refusal, match="already a folder"):
        operations.change_folder(b, "a", None)


def test_a_folder_is_renamed_and_moved_but_not_into_itself(workspace) -> None:
    a = operations.create_folder(workspace, "a", None)
    b = operations.create_folder(workspace, "b", a)
    c = operations.create_folder(workspace, "c", b)
    for below in (a, b, c):
        with pytest.raises(operations.Refusal, match="into itself"):
            operations.change_folder(Folder.objects.get(pk=a.pk), "a", below)
    operations.change_folder(c, "sea", None)
    assert (Folder.objects.get(pk=c.pk).name, Folder.objects.get(pk=c.pk).parent) == ("sea", None)


def test_only_an_empty_folder_is_deleted(workspace, job: Job, alice) -> None:
    a = operations.create_folder(workspace, "a", None)
    b = operations.create_folder(workspace, "b", a)
    operations.move_job(alice, job, b)
    for folder in (a, b):
        with pytest.raises(operations.Refusal, match="not empty"):
            operations.delete_folder(folder)
    operations.move_job(alice, job, None)
    operations.delete_folder(b)
    operations.delete_folder(a)
    assert not Folder.objects.exists()


def test_a_folder_of_deleted_jobs_is_empty(workspace, job: Job, alice) -> None:
    a = operations.create_folder(workspace, "a", None)
    operations.move_job(alice, job, a)
    operations.delete(alice, job)
    operations.delete_folder(a)


def test_nothing_moves_across_workspaces(job: Job, alice) -> None:
    theirs = Folder.objects.create(workspace=Workspace.objects.create(name="Other"), name="theirs")
    with pytest.raises(operations.Refusal, match="another workspace"):
        operations.move_job(alice, job, theirs)


def test_nesting_has_an_end(workspace) -> None:
    folder = None
    for level in range(10):
        folder = operations.create_folder(workspace, f"level-{level}", folder)
    with pytest.raises(operations.Refusal, match="deeper"):
        operations.create_folder(workspace, "too-deep", folder)


def test_moving_and_renaming_a_job_is_on_record(workspace, job: Job, alice) -> None:
    operations.move_job(alice, job, operations.create_folder(workspace, "a", None))
    operations.rename_job(alice, job, "invoices")
    assert Job.objects.get(pk=job.pk).name == "invoices"
    assert list(Operation.objects.filter(action__in=["move", "rename"]).values_list("action", "requested_by")) == [
        ("rename", alice.pk),
        ("move", alice.pk),
    ]


def test_a_job_is_not_renamed_to_a_taken_name(job: Job, alice, cluster) -> None:
    operations.copy(alice, job, cluster, "taken", None)
    with pytest.raises(operations.Refusal, match="already a job"):
        operations.rename_job(alice, job, "taken")
    assert Job.objects.get(pk=job.pk).name == "orders"


def test_a_deleted_job_is_not_renamed(job: Job, alice) -> None:
    stale = Job.objects.get(pk=job.pk)
    operations.delete(alice, job)
    with pytest.raises(operations.Refusal, match="has been deleted"):
        operations.rename_job(alice, stale, "other")
    assert Operation.objects.filter(job=job).latest("pk").action == "delete"
