"""What every page has around it: signing in, the way home, languages, error pages, the content security policy."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.views import defaults

from jobs.models import Job
from tests.conftest import PASSWORD
from workspaces.models import Member, Role, Workspace


def test_it_signs_in_and_goes_home(client: Client, alice: User, workspace: Workspace) -> None:
    answer = client.post("/login/", {"username": "alice", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/spaces/{workspace.serial}/jobs/"


def test_home_is_the_workspace_that_one_was_in_last_and_still_sees(
    client: Client, alice: User, workspace: Workspace
) -> None:
    later, foreign = Workspace.objects.create(name="Zebra"), Workspace.objects.create(name="Elsewhere")
    Member.objects.create(workspace=later, user=alice, role=Role.VIEWER)
    client.force_login(alice)
    for told, meant in (
        (None, workspace),
        (later.serial, later),
        (workspace.serial, workspace),
        (foreign.serial, workspace),
        ('"\\000"', workspace),
        ("x" * 3000, workspace),
    ):
        if told:
            client.cookies["workspace"] = told
        assert client.get("/").headers["Location"] == f"/spaces/{meant.serial}/jobs/", told


def test_a_wrong_password_is_told(client: Client, alice: User) -> None:
    answer = client.post("/login/", {"username": "alice", "password": "no"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text


def test_a_part_of_a_page_that_lost_its_session_is_told_so(client: Client, job: Job) -> None:
    answer = client.get(f"/jobs/{job.serial}/run/", headers={"HX-Request": "true"}, follow=True)
    assert (answer.status_code, answer.text) == (401, "")


def test_home_without_a_workspace_says_what_to_do(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("lonely"))
    assert "You are not a member of a workspace yet" in client.get("/").text


def test_signing_out_is_a_post(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").headers["Location"] == "/login/"


def test_the_language_is_switched_by_hand(client: Client, db: None) -> None:
    assert client.post("/language/", {"language": "zh-hans", "next": "/login/"}).headers["Location"] == "/login/"
    assert '<html lang="zh-hans">' in client.get("/login/").text


def test_a_missing_page_is_drawn(client: Client, alice: User) -> None:
    client.force_login(alice)
    answer = client.get("/nothing/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


@pytest.mark.parametrize(
    ("view", "words"), [(defaults.server_error, "Something went wrong"), (defaults.bad_request, "understood")]
)
def test_errors_are_drawn(rf: Any, view: Any, words: str) -> None:
    args = (ValueError(),) if view is defaults.bad_request else ()
    assert words in view(rf.get("/"), *args).content.decode()


def test_a_forged_form_is_refused_with_a_page(alice: User, job: Job) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/stop/")
    assert answer.status_code == 403
    assert "Oceanus Console" in answer.text


def test_nothing_is_inline(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    for page in (f"/spaces/{job.workspace.serial}/jobs/", f"/jobs/{job.serial}/", f"/jobs/{job.serial}/draft/"):
        answer = client.get(page)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"].split("; ")
        for forbidden in (" style=", " onclick=", "<style", "<script>", "hx-on", "javascript:"):
            assert forbidden not in answer.text


def test_the_admin_is_for_the_staff(client: Client, alice: User, root: User, job: Job) -> None:
    client.force_login(alice)
    assert client.get("/admin/").status_code == 302
    client.force_login(root)
    for page in ("", "auth/user/", "workspaces/workspace/", "clusters/cluster/", "jobs/job/", "jobs/operation/"):
        assert client.get(f"/admin/{page}").status_code == 200
    for page in (f"jobs/job/{job.pk}/change/", f"jobs/operation/{job.operations.first().pk}/change/"):
        body = client.get(f"/admin/{page}").text
        assert 'name="_save"' not in body


def test_the_admin_tests_connections(client: Client, root: User, job: Job) -> None:
    client.force_login(root)
    sent = {"action": "test_connection", "_selected_action": job.cluster_id}
    assert "slots free" in client.post("/admin/clusters/cluster/", sent, follow=True).text
    job.cluster.endpoints.update(rest_url="http://127.0.0.1:9")
    assert "does not answer" in client.post("/admin/clusters/cluster/", sent, follow=True).text
