"""A script taken apart into statements."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.sql import ScriptError, is_plain, settings_of, split


def test_statements_keep_their_text_and_line() -> None:
    script = "-- a; b 'c\nCREATE TABLE `x;y` (a STRING COMMENT 'it''s; \\');\n/* d; */ INSERT INTO t\nSELECT a FROM `x;y` WHERE a <> '中;文';\n"
    create, insert = split(script)
    assert (create.kind, create.line) == ("other", 2)
    assert create.text == "CREATE TABLE `x;y` (a STRING COMMENT 'it''s; \\')"
    assert (insert.kind, insert.line) == ("insert", 3)
    assert insert.text.endswith("'中;文'")


def test_a_script_of_very_many_statements_is_split_quickly() -> None:
    # What would be quadratic takes minutes here.
    statements = split("a;\n" * 150_000 + "INSERT INTO a SELECT 1")
    assert [statements[-2].line, statements[-1].line] == [150_000, 150_001]


def test_hints_stay() -> None:
    assert "/*+ OPTIONS('a'=';') */" in split("INSERT INTO t SELECT * FROM s /*+ OPTIONS('a'=';') */")[0].text


@pytest.mark.parametrize("script", [
    "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
    "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END",
    "EXECUTE INSERT INTO a SELECT 1; INSERT INTO b SELECT 2",
])  # fmt: skip
def test_statement_sets_are_unwrapped(script: str) -> None:
    assert [(one.kind, one.text) for one in split(script)] == [
        ("insert", "INSERT INTO a SELECT 1"),
        ("insert", "INSERT INTO b SELECT 2"),
    ]


def test_set_is_a_key_and_a_value() -> None:
    assert settings_of(split("SET 'table.exec.state.ttl' = '1 h';\nINSERT INTO a SELECT 1")) == {
        "table.exec.state.ttl": "1 h"
    }


@pytest.mark.parametrize(
    ("script", "reason", "line"),
    [
        ("", "script-empty", 1),
        ("-- nothing\n", "script-empty", 1),
        ("SELECT 1;\nSELECT 2", "script-no-insert", 2),
        ("INSERT INTO a SELECT 'b", "script-unclosed", 1),
        ("INSERT INTO a SELECT `b", "script-unclosed", 1),
        ("\nSET a = b;\nINSERT INTO a SELECT 1", "script-bad-set", 2),
    ],
)
def test_a_script_that_can_not_be_split_says_why_and_where(script: str, reason: str, line: int) -> None:
    with pytest.raises(ScriptError) as error:
        split(script)
    assert (error.value.reason, error.value.line) == (reason, line)


WORDS = ["INSERT", "insert into t", "SELECT 1", "SET", "BEGIN STATEMENT SET", "END", "x", "N", "1", ".", "/", "*", "-", "+", '"', "$$", "{%", "\\"]  # fmt: skip
MARKS = ["'", "''", "`", "``", ";", " ", "\n", "--", "/*", "*/", "/*+", "'a;b'", "`c`", "/* d; */", "-- e\n"]


@given(st.lists(st.sampled_from([*WORDS, *MARKS]), max_size=14).map("".join))
@example("INSERT INTO t SELECT x'zz'")
@example("/* /* */ INSERT INTO t SELECT 1")
@example("INSERT INTO t SELECT 1 /*+ a")
@example("INSERT INTO t SELECT 1; SET a = b")
def test_what_is_called_plain_can_be_split(script: str) -> None:
    if is_plain(script):
        split(script)


def test_most_scripts_are_plain() -> None:
    assert is_plain(
        "-- a; b 'c\nCREATE TABLE `x;y` (a STRING COMMENT 'it''s; ');\n/* d; */ INSERT INTO t\nSELECT a FROM `x;y`;\n"
    )
    assert not is_plain("CREATE TABLE t (a STRING); SELECT 1")
