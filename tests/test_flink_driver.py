"""The driver: Flink's answers in our words, and one place that turns the world's errors into ours."""

import errno
import json
from pathlib import Path

import pytest
import urllib3

from clusters import network
from clusters.engine import (
    AlreadySubmitted,
    EngineError,
    Missing,
    NotFound,
    Refused,
    Statement,
    Submission,
    Unanswered,
    Unreachable,
)
from clusters.flink import FlinkEngine, plain_path
from clusters.flink_answers import root_cause
from tests.fake_flink import FakeFlink

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def engine(fake: FakeFlink, tmp_path: Path) -> FlinkEngine:
    jar = tmp_path / "runner.jar"
    jar.write_bytes(b"PK")
    return FlinkEngine(fake.url, jar)


def submission(job_id: str = ID, **kwargs: object) -> Submission:
    return Submission(job_id, "orders", [Statement("insert", "INSERT INTO a SELECT 1", 1)], parallelism=2, **kwargs)  # type: ignore[arg-type]


def test_a_job_is_seen_in_the_overview_and_alone(engine: FlinkEngine) -> None:
    engine.submit(submission())
    sight = engine.jobs()[ID]
    assert sight.is_up
    assert engine.job(ID).tasks_total == sight.tasks_total
    assert engine.capacity().slots_free == engine.capacity().slots_total - 2


def test_the_runner_is_uploaded_once_and_again_when_it_is_gone(engine: FlinkEngine, fake: FakeFlink) -> None:
    engine.submit(submission())
    engine.submit(submission("1" * 32))
    assert fake.seen("POST", r"/jars/upload") == 1
    fake.jars.clear()
    engine.submit(submission("2" * 32))
    assert fake.seen("POST", r"/jars/upload") == 2


def test_a_second_submission_of_one_id_is_told(engine: FlinkEngine) -> None:
    engine.submit(submission())
    with pytest.raises(AlreadySubmitted):
        engine.submit(submission())


def test_what_it_does_not_know_is_not_found(engine: FlinkEngine) -> None:
    for look in (engine.job, engine.failure, engine.restored_from, engine.cancel):
        with pytest.raises(NotFound):
            look(ID)
    with pytest.raises(NotFound):
        engine.find_savepoint(ID, "file:///x")
    engine.submit(submission())
    with pytest.raises(NotFound):
        engine.savepoint_sight(ID, "f" * 32)


def test_nobody_there_is_unreachable(engine: FlinkEngine, fake: FakeFlink) -> None:
    fake.stop()
    with pytest.raises(Unreachable, match=network.REFUSED) as nobody:
        engine.jobs()
    assert "Connection refused" in nobody.value.trace


def test_it_says_in_words_why_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=network.UNKNOWN_HOST):
        FlinkEngine("http://nobody.invalid:8081", tmp_path).jobs()


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), network.NO_WAY),
        (OSError(errno.EMFILE, "Too many open files"), network.NOT_MADE),
    ],
)
def test_it_says_in_words_what_the_system_says(cause: OSError, words: str) -> None:
    error = urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("flink"), str(cause))
    error.__cause__ = cause
    assert network.words(error) == words


def test_it_says_in_words_that_the_answer_was_lost(engine: FlinkEngine, fake: FakeFlink) -> None:
    fake.fault(("*", r".*"), "drop_answer", times=None)
    with pytest.raises(Unanswered, match=network.BROKEN_OFF):
        engine.jobs()


@pytest.mark.parametrize("damage", ["drop_answer", "reset_before", "html", "garbage", "truncated"])
def test_no_answer_of_flink_is_unanswered(engine: FlinkEngine, fake: FakeFlink, damage: str) -> None:
    fake.fault(("*", r".*"), damage, times=None)
    for call in (engine.jobs, engine.capacity, lambda: engine.cancel(ID), lambda: engine.submit(submission())):
        with pytest.raises(Unanswered) as no:
            call()
        assert "\0" not in no.value.summary  # which the database does not take


@pytest.mark.parametrize("answer", ["{}", "[]", '"x"', '{"jobs": [{"jid": 1}]}', '{"jobs": 3}'])
def test_an_answer_of_another_shape_is_unanswered(engine: FlinkEngine, fake: FakeFlink, answer: str) -> None:
    fake.fault(("GET", r"/jobs/overview"), "status", times=2, status=200, body=answer)
    with pytest.raises(Unanswered):
        engine.jobs()


def test_a_refusal_carries_the_root_cause_and_the_trace(engine: FlinkEngine, fake: FakeFlink) -> None:
    fake.refuse_next_run("org.apache.flink.table.api.ValidationException: Object 'x' not found")
    with pytest.raises(Refused) as refusal:
        engine.submit(submission())
    assert refusal.value.summary == "ValidationException: Object 'x' not found"
    assert "\tat " in refusal.value.trace


def test_a_timeout_inside_flink_may_have_been_carried_out(engine: FlinkEngine, fake: FakeFlink) -> None:
    body = json.dumps({"errors": ["java.util.concurrent.TimeoutException: Invocation of [RemoteRpc] timed out."]})
    fake.fault(("PATCH", r"/jobs/.*"), "status", status=500, body=body)
    with pytest.raises(Unanswered):
        engine.cancel(ID)


def test_no_error_of_the_engine_is_forgotten() -> None:
    kinds = {Unreachable, Unanswered, NotFound, Refused}
    assert set(EngineError.__subclasses__()) == kinds
    assert set(Refused.__subclasses__()) == {AlreadySubmitted, Missing}


def test_a_root_cause_keeps_all_its_lines() -> None:
    trace = """org.apache.flink.util.FlinkException: outer
\tat org.apache.flink.A.b(A.java:1)
Caused by: java.lang.RuntimeException: middle
\tat x.y(Z.java:2)
\t... 3 more
Caused by: org.apache.flink.table.api.ValidationException: Different number of columns.

Query schema: [a: INT]
Sink schema:  [a: INT, b: INT]
\tat x.y(Z.java:9)"""
    assert root_cause(trace) == (
        "ValidationException: Different number of columns.\n\nQuery schema: [a: INT]\nSink schema:  [a: INT, b: INT]"
    )


def test_file_uris_have_one_spelling() -> None:
    assert plain_path("file:///a/b/") == plain_path("file:/a/b") == "/a/b"
    assert plain_path("s3://bucket/a") == "s3://bucket/a"


def test_the_newest_checkpoint_is_one_that_is_kept_and_has_a_path(
    engine: FlinkEngine, fake: FakeFlink, tmp_path: Path
) -> None:
    engine.submit(submission())
    assert engine.newest_checkpoint(ID) is None
    fake.complete_checkpoint(ID, "<checkpoint-not-externally-addressable>")
    assert engine.newest_checkpoint(ID) is None
    fake.complete_checkpoint(ID, "s3://bucket/checkpoints/1/chk-2")
    fake.complete_checkpoint(ID, "s3://bucket/checkpoints/1/chk-3")
    fake.jobs[ID].checkpoints[0]["discarded"] = True
    engine.savepoint(ID, tmp_path.as_uri(), "1" * 32)
    found = engine.newest_checkpoint(ID)
    assert found
    assert (found.location, found.size_bytes) == ("s3://bucket/checkpoints/1/chk-2", 1024)
    assert found.completed_at >= found.triggered_at
    with pytest.raises(NotFound):
        engine.newest_checkpoint("f" * 32)
