"""Errors as the real Flink says them: each is provoked, recognized as what it is, and its trace recorded by this very run.

OCEANUS_TRACES=tests/traces pytest tests/test_real_errors.py writes the record into the repository, where
tests/test_advice.py reads it without a Flink.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clusters.engine import Engine, Refused, Submission
from clusters.models import FlinkEndpoint
from jobs.advice import line_of, recognize
from jobs.flink_ids import new_flink_id
from jobs.sql import split
from tests.until import until

pytestmark = [pytest.mark.flink, pytest.mark.django_db]

LIMIT = 4000  # characters of a trace that are kept


@dataclass(frozen=True)
class Case:
    """A script that goes wrong: the title of its entry, and the line that the user is sent to; 0: to none."""

    title: str
    insert: str = "INSERT INTO snk SELECT id FROM src"
    line: int | None = None
    tables: str = ""
    snk: str = "(id INT) WITH ('connector' = 'blackhole')"
    src: str = "(id INT, t TIMESTAMP(3), name STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '10')"
    options: dict[str, str] = field(default_factory=dict)
    parallelism: int = 1
    restore_from: str = ""

    @property
    def script(self) -> str:
        return f"CREATE TABLE src {self.src};\nCREATE TABLE snk {self.snk};\n{self.tables}{self.insert};\n"


FILES = "'connector' = 'filesystem', 'format' = 'csv'"
# Wrong already when Flink compiles it.
COMPILED = {
    "syntax": Case("SQL syntax error", "INSERT INTO snk SELECT id FROM\nWHERE", 4),
    "reserved-word": Case("SQL syntax error", "INSERT INTO snk SELECT id AS order FROM src", 3),
    "table": Case("No such table", "INSERT INTO snk\nSELECT id FROM nosuch", 4),
    "sink": Case("No such table", "INSERT INTO nosuch SELECT id FROM src", 3),
    "column": Case("No such column", "INSERT INTO snk\nSELECT idd\nFROM src", 4),
    "function": Case("No such function", "INSERT INTO snk SELECT MYUDF(id) FROM src", 3),
    "function-class": Case(
        "The user-defined function can't be created",
        "INSERT INTO snk SELECT f(id) FROM src",
        3,
        tables="CREATE TEMPORARY FUNCTION f AS 'com.acme.F';\n",
    ),
    "connector": Case("The connector is not installed", snk="(id INT) WITH ('connector' = 'kafka')", line=2),
    "format": Case(
        "The format is not installed",
        snk="(id INT) WITH ('connector' = 'filesystem', 'path' = 'file:///data/x', 'format' = 'avro')",
        line=2,
    ),
    "option-missing": Case(
        "A table option is missing or wrong", snk="(id INT) WITH ('connector' = 'filesystem')", line=2
    ),
    "option-unknown": Case(
        "A table option is missing or wrong", src="(id INT) WITH ('connector' = 'datagen', 'rows' = '1')", line=1
    ),
    "option-value": Case(
        "An option has a value that is not understood",
        src="(id INT) WITH ('connector' = 'datagen', 'rows-per-second' = 'many')",
        line=1,
    ),
    "property-value": Case(
        "A Flink property has a value that is not understood",
        options={"execution.checkpointing.interval": "lots"},
        line=0,
    ),
    "property-of-tables": Case(
        "A Flink property has a value that is not understood",
        "INSERT INTO snk SELECT CAST(COUNT(*) AS INT) FROM src",
        0,
        options={"table.exec.state.ttl": "lots"},
    ),
    "type": Case("Query and sink do not fit together", "INSERT INTO snk SELECT name FROM src", 3),
    "column-count": Case("Query and sink do not fit together", "INSERT INTO snk SELECT id, name FROM src", 3),
    "target-column": Case("The sink's columns are named wrongly", "INSERT INTO snk (nosuch) SELECT id FROM src", 3),
    "operator-type": Case("Types do not fit", "INSERT INTO snk SELECT id + TRUE FROM src", 3),
    "ambiguous": Case("The column is ambiguous", "INSERT INTO snk SELECT id FROM src a, src b", 3),
    "not-grouped": Case("A column is missing in GROUP BY", "INSERT INTO snk SELECT id FROM src GROUP BY name", 3),
    "updates": Case(
        "The sink takes no updates",
        "INSERT INTO snk SELECT COUNT(*) FROM src GROUP BY name",
        3,
        snk="(n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'file:///data/x', 'format' = 'csv')",
    ),
    "window": Case(
        "The window needs a time attribute",
        "INSERT INTO snk SELECT CAST(COUNT(*) AS INT) FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
        3,
    ),
    "watermark": Case(
        "The watermark is not on a timestamp",
        line=1,
        src="(id INT, WATERMARK FOR id AS id) WITH ('connector' = 'datagen')",
    ),
    "table-twice": Case("The table exists already", tables="CREATE TABLE snk (id INT) WITH ('connector' = 'print');\n"),
    "temporal-join": Case(
        "The temporal join lacks a key or time attribute",
        "INSERT INTO snk SELECT a.id FROM (SELECT id, PROCTIME() AS p FROM src) a JOIN src FOR SYSTEM_TIME AS OF a.p AS b ON a.id = b.id",
    ),
    "unsupported": Case("The query is not supported", "INSERT INTO snk SELECT id FROM src ORDER BY id"),
}
# Refused when it is started, or failing soon after.
STARTED = {
    "property-at-start": Case(
        "A Flink property has a value that is not understood",
        options={"execution.checkpointing.interval": "lots"},
        line=0,
    ),
    "savepoint-missing": Case("The snapshot's files are not there", restore_from="file:///nowhere/savepoint-1"),
    "checkpoints-not-writable": Case(
        "The snapshot can't be written", options={"execution.checkpointing.dir": "file:///proc/checkpoints"}
    ),
    "file-system": Case(
        "No file system for this address", options={"execution.checkpointing.dir": "s3://bucket/checkpoints"}
    ),
    "division": Case("Division by zero", "INSERT INTO snk SELECT 1 / (id - id) FROM src"),
    "cast": Case("A value can't be converted", "INSERT INTO snk SELECT CAST(name AS INT) FROM src"),
    "date": Case(
        "A date or time can't be read",
        "INSERT INTO snk SELECT CAST(CAST(name AS DATE) AS STRING) FROM src",
        snk="(d STRING) WITH ('connector' = 'blackhole')",
    ),
    "csv": Case("A row can't be read", src=f"(id INT) WITH ({FILES}, 'path' = '{{here}}/bad.csv')"),
    "null": Case(
        "NULL in a NOT NULL column",
        "INSERT INTO snk SELECT CAST(NULLIF(id, id) AS INT) FROM src",
        snk="(id INT NOT NULL) WITH ('connector' = 'blackhole')",
    ),
    "source-path": Case("A file or directory is missing", src=f"(id INT) WITH ({FILES}, 'path' = '{{here}}/nosuch')"),
    "sink-path": Case("The sink's path can't be written", snk=f"(id INT) WITH ({FILES}, 'path' = 'file:///proc/out')"),
}


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where this run records what Flink said."""
    wanted = os.environ.get("OCEANUS_TRACES")
    directory = Path(wanted) if wanted else tmp_path_factory.mktemp("traces")
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture
def record(traces: Path, tmp_path: Path) -> Callable[[str, Case, str, str], None]:
    """Write down what Flink said, in the form that tests/test_advice.py reads: the title, then the words."""

    def record(name: str, case: Case, summary: str, trace: str) -> None:
        text = "\n".join([case.title, "", summary, "", *without_frames(trace)])
        text = re.sub(r"[0-9a-f]{32}", "0" * 32, text.replace(str(tmp_path), "/data"))
        (traces / f"{name}.txt").write_text(text[:LIMIT].rstrip() + "\n")

    return record


