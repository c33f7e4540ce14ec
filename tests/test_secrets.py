"""Secrets that stay secret: in pages, records, problems, logs and differences, wherever in a job they stand."""

from __future__ import annotations

import ast
import html
import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.masking import MASK, MaskingFormatter, mask, mask_script
from jobs.models import Draft, Job, OperationStep, Problem, Run, Version
from jobs.needles import Needles
from jobs.secrets import lines_beside, masked_properties
from jobs.views.versions import settings_beside
from tests.conftest import SQL, Console
from tests.fake_flink import FakeFlink
from tests.test_roles import CLASSIFIED, TABLE, Who, path_of, world
from tests.until import until
from workspaces import variables
from workspaces.models import Workspace

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db
__all__ = ["world"]


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


# Where a secret may stand in a job: the SQL and the advanced properties that hold it.
PLACES: dict[str, Callable[[str], tuple[str, dict[str, str]]]] = {
    "an option": lambda secret: (SQL.replace("'blackhole'", f"'blackhole', 'password' = {quoted(secret)}"), {}),
    "an option with a comment": lambda secret: (
        SQL.replace("'blackhole'", f"'blackhole', 'x.secret-key' /* = */\n =\n{quoted(secret)}"),
        {},
    ),
    "a hint": lambda secret: (SQL.replace("FROM src", f"FROM src /*+ OPTIONS('token'={quoted(secret)}) */"), {}),
    "a setting": lambda secret: (f"SET 'fs.s3a.access.key' = {quoted(secret)};\n{SQL}", {}),
    "a property": lambda secret: (SQL, {"s3.secret-key": secret}),
    "a hidden variable": lambda secret: (SQL.replace("'blackhole'", "'blackhole', 'user' = '${hidden}'"), {}),
    "the value of a hidden variable": lambda secret: (SQL.replace("'1'", quoted(secret)), {"a.b": f"<{secret}>"}),
}
# Places within an address or another option allow fewer characters.
NARROW_PLACES: dict[str, Callable[[str], tuple[str, dict[str, str]]]] = {
    "a JDBC address": lambda secret: (
        SQL.replace("'blackhole'", f"'blackhole', 'url' = 'jdbc:mysql://h:3306/d?user=a&password={secret}&x=y'"),
        {},
    ),
    "an address": lambda secret: (SQL.replace("'blackhole'", f"'blackhole', 'u' = 'amqp://user:{secret}@host/'"), {}),
    "a JAAS sentence": lambda secret: (
        SQL.replace(
            "'blackhole'",
            "'blackhole', 'properties.sasl.jaas.config' = 'org.x.PlainLoginModule required"
            f' username="u" password="{secret}";\'',
        ),
        {},
    ),
    "what was commented out": lambda secret: (f"-- 'password' = '{secret}',\n/* token={secret} */\n{SQL}", {}),
}


def unlike_all_else(middle: str) -> str:
    return f"Zq{middle}9K"


any_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
).filter(lambda text: "${" not in text and not text.endswith("$"))  # fmt: skip
plain_text = st.text("abcXYZ0189!#%^*()+_.~-", min_size=1, max_size=12)
secrets_in_places = st.one_of(
    st.tuples(st.sampled_from(sorted(PLACES)), any_text.map(unlike_all_else)),
    st.tuples(st.sampled_from(sorted(NARROW_PLACES)), plain_text.map(unlike_all_else)),
)


