"""The trials themselves: their checks find what is planted, their network loses what it should, and a few are taken."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from django.conf import settings
from django.utils import timezone

from clusters.engine import EngineError, NotFound, Unanswered, Unreachable
from clusters.flink import connect, plain_path
from jobs.models import Job, Operation, Run, Snapshot, Version
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.until import until
from trials.checks import CHECKS, check, definition_of
from trials.complaints import bad_pages, tracebacks
from trials.evidence import Evidence, FlinkJob
from trials.people import Click
from trials.proxy import Ask, Proxy
from trials.schedule import NETWORK, draw

# --- the checks ---


class Scene:
    """A job that was run, snapshotted, stopped with a snapshot, and run again; and all that the checks want to see of it."""

    def __init__(self, console: Console, fake: FakeFlink, root: Path) -> None:
        self.console, self.fake = console, fake
        self.since = timezone.now()
        self.root = root
        self.clicks: list[Click] = []
        self.asks: list[Ask] = []
        self.ends: dict[str, str] = {}
        self.definitions = {one.pk: definition_of(one) for one in Version.objects.all()}
        self.first = self._click("run", console.click_run)
        self._click("snapshot", console.click_snapshot)
        self._click("stop", console.click_stop)
        self.second = self._click("run", console.click_run)

    def _click(self, action: str, act: Callable[[], Operation]) -> Run:
        click = Click("alice", action, self.console.job.serial, datetime.now(UTC))
        act()
        click.status, click.answered_at = 302, datetime.now(UTC)
        self.clicks.append(click)
        self.console.settle()
        self.console.watch()
        return self.console.run

    @property
    def stop(self) -> Operation:
        return Operation.objects.filter(action="stop").earliest("pk")

    def findings(self) -> list[str]:
        jobs = {key: FlinkJob(one.state, one.tasks_up, one.tasks_total) for key, one in self.fake.jobs.items()}
        submitted = [
            Ask(self.since, "POST", "/jars/x/run", {"jobId": one}, status=200) for one, _body in self.fake._submissions
        ]
        people = {"alice": self.clicks}
        return check(Evidence(self.since, jobs, self.ends, self.root, [*self.asks, *submitted], people, self.definitions))  # fmt: skip


@pytest.fixture
def scene(console: Console, fake: FakeFlink, tmp_path: Path) -> Scene:
    return Scene(console, fake, tmp_path / "snapshots")


def delete_a_snapshot_on_disk(scene: Scene) -> None:
    (Path(plain_path(scene.console.snapshot.location)) / "_metadata").unlink()


def hide_a_snapshot(scene: Scene) -> None:
    Snapshot.objects.filter(source="stop").update(state="failed")


def start_a_second_job(scene: Scene) -> None:
    stranger = scene.fake.jobs[scene.first.flink_job_id]
    scene.fake._jobs["f" * 32] = replace(stranger, job_id="f" * 32, state="RUNNING")


def end_a_run_that_lives(scene: Scene) -> None:
    Run.objects.filter(pk=scene.second.pk).update(ended_at=timezone.now(), end="lost")


def keep_a_second_live_job(scene: Scene) -> None:
    scene.fake.jobs[scene.first.flink_job_id].enter("RUNNING", 2)


def submit_twice(scene: Scene) -> None:
    scene.asks.append(Ask(scene.since, "POST", "/jars/x/run", {"jobId": scene.second.flink_job_id}, status=200))


def submit_under_an_unknown_id(scene: Scene) -> None:
    scene.asks.append(Ask(scene.since, "POST", "/jars/x/run", {"jobId": "e" * 32}, status=200))


def overlap_operations(scene: Scene) -> None:
    with patch("django.utils.timezone.now", return_value=scene.stop.created_at + timedelta(microseconds=1)):
        open_an_operation(scene)


def cancel_in_place_of_a_stop(scene: Scene) -> None:
    path = f"/jobs/{scene.first.flink_job_id}?mode=cancel"
    scene.asks.append(Ask(scene.stop.created_at + timedelta(microseconds=1), "PATCH", path))


def end_a_stop_by_a_cancellation(scene: Scene) -> None:
    scene.fake.jobs[scene.first.flink_job_id].enter("CANCELED")


def end_a_stop_without_its_snapshot(scene: Scene) -> None:
    Snapshot.objects.filter(source="stop").update(state="creating")


def open_an_operation(scene: Scene) -> None:
    scene.clicks.append(Click("alice", "stop", scene.console.job.serial, datetime.now(UTC)))
    scene.console.click_stop()


def leave_a_job_operating(scene: Scene) -> None:
    Job.objects.update(status="operating")


def show_a_wrong_status(scene: Scene) -> None:
    Job.objects.update(status="stopped")


def show_a_dead_job_as_running(scene: Scene) -> None:
    scene.fake.jobs[scene.second.flink_job_id].enter("FAILED")


def show_tasks_that_do_not_run(scene: Scene) -> None:
    scene.fake.set_state(scene.second.flink_job_id, "RUNNING", tasks_up=0)


def tell_a_wrong_end(scene: Scene) -> None:
    scene.fake.forget_job(scene.first.flink_job_id)
    scene.ends[scene.first.flink_job_id] = "FAILED"


def change_a_version(scene: Scene) -> None:
    scene.definitions |= dict.fromkeys(scene.definitions, "another text")


def lose_a_version(scene: Scene) -> None:
    scene.definitions[0] = "a text"


def click_without_a_record(scene: Scene) -> None:
    now = datetime.now(UTC)
    scene.clicks.append(Click("alice", "publish", scene.console.job.serial, now, now, 302))


def record_without_a_click(scene: Scene) -> None:
    scene.clicks.pop()


def batch_without_a_record(scene: Scene) -> None:
    now = datetime.now(UTC)
    scene.clicks.append(Click("alice", "run", "", now, now, 302, key="no such key"))


PLANTED = {
    "G1": [overlap_operations],
    "G2": [start_a_second_job, end_a_run_that_lives, keep_a_second_live_job],
    "G2 submissions": [submit_twice, submit_under_an_unknown_id],
    "G3": [delete_a_snapshot_on_disk, hide_a_snapshot],
    "G4": [cancel_in_place_of_a_stop, end_a_stop_by_a_cancellation, end_a_stop_without_its_snapshot],
    "G5": [open_an_operation, leave_a_job_operating, end_a_stop_without_its_snapshot],
    "G6": [show_a_wrong_status, show_a_dead_job_as_running, show_tasks_that_do_not_run, end_a_run_that_lives],
    "G6 ends": [tell_a_wrong_end],
    "G7": [change_a_version, lose_a_version],
    "G9": [click_without_a_record, record_without_a_click, batch_without_a_record],
}


@pytest.mark.django_db
def test_nothing_is_found_where_all_is_well(scene: Scene) -> None:
    assert scene.findings() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "plant"), [(name, one) for name, some in PLANTED.items() for one in some])
def test_what_is_planted_is_found(scene: Scene, name: str, plant: Callable[[Scene], None]) -> None:
    plant(scene)
    assert [one for one in scene.findings() if one.startswith(f"{name}:")]


def test_each_check_can_find_something() -> None:
    assert set(PLANTED) == set(CHECKS)


# --- the console's complaints ---

PLAIN = b"""web          | Traceback (most recent call last):
web          |   File "a.py", line 1, in a
worker       | all is well
web          |     b()
web          | ValueError: no
web          | the next line
"""
CHAINED = b"""worker       | Traceback (most recent call last):
worker       |   File "a.py", line 1, in a
worker       | psycopg.OperationalError: gone
worker       | \tIs the server running?
worker       |
worker       | The above exception was the direct cause of the following exception:
worker       |
worker       | Traceback (most recent call last):
worker       |   File "b.py", line 1, in b
worker       | django.db.utils.OperationalError: gone
worker       | \tIs the server running?
"""


def test_a_traceback_is_a_finding() -> None:
    assert list(tracebacks(PLAIN, {"postgres", "valkey"})) == ["web wrote a traceback: ValueError: no"]
    assert list(tracebacks(PLAIN + CHAINED, set())) == [
        "web wrote a traceback: ValueError: no",
        "worker wrote a traceback: django.db.utils.OperationalError: gone",
    ]
    assert list(tracebacks(b"web          | all is well\n", set())) == []


def test_a_traceback_is_excused_by_what_was_hurt_and_by_nothing_else() -> None:
    assert list(tracebacks(CHAINED, {"postgres"})) == []
    assert len(list(tracebacks(CHAINED, {"valkey"}))) == 1


@pytest.mark.parametrize(
    ("status", "hurt", "count"),
    [
        (500, set(), 1),
        (500, {"postgres"}, 1),
        (503, {"postgres"}, 0),
        (503, set(), 1),
        (403, set(), 1),
        (302, set(), 0),
    ],
)
def test_an_error_page_is_a_finding(status: int, hurt: set[str], count: int) -> None:
    click = Click("ann", "run", "cql-1", datetime.now(UTC), datetime.now(UTC), status, page="<h1>Error</h1>")
    assert len(list(bad_pages([click], hurt))) == count


# --- the network ---


@pytest.fixture
def proxy(fake: FakeFlink) -> Iterator[Proxy]:
    proxy = Proxy(fake.port)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("kind", sorted(set(NETWORK) - {"delay"}))
def test_the_network_loses_answers(proxy: Proxy, fake: FakeFlink, kind: str) -> None:
    engine = connect(proxy.url, settings.SQL_RUNNER_JAR)
    proxy.spoil(kind, "asks", seconds=60)
    with pytest.raises(EngineError) as lost:
        engine.cancel("a" * 32)
    assert isinstance(lost.value, Unanswered) or kind.startswith("status-500")
    is_carried_out = kind.endswith("-done") or kind in ("drop-answer", "truncated")
    assert fake.seen("PATCH", ".*") == int(is_carried_out)
    if kind == "late":
        until(lambda: fake.seen("PATCH", ".*") == 1, "the request arrives after all")
    assert [(one.cancelled, one.fault) for one in proxy.asks] == [("a" * 32, kind)]
    assert engine.jobs() == {}
    proxy.heal()
    with pytest.raises(NotFound):
        engine.cancel("a" * 32)


def test_the_network_shows_that_nobody_is_there(proxy: Proxy, fake: FakeFlink) -> None:
    engine = connect(proxy.url, settings.SQL_RUNNER_JAR)
    assert engine.jobs() == {}
    fake.stop()
    with pytest.raises(EngineError):
        engine.jobs()
    until(lambda: is_unreachable(proxy.url), "the proxy's door is closed")
    fake.start()
    until(lambda: not is_unreachable(proxy.url), "the proxy's door is open")


def is_unreachable(url: str) -> bool:
    try:
        connect(url, settings.SQL_RUNNER_JAR).jobs()
    except Unreachable:
        return True
    except EngineError:
        return False
    return False


def test_a_seed_draws_the_same_schedule_each_time() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    assert all(draw(seed).clicks and draw(seed).damages for seed in range(50))


# --- a few of them ---


def take(directory: Path, *arguments: str) -> dict[str, object]:
    """Take trials as ./oceanus does, and return their report."""
    ours = {"DATABASE_URL", "CELERY_BROKER_URL", "OCEANUS_HOME"}
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    report = directory / "report.json"
    command = [sys.executable, "-m", "trials", "--report", str(report), *arguments]
    result = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(report.read_text())


def test_simulated_trials_find_nothing(tmp_path: Path) -> None:
    report = take(tmp_path, "--simulated", "--count", "50", "--seed", "1")
    assert (report["trials"], report["findings"]) == (50, [])


@pytest.mark.flink
def test_real_trials_find_nothing(tmp_path: Path) -> None:
    report = take(tmp_path, "--count", "3", "--seed", "27")  # web, JobManager and PostgreSQL killed
    assert (report["trials"], report["findings"]) == (3, [])
