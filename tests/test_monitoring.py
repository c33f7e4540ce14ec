"""The figures of a running job: measured while somebody looks, kept with their time, drawn, and never made up."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from clusters.engine import NotFound
from clusters.models import FlinkEndpoint
from jobs import operations
from jobs.charts import chart, round_above
from jobs.models import Job, Measurement, Run
from jobs.operations.measure import CHECKPOINTS_KEPT
from jobs.operations.record import Lock
from jobs.templatetags.figures import milliseconds, rate, share
from tests.conftest import Console, make_job, measured
from tests.fake_flink import FakeFlink
from tests.until import until
from workspaces import variables
from workspaces.models import Workspace

HTMX = {"HX-Request": "true"}


@pytest.fixture
def running(console: Console, fake: FakeFlink) -> Run:
    run = console.start()
    told = {"numRecordsInPerSecond": 0, "numRecordsOutPerSecond": 12.5, "Source__src[1].numRecordsOutPerSecond": 12.5}
    busy = {"busyTimeMsPerSecond": "NaN", "backPressuredTimeMsPerSecond": 620}
    flink_job = fake.jobs[run.flink_job_id]
    flink_job.metrics = {"Source: src": told | busy, "Sink: snk": {"numRecordsInPerSecond": 12.5}}
    flink_job.add_checkpoint("file:///chk-1", "CHECKPOINT")
    return run


def test_who_looks_finds_what_was_measured(console: Console, running: Run, client: Client) -> None:
    client.force_login(console.user)
    address = f"/jobs/{console.job.serial}/monitoring/"
    page = client.get(address).text
    assert f'href="{address}"' in page
    assert "The first figures appear here in a moment." in page
    operations.measure(running.pk)
    page = client.get(address).text
    for told in ("12.5/s", "62%", "1 completed, 0 failed", "restarted 2 times by Flink", "7 ms", "Source: src"):
        assert told in page, told
    assert page.count('<svg class="chart"') == 3
    table = client.get(f"{address}?as=table").text
    assert '<svg class="chart"' not in table
    assert table.count("12.5/s") > 2


def test_no_task_tells_a_secret_by_its_name(console: Console, running: Run, client: Client) -> None:
    variables.create(console.user, console.job.workspace, "name", "Source: src", is_hidden=True)
    measured(running)
    client.force_login(console.user)
    page = client.get(f"/jobs/{console.job.serial}/monitoring/").text
    assert "******" in page
    assert "Source: src" not in page


def test_it_is_asked_for_once_in_a_while(running: Run) -> None:
    def asked() -> bool:
        before = Measurement.objects.filter(run=running).values_list("asked_at", flat=True).first()
        operations.want_figures(running)
        return Measurement.objects.get(run=running).asked_at != before

    assert [asked(), asked()] == [True, False]
    Measurement.objects.update(asked_at=timezone.now() - timedelta(seconds=11))
    assert asked()


def test_nothing_is_asked_of_a_flink_that_does_not_answer(running: Run) -> None:
    running.endpoint.unreachable_since = timezone.now()
    operations.want_figures(running)
    assert not Measurement.objects.exists()


def test_the_poll_is_silent_until_it_was_measured_anew(console: Console, running: Run, client: Client) -> None:
    client.force_login(console.user)
    address = f"/jobs/{console.job.serial}/monitoring/figures/"
    answer = client.get(address, headers=HTMX)
    mark = answer.context["mark"]
    assert 'hx-trigger="every 1s"' in answer.text
    assert client.get(address, {"seen": mark}, headers=HTMX).status_code == 204
    operations.measure(running.pk)
    answer = client.get(address, {"seen": mark}, headers=HTMX)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert 'hx-trigger="every 5s"' in answer.text
    mark = answer.context["mark"]
    assert client.get(address, {"seen": mark}, headers=HTMX).status_code == 204
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    assert "these figures are those of the last answer" in client.get(address, {"seen": mark}, headers=HTMX).text


def test_without_an_answer_what_is_there_stays(console: Console, running: Run, fake: FakeFlink, client: Client) -> None:
    measured(running)
    before = Measurement.objects.get()
    for damage in ("html", "drop_answer"):
        fake.fault(("GET", r".*/checkpoints"), damage, times=2)
        operations.measure(running.pk)
    after = Measurement.objects.get()
    assert (after.measured_at, after.throughput) == (before.measured_at, before.throughput)


def test_what_flink_can_not_tell_is_not_made_up(
    console: Console, running: Run, fake: FakeFlink, client: Client
) -> None:
    fake.jobs[running.flink_job_id].metrics = {"Source: src": {"backPressuredTimeMsPerSecond": 0}}
    measured(running)
    assert Measurement.objects.get().throughput[0][1] is None
    client.force_login(console.user)
    page = client.get(f"/jobs/{console.job.serial}/monitoring/").text
    assert "Flink tells no records of these sources." in page
    assert re.search(r"\d/s\b", page) is None  # a job ID that ends in 0 is followed by /stop/


def test_a_flink_that_only_begins_to_gather_is_asked_again_soon(
    console: Console, running: Run, fake: FakeFlink, client: Client
) -> None:
    job = fake.jobs[running.flink_job_id]
    known, job.metrics = job.metrics, {}
    measured(running)
    waits = Measurement.objects.get()
    assert (waits.measured_at, waits.throughput) == (None, [])
    assert waits.asked_at
    assert timezone.now() - waits.asked_at > timedelta(seconds=7)
    client.force_login(console.user)
    address = f"/jobs/{console.job.serial}/monitoring/"
    assert "The first figures appear here in a moment." in client.get(address).text
    job.metrics = known
    operations.measure(running.pk)
    assert "12.5/s" in client.get(address).text
    assert "blank_since" not in Measurement.objects.get().newest


def test_a_flink_that_gathers_nothing_is_not_waited_for(
    console: Console, running: Run, fake: FakeFlink, client: Client
) -> None:
    fake.jobs[running.flink_job_id].metrics = {}
    long_ago = int((timezone.now() - timedelta(minutes=1)).timestamp() * 1000)
    Measurement.objects.create(run=running, newest={"blank_since": long_ago})
    operations.measure(running.pk)
    client.force_login(console.user)
    page = client.get(f"/jobs/{console.job.serial}/monitoring/").text
    assert "Flink tells no records of these sources." in page
    assert re.search(r"\d/s\b", page) is None


def test_one_measures_on_an_endpoint_and_the_other_comes_again(running: Run) -> None:
    operations.want_figures(running)
    other = connection.copy()  # locks are a session's own
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [(Lock.MEASURE << 48) + running.endpoint_id])
            operations.measure(running.pk)
            waits = Measurement.objects.get()
            assert (waits.measured_at, waits.asked_at) == (None, None)
            cursor.execute("SELECT pg_advisory_unlock_all()")  # a session that is closed lets go of them a moment later
    finally:
        other.close()
    operations.measure(running.pk)
    assert Measurement.objects.get().measured_at


def test_it_stays_small(running: Run) -> None:
    operations.want_figures(running)
    known = [checkpoint(number) for number in range(-CHECKPOINTS_KEPT - 5, 1)]
    ago = [int((timezone.now() - timedelta(minutes=minutes)).timestamp() * 1000) for minutes in (61, 59)]
    Measurement.objects.update(throughput=[[at, 1.0] for at in ago], checkpoints=known)
    operations.measure(running.pk)
    kept = Measurement.objects.get()
    assert [value for _at, value in kept.throughput] == [1.0, 12.5]
    assert [one["number"] for one in kept.checkpoints] == list(range(2 - CHECKPOINTS_KEPT, 2))


def checkpoint(number: int) -> dict[str, Any]:
    return {"number": number, "state": "COMPLETED", "triggered_at": number, "duration_ms": 1, "size_bytes": 1}


def test_checkpoints_before_some_that_nobody_saw_are_not_shown_beside_later_ones(running: Run, fake: FakeFlink) -> None:
    operations.want_figures(running)
    Measurement.objects.update(checkpoints=[checkpoint(-2), checkpoint(-1)])  # Flink tells of number 1
    operations.measure(running.pk)
    assert [one["number"] for one in Measurement.objects.get().checkpoints] == [1]
    fake.jobs[running.flink_job_id].checkpoints.clear()  # a JobManager that began anew
    operations.measure(running.pk)
    assert [one["number"] for one in Measurement.objects.get().checkpoints] == [1]


def test_of_a_run_that_is_over_the_last_figures_stay(console: Console, running: Run, client: Client) -> None:
    measured(running)
    console.click_stop()
    console.settle()
    operations.measure(running.pk)
    client.force_login(console.user)
    page = client.get(f"/jobs/{console.job.serial}/monitoring/").text
    assert "12.5/s" in page
    assert "every 10 s" not in page


def test_who_may_look(vera: User, charlie: User, job: Job, client: Client) -> None:
    for user, status in ((vera, 200), (charlie, 404)):
        client.force_login(user)
        for address in ("monitoring/", "monitoring/figures/"):
            assert client.get(f"/jobs/{job.serial}/{address}").status_code == status
            assert client.post(f"/jobs/{job.serial}/{address}").status_code == 405
    client.force_login(vera)
    assert "Nothing was measured" in client.get(f"/jobs/{job.serial}/monitoring/").text


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def test_a_line_goes_only_through_what_was_seen() -> None:
    points = [(at(0), 1.0, False), (at(10), 3.0, False), (at(100), 2.0, False), (at(110), None, False)]
    points += [(at(120), 2.0, True), (at(130), 0.0, False)]
    drawn = chart(points, str, gap=timedelta(seconds=30))
    assert drawn
    assert [len(line.split()) for line in drawn.lines] == [2, 2]
    assert [dot.text for dot in drawn.dots] == ["1.0", "3.0", "2.0", "2.0", "0.0"]
    assert [dot.is_bad for dot in drawn.dots] == [False, False, False, True, False]
    assert (drawn.dots[0].x, drawn.dots[-1].x) == (drawn.left, drawn.right)
    assert [text for _y, text in drawn.grid] == ["0.0", "1.0", "2.0", "3.0", "4.0"]
    assert chart([(at(0), None, False)], str) is None
    assert chart([(at(0), 0.0, False)], str)


def test_no_two_lines_of_a_chart_are_written_alike() -> None:
    drawn = chart([(at(0), 2.0, False), (at(1), 0.0, False)], lambda value: f"{int(value)} bytes")
    assert drawn
    assert [text for _y, text in drawn.grid] == ["0 bytes", "1 bytes", "2 bytes"]
    assert [y for y, _text in drawn.grid] == [drawn.dots[1].y, (drawn.dots[0].y + drawn.dots[1].y) / 2, drawn.dots[0].y]


def test_numbers_are_written_for_people() -> None:
    assert [round_above(one) for one in (0, 0.3, 1, 3, 5, 1000, 1001)] == [1, 0.4, 1, 4, 10, 1000, 2000]
    assert [round_above(one, 1024) for one in (1000, 1025, 52_000)] == [1000, 2048, 102_400]
    assert [rate(one) for one in (None, 0, 0.5, 12.5, 99.999, 1234567)] == [
        "–",
        "0/s",
        "0.5/s",
        "12.5/s",
        "100/s",
        "1,234,567/s",
    ]
    assert [milliseconds(one) for one in (0, 7, 1000, 1500)] == ["0 ms", "7 ms", "1 s", "1.5 s"]
    assert [share(one) for one in (None, 0.0, 0.623)] == ["–", "0%", "62%"]


# The source, a condition and the sink are one task: as a whole it has neither input nor output.
CHAINED = """CREATE TABLE src (id BIGINT, price DOUBLE) WITH ('connector' = 'datagen', 'rows-per-second' = '1');
CREATE TABLE snk (id BIGINT) WITH ('connector' = 'print');
INSERT INTO snk SELECT id FROM src WHERE price > 0 OR id > 0;"""


@pytest.mark.flink
def test_the_real_flink_tells_what_a_job_reads(alice: User, workspace: Workspace, real: FlinkEndpoint) -> None:
    job = make_job(alice, workspace, real, "measured", sql=CHAINED, checkpoint_interval_seconds=1)
    console = Console(job, alice, real)
    console.click_run()

    def is_up() -> bool:
        console.settle(1)
        return console.job.status == "running"

    def is_over() -> bool:
        console.settle(1)
        return bool(console.run.ended_at)

    until(is_up, "the job runs")
    operations.want_figures(console.run)
    engine = real.engine()

    def is_measured() -> bool:
        operations.measure(console.run.pk)
        return Measurement.objects.get().measured_at is not None

    until(is_measured, "the first figures are there", every=0.5)
    assert Measurement.objects.get().throughput[0][1] is not None

    def reads() -> bool:
        figures = engine.figures(console.run.flink_job_id)
        return bool(figures.records_read and figures.checkpoints)

    until(reads, "Flink tells records and a checkpoint", every=0.5)
    operations.measure(console.run.pk)
    kept = Measurement.objects.get()
    assert 0 < kept.throughput[-1][1] < 5  # one row a second
    assert kept.newest["restarts"] == 0
    assert kept.checkpoints[-1]["size_bytes"] >= 0
    with pytest.raises(NotFound):
        engine.figures("0" * 32)
    console.click_stop(with_snapshot=False)
    until(is_over, "the job has ended")