@settings(
    max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip
@given(placed=secrets_in_places)
def test_no_page_record_or_problem_tells_a_secret(
    world: dict[Any, Any], console: Console, fake: FakeFlink, alice: User, vera: User, placed: tuple[str, str]
) -> None:
    place, secret = placed
    sql, properties = (PLACES | NARROW_PLACES)[place](secret)
    with transaction.atomic():
        variables.create(alice, console.job.workspace, "hidden", secret, is_hidden="variable" in place)
        operations.save_draft(alice, console.job, 1, {"sql": sql, "properties": properties})
        operations.publish(alice, console.job, "second")
        console.click_run(version=2)
        fake.refuse_next_run(words_with(secret, place))
        console.settle()
        fake.refuse_next_plan(words_with(secret, place))
        checked = operations.check(console.job, {"sql": sql, "properties": properties})
        assert checked is not None
        assert console.last.outcome == "failed"
        told = f"{checked.summary}\n{checked.trace}"
        told += "\n".join(one.detail for one in OperationStep.objects.all())
        told += "\n".join(f"{one.summary}\n{one.trace}\n{one.values}" for one in Problem.objects.all())
        assert secret not in told
        if "variable" not in place:
            # Readable by all as a variable, so taken away before the pages are looked at.
            console.job.workspace.variables.get(name="hidden").delete()
        for path, page in pages_of(world, vera):
            assert secret not in page, (place, path)
        transaction.set_rollback(True)


def words_with(secret: str, place: str) -> str:
    return f"org.apache.flink.table.api.ValidationException: Bad {secret} near 'password' = {quoted(secret)}."


def pages_of(world: dict[Any, Any], user: User) -> list[tuple[str, str]]:
    """Return all that a viewer can look at: as whole pages, and as the parts that htmx asks for."""
    client = Client()
    client.force_login(user)
    paths = [path_of(one, world, number=2) for one in CLASSIFIED if TABLE[one.name][0] in (Who.SEE, Who.SIGNED_IN)]
    paths += [path_of(one, world, number=1) for one in CLASSIFIED if one.name == "version"]
    answers = [(path, client.get(path, headers=headers)) for path in paths for headers in ({}, HTMX)]
    assert any(answer.status_code == 200 and MASK in answer.text for _path, answer in answers)
    return [(path, html.unescape(answer.text)) for path, answer in answers if hasattr(answer, "text")]


def test_who_may_edit_a_draft_reads_it_and_a_viewer_does_not(client: Client, alice: User, vera: User, job: Job) -> None:
    sql, properties = PLACES["an option"]("opensesame")[0], {"s3.secret-key": "barley and rye"}
    operations.save_draft(alice, job, 1, {"sql": sql, "properties": properties})
    client.force_login(alice)
    page = client.get(f"/jobs/{job.serial}/draft/").text
    assert "opensesame" in page
    assert "barley and rye" in page
    client.force_login(vera)
    page = client.get(f"/jobs/{job.serial}/draft/").text
    assert "opensesame" not in page
    assert "barley and rye" not in page
    assert "&#x27;password&#x27; = &#x27;******&#x27;" in page


def test_history_is_masked_for_everybody(client: Client, alice: User, job: Job) -> None:
    operations.save_draft(alice, job, 1, {"sql": PLACES["an option"]("opensesame")[0]})
    version = operations.publish(alice, job, "password=opensesame of the shop")
    client.force_login(alice)
    assert "opensesame" not in client.get(f"/jobs/{job.serial}/versions/2/").text
    told = job.operations.latest("pk").params["note"] + version.note
    assert "opensesame" not in told
    assert "of the shop" in told


@pytest.mark.parametrize("note", ["pwd=a " * 33, "wxyz " * 40])
def test_a_note_that_the_stars_make_longer_is_cut(client: Client, alice: User, job: Job, note: str) -> None:
    variables.create(alice, job.workspace, "hidden", "wxyz", is_hidden=True)
    client.force_login(alice)
    assert client.post(f"/jobs/{job.serial}/publish/", {"note": note}, headers=HTMX).status_code == 200
    kept = job.versions.get(number=2).note
    assert (len(kept), kept[-1], MASK in kept) == (200, "…", True)
    assert not {"pwd=a", "wxyz"} & set(kept.split())


def test_a_difference_shows_that_a_secret_changed(alice: User, job: Job) -> None:
    def definition(secret: str) -> Draft:
        return Draft(job=job, sql=f"WITH ('password' = '{secret}')", properties={"s3.secret-key": secret, "a": "b"})

    [row] = lines_beside(definition("one secret"), definition("another"))
    assert row.kind == "changed"
    assert row.left is not None
    assert ("******", True) in row.left.pieces
    beside = {name: (left, right) for name, left, right in settings_beside(definition("one secret"), definition("x"))}
    assert beside["s3.secret-key"] == (MASK, "****** (another value)")
    assert beside["a"] == ("b", "b")
    [same] = lines_beside(definition("one secret"), definition("one secret"))
    assert same.kind == "same"
    assert settings_beside(definition("x"), definition("x"))[-1][1:] == (MASK, MASK)


def test_the_conflict_of_two_people_masks_theirs_and_mine(client: Client, alice: User, job: Job) -> None:
    theirs = SQL.replace("'blackhole'", "'blackhole', 'password' = 'opensesame'")
    operations.save_draft(alice, job, 1, {"sql": theirs})
    client.force_login(alice)
    mine = {"sql": theirs.replace("opensesame", "barley"), "parallelism": 1, "checkpoint_interval_seconds": 60}
    sent = mine | {"revision": 1, "jobmanager_spec": "1", "taskmanager_spec": "1", "properties": ""}
    answer = client.post(f"/jobs/{job.serial}/draft/", sent, headers=HTMX)
    assert answer.status_code == 409
    assert "opensesame" not in answer.text
    assert '<tr class="changed">' in answer.text


SHOWN = [
    "'fields.token.kind' = 'random'",  # a column that is called so
    "'security.delegation.tokens.enabled' = 'false'",
    "'password' = '${shop}'",  # only the name of a variable
    "SELECT token FROM t WHERE token = 5",
    "'password'",
]


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert mask_script(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("'password' = 'a'", "'password' = '******'"),
        ("'PASSWORD'='it''s'", "'PASSWORD'='******'"),
        ("'password' = 'never closed", "'password' = '******"),
        ("'sasl.jaas.config' = 'x password=\"a b\";'", "'sasl.jaas.config' = 'x password=\"******\";'"),
        ("'x' = 'password=''p'''", "'x' = 'password=''******'''"),
    ],
)
def test_a_secret_of_any_length_is_masked_at_its_option(text: str, masked: str) -> None:
    assert mask_script(text) == masked


