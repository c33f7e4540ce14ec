"""Folders: create, rename, move, delete; moving and renaming jobs."""

import pytest
from django.contrib.auth.models import User

from jobs import operations
from jobs.models import Folder, Job, Operation
from workspaces.models import Event, Workspace

pytestmark = pytest.mark.django_db


def test_names_are_unique_among_siblings(alice, workspace) -> None:
    a = operations.create_folder(alice, workspace, "a", None)
    operations.create_folder(alice, workspace, "a", a)
    for parent in (None, a):
        with pytest.raises(operations.Refusal, match="already a folder"):
            operations.create_folder(alice, workspace, "a", parent)
    b = operations.create_folder(alice, workspace, "b", None)
    with pytest.raises(operations.Refusal, match="already a folder"):
        operations.rename_folder(alice, b, "a")


def test_a_folder_is_renamed_and_moved_but_not_into_itself(alice, workspace) -> None:
    a = operations.create_folder(alice, workspace, "a", None)
    b = operations.create_folder(alice, workspace, "b", a)
    c = operations.create_folder(alice, workspace, "c", b)
    for below in (a, b, c):
        with pytest.raises(operations.Refusal, match="into itself"):
            operations.move_folder(alice, Folder.objects.get(pk=a.pk), below)
    operations.move_folder(alice, c, None, "sea")
    assert (Folder.objects.get(pk=c.pk).name, Folder.objects.get(pk=c.pk).parent) == ("sea", None)


def test_only_an_empty_folder_is_deleted(workspace, job: Job, alice) -> None:
    a = operations.create_folder(alice, workspace, "a", None)
    b = operations.create_folder(alice, workspace, "b", a)
    operations.move_job(alice, job, b)
    for folder in (a, b):
        with pytest.raises(operations.Refusal, match="not empty"):
            operations.delete_folder(alice, folder)
    operations.move_job(alice, job, None)
    operations.delete_folder(alice, b)
    operations.delete_folder(alice, a)
    assert not Folder.objects.exists()


def test_a_folder_of_deleted_jobs_is_empty(workspace, job: Job, alice) -> None:
    a = operations.create_folder(alice, workspace, "a", None)
    operations.move_job(alice, job, a)
    operations.delete(alice, job)
    operations.delete_folder(alice, a)


def test_nothing_moves_across_workspaces(job: Job, alice) -> None:
    theirs = Folder.objects.create(workspace=Workspace.objects.create(name="Other"), name="theirs")
    with pytest.raises(operations.Refusal, match="another workspace"):
        operations.move_job(alice, job, theirs)


def chain(user: User, workspace: Workspace, length: int, name: str) -> list[Folder]:
    """Folders below each other, from the root down."""
    made: list[Folder] = []
    for level in range(1, length + 1):
        made.append(operations.create_folder(user, workspace, f"{name}{level}", made[-1] if made else None))
    return made


def test_nesting_has_an_end(alice, workspace) -> None:
    deepest = chain(alice, workspace, 10, "level-")[-1]
    with pytest.raises(operations.Refusal, match="deeper"):
        operations.create_folder(alice, workspace, "too-deep", deepest)


def test_nesting_has_an_end_for_what_is_moved_too(alice, workspace) -> None:
    seven, four = chain(alice, workspace, 7, "a"), chain(alice, workspace, 4, "b")
    with pytest.raises(operations.Refusal, match=r"level 11\. Folders can't be nested deeper than 10 levels\."):
        operations.move_folder(alice, four[0], seven[-1])
    operations.move_folder(alice, four[0], seven[-2])
    assert [one.name for one in operations.path_of(Folder.objects.get(name="b4"))][-5:] == [
        "a6",
        "b1",
        "b2",
        "b3",
        "b4",
    ]


def too_deep(workspace: Workspace, levels: int) -> list[Folder]:
    """Folders as a release could make them that did not look at the depth of what was moved."""
    made: list[Folder] = []
    for level in range(1, levels + 1):
        made.append(Folder.objects.create(workspace=workspace, name=f"f{level}", parent=made[-1] if made else None))
    return made


