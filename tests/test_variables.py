"""Variables of a workspace: who keeps them, how jobs get their values, and that nobody reads the hidden ones."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.advice import explain
from jobs.models import Draft, Job
from jobs.pieces import pieces
from jobs.preview import directory_of
from jobs.sql import ScriptError, split
from jobs.variables import Values, VariableError, options_of, statements_of
from tests.conftest import SQL, Console
from tests.fake_flink import FakeFlink
from tests.program import Program
from workspaces import variables
from workspaces.models import Event, RetiredValue, Variable, Workspace
from workspaces.refusal import Refusal
from workspaces.sealed import Unreadable, reseal, seal, unseal

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db


@pytest.fixture
def url(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/variables/"


def make(user: User, workspace: Workspace, name: str, value: str, is_hidden: bool = False) -> Variable:
    return variables.create(user, workspace, name, value, is_hidden=is_hidden)


def saved(user: User, job: Job, sql: str, **values: Any) -> Draft:
    return operations.save_draft(user, job, job.draft.revision, {"sql": sql, **values})


def fill(sql: str, workspace: Workspace) -> list[str]:
    return [one.text for one in statements_of(sql, Values(workspace.pk))]


# --- the page and its acts ---


def test_it_creates_one(client: Client, alice: User, workspace: Workspace, url: str) -> None:
    client.force_login(alice)
    sent = {"name": "data", "value": "file:///a\r\nb", "description": "where data is"}
    assert client.post(url + "new/", sent, headers=HTMX).headers["HX-Redirect"] == url
    made = Variable.objects.get()
    assert (made.clear_value(), made.is_hidden, made.created_by) == ("file:///a\nb", False, alice)
    page = client.get(url).text
    assert "${data}" in page
    assert "file:///a" in page
    assert str(Event.objects.get()) == "The variable data was created."


def test_a_hidden_value_is_sealed_and_never_shown(
    client: Client, alice: User, root: User, workspace: Workspace, url: str
) -> None:
    client.force_login(alice)
    client.post(url + "new/", {"name": "password", "value": "opensesame", "is_hidden": "on"})
    made = Variable.objects.get()
    assert "opensesame" not in made.value
    assert made.clear_value() == "opensesame"
    for user in (alice, root):
        client.force_login(user)
        for path in (url, f"{url}{made.serial}/edit/", f"{url}{made.serial}/delete/"):
            assert "opensesame" not in client.get(path).text
            assert made.value not in client.get(path).text


def test_a_hidden_one_gets_another_value_but_stays_hidden(
    client: Client, alice: User, workspace: Workspace, url: str
) -> None:
    made = make(alice, workspace, "password", "opensesame", is_hidden=True)
    client.force_login(alice)
    path = f"{url}{made.serial}/edit/"
    client.post(path, {"value": "", "description": "of the shop", "is_hidden": ""})
    made.refresh_from_db()
    assert (made.clear_value(), made.is_hidden, made.description) == ("opensesame", True, "of the shop")
    client.post(path, {"value": "barley", "description": "of the shop", "is_hidden": ""})
    made.refresh_from_db()
    assert (made.clear_value(), made.is_hidden) == ("barley", True)
    # Jobs that were started with the old one may still tell it: it is masked on.
    assert variables.hidden_values(workspace.pk) == {"opensesame", "barley"}
    told = [str(one) for one in Event.objects.all()]
    assert told[:2] == [
        "The value of the variable password was changed.",
        "The description of the variable password was changed.",
    ]
    assert "barley" not in str(list(Event.objects.values()))


def test_a_refused_form_does_not_send_the_new_value_of_a_hidden_one_back(
    client: Client, alice: User, workspace: Workspace, url: str
) -> None:
    made = make(alice, workspace, "password", "opensesame", is_hidden=True)
    client.force_login(alice)
    answer = client.post(f"{url}{made.serial}/edit/", {"value": "barley", "description": "x" * 300}, headers=HTMX)
    assert answer.status_code == 422
    assert "barley" not in answer.text


@pytest.mark.parametrize("is_dialog", [True, False])
def test_a_refused_form_does_not_send_the_value_of_a_new_hidden_one_back_and_says_so_where_it_is_lost(
    client: Client, alice: User, workspace: Workspace, url: str, is_dialog: bool
) -> None:
    client.force_login(alice)
    sent = {"name": "1a", "value": "barley", "is_hidden": "on"}
    answer = client.post(url + "new/", sent, headers=HTMX if is_dialog else {})
    assert answer.status_code == 422
    assert "barley" not in answer.text
    assert ("Type it again" in answer.text) is not is_dialog
    assert "barley" in client.post(url + "new/", {"name": "1a", "value": "barley"}, headers=HTMX).text


@pytest.mark.parametrize("name", ["", "1a", "a b", "${a}", "ä", "a" * 51, "a}", "a\nb", "\0"])
def test_a_name_has_a_form(client: Client, alice: User, workspace: Workspace, url: str, name: str) -> None:
    client.force_login(alice)
    assert client.post(url + "new/", {"name": name, "value": "x"}, headers=HTMX).status_code == 422
    assert not Variable.objects.exists()


def test_a_value_has_a_greatest_length_for_people_and_programs(
    client: Client, alice: User, workspace: Workspace, url: str
) -> None:
    client.force_login(alice)
    assert client.post(url + "new/", {"name": "long", "value": "x" * 10_001}, headers=HTMX).status_code == 422
    asked = {"Name": "long", "Value": "x" * 10_001, "Type": 1}
    assert Program(alice).refused("CreateVariable", asked) == "InvalidParameterValue"
    assert Program(alice).call("CreateVariable", asked | {"Value": "x" * 10_000})["VariableId"]


def test_what_is_longer_from_former_times_can_still_be_described(
    client: Client, alice: User, workspace: Workspace, url: str
) -> None:
    made = make(alice, workspace, "long", "line\r\n" * 5000)
    client.force_login(alice)

    def edit(value: str) -> int:
        sent = {"value": value, "description": "of old"}
        return client.post(f"{url}{made.serial}/edit/", sent, headers=HTMX).status_code

    assert edit("line\r\n" * 5000) == 200
    made.refresh_from_db()
    assert (made.value, made.description) == ("line\r\n" * 5000, "of old")
    assert [one.code for one in Event.objects.all()] == ["variable-described", "variable-created"]
    assert edit("line\r\n" * 4999) == 422


def test_a_name_is_there_once_in_a_workspace(
    client: Client, alice: User, charlie: User, workspace: Workspace, url: str
) -> None:
    make(alice, workspace, "data", "x")
    make(charlie, charlie.memberships.get().workspace, "data", "y")
    client.force_login(alice)
    answer = client.post(url + "new/", {"name": "data", "value": "z"}, headers=HTMX)
    assert answer.status_code == 422
    assert "already a variable with this name" in answer.text


def test_it_deletes_one_and_names_the_jobs_that_mention_it(
    client: Client, alice: User, job: Job, workspace: Workspace, url: str
) -> None:
    made = make(alice, workspace, "rate", "1")
    saved(alice, job, SQL.replace("= '1'", "= '${rate}'"))
    client.force_login(alice)
    assert "1 job" in client.get(url).text
    assert "can't be started without it: orders" in client.get(f"{url}{made.serial}/delete/", headers=HTMX).text
    client.post(f"{url}{made.serial}/delete/")
    assert not Variable.objects.exists()
    assert str(Event.objects.first()) == "The variable rate was deleted."
    with pytest.raises(Refusal, match="deleted"):
        variables.delete(alice, made)
    with pytest.raises(Refusal, match="deleted"):
        variables.change(alice, made, "2", "")


def test_jobs_mention_by_draft_version_property_and_run(alice: User, console: Console, workspace: Workspace) -> None:
    job = console.job
    for name in ("old", "new", "property"):
        make(alice, workspace, name, "1")
    saved(alice, job, SQL.replace("= '1'", "= '${old}'"))
    operations.publish(alice, job, "second")
    console.click_run(version=2)
    console.settle()
    saved(alice, Job.objects.get(pk=job.pk), SQL.replace("= '1'", "= '${new}'"), properties={"a.b": "${property}"})
    operations.publish(alice, job, "third")
    saved(alice, Job.objects.get(pk=job.pk), SQL)
    assert variables.mentions(workspace) == {"old": ["orders"], "new": ["orders"], "property": ["orders"]}


def test_what_stands_for_itself_mentions_nothing(alice: User, job: Job, workspace: Workspace) -> None:
    saved(alice, job, SQL.replace("= '1'", "= '$${rate}'"), properties={"a.b": "$${x}, ${y}"})
    assert variables.mentions(workspace) == {"y": ["orders"]}


def test_a_change_that_changes_nothing_is_none(alice: User, root: User, workspace: Workspace) -> None:
    made = make(alice, workspace, "rate", "1")
    variables.change(root, made, "1", "")
    made.refresh_from_db()
    assert made.changed_by == alice
    assert Event.objects.count() == 1


def test_a_viewer_sees_names_and_visible_values_and_may_change_nothing(
    client: Client, vera: User, alice: User, workspace: Workspace, url: str
) -> None:
    made = make(alice, workspace, "data", "file:///data")
    client.force_login(vera)
    page = client.get(url).text
    assert "file:///data" in page
    assert "New variable" not in page
    assert "/edit/" not in page
    for path in (url + "new/", f"{url}{made.serial}/edit/", f"{url}{made.serial}/delete/"):
        assert client.post(path, {"name": "x", "value": "y"}).status_code == 403


def test_a_variable_of_another_workspace_does_not_exist(
    client: Client, charlie: User, alice: User, workspace: Workspace, url: str
) -> None:
    made = make(alice, workspace, "data", "file:///data")
    client.force_login(charlie)
    own = charlie.memberships.get().workspace
    assert client.get(url).status_code == 404
    assert client.post(f"/spaces/{own.serial}/variables/{made.serial}/delete/").status_code == 404
    assert Variable.objects.filter(pk=made.pk).exists()


# --- sealing ---


@given(text=st.text())
def test_what_is_sealed_comes_back(text: str) -> None:
    assert unseal(seal(text)) == text
    assert seal(text) != seal(text)


def test_the_key_can_be_changed(settings: Any) -> None:
    settings.SECRET_KEY = "the first one"
    token = seal("opensesame")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the second one", ["the first one"]
    assert unseal(token) == "opensesame"
    anew = reseal(token)
    settings.SECRET_KEY_FALLBACKS = []
    assert unseal(anew) == "opensesame"
    for lost in (token, "nonsense", ""):
        with pytest.raises(Unreadable):
            unseal(lost)


def test_the_former_key_can_be_taken_away(alice: User, workspace: Workspace, settings: Any) -> None:
    settings.SECRET_KEY = "the first one"
    kept = make(alice, workspace, "password", "opensesame", is_hidden=True)
    variables.delete(alice, make(alice, workspace, "former", "barley", is_hidden=True))
    settings.SECRET_KEY = "the second one"
    with pytest.raises(CommandError, match="password"):
        call_command("reseal")
    settings.SECRET_KEY_FALLBACKS = ["the first one"]
    call_command("reseal")
    settings.SECRET_KEY_FALLBACKS = []
    kept.refresh_from_db()
    assert kept.clear_value() == "opensesame"
    assert variables.hidden_values(workspace.pk) == {"opensesame", "barley"}


# --- what jobs make of them ---


def test_values_stand_where_the_text_names_them(alice: User, workspace: Workspace) -> None:
    make(alice, workspace, "path", "it's here")
    make(alice, workspace, "n", "10")
    make(alice, workspace, "table", "a`b")
    sql = "SET 'k' = '${path}';\nINSERT INTO `${table}` SELECT '${path}', '$${path}', x /*+ OPTIONS('p'='${path}') */ -- ${no}\nLIMIT ${n}"
    assert fill(sql, workspace) == [
        "k\nit's here",
        "INSERT INTO `a``b` SELECT 'it''s here', '${path}', x /*+ OPTIONS('p'='it''s here') */ -- ${no}\nLIMIT 10",
    ]
    assert options_of({"a": "${path}!", "b": "$${n}"}, Values(workspace.pk)) == {"a": "it's here!", "b": "${n}"}


def test_very_many_variables_are_filled_in_quickly(alice: User, workspace: Workspace) -> None:
    make(alice, workspace, "n", "1")
    # What would be quadratic takes minutes here.
    [filled] = fill("INSERT INTO a SELECT '" + "\n${n}" * 200_000 + "'", workspace)
    assert filled.endswith("1\n1'")


def test_a_text_without_variables_asks_for_nothing(workspace: Workspace, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert statements_of(SQL, Values(workspace.pk)) == split(SQL)
        assert options_of({"a": "b"}, Values(workspace.pk)) == {"a": "b"}


@pytest.mark.parametrize(
    ("sql", "reason", "line"),
    [
        ("SELECT 1;\nINSERT INTO a\nSELECT '${no}'", "variable-unknown", 3),
        ("INSERT INTO a SELECT '${}'", "variable-unknown", 1),
        ("SET 'a' = '${no}';\nINSERT INTO a SELECT 1", "variable-unknown", 1),
        ("INSERT INTO a\nSELECT ${path}", "variable-unquoted", 2),
    ],
)
def test_what_can_not_be_put_in_is_told_with_its_line(
    alice: User, workspace: Workspace, sql: str, reason: str, line: int
) -> None:
    make(alice, workspace, "path", "a; DROP TABLE b")
    with pytest.raises(VariableError) as caught:
        fill(sql, workspace)
    assert (caught.value.reason, caught.value.line) == (reason, line)


words = st.text("a'\"`-/*;$\n {}=", max_size=12)


@given(value=words.filter(lambda text: "${" not in text), before=words, after=words)
def test_no_value_breaks_out_of_its_quotes(value: str, before: str, after: str) -> None:
    """Whatever it is, the value is one string for Flink, and all around it stays as it was."""
    head, tail = before.replace("'", "''").replace("${", ""), after.replace("'", "''").replace("${", "")
    try:
        [whole] = split(f"INSERT INTO a SELECT '{head}${{v}}{tail}'")
    except ScriptError:
        pytest.fail("a string is a string")
    values = Values(0)
    values._variables = {"v": Variable(name="v", value=value)}
    [filled] = statements_of(whole.text, values)
    strings = [text for kind, text in pieces(filled.text) if kind == "string"]
    dollar = head.endswith("$")
    assert [one[1:-1].replace("''", "'") for one in strings] == [
        head.replace("''", "'")[: -1 if dollar else None] + ("${v}" if dollar else value) + tail.replace("''", "'")
    ]


def test_lines_stay_the_users_after_a_value_of_many_lines(alice: User, workspace: Workspace) -> None:
    make(alice, workspace, "key", "one\ntwo\nthree")
    sql = "CREATE TABLE a (x INT) WITH (\n 'key' = '${key}', -- why\n 'b' = 'c',\n\n\n 'd' = 'e');\nINSERT INTO a SELECT 1"
    first, second = statements_of(sql, Values(workspace.pk))
    # Two of the line feeds after the value are gone, but never the one that ends a comment.
    assert first.text.count("\n") == 5
    assert first.text.splitlines()[-1] == " 'd' = 'e')"
    assert "-- why\n" in first.text
    assert second.line == 7


def test_a_run_gets_the_value_of_its_moment_and_the_version_keeps_the_name(
    alice: User, console: Console, fake: FakeFlink, workspace: Workspace
) -> None:
    made = make(alice, workspace, "rate", "5")
    saved(alice, console.job, SQL.replace("= '1'", "= '${rate}'"), properties={"x.y": "<${rate}>"})
    version = operations.publish(alice, console.job, "with a variable")
    console.click_run(version=2)
    console.settle()
    sent = operations.submission_of(console.run)
    assert "'rows-per-second' = '5'" in sent.statements[0].text
    assert fake.submissions()[-1]["flinkConfiguration"]["x.y"] == "<5>"
    variables.change(alice, made, "7", "")
    assert operations.submission_of(console.run).options["x.y"] == "<7>"
    version.refresh_from_db()
    assert "${rate}" in version.sql
    assert version.properties == {"x.y": "<${rate}>"}


def test_an_unknown_variable_is_not_published(alice: User, job: Job) -> None:
    saved(alice, job, SQL.replace("= '1'", "= '${nowhere}'"))
    with pytest.raises(Refusal, match="Line 1 names the variable nowhere"):
        operations.publish(alice, job, "second")
    saved(alice, Job.objects.get(pk=job.pk), SQL, properties={"a.b": "${nowhere}"})
    with pytest.raises(Refusal, match=r"a\.b names the variable nowhere"):
        operations.publish(alice, job, "second")
    assert job.versions.count() == 1


def test_check_tells_the_line_of_an_unknown_variable(alice: User, job: Job, fake: FakeFlink) -> None:
    found = operations.check(job, {"sql": SQL.replace("= 'blackhole'", "= '${nowhere}'")})
    assert found is not None
    assert (found.code, found.values["line"]) == ("variable-unknown", 2)
    assert not fake.seen("POST", "/jars/.*")


def gone(alice: User, made: Variable, settings: Any) -> None:
    variables.delete(alice, made)


def locked(alice: User, made: Variable, settings: Any) -> None:
    settings.SECRET_KEY = "another one"


@pytest.mark.parametrize(("lose", "title"), [(gone, "no such variable"), (locked, "can't be decrypted")])
def test_a_run_without_its_variable_ends_and_flink_is_not_asked(
    alice: User, console: Console, fake: FakeFlink, workspace: Workspace, settings: Any, lose: Any, title: str
) -> None:
    made = make(alice, workspace, "rate", "5", is_hidden=True)
    saved(alice, console.job, SQL.replace("= '1'", "= '${rate}'"))
    operations.publish(alice, console.job, "second")
    lose(alice, made, settings)
    console.click_run(version=2)
    before = fake.seen("GET", ".*") + fake.seen("POST", ".*")
    console.perform()
    assert fake.seen("GET", ".*") + fake.seen("POST", ".*") == before
    assert (console.last.outcome, console.run.end, console.job.status) == ("failed", "never-started", "stopped")
    assert title in explain(console.job.problem).title


def test_a_page_of_variables_asks_a_fixed_number_of_questions(
    client: Client, alice: User, job: Job, workspace: Workspace, url: str, django_assert_max_num_queries: Any
) -> None:
    client.force_login(alice)
    for number in range(3):
        make(alice, workspace, f"v{number}", "x")
    with django_assert_max_num_queries(12):
        client.get(url)
    for number in range(30):
        make(alice, workspace, f"w{number}", "x")
    with django_assert_max_num_queries(12):
        client.get(url)


def test_nobody_but_the_console_writes_to_what_is_retired(alice: User, workspace: Workspace) -> None:
    made = make(alice, workspace, "password", "opensesame", is_hidden=True)
    variables.delete(alice, made)
    assert unseal(RetiredValue.objects.get().value) == "opensesame"
    assert connection.vendor == "postgresql"
    # A visible value is nobody's secret.
    variables.delete(alice, make(alice, workspace, "data", "seen"))
    assert RetiredValue.objects.count() == 1


def test_the_sample_reads_its_directory_from_a_variable(
    endpoint: FlinkEndpoint, alice: User, workspace: Workspace, settings: Any
) -> None:
    text = (settings.BASE_DIR / "sample" / "city-temperatures.sql").read_text()
    make(alice, workspace, "data", settings.DATA_DIRECTORY.as_uri())
    make(alice, workspace, "results", directory_of(workspace).as_uri())
    assert any(settings.DATA_DIRECTORY.as_uri() + "/sample/temperatures'" in one for one in fill(text, workspace))