def test_short_values_do_not_mask_half_of_flinks_words() -> None:
    assert mask("No such table a in catalog ab", {"a", "ab"}) == "No such table a in catalog ab"
    assert mask("Option 'password' is missing for opensesame", {"password", "opensesame"}) == (
        "Option 'password' is missing for ******"
    )


@given(text=st.text("pasword=:'\"\\ /@$*-{}\n", max_size=60))
def test_no_text_is_too_odd_to_be_masked(text: str) -> None:
    assert mask(mask(text)) == mask(text)
    mask_script(text)


@pytest.mark.parametrize(
    ("word", "length"),
    [("a", 300_000), ("password", 40_000), ("'", 100_000), ("password='", 20_000), ("a://", 60_000), ("password \\\"", 20_000), ("/*", 80_000)],
)  # fmt: skip
def test_very_long_texts_are_masked_quickly(word: str, length: int) -> None:
    # What would be quadratic takes minutes here.
    mask(word * length)
    mask_script(word * length)


def test_thousands_of_secrets_are_masked_quickly() -> None:
    secrets = {"\n".join(f"{value:03d}{line:04d}" for line in range(1600)) for value in range(100)}
    # What would take a look at each of them for every character takes minutes here.
    assert mask("x0" * 100_000, secrets) == "x0" * 100_000
    assert mask("a 0990017, b 0000003; 1001600", secrets) == f"a {MASK}, b {MASK}; 1001600"


@given(
    needles=st.lists(st.text("ab^]-[' ", min_size=1, max_size=7), max_size=12),
    text=st.text("ab^]-[' ", max_size=80),
)
def test_of_many_texts_the_first_and_longest_is_found(needles: list[str], text: str) -> None:
    pattern = "|".join(re.escape(one) for one in sorted(needles, key=len, reverse=True))
    wanted = re.sub(pattern, lambda found: f"<{found[0]}>", text) if needles else text
    assert Needles(needles).replace(text, lambda needle: f"<{needle}>") == wanted