def without_frames(trace: str) -> Iterator[str]:
    """Keep what is said, and of the frames below it the first."""
    was_frame = False
    for line in trace.splitlines():
        is_frame = bool(re.match(r"\s+(at |\.\.\. )", line))
        if not (is_frame and was_frame):
            yield line
        was_frame = is_frame


def submission(case: Case, here: Path) -> Submission:
    script = case.script.replace("{here}", here.as_uri())
    options = {"restart-strategy.type": "none", "execution.checkpointing.interval": "1 s", **case.options}
    statements = split(script)
    return Submission(new_flink_id(), "errors", statements, case.parallelism, options, case.restore_from)


def judge(case: Case, asked: Submission, summary: str, trace: str) -> None:
    assert recognize(f"{summary}\n{trace}").title == case.title, f"{summary}\n\n{trace}"
    if case.line is not None:
        assert line_of(summary, trace, asked.statements) == (case.line or None), f"{summary}\n\n{trace}"


@pytest.mark.parametrize("name", COMPILED)
def test_what_does_not_compile_is_recognized_with_its_line(
    real: FlinkEndpoint, record, tmp_path: Path, name: str
) -> None:
    case = COMPILED[name]
    asked = submission(case, tmp_path)
    with pytest.raises(Refused) as refusal:
        real.engine().check(asked)
    record(name, case, refusal.value.summary, refusal.value.trace)
    judge(case, asked, refusal.value.summary, refusal.value.trace)


@pytest.mark.parametrize("name", STARTED)
def test_what_fails_when_it_starts_is_recognized(real: FlinkEndpoint, record, tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.csv").write_text("abc\n")
    case, engine = STARTED[name], real.engine()
    asked = submission(case, tmp_path)
    summary, trace = end_of(engine, asked)
    record(name, case, summary, trace)
    judge(case, asked, summary, trace)


def end_of(engine: Engine, asked: Submission) -> tuple[str, str]:
    """Start a job and return what Flink says when it refuses it or it has failed."""
    try:
        engine.submit(asked)
    except Refused as refusal:
        return refusal.summary, refusal.trace
    until(lambda: engine.job(asked.job_id).state == "FAILED", "the job has failed", 60)
    failure = engine.failure(asked.job_id)
    return failure.summary, failure.trace
