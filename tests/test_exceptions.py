"""What was thrown in a run: asked of Flink while somebody looks at the job, kept small and without secrets, explained where it is known."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.models import Measurement, Run
from jobs.operations.measure import BESIDE_KEPT, TRACE_KEPT
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from workspaces import variables

HTMX = {"HX-Request": "true"}
ZERO = "java.lang.RuntimeException: failed\n\tat a.B.c(B.java:1)\nCaused by: java.lang.ArithmeticException: / by zero"
ODD = "org.acme.OddException: nobody knows this"
WHERE = {"taskName": "Calc[2] (1/4)", "endpoint": "10.0.0.7:6121", "taskManagerId": "tm-7-abc"}


@pytest.fixture
def running(console: Console) -> Run:
    return console.start()


@pytest.fixture
def address(console: Console) -> str:
    return f"/jobs/{console.job.serial}/"


def seen(run: Run) -> Measurement:
    """Ask as a worker does while somebody looks."""
    operations.want_exceptions(run, Measurement.objects.filter(run=run).first())
    operations.see_exceptions(run.pk)
    return Measurement.objects.get(run=run)


def test_who_looks_at_a_job_finds_what_flink_remembers(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    fake.jobs[running.flink_job_id].add_exception(ODD)
    fake.jobs[running.flink_job_id].add_exception(ZERO, **WHERE)
    client.force_login(console.user)
    assert "Flink is being asked." in client.get(address).text
    assert Measurement.objects.get().exceptions_asked_at
    operations.see_exceptions(running.pk)
    page = client.get(address).text
    assert "Flink is being asked." not in page
    for told in (
        "Division by zero",
        "NULLIF(divisor, 0)",
        "Calc[2] (1/4)",
        "tm-7-abc · 10.0.0.7:6121",
        "at a.B.c(B.java:1)",
    ):
        assert told in page, told
    assert page.index("Division by zero") < page.index("nobody knows this")
    assert "Flink reports an error" not in page  # of what is not known, Flink's own words are the title
    client.cookies["django_language"] = "zh-hans"
    assert f"运行实例 #{running.number} 的异常历史" in client.get(address).text


def test_what_was_thrown_at_the_same_time_stands_beside_it(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    other = {"exceptionName": "x.Y", "stacktrace": "x.Y: also", "timestamp": 1, **WHERE}
    fake.jobs[running.flink_job_id].add_exception(ODD, concurrentExceptions=[other] * (BESIDE_KEPT + 2))
    kept = seen(running).exceptions
    assert kept
    assert len(kept[0]["beside"]) == BESIDE_KEPT
    client.force_login(console.user)
    page = client.get(address).text
    assert f"{BESIDE_KEPT} exceptions at the same time" in page
    assert "2 more are not kept" in page
    assert "x.Y: also" in page


def test_a_run_without_any_is_called_so(console: Console, running: Run, client: Client, address: str) -> None:
    seen(running)
    client.force_login(console.user)
    assert "Flink keeps no exception of this run." in client.get(address).text


def test_it_stays_small(running: Run, fake: FakeFlink) -> None:
    job = fake.jobs[running.flink_job_id]
    frames = "\n".join(f"\tat deep.Call.number{n}(Call.java)" for n in range(50_000))
    for _n in range(30):
        job.add_exception(
            f"java.lang.RuntimeException: failed\n{frames}\nCaused by: java.lang.ArithmeticException: / by zero"
        )
    kept = seen(running).exceptions
    assert kept
    assert len(kept) == 20
    assert len(kept[0]["trace"]) < TRACE_KEPT + 10
    assert kept[0]["summary"] == "ArithmeticException: / by zero"
    assert kept[0]["known"]["known"] == "Division by zero"


def test_no_secret_is_told(console: Console, running: Run, fake: FakeFlink, client: Client, address: str) -> None:
    variables.create(console.user, console.job.workspace, "sink_key", "s3cret-word", is_hidden=True)
    said = "java.io.IOException: no entry for s3cret-word"
    other = {"exceptionName": "x.s3cret-word", "stacktrace": said, "timestamp": 1, **WHERE}
    fake.jobs[running.flink_job_id].add_exception(
        said + "\n\tat s3cret-word", concurrentExceptions=[other], **WHERE | {"taskName": "Filter(p = s3cret-word)"}
    )
    kept = str(seen(running).exceptions)
    assert "no entry for ******" in kept
    assert "s3cret-word" not in kept
    client.force_login(console.user)
    assert "s3cret-word" not in client.get(address).text


def test_the_poll_is_silent_until_there_is_something_new(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    client.force_login(console.user)

    def poll(mark: str = "") -> Any:
        return client.get(f"{address}exceptions/", {"seen": mark}, headers=HTMX)

    first = poll()
    assert 'hx-trigger="every 1s"' in first.text
    assert poll(first.context["exceptions"]["mark"]).status_code == 204
    seen(running)
    second = poll(first.context["exceptions"]["mark"])
    assert 'hx-trigger="every 5s"' in second.text
    mark = second.context["exceptions"]["mark"]
    seen(running)  # once more, and nothing is new
    assert poll(mark).status_code == 204
    fake.jobs[running.flink_job_id].add_exception(ODD)
    seen(running)
    third = poll(mark)
    assert "nobody knows this" in third.text
    assert "<html" not in third.text
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    away = poll(third.context["exceptions"]["mark"])
    assert "these are the exceptions of its last answer" in away.text


def test_what_was_told_long_ago_is_called_so_while_flink_is_asked(
    console: Console, running: Run, client: Client, address: str
) -> None:
    seen(running)
    Measurement.objects.update(exceptions_seen_at=timezone.now() - timedelta(hours=2))
    client.force_login(console.user)
    assert "This is what it told before:" in client.get(address).text


def test_it_is_asked_for_once_in_a_while_and_apart_from_the_figures(running: Run) -> None:
    operations.want_figures(running)
    assert Measurement.objects.get().exceptions_asked_at is None
    operations.want_exceptions(running, Measurement.objects.get())
    first = Measurement.objects.get().exceptions_asked_at
    operations.want_exceptions(running, Measurement.objects.get())
    assert Measurement.objects.get().exceptions_asked_at == first
    Measurement.objects.update(exceptions_asked_at=timezone.now() - timedelta(seconds=11))
    operations.want_exceptions(running, Measurement.objects.get())
    again = Measurement.objects.get().exceptions_asked_at
    assert first is not None
    assert again is not None
    assert again > first


@pytest.mark.parametrize("damage", ["html", "drop_answer"])
def test_without_an_answer_what_is_there_stays(running: Run, fake: FakeFlink, damage: str) -> None:
    fake.jobs[running.flink_job_id].add_exception(ODD)
    before = seen(running)
    fake.fault(("GET", r".*/exceptions.*"), damage, times=2)
    after = seen(running)
    assert (after.exceptions, after.exceptions_seen_at) == (before.exceptions, before.exceptions_seen_at)


def test_what_was_known_of_a_run_stays_when_it_is_over(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    fake.jobs[running.flink_job_id].add_exception(ODD)
    before = seen(running)
    console.click_stop()
    console.settle()
    Measurement.objects.update(exceptions_asked_at=None)
    assert seen(running).exceptions_seen_at == before.exceptions_seen_at  # nobody asks for one that is over
    client.force_login(console.user)
    page = client.get(address).text
    assert "nobody knows this" in page
    assert "as Flink last told" in page


def test_a_job_that_never_ran_shows_nothing(console: Console, client: Client, address: str) -> None:
    client.force_login(console.user)
    assert 'id="exceptions" hidden' in client.get(address).text
    assert not Measurement.objects.exists()


def test_it_is_hidden_from_other_workspaces(
    console: Console, running: Run, charlie: User, client: Client, address: str
) -> None:
    client.force_login(charlie)
    assert client.get(f"{address}exceptions/").status_code == 404
    assert not Measurement.objects.exists()