def test_logs_tell_no_passwords() -> None:
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(MaskingFormatter("%(message)s"))
    log = logging.Logger("tests")
    log.addHandler(handler)
    log.warning("connecting to %s with password=%s", "postgres://user:opensesame@host/db", "barley")
    try:
        raise ValueError("token='opensesame'")
    except ValueError:
        log.exception("failed")
    assert "opensesame" not in stream.getvalue()
    assert "barley" not in stream.getvalue()
    assert "postgres://user:******@host/db" in stream.getvalue()
    assert django_settings.LOGGING["formatters"]["line"]["()"] == "jobs.masking.MaskingFormatter"


def test_flinks_words_are_always_kept_with_the_run_whose_secrets_they_may_tell() -> None:
    """Find every call that keeps Flink's words: a new one without its run makes this fail."""
    for path in sorted((Path(django_settings.BASE_DIR) / "jobs").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "problem" and node.args:
                kind = node.args[0]
                if isinstance(kind, ast.Constant) and kind.value == "flink":
                    assert "of" in [one.arg for one in node.keywords], f"{path}:{node.lineno}"


def test_what_a_pattern_names_in_flinks_words_is_masked_too(console: Console, fake: FakeFlink) -> None:
    job = console.job
    operations.save_draft(
        console.user,
        job,
        job.draft.revision,
        {"sql": SQL.replace("'blackhole'", "'blackhole', 'password' = 'barley42'")},
    )
    operations.publish(console.user, job, "with a password")
    console.click_run(version=2)
    console.settle()
    run = console.run
    fake.fail_job(
        run.flink_job_id,
        "org.apache.calcite.sql.validate.SqlValidatorException: Column 'barley42' not found in any table",
    )
    console.watch()
    problem = Run.objects.get(pk=run.pk).problem
    assert problem
    assert (problem.values["known"], problem.values["column"]) == ("No such column", MASK)


# --- on the real Flink ---

REAL_SQL = """CREATE TABLE numbers (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');
CREATE TABLE results (n INT) WITH ('connector' = '{connector}', 'print-identifier' = '${{identifier}}');
INSERT INTO results SELECT n FROM numbers;
"""


@pytest.mark.flink
@pytest.mark.django_db(transaction=True)
def test_the_value_of_a_hidden_variable_stands_nowhere_in_the_database(
    real: FlinkEndpoint, alice: User, workspace: Workspace, worker: None
) -> None:
    secret = "open-sesame-4711"
    variables.create(alice, workspace, "identifier", secret, is_hidden=True)
    for name, connector in (("prints", "print"), ("fails", "filesystem")):
        job = operations.create_job(alice, workspace, name, real.cluster, real)
        operations.save_draft(alice, job, 0, {"sql": REAL_SQL.format(connector=connector)})
        version = operations.publish(alice, job, "first")
        operations.check(job, {"sql": version.sql})
        operations.run(alice, job, version)

    def status(name: str) -> str:
        return Job.objects.get(name=name).status

    until(lambda: status("prints") == "running", "it runs with the hidden value")
    until(lambda: status("fails") == "stopped", "Flink refused the other")
    # Flink repeats the options of a table that it can't make.
    assert "print-identifier" in Problem.objects.latest("pk").trace
    assert MASK in Problem.objects.latest("pk").trace
    operations.stop(alice, Job.objects.get(name="prints"), with_snapshot=False)
    until(lambda: status("prints") == "stopped", "stopped")
    assert secret not in whole_database()
    assert Version.objects.filter(sql__contains="${identifier}").count() == 2


def whole_database() -> str:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        rows = []
        for table in tables:
            cursor.execute(f'SELECT one::text FROM "{table}" AS one')  # noqa: S608
            rows += [row for (row,) in cursor.fetchall()]
    assert len(tables) > 20
    return "\n".join(rows)


def test_masked_properties_keep_what_is_no_secret(job: Job) -> None:
    draft = Draft(job=job, properties={"restart-strategy.type": "none", "s3.access-key": "AKIA"})
    assert masked_properties(draft) == {"restart-strategy.type": "none", "s3.access-key": MASK}
