"""The operation records of a workspace: what they show, how they filter and page, and what they cost."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs import operations
from jobs.models import Job, Operation
from jobs.states import Action, Outcome, Step
from jobs.templatetags.console import PARAM_NAMES, telling
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink
from workspaces.models import Workspace


@pytest.fixture
def url(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/operations/"


def make_records(job: Job, user: User, count: int) -> None:
    now = timezone.now()
    rows = [
        Operation(
            job=job,
            action=Action.SAVE,
            requested_by=user,
            step=Step.DONE,
            outcome=Outcome.SUCCEEDED,
            ended_at=now,
            params={"revision": n},
        )
        for n in range(count)
    ]
    Operation.objects.bulk_create(rows)


def acts_in(answer: Any) -> list[str]:
    return [one.action for one in answer.context["rows"]]


def test_it_shows_who_did_what_when_and_how_it_ended(client: Client, vera: User, console: Console, url: str) -> None:
    console.start()
    client.force_login(vera)
    answer = client.get(url)
    assert acts_in(answer)[:2] == ["run", "publish"]
    for part in ("alice", "orders", console.job.serial, "Run", "Publish draft", "Succeeded", "Version note", "first"):
        assert part in answer.text


def test_it_names_the_problem_of_what_failed(
    client: Client, alice: User, console: Console, fake: FakeFlink, url: str
) -> None:
    fake.refuse_next_run("java.lang.ArithmeticException: / by zero")
    console.click_run()
    console.settle()
    client.force_login(alice)
    answer = client.get(url + "?outcome=failed")
    assert acts_in(answer) == ["run"]
    assert "Division by zero" in answer.text


def test_what_was_done_to_a_deleted_job_stays(client: Client, alice: User, job: Job, url: str) -> None:
    operations.delete(alice, job)
    client.force_login(alice)
    answer = client.get(url)
    assert acts_in(answer)[0] == "delete"
    assert "orders" in answer.text
    assert f"/jobs/{job.serial}/" not in answer.text


def test_what_others_do_elsewhere_is_not_shown(client: Client, charlie: User, job: Job) -> None:
    client.force_login(charlie)
    own = charlie.memberships.get().workspace
    answer = client.get(f"/spaces/{own.serial}/operations/")
    assert answer.context["rows"] == []
    assert "Nothing was done in this workspace yet" in answer.text


def test_copies_moves_and_new_names_are_told_in_words(client: Client, alice: User, job: Job, url: str) -> None:
    operations.move_job(alice, job, operations.create_folder(alice, job.workspace, "reports", None))
    operations.rename_job(alice, job, "orders-2")
    operations.copy(alice, job, job.cluster, "orders-3", None)
    client.force_login(alice)
    for language, words in (
        ("en", ("ID of the copy", "Copied from", "Folder", "Name before", "Name after")),
        ("zh-CN", ("副本 ID", "复制自", "目录", "原名称", "新名称")),
    ):
        answer = client.get(url, headers={"Accept-Language": language})
        assert [word for word in words if f"<dt>{word}</dt>" not in answer.text] == []


def keys_written(path: Path) -> Iterator[str]:
    """Find the keys of `params`: what records are made with, and the dicts that are built for operations."""
    built: list[ast.AST] = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name("done" | "record_done"), keywords=words):
                yield from (word.arg for word in words if word.arg)
            case ast.keyword(arg="params", value=value) | ast.Assign(targets=[ast.Name("params")], value=value):
                built.append(value)
            case ast.Dict(keys=keys, values=values):
                named = zip(keys, values, strict=True)
                built += [value for key, value in named if isinstance(key, ast.Constant) and key.value == "params"]
    keys = [key for part in built for one in ast.walk(part) if isinstance(one, ast.Dict) for key in one.keys]
    yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))


def test_whatever_the_code_records_has_a_name() -> None:
    files = [path for app in ("jobs", "api") for path in (Path(settings.BASE_DIR) / app).rglob("*.py")]
    written = {key for path in files for key in keys_written(path)}
    assert written >= {"version", "snapshot", "automatic", "pause", "copied_from", "before", "folder"}
    assert written == set(PARAM_NAMES)


def test_it_filters(client: Client, alice: User, bob: User, console: Console, workspace: Workspace, url: str) -> None:
    make_job(bob, workspace, console.endpoint, "payments")
    console.click_run()
    client.force_login(alice)

    def found(query: str) -> set[tuple[str, str]]:
        return {(one.job.name, one.action) for one in client.get(url + query).context["rows"]}

    assert found("?q=PAY") == {("payments", "create"), ("payments", "save"), ("payments", "publish")}
    assert found("?user=BOB&act=publish") == {("payments", "publish")}
    assert found("?outcome=open") == {("orders", "run")}
    assert found("?act=nonsense&outcome=nonsense&before=abc&after=%00") == found("")
    answer = client.get(url + "?q=nothing", headers={"HX-Request": "true", "HX-Target": "records"})
    assert "No operation matches" in answer.text
    assert "<html" not in answer.text


def test_it_pages_forth_and_back(client: Client, alice: User, job: Job, url: str) -> None:
    make_records(job, alice, 120)
    client.force_login(alice)
    first = client.get(url).context
    assert (len(first["rows"]), first["newer"]) == (50, None)
    second = client.get(f"{url}?before={first['older']}").context
    third = client.get(f"{url}?before={second['older']}").context
    assert third["older"] is None
    pks = [one.pk for page in (first, second, third) for one in page["rows"]]
    assert pks == sorted(Operation.objects.values_list("pk", flat=True), reverse=True)
    back = client.get(f"{url}?after={third['newer']}").context
    assert [one.pk for one in back["rows"]] == [one.pk for one in second["rows"]]
    assert (back["newer"], back["older"]) == (second["newer"], second["older"])


@pytest.mark.parametrize("count", [5, 200])
def test_its_queries_do_not_grow(
    client: Client, alice: User, job: Job, url: str, count: int, django_assert_num_queries: Any
) -> None:
    make_records(job, alice, count)
    client.force_login(alice)
    # Session, user, workspace, operations, members, switch of workspaces.
    with django_assert_num_queries(6):
        client.get(url)


def test_a_permission_that_was_not_given_is_not_told(console: Console, client: Client) -> None:
    console.start()
    client.force_login(console.user)
    told = "Skip state that the new version can"
    addresses = (f"/spaces/{console.job.workspace.serial}/operations/", f"/jobs/{console.job.serial}/operations/")
    assert not any(told in client.get(address).text for address in addresses)
    operation = console.last
    operation.params["allow_non_restored_state"] = True
    assert telling(operation.params)[-1] == ("allow_non_restored_state", True)
