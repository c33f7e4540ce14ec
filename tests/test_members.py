"""Workspaces and their members: who gives out roles, what stands on record, and what can't be done by accident."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from jobs import operations
from jobs.models import Folder, Job
from tests.conftest import make_user
from workspaces import acts
from workspaces.acts import record
from workspaces.models import Event, Member, Role, Workspace
from workspaces.refusal import Refusal

HTMX = {"HX-Request": "true"}


@pytest.fixture
def anna(workspace: Workspace) -> User:
    return make_user("anna", workspace, Role.ADMIN)


@pytest.fixture
def url(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/members/"


def role_of(user: User, workspace: Workspace) -> str | None:
    return Member.objects.filter(user=user, workspace=workspace).values_list("role", flat=True).first()


def address(act: str, user: User, workspace: Workspace) -> str:
    return reverse(act, args=[workspace.serial, Member.objects.get(user=user, workspace=workspace).pk])


def test_a_viewer_sees_the_members_without_the_acts(client: Client, vera: User, alice: User, url: str) -> None:
    client.force_login(vera)
    page = client.get(url).text
    assert "alice" in page
    assert "Add member" not in page
    assert "Change role" not in page


def test_it_adds_somebody_by_name(client: Client, anna: User, charlie: User, workspace: Workspace, url: str) -> None:
    client.force_login(anna)
    answer = client.post(url + "add/", {"username": "charlie", "role": "viewer"}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == url
    assert role_of(charlie, workspace) == Role.VIEWER
    page = client.get(url).text
    assert "charlie was added as Viewer." in page
    assert str(Event.objects.get()) == "charlie was added as Viewer."


def test_its_form_as_a_page_stands_under_members_and_leads_super_admins_to_new_users(
    client: Client, anna: User, root: User, url: str
) -> None:
    here, new_user = f'<a href="{url}" aria-current="page">', reverse("admin:auth_user_add")
    for user in (anna, root):
        client.force_login(user)
        page = client.get(url + "add/").text
        assert here in page
        assert (new_user in page) is (user == root)


@pytest.mark.parametrize("name", ["nobody", "", "\0", "CHARLIE", "gone"])
def test_it_adds_only_who_can_sign_in(client: Client, anna: User, charlie: User, url: str, name: str) -> None:
    User.objects.create_user("gone", is_active=False)
    client.force_login(anna)
    answer = client.post(url + "add/", {"username": name, "role": "viewer"}, headers=HTMX)
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert not Event.objects.exists()


def test_it_says_that_somebody_is_a_member_already(client: Client, anna: User, alice: User, url: str) -> None:
    client.force_login(anna)
    answer = client.post(url + "add/", {"username": "alice", "role": "admin"}, headers=HTMX)
    assert answer.status_code == 422
    assert "alice is a member already." in answer.text


def test_it_changes_a_role(client: Client, anna: User, alice: User, workspace: Workspace, url: str) -> None:
    client.force_login(anna)
    assert client.post(address("change-role", alice, workspace), {"role": "viewer"}).headers["Location"] == url
    assert role_of(alice, workspace) == Role.VIEWER
    assert str(Event.objects.get()) == "alice, until then Developer, became Viewer."
    # Once more changes nothing and tells nothing.
    client.post(address("change-role", alice, workspace), {"role": "viewer"})
    assert Event.objects.count() == 1


def test_the_changed_role_counts_at_once(client: Client, anna: User, alice: User, job: Job) -> None:
    client.force_login(alice)
    assert client.get(f"/jobs/{job.serial}/delete/").status_code == 200
    acts.change_role(anna, Member.objects.get(user=alice), Role.VIEWER)
    assert client.get(f"/jobs/{job.serial}/delete/").status_code == 403


def test_it_removes_somebody(client: Client, anna: User, alice: User, workspace: Workspace, url: str) -> None:
    client.force_login(anna)
    assert client.post(address("remove-member", alice, workspace)).headers["Location"] == url
    assert role_of(alice, workspace) is None
    client.force_login(alice)
    assert client.get(url).status_code == 404
    assert str(Event.objects.get()) == "alice, until then Developer, was removed."


def test_nobody_takes_his_own_rights_by_accident(client: Client, anna: User, workspace: Workspace) -> None:
    client.force_login(anna)
    change, remove = (address(act, anna, workspace) for act in ("change-role", "remove-member"))
    assert "This is yourself" in client.get(remove).text
    assert client.post(remove).status_code == 422
    assert client.post(change, {"role": "viewer"}).status_code == 422
    assert role_of(anna, workspace) == Role.ADMIN
    # To stay what one is takes nothing away.
    assert client.post(change, {"role": "admin"}).status_code == 302
    assert client.post(remove, {"is_sure": "on"}).headers["Location"] == "/"
    assert role_of(anna, workspace) is None


def test_a_super_admin_is_not_asked_twice(client: Client, root: User, workspace: Workspace) -> None:
    Member.objects.create(user=root, workspace=workspace, role=Role.ADMIN)
    client.force_login(root)
    assert client.post(address("remove-member", root, workspace)).status_code == 302


def test_two_who_remove_the_same_member(anna: User, alice: User, workspace: Workspace) -> None:
    member = Member.objects.get(user=alice)
    acts.remove_member(anna, member)
    with pytest.raises(acts.Refusal, match="not a member any more"):
        acts.change_role(anna, Member(pk=10**9), Role.VIEWER)


@pytest.mark.parametrize("sql", ["UPDATE workspaces_event SET at = now()", "DELETE FROM workspaces_event"])
def test_the_record_stays_as_it_is(anna: User, alice: User, sql: str) -> None:
    acts.change_role(anna, Member.objects.get(user=alice), Role.VIEWER)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_the_record_goes_back_to_its_beginning(client: Client, vera: User, alice: User, url: str) -> None:
    about = url.split("/")[2]
    for number in range(25):
        record(alice, about, Event.Code.FOLDER_CREATED, name=f"folder-{number:02}")
    client.force_login(vera)
    newest = client.get(url)
    assert "folder-05 was created" in newest.text
    assert "folder-04 was created" not in newest.text
    older = client.get(url, {"before": newest.context["older_events"]})
    assert [event.params["name"] for event in older.context["events"]] == [f"folder-0{n}" for n in (4, 3, 2, 1, 0)]
    assert older.context["older_events"] is None
    assert "Newest" in older.text


@pytest.mark.parametrize("count", [3, 30])
def test_its_queries_do_not_grow_with_the_members(
    client: Client, anna: User, workspace: Workspace, url: str, count: int, django_assert_num_queries: Any
) -> None:
    for n in range(count):
        acts.add_member(anna, workspace, User.objects.create_user(f"user-{n}"), Role.VIEWER)
    client.force_login(anna)
    # Session, user, workspace, role, count, members, events, switch of workspaces.
    with django_assert_num_queries(8):
        assert client.get(url).status_code == 200


# --- Workspaces ---


def test_members_see_their_workspaces_with_counts(client: Client, vera: User, job: Job, charlie: User) -> None:
    client.force_login(vera)
    answer = client.get("/spaces/")
    found = answer.context["page"].object_list
    assert [(one.name, one.job_count, one.cluster_count, one.member_count) for one in found] == [("Trading", 1, 1, 2)]
    assert "New workspace" not in answer.text


@pytest.mark.parametrize("count", [1, 12])
def test_the_queries_of_the_list_do_not_grow(
    client: Client, root: User, count: int, django_assert_num_queries: Any
) -> None:
    for n in range(count):
        acts.create_workspace(root, f"team-{n}", "")
    client.force_login(root)
    with django_assert_num_queries(4):
        client.get("/spaces/")


def test_a_super_admin_creates_and_changes_one(client: Client, root: User) -> None:
    client.force_login(root)
    answer = client.post("/spaces/new/", {"name": "Risk", "description": ""}, headers=HTMX)
    made = Workspace.objects.get(name="Risk")
    assert answer.headers["HX-Redirect"] == f"/spaces/{made.serial}/members/"
    client.post(f"/spaces/{made.serial}/edit/", {"name": "Risk control", "description": "of payments"})
    made.refresh_from_db()
    assert (made.name, made.description) == ("Risk control", "of payments")
    assert [str(one) for one in Event.objects.filter(about=made.serial)] == [
        "The workspace Risk was changed; it is called Risk control.",
        "The workspace Risk was created.",
    ]


def test_a_taken_name_is_told(client: Client, root: User, workspace: Workspace) -> None:
    client.force_login(root)
    for language, words in (("zh-CN", "已存在同名工作空间。"), ("en", "There is already a workspace with this name.")):
        answer = client.post("/spaces/new/", {"name": "Trading"}, headers={"Accept-Language": language})
        assert answer.status_code == 422
        assert answer.context["form"].errors["name"] == [words]
    with pytest.raises(acts.Refusal, match="already a workspace with this name"):
        acts.create_workspace(root, "Trading", "")


def test_it_is_not_deleted_while_it_has_jobs(client: Client, root: User, alice: User, job: Job) -> None:
    client.force_login(root)
    url = f"/spaces/{job.workspace.serial}/delete/"
    assert "The workspace still has 1 job." in client.get(url).text
    assert client.post(url).status_code == 422
    operations.delete(alice, job)
    # What was done to the job stays on record, so its workspace does.
    assert "stays" in client.post(url).text
    assert Workspace.objects.filter(pk=job.workspace_id).exists()


def test_an_empty_one_goes_with_its_folders(client: Client, root: User, workspace: Workspace, alice: User) -> None:
    outer = operations.create_folder(alice, workspace, "outer", None)
    inner = operations.create_folder(alice, workspace, "inner", outer)
    operations.create_folder(alice, workspace, "inner", inner)
    # As they may stand there from former times: in each other.
    one, other = (Folder.objects.create(workspace=workspace, name=name) for name in ("one", "other"))
    Folder.objects.filter(pk=one.pk).update(parent=other)
    Folder.objects.filter(pk=other.pk).update(parent=one)
    client.force_login(root)
    assert client.post(f"/spaces/{workspace.serial}/delete/").headers["Location"] == "/spaces/"
    assert not Workspace.objects.filter(pk=workspace.pk).exists()
    assert not Folder.objects.exists()
    assert str(Event.objects.filter(about=workspace.serial).first()) == "The workspace Trading was deleted."


def test_a_workspace_that_is_gone_already_is_said_to_be(root: User, workspace: Workspace) -> None:
    """Both had looked it up before one of them deleted it."""
    acts.delete_workspace(root, Workspace.objects.get(pk=workspace.pk))
    with pytest.raises(Refusal, match="This workspace has been deleted"):
        acts.delete_workspace(root, workspace)
    with pytest.raises(Refusal, match="This workspace has been deleted"):
        acts.change_workspace(root, workspace, "x", "")
