"""A pooler between console and PostgreSQL has to keep sessions; with one that does not, nothing is begun."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from jobs.operations.record import alone
from tests.pooler import Pooler, pooling
from tests.test_deploy_check import check, run
from workspaces.pooler import Proof, SharedSession

TOLD = "set pool_mode = session"


@pytest.fixture
def pooler(request: pytest.FixtureRequest, db: None) -> Iterator[Pooler]:
    of = connection.settings_dict
    if not of["HOST"].startswith("/"):
        pytest.skip("these tests have a PostgreSQL behind a socket")
    behind = Path(of["HOST"]) / f".s.PGSQL.{of['PORT'] or 5432}"
    with pooling(str(behind), of["USER"], of["NAME"], by=request.param) as pooler:
        yield pooler


def url(pooler: Pooler) -> str:
    return f"postgres://{pooler.user}@127.0.0.1:{pooler.port}/{pooler.database}"


@pytest.mark.parametrize("pooler", ["transaction"], indirect=True)
def test_what_takes_another_session_for_each_transaction_is_refused(pooler: Pooler) -> None:
    checked = check(DATABASE_URL=url(pooler))
    assert checked.returncode == 1
    assert TOLD in checked.stderr
    asked = run("manage.py", "verify_audit", DATABASE_URL=url(pooler))
    assert asked.returncode == 1
    assert TOLD in asked.stderr.splitlines()[0]
    for process in ("worker", "beat"):
        result = subprocess.run(
            [sys.executable, "-m", f"oceanus_console.{process}"],
            env=os.environ | {"DATABASE_URL": url(pooler)},
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 1
        assert TOLD in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("pooler", ["session"], indirect=True)
def test_what_keeps_sessions_will_do(pooler: Pooler) -> None:
    checked = check(DATABASE_URL=url(pooler))
    assert checked.returncode == 0, checked.stderr
    assert run("manage.py", "verify_audit", DATABASE_URL=url(pooler)).returncode == 0


@pytest.mark.parametrize("pooler", ["transaction"], indirect=True)
def test_a_refused_connection_is_not_used_either(pooler: Pooler) -> None:
    through = connections.create_connection("default")
    through.settings_dict = through.settings_dict | {"HOST": "127.0.0.1", "PORT": pooler.port}
    for _again in range(2):
        with pytest.raises(SharedSession):
            through.ensure_connection()
        assert through.connection is None


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_was_lost_is_told_and_the_next_connection_looked_at(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the mode of a pooler is changed while the console works."""
    monkeypatch.setattr(Proof, "is_there", True)
    with alone(1, 1) as mine, connection.cursor() as cursor:
        assert mine
        cursor.execute("SELECT pg_advisory_unlock_all()")
    assert TOLD in caplog.text
    assert not Proof.is_there
    assert connection.connection is None


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_was_kept_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with alone(1, 1):
        pass
    assert not caplog.text


def test_a_connection_without_a_pooler_is_believed(db: None, django_assert_num_queries: Any) -> None:
    fresh = connections.create_connection("default")
    with django_assert_num_queries(0, connection=fresh):
        fresh.ensure_connection()
    fresh.close()
