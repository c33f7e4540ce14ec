"""The whole way on the real Flink: click, database, broker, worker, Flink, watcher, database."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.advice import explain
from jobs.models import Job, Operation
from jobs.preview import directory_of, newest_results
from sample import feeder
from tests.until import until
from workspaces.models import Workspace

pytestmark = [pytest.mark.flink, pytest.mark.django_db(transaction=True)]

SAMPLE_DATA = Path(sys.prefix) / "sample-data" / "vega_datasets" / "_data"
DATAGEN = """CREATE TABLE numbers (n INT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '10',
    'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{end}'
);
CREATE TABLE results (n INT) WITH ('connector' = 'blackhole');
INSERT INTO results SELECT {what} FROM numbers;
"""


class Person:
    """Somebody at the console, who clicks and waits for what he sees."""

    def __init__(self, user: User, job: Job) -> None:
        self.user, self._job = user, job

    @property
    def job(self) -> Job:
        return Job.objects.select_related("problem", "current_run").get(pk=self._job.pk)

    def sees(self, status: str, seconds: float = 90) -> Job:
        until(lambda: self.job.status == status and not self.job.action, f"{status}, not {self.job.status}", seconds)
        return self.job

    def run(self, **kwargs: object) -> None:
        operations.run(self.user, self.job, self.job.versions.first(), **kwargs)

    def stop(self, with_snapshot: bool = True) -> None:
        operations.stop(self.user, self.job, with_snapshot)

    def last(self, action: str) -> Operation:
        return Operation.objects.filter(job=self._job, action=action).latest("pk")


@pytest.fixture
def publish(alice: User, workspace: Workspace, real: FlinkEndpoint) -> Callable[..., Person]:
    def publish(name: str, sql: str, **values: object) -> Person:
        job = operations.create_job(alice, workspace, name, real.cluster, real)
        operations.save_draft(alice, job, 0, {"sql": sql, **values})
        operations.publish(alice, job, "first")
        return Person(alice, job)

    return publish


def test_nothing_is_lost_or_doubled_over_three_stops_and_starts(
    publish, worker, workspace, tmp_path: Path, settings
) -> None:
    """The sample job over real data: the final aggregates equal those computed in Python, exactly."""
    settings.DATA_DIRECTORY = tmp_path / "data"
    source = settings.DATA_DIRECTORY / "sample" / "temperatures"
    source.mkdir(parents=True)
    results = directory_of(workspace)
    portions = feeder.portions(SAMPLE_DATA)
    expected: dict[tuple[str, str], list[Decimal]] = defaultdict(list)

    def feed(days: int) -> date:
        for _day in range(days):
            day, rows = next(portions)
            feeder.write(rows, source / f"{day.isoformat()}.csv")
            for row in rows:
                expected[row.city, day.isoformat()].append(Decimal(row.temperature))
        return day

    sql = (settings.BASE_DIR / "sample" / "city-temperatures.sql").read_text()
    sql = (
        sql.replace("${data}", settings.DATA_DIRECTORY.as_uri())
        .replace("${results}", results.as_uri())
        .replace("'10 s'", "'1 s'")
        .replace("'5 s'", "'500 ms'")
    )
    person = publish("temperatures", sql, checkpoint_interval_seconds=1)
    feed(10)
    person.run()
    for _round in range(3):
        person.sees("running")
        feed(7)
        person.stop()
        feed(5)  # while it is being stopped
        person.sees("stopped")
        feed(3)  # while it stands still
        assert person.last("stop").outcome == "succeeded"
        # Exactly one; beside it may stand the run's newest checkpoint, of which nothing is left.
        of_the_stop = person.job.snapshots.get(run=person.job.current_run, source="stop")
        assert {one.state for one in person.job.snapshots.all() if one.source == "checkpoint"} <= {"gone"}
        person.run(snapshot=of_the_stop)
    person.sees("running")
    last_day = feed(5)
    until(
        lambda: last_day.isoformat() in {day for _city, day in read(results / "daily-temperatures")},
        "the last day is there",
    )
    until(
        lambda: (
            sum(one[0] for one in read(results / "daily-temperatures").values()) >= sum(map(len, expected.values()))
        ),
        "all readings",
    )
    person.stop()
    person.sees("stopped")
    wanted = {key: (len(all_), min(all_), max(all_), sum(all_)) for key, all_ in expected.items()}
    assert read(results / "daily-temperatures") == wanted
    assert person.job.runs.count() == 4
    assert newest_results(person.job)[0].lines


def read(directory: Path) -> dict[tuple[str, str], tuple[int, Decimal, Decimal, Decimal]]:
    """Merge the rows that the job has committed: (city, day) -> readings, lowest, highest, total."""
    merged: dict[tuple[str, str], tuple[int, Decimal, Decimal, Decimal]] = {}
    for path in directory.glob("part-*"):
        for line in path.read_text().splitlines():
            row = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            key = (row["city"], row["day"])
            one = (int(row["readings"]), row["lowest"], row["highest"], row["total"])
            had = merged.get(key)
            merged[key] = (
                one if had is None
                else (had[0] + one[0], min(had[1], one[1]), max(had[2], one[2]), had[3] + one[3])
            )  # fmt: skip
    return merged


def test_a_job_that_fails_on_its_own_is_failed_with_its_cause(publish, worker) -> None:
    no_restart = {"restart-strategy.type": "none"}
    person = publish("zero", DATAGEN.format(end=1000, what="100 / (n - 20)"), properties=no_restart)
    operations.switch_recovery(person.user, person.job, on=False)
    person.run()
    person.sees("running")
    job = person.sees("failed")
    assert "/ by zero" in job.problem.summary
    assert explain(job.problem).title == "Division by zero"


def test_a_bounded_job_that_finishes_is_stopped(publish, worker) -> None:
    person = publish("bounded", DATAGEN.format(end=30, what="n"))
    person.run()
    until(lambda: person.job.current_run.end == "finished", "finished")
    assert person.sees("stopped").problem is None


def test_a_run_that_restarts_for_ever_can_be_cancelled(publish, worker, alice) -> None:
    forever = {
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "1000",
        "restart-strategy.fixed-delay.delay": "1 s",
    }
    missing = DATAGEN.format(end=10, what="n").replace(
        "'datagen', 'rows-per-second' = '10'", "'filesystem', 'path' = 'file:///no/such/place', 'format' = 'csv'"
    )
    missing = "\n".join(line for line in missing.splitlines() if "fields.n" not in line).replace("csv',", "csv'")
    person = publish("restarts", missing, properties=forever)
    person.run()
    until(lambda: person.job.problem, "the cause is shown while it restarts")
    assert person.job.status == "operating"
    operations.cancel(alice, person.job)
    person.sees("stopped")
    assert person.last("run").outcome == "cancelled"


def test_a_script_that_flink_refuses_leaves_the_job_stopped(publish, worker) -> None:
    person = publish("typo", DATAGEN.format(end=10, what="m"))
    person.run()
    until(lambda: person.last("run").ended_at, "ended")
    job = person.sees("stopped")
    assert "Column 'm' not found" in job.problem.summary
    assert explain(job.problem).title == "No such column"


def test_check_marks_the_line(publish, real) -> None:
    person = publish("checked", DATAGEN.format(end=10, what="n"))
    found = operations.check(person.job, {"sql": DATAGEN.format(end=10, what="m")})
    assert found is not None
    assert found.values["line"] == 6
    assert operations.check(person.job, {"sql": DATAGEN.format(end=10, what="n")}) is None


def test_a_snapshot_of_a_running_job_can_be_chosen_later(publish, worker, alice) -> None:
    person = publish("snapshots", DATAGEN.format(end=5000, what="n"))
    person.run()
    person.sees("running")
    operations.snapshot(alice, person.job, "before the release")
    until(lambda: person.last("snapshot").ended_at, "snapshot")
    chosen = person.job.snapshots.get(source="manual")
    assert (chosen.state, person.job.status) == ("completed", "running")
    person.stop(with_snapshot=False)
    person.sees("stopped")
    person.run(snapshot=chosen)
    person.sees("running")
    assert person.last("run").outcome == "succeeded"
    person.stop(with_snapshot=False)
    person.sees("stopped")


def test_a_snapshot_that_can_not_be_written_leaves_the_job_running(publish, worker, real) -> None:
    Cluster.objects.update(snapshot_directory="file:///proc/nope")
    person = publish("unwritable", DATAGEN.format(end=5000, what="n"))
    person.run()
    person.sees("running")
    person.stop()
    job = person.sees("running")
    assert person.last("stop").outcome == "failed"
    assert explain(job.problem).title == "The snapshot can't be written"
    person.stop(with_snapshot=False)
    person.sees("stopped")
