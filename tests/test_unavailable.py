"""While PostgreSQL is away, pages say so with 503; a bug of ours is 500. Both are pages."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import InterfaceError, NotSupportedError, OperationalError, connection, transaction
from django.test import Client

from workspaces.models import Workspace


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OperationalError("server closed the connection unexpectedly"), 503, "database does not answer"),
        (InterfaceError("connection already closed"), 503, "database does not answer"),
        (NotSupportedError("PostgreSQL 14 or later is required"), 503, "database does not answer"),
        (RuntimeError("a bug"), 500, "Something went wrong"),
    ],
)
def test_the_page_tells_whose_fault_it_is(
    client: Client, alice: Any, workspace: Workspace, error: Exception, status: int, words: str
) -> None:
    client.force_login(alice)
    client.raise_request_exception = False
    address = f"/spaces/{workspace.serial}/jobs/"

    def fail(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        raise error

    with connection.execute_wrapper(fail):
        response = client.get(address)
    assert response.status_code == status
    assert words in response.content.decode()
    assert '<a class="button primary" href="">Try again</a>' in response.content.decode(), "to where one was"
    assert response.has_header("Retry-After") == (status == 503)
    assert client.get(address).status_code == 200


def test_a_database_that_may_only_be_read_is_no_bug_either(
    client: Client, alice: Any, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a fail-over, when the address still leads to what is a replica now."""
    client.force_login(alice)
    client.raise_request_exception = False
    folders = f"/spaces/{workspace.serial}/folders/new/"

    def read_only(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith("INSERT"):
            connection.connection.execute("SET LOCAL transaction_read_only = on")
        return execute(sql, *args)

    with transaction.atomic():
        with connection.execute_wrapper(read_only):
            response = client.post(folders, {"name": "new"})
        transaction.set_rollback(True)
    assert response.status_code == 503
    assert "database does not answer" in response.text
