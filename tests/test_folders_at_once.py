"""Folders that several people change at the same time: all is as if one had come after the other, and the second is told why not."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Folder, Job, Operation
from jobs.states import Action
from tests.threads import in_thread, is_awaited
from tests.until import until
from workspaces import acts
from workspaces.models import Event, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

Put = Callable[[Folder], object]
GONE = "The folder a was deleted in the meantime."


def second_told(first: Callable[[], object], second: Callable[[], object]) -> str:
    """Let `second` come when `first` is done and not yet through; return what is said to it."""
    told: list[str] = []

    def ask() -> None:
        try:
            second()
            told.append("done")
        except operations.Refusal as no:
            told.append(no.message)

    with transaction.atomic():
        first()
        asking = in_thread(ask)
        until(is_awaited, "the second waits for the first", 20)
    asking.join()
    return told[0]


@pytest.fixture
def a(alice: User, workspace: Workspace) -> Folder:
    return operations.create_folder(alice, workspace, "a", None)


@pytest.fixture
def b(alice: User, workspace: Workspace) -> Folder:
    return operations.create_folder(alice, workspace, "b", None)


@pytest.fixture(params=["move", "new", "copy", "folder", "folder moved"])
def put(request: pytest.FixtureRequest, alice: User, job: Job, b: Folder, endpoint: FlinkEndpoint) -> Put:
    """Put something into a folder."""
    cluster, workspace = endpoint.cluster, job.workspace
    acts: dict[str, Put] = {
        "move": lambda folder: operations.move_job(alice, job, folder),
        "new": lambda folder: operations.create_job(alice, workspace, "new", cluster, endpoint, folder),
        "copy": lambda folder: operations.copy(alice, job, cluster, "copy", folder),
        "folder": lambda folder: operations.create_folder(alice, workspace, "below", folder),
        "folder moved": lambda folder: operations.move_folder(alice, b, folder),
    }
    return acts[request.param]


def test_two_moves_make_no_ring(alice: User, a: Folder, b: Folder) -> None:
    told = second_told(
        lambda: operations.move_folder(alice, a, b),
        lambda: operations.move_folder(alice, b, a),
    )
    assert told == "A folder can't be moved into itself."
    assert dict(Folder.objects.values_list("name", "parent__name")) == {"a": "b", "b": None}


def test_two_moves_do_not_go_too_deep(alice: User, workspace: Workspace, a: Folder, b: Folder) -> None:
    six = operations.create_folder(alice, workspace, "a1", a)
    for number in range(2, 6):
        six = operations.create_folder(alice, workspace, f"a{number}", six)
    four = b
    for number in range(1, 4):
        four = operations.create_folder(alice, workspace, f"b{number}", four)
    below = operations.create_folder(alice, workspace, "c", None)
    told = second_told(
        lambda: operations.move_folder(alice, below, four),
        lambda: operations.move_folder(alice, b, six),
    )
    assert "level 11" in told


def test_nothing_comes_into_a_folder_that_is_being_deleted(alice: User, a: Folder, put: Put) -> None:
    assert second_told(lambda: operations.delete_folder(alice, a), lambda: put(a)) == GONE


def test_a_folder_that_something_comes_into_is_not_deleted(alice: User, a: Folder, put: Put) -> None:
    told = second_told(lambda: put(a), lambda: operations.delete_folder(alice, a))
    assert told.startswith("The folder is not empty")
    assert a.jobs.count() + a.children.count() == 1


def test_it_is_deleted_once(alice: User, a: Folder) -> None:
    told = second_told(lambda: operations.delete_folder(alice, a), lambda: operations.delete_folder(alice, a))
    assert told == GONE
    assert Event.objects.filter(code=Event.Code.FOLDER_DELETED).count() == 1


def test_it_is_not_renamed_while_it_is_deleted(alice: User, a: Folder) -> None:
    assert (
        second_told(lambda: operations.delete_folder(alice, a), lambda: operations.rename_folder(alice, a, "z")) == GONE
    )


def test_it_is_not_moved_while_it_is_deleted(alice: User, a: Folder, b: Folder) -> None:
    assert second_told(lambda: operations.delete_folder(alice, a), lambda: operations.move_folder(alice, a, b)) == GONE


def test_renamed_while_it_is_moved_it_is_both(alice: User, a: Folder, b: Folder) -> None:
    told = second_told(
        lambda: operations.move_folder(alice, a, b),
        lambda: operations.rename_folder(alice, a, "z"),
    )
    assert told == "done"
    a.refresh_from_db()
    assert (a.name, a.parent) == ("z", b)


def test_a_workspace_goes_or_gets_a_folder(alice: User, root: User, workspace: Workspace) -> None:
    gone = Workspace.objects.get(pk=workspace.pk)
    told = second_told(
        lambda: acts.delete_workspace(root, gone),
        lambda: operations.create_folder(alice, workspace, "a", None),
    )
    assert told == "This workspace has been deleted."


def test_a_workspace_that_gets_a_job_in_a_folder_stays(
    alice: User, root: User, a: Folder, endpoint: FlinkEndpoint
) -> None:
    """Neither waits for the other: the job for the workspace, that for its folder."""
    told = second_told(
        lambda: operations.create_job(alice, a.workspace, "new", endpoint.cluster, endpoint, a),
        lambda: acts.delete_workspace(root, a.workspace),
    )
    assert told.startswith("The workspace still has 1 job")


def test_a_job_is_not_renamed_while_it_is_deleted(alice: User, job: Job) -> None:
    told = second_told(lambda: operations.delete(alice, job), lambda: operations.rename_job(alice, job, "other"))
    assert told == "This job has been deleted."
    assert not Operation.objects.filter(action=Action.RENAME).exists()


def test_a_job_that_is_renamed_twice_is_told_so(alice: User, bob: User, job: Job) -> None:
    stale = Job.objects.get(pk=job.pk)
    second_told(
        lambda: operations.rename_job(alice, job, "second"),
        lambda: operations.rename_job(bob, stale, "third"),
    )
    renamed = Operation.objects.filter(action=Action.RENAME).order_by("pk")
    assert [(one.params["before"], one.params["after"]) for one in renamed] == [
        ("orders", "second"),
        ("second", "third"),
    ]


def test_a_version_is_deleted_once(alice: User, job: Job) -> None:
    version = operations.publish(alice, job, "second")
    told = second_told(
        lambda: operations.delete_version(alice, job.versions.get(number=2)),
        lambda: operations.delete_version(alice, version),
    )
    assert told == "Version 2 was deleted in the meantime."
    assert Operation.objects.filter(action=Action.DELETE_VERSION).count() == 1


def test_a_version_that_is_being_deleted_is_not_run(alice: User, job: Job) -> None:
    version = operations.publish(alice, job, "second")
    told = second_told(
        lambda: operations.delete_version(alice, job.versions.get(number=2)),
        lambda: operations.run(alice, job, version),
    )
    assert told == "Version 2 was deleted in the meantime."
    assert not job.runs.exists()
