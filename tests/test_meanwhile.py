"""Two people edit the same at once: what one has saved is not undone by the other, who did not see it."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.models import Cluster
from workspaces import variables
from workspaces.models import Variable, Workspace

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


class Tab:
    """A form as a browser has it: all its fields, as they were shown."""

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.address = client, address
        self.text = client.get(address, headers=HTMX).text

    @property
    def fields(self) -> dict[str, str]:
        found = {}
        for tag in re.findall(r"<input[^>]*>", self.text):
            about = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
            if "name" in about and (about.get("type") != "checkbox" or " checked" in tag):
                found[about["name"]] = about.get("value", "on" if about.get("type") == "checkbox" else "")
        for name, value in re.findall(r'<textarea name="(\w+)"[^>]*>\n?([^<]*)</textarea>', self.text):
            found[name] = html.unescape(value)
        return found

    def save(self, **changes: str) -> Any:
        answer = self.client.post(self.address, self.fields | changes, headers=HTMX)
        self.text = answer.text
        return answer


@pytest.fixture
def cluster_tabs(root: User, cluster: Cluster) -> tuple[Tab, Tab]:
    client = Client()
    client.force_login(root)
    address = f"/clusters/{cluster.serial}/edit/"
    return Tab(client, address), Tab(client, address)


def test_what_only_the_other_changed_stays(cluster_tabs: tuple[Tab, Tab]) -> None:
    one, two = cluster_tabs
    assert one.save(description="theirs", total_cu="64", supports_fine_grained="on").headers["HX-Redirect"]
    assert two.save(maintenance_reason="mine").headers["HX-Redirect"]
    now = Cluster.objects.get()
    assert (now.description, now.total_cu, now.supports_fine_grained) == ("theirs", 64, True)
    assert now.maintenance_reason == "mine"


def test_what_both_changed_is_asked_for_once_more(cluster_tabs: tuple[Tab, Tab]) -> None:
    one, two = cluster_tabs
    one.save(description="theirs", total_cu="64")
    answer = two.save(description="mine")
    assert answer.status_code == 422
    assert "Meanwhile somebody has changed this to “theirs”" in answer.text
    assert Cluster.objects.get().description == "theirs"
    assert (two.fields["description"], two.fields["total_cu"]) == ("mine", "64")
    assert two.save().headers["HX-Redirect"]
    now = Cluster.objects.get()
    assert (now.description, now.total_cu) == ("mine", 64)


def test_a_third_change_is_told_too(cluster_tabs: tuple[Tab, Tab]) -> None:
    one, two = cluster_tabs
    one.save(description="theirs")
    two.save(description="mine")
    Cluster.objects.update(description="of a third")
    assert "changed this to “of a third”" in two.save().text


def test_another_error_does_not_hide_a_change(cluster_tabs: tuple[Tab, Tab]) -> None:
    one, two = cluster_tabs
    one.save(description="theirs", supports_fine_grained="on")
    assert two.save(total_cu="nonsense").status_code == 422
    assert two.save(total_cu="16").headers["HX-Redirect"]
    now = Cluster.objects.get()
    assert (now.description, now.total_cu, now.supports_fine_grained) == ("theirs", 16, True)


def test_the_same_change_is_no_conflict(cluster_tabs: tuple[Tab, Tab]) -> None:
    for tab in cluster_tabs:
        assert tab.save(description="the same").headers["HX-Redirect"]


@pytest.mark.parametrize("shown", ["", "nonsense", "[1]", '{"total_cu": "x"}', '{"no such": 1}'])
def test_what_was_never_shown_changes_nothing(cluster_tabs: tuple[Tab, Tab], shown: str) -> None:
    assert cluster_tabs[0].save(shown=shown, description="mine").headers["HX-Redirect"]
    assert Cluster.objects.get().description == "mine"


def test_a_variable_keeps_the_value_that_somebody_else_gave_it(
    client: Client, alice: User, workspace: Workspace
) -> None:
    made = variables.create(alice, workspace, "data", "old", is_hidden=False)
    client.force_login(alice)
    address = f"/spaces/{workspace.serial}/variables/{made.serial}/edit/"
    one, two = Tab(client, address), Tab(client, address)
    one.save(value="AAA\nBBB")
    two.save(description="where data is")
    now = Variable.objects.get()
    assert (now.value, now.description) == ("AAA\nBBB", "where data is")


def test_a_hidden_value_is_in_no_form(client: Client, alice: User, workspace: Workspace) -> None:
    made = variables.create(alice, workspace, "token", "geheim-4711", is_hidden=True)
    client.force_login(alice)
    tab = Tab(client, f"/spaces/{workspace.serial}/variables/{made.serial}/edit/")
    assert "geheim" not in tab.text
    tab.save(description="x")
    assert Variable.objects.get().clear_value() == "geheim-4711"