def test_what_is_too_deep_already_comes_up_but_not_down(alice, workspace) -> None:
    folders, other = too_deep(workspace, 30), operations.create_folder(alice, workspace, "other", None)
    with pytest.raises(operations.Refusal, match="level 31"):
        operations.move_folder(alice, folders[0], other)
    operations.move_folder(alice, folders[10], folders[0])
    operations.move_folder(alice, folders[15], None)
    assert len(operations.path_of(Folder.objects.get(pk=folders[29].pk))) == 15


def test_folders_of_a_ring_get_out_of_it(alice, workspace) -> None:
    """Two moves at the same time could make one."""
    a, b, c = chain(alice, workspace, 3, "f")
    Folder.objects.filter(pk=a.pk).update(parent=c)
    b = Folder.objects.get(pk=b.pk)
    assert len(operations.path_of(b)) == 3
    operations.create_folder(alice, workspace, "new", b)
    with pytest.raises(operations.Refusal, match="not empty"):
        operations.delete_folder(alice, b)
    operations.rename_folder(alice, b, "second")
    operations.move_folder(alice, b, None)
    assert [one.name for one in operations.path_of(Folder.objects.get(pk=a.pk))] == ["second", "f3", "f1"]


def test_a_folder_in_itself_gets_out_of_it(alice, workspace) -> None:
    a = operations.create_folder(alice, workspace, "a", None)
    Folder.objects.filter(pk=a.pk).update(parent=a)
    operations.move_folder(alice, Folder.objects.get(pk=a.pk), None)
    assert Folder.objects.get().parent is None


def test_a_rename_of_what_somebody_moved_meanwhile_leaves_it_there(alice, bob, workspace) -> None:
    a, b = chain(alice, workspace, 1, "a")[0], chain(alice, workspace, 1, "b")[0]
    seen_by_bob = Folder.objects.get(pk=a.pk)
    operations.move_folder(alice, a, b)
    operations.rename_folder(bob, seen_by_bob, "new")
    assert operations.path_of(Folder.objects.get(pk=a.pk)) == [b, a]
    operations.move_folder(alice, a, None)
    assert (Folder.objects.get(pk=a.pk).name, Folder.objects.get(pk=a.pk).parent) == ("new", None)


def test_every_act_on_a_folder_is_on_record(alice, bob, workspace) -> None:
    top, below = chain(alice, workspace, 2, "f")
    operations.rename_folder(bob, below, "spot")
    operations.move_folder(bob, below, None)
    operations.move_folder(alice, below, top, "fast")
    operations.move_folder(alice, below, top, "slow")
    operations.delete_folder(bob, below)
    told = Event.objects.filter(about=workspace.serial).order_by("pk")
    assert [(str(one), one.by) for one in told] == [
        ("The folder f1 was created.", alice),
        ("The folder f1/f2 was created.", alice),
        ("The folder f1/f2 was renamed to spot.", bob),
        ("The folder f1/spot was moved; its path is now spot.", bob),
        ("The folder spot was moved; its path is now f1/fast.", alice),
        ("The folder f1/fast was renamed to slow.", alice),
        ("The folder f1/slow was deleted.", bob),
    ]


def test_what_changes_nothing_and_what_is_refused_is_not_on_record(alice, workspace) -> None:
    a, b = chain(alice, workspace, 1, "a")[0], chain(alice, workspace, 1, "b")[0]
    operations.rename_folder(alice, a, "a1")
    operations.move_folder(alice, a, None)
    for act in (
        lambda: operations.rename_folder(alice, a, "b1"),
        lambda: operations.move_folder(alice, a, a),
        lambda: operations.create_folder(alice, workspace, "b1", None),
        lambda: operations.move_folder(alice, b, None, "a1"),
    ):
        with pytest.raises(operations.Refusal):
            act()
    assert Event.objects.count() == 2


def test_moving_and_renaming_a_job_is_on_record(workspace, job: Job, alice) -> None:
    operations.move_job(alice, job, operations.create_folder(alice, workspace, "a", None))
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
