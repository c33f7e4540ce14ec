"""The administration: who gets in, what is read-only there, and that it keeps the rules of the console's own pages."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters import acts
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from tests.conftest import make_job, make_user
from tests.test_clusters import ENDPOINT, defaults, fields
from workspaces.models import Event, Member, Role, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def ruler(client: Client, root: User) -> Client:
    client.force_login(root)
    return client


# --- Who gets in, and what stays as it is ---


def admin_addresses() -> list[str]:
    return [
        reverse("admin:index"),
        *(reverse(f"admin:{model}_changelist") for model in ("jobs_job", "clusters_cluster", "workspaces_workspace")),
    ]


@pytest.mark.parametrize("kind", ["charlie", "vera", "alice", "anna"])
def test_only_staff_gets_in(
    client: Client, charlie: User, vera: User, alice: User, workspace: Workspace, kind: str
) -> None:
    make_user("anna", workspace, Role.ADMIN)
    client.force_login(User.objects.get(username=kind))
    for path in admin_addresses():
        assert client.get(path).headers["Location"].startswith("/admin/login/")


def test_it_is_closed_to_whoever_has_not_signed_in(client: Client, db: None) -> None:
    for path in admin_addresses():
        assert "login" in client.get(path).headers["Location"]


@pytest.mark.parametrize("model", ["jobs_job", "jobs_operation", "jobs_folder", "workspaces_event"])
def test_history_is_read_only_also_for_super_admins(ruler: Client, job: Job, model: str) -> None:
    operation = job.operations.first()
    assert operation
    assert ruler.get(reverse(f"admin:{model}_changelist")).status_code == 200
    assert ruler.get(reverse(f"admin:{model}_add")).status_code == 403
    pk = {"jobs_job": job.pk, "jobs_operation": operation.pk}.get(model)
    if pk:
        assert ruler.get(reverse(f"admin:{model}_change", args=[pk])).status_code == 200
        assert ruler.post(reverse(f"admin:{model}_change", args=[pk]), {"name": "x"}).status_code == 403
        assert ruler.post(reverse(f"admin:{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [str(pk or 1)], "post": "yes"}
    ruler.post(reverse(f"admin:{model}_changelist"), action)
    assert Job.objects.filter(pk=job.pk).exists()


# --- Members ---


def test_what_the_administration_changes_is_on_record(
    client: Client, root: User, alice: User, workspace: Workspace
) -> None:
    bob = User.objects.create_user("bob")
    client.force_login(root)
    member = Member.objects.get(user=alice)
    form = {
        "name": workspace.name,
        "description": "",
        "members-TOTAL_FORMS": "2",
        "members-INITIAL_FORMS": "1",
        "members-0-id": member.pk,
        "members-0-workspace": workspace.pk,
        "members-0-user": bob.pk,  # a member never becomes somebody else
        "members-0-role": "viewer",
        "members-1-workspace": workspace.pk,
        "members-1-user": bob.pk,
        "members-1-role": "admin",
    }
    answer = client.post(reverse("admin:workspaces_workspace_change", args=[workspace.pk]), form)
    assert answer.status_code == 302, answer.context["errors"]

    def role(user: User) -> str:
        return Member.objects.get(user=user, workspace=workspace).role

    assert (role(alice), role(bob)) == (Role.VIEWER, Role.ADMIN)
    assert {str(one) for one in Event.objects.all()} == {
        "alice, until then Developer, became Viewer.",
        "bob was added as Workspace admin.",
    }


def change_user(ruler: Client, user: User, **values: str) -> None:
    answer = ruler.post(reverse("admin:auth_user_change", args=[user.pk]), {"username": user.username} | values)
    assert answer.status_code == 302, answer.context["errors"]


def told(user: User) -> list[str]:
    return [str(one) for one in Event.objects.filter(about=f"user-{user.pk}").order_by("pk")]


def test_what_becomes_of_a_user_is_on_record(ruler: Client, workspace: Workspace) -> None:
    passwords = {"usable_password": "true", "password1": "fish-and-chips-7", "password2": "fish-and-chips-7"}
    ruler.post(reverse("admin:auth_user_add"), {"username": "tom"} | passwords)
    tom = User.objects.get(username="tom")
    change_user(ruler, tom, is_active="on")
    assert told(tom) == ["The user tom was created."]
    change_user(ruler, tom, username="thomas", is_active="on", is_staff="on", is_superuser="on")
    change_user(ruler, tom, username="thomas")
    assert ruler.post(reverse("admin:auth_user_password_change", args=[tom.pk]), passwords).status_code == 302
    Member.objects.create(workspace=workspace, user=tom, role=Role.VIEWER)
    ruler.post(reverse("admin:auth_user_delete", args=[tom.pk]), {"post": "yes"})
    assert not User.objects.filter(pk=tom.pk).exists()
    assert told(tom)[1:] == [
        "The user tom was renamed to thomas.",
        "The user thomas became a super admin.",
        "The user thomas is no super admin any more.",
        "The user thomas may not sign in any more.",
        "The user thomas was given another password.",
        "The user thomas was deleted.",
    ]
    (gone,) = Event.objects.filter(about=workspace.serial, code=Event.Code.MEMBER_REMOVED)
    assert gone.params == {"user": "thomas", "role": "viewer"}


def test_a_password_that_was_refused_is_on_no_record(ruler: Client, alice: User) -> None:
    short = {"usable_password": "true", "password1": "1", "password2": "1"}
    assert ruler.post(reverse("admin:auth_user_password_change", args=[alice.pk]), short).status_code == 200
    assert told(alice) == []


def test_nobody_locks_himself_out(ruler: Client, root: User) -> None:
    change_user(ruler, root)
    ruler.post(reverse("admin:auth_user_delete", args=[root.pk]), {"post": "yes"})
    marked = {"action": "delete_selected", "_selected_action": [str(root.pk)], "post": "yes"}
    ruler.post(reverse("admin:auth_user_changelist"), marked)
    root = User.objects.get(pk=root.pk)
    assert (root.is_active, root.is_staff, root.is_superuser) == (True, True, True)


def test_what_may_be_there_once_says_so_in_the_words_of_the_pages(alice: User, endpoint: FlinkEndpoint) -> None:
    member, binding = Member.objects.get(user=alice), endpoint.cluster.bindings.get()
    for twin, words in (
        (Member(workspace=member.workspace, user=alice), "This user is a member already."),
        (
            ClusterBinding(cluster=binding.cluster, workspace=binding.workspace),
            "The cluster is bound to this workspace already.",
        ),
        (
            FlinkEndpoint(cluster=endpoint.cluster, flink_version="2.2.1", is_default=False),
            "The cluster has this Flink version already.",
        ),
    ):
        with pytest.raises(ValidationError) as refused:
            twin.validate_constraints()
        assert refused.value.messages == [words]


# --- Clusters ---


def admin_form(cluster: Cluster, endpoints: list[dict[str, Any]], bindings: list[dict[str, Any]]) -> dict[str, Any]:
    form = fields(cluster)
    for prefix, rows in (("endpoints", endpoints), ("bindings", bindings)):
        form |= {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": sum("id" in row for row in rows)}
        for n, row in enumerate(rows):
            form |= {f"{prefix}-{n}-{name}": value for name, value in (row | {"cluster": cluster.pk}).items()}
    return form


def rows_of(cluster: Cluster) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    endpoints = [
        {"id": one.pk, "flink_version": one.flink_version, "rest_url": one.rest_url}
        | ({"is_default": "on"} if one.is_default else {})
        for one in cluster.endpoints.order_by("pk")
    ]
    return endpoints, [{"id": one.pk, "workspace": one.workspace_id} for one in cluster.bindings.order_by("pk")]


def save_in_admin(client: Client, cluster: Cluster, endpoints: Any, bindings: Any) -> Any:
    address = reverse("admin:clusters_cluster_change", args=[cluster.pk])
    assert client.get(address).status_code == 200
    return client.post(address, admin_form(cluster, endpoints, bindings))


def test_it_moves_the_default(ruler: Client, root: User, cluster: Cluster, endpoint: Any) -> None:
    acts.add_endpoint(root, cluster, ENDPOINT)
    endpoints, bindings = rows_of(cluster)
    endpoints[1]["is_default"] = endpoints[0].pop("is_default")
    assert save_in_admin(ruler, cluster, endpoints, bindings).status_code == 302
    assert defaults(cluster) == ["1.20.5"]


def test_it_refuses_two_defaults_or_none(ruler: Client, root: User, cluster: Cluster, endpoint: Any) -> None:
    acts.add_endpoint(root, cluster, ENDPOINT)
    endpoints, bindings = rows_of(cluster)
    endpoints[1]["is_default"] = "on"
    assert "Exactly one" in save_in_admin(ruler, cluster, endpoints, bindings).text
    del endpoints[0]["is_default"], endpoints[1]["is_default"]
    assert "Exactly one" in save_in_admin(ruler, cluster, endpoints, bindings).text
    assert defaults(cluster) == ["2.2.1"]


def test_it_keeps_what_jobs_need(ruler: Client, job: Job, cluster: Cluster) -> None:
    endpoints, bindings = rows_of(cluster)
    gone = [endpoints[0] | {"DELETE": "on"}]
    assert save_in_admin(ruler, cluster, gone, bindings).status_code == 200
    unbound = [bindings[0] | {"DELETE": "on"}]
    assert "1 job of Trading is on this cluster." in save_in_admin(ruler, cluster, endpoints, unbound).text
    assert (cluster.endpoints.count(), cluster.bindings.count()) == (1, 1)


def test_it_refuses_an_eleventh_workspace(ruler: Client, cluster: Cluster, endpoint: Any) -> None:
    endpoints, bindings = rows_of(cluster)
    many = [{"workspace": Workspace.objects.create(name=f"team-{n}").pk} for n in range(10)]
    assert save_in_admin(ruler, cluster, endpoints, [*bindings, *many]).status_code == 200
    assert cluster.bindings.count() == 1
    assert save_in_admin(ruler, cluster, endpoints, [*bindings, *many[:9]]).status_code == 302
    assert cluster.bindings.count() == 10


def test_it_never_turns_a_binding_into_another(ruler: Client, job: Job, cluster: Cluster) -> None:
    endpoints, bindings = rows_of(cluster)
    bindings[0]["workspace"] = Workspace.objects.create(name="Risk").pk
    save_in_admin(ruler, cluster, endpoints, bindings)
    assert cluster.bindings.get().workspace == job.workspace


def test_it_tests_the_connection(ruler: Client, cluster: Cluster, endpoint: FlinkEndpoint) -> None:
    action = {"action": "test_connection", "_selected_action": [cluster.pk]}
    answer = ruler.post(reverse("admin:clusters_cluster_changelist"), action, follow=True)
    assert "answers: Flink 2.2.1" in answer.text


def test_it_deletes_neither_clusters_nor_workspaces(ruler: Client, cluster: Cluster, workspace: Any) -> None:
    for model, pk in (("clusters_cluster", cluster.pk), ("workspaces_workspace", workspace.pk)):
        assert ruler.post(reverse(f"admin:{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403


# --- How it looks ---


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_times_are_written_as_on_the_pages_of_the_console(ruler: Client, root: User, language: str) -> None:
    User.objects.filter(pk=root.pk).update(date_joined=datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC))
    answer = ruler.get(reverse("admin:auth_user_change", args=[root.pk]), headers={"accept-language": language})
    assert "2026-03-01 00:00:05" in answer.text


def test_it_names_its_icon(ruler: Client) -> None:
    """A browser asks for /favicon.ico of a page that names none, and there is none."""
    for address in admin_addresses():
        assert '<link rel="icon" href="/static/img/icon' in ruler.get(address).text


def test_a_deleted_job_is_told_from_the_one_that_has_its_name_now(ruler: Client, alice: User, job: Job) -> None:
    operations.delete(alice, job)
    make_job(alice, job.workspace, job.endpoint, job.name)
    page = ruler.get(reverse("admin:jobs_job_changelist")).text
    assert re.findall(r'class="field-state">([^<]+)<', page) == ["Stopped", "Deleted"]


def test_the_lists_say_in_which_zone_their_times_are(ruler: Client) -> None:
    with timezone.override("Asia/Shanghai"):
        answer = ruler.get(reverse("admin:jobs_job_changelist"), headers={"Accept-Language": "zh-CN"})
    assert "时区：Asia/Shanghai" in answer.text
