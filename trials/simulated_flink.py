"""What Flink and the network do in a simulated trial; the fake Flink is that of the tests, over real HTTP."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fake_flink import OVER, FakeFlink
from trials.clockwork import Clockwork
from trials.evidence import FlinkJob

CAUSES = ["java.io.IOException: disk full", "java.lang.ArithmeticException: / by zero"]
LOSSES: list[tuple[str, dict[str, Any]]] = [
    ("drop_answer", {}),
    ("reset_before", {}),
    ("truncated", {}),
    ("html", {"carried_out": True}),
    ("html", {"carried_out": False}),
    ("garbage", {"carried_out": True}),
    *(("status", {"status": status, "carried_out": done}) for status in (500, 503) for done in (True, False)),
]
REQUESTS = [
    ("*", r".*"),
    ("POST", r".*"),
    ("POST", r"/jars/[^/]*/run"),
    ("POST", r"/jobs/[^/]*/(stop|savepoints)"),
    ("PATCH", r".*"),
    ("GET", r"/jobs/[^/]*/savepoints/.*"),
    ("GET", r"/jobs/overview"),
    ("GET", r"/jobs/[^/]*"),
]


class SimulatedFlink:
    """`damages`: name -> what it does; each takes itself back after a while, or is taken back by `heal`."""

    def __init__(self, clock: Clockwork, random: Random, checkpoints: Path) -> None:
        self.clock, self.random, self.checkpoints = clock, random, checkpoints
        self.fake = FakeFlink()
        self.fake.high_availability = random.choice(["zookeeper", "zookeeper", "NONE"])
        self.fake.start()
        self.hidden: dict[str, Any] = {}  # jobs that a JobManager has not brought back yet
        self.doubtful: set[str] = set()  # jobs whose end was out of sight once
        self.wiped = 0  # how many submissions died with their JobManager
        self.damages: dict[str, Callable[[], object]] = {
            "answers lost": self._lose_answers,
            "answers lost for long": self._lose_many,
            "JobManager away": self._go_away,
            "JobManager restarts": self._restart,
            "JobManager restarts empty": self._restart_empty,
            "jobs hidden": self._hide,
            "triggers forgotten": self.fake.forget_triggers,
            "ended jobs forgotten": self._forget_ended,
            "savepoints slow": lambda: self._be_slow("savepoints"),
            "starts slow": lambda: self._be_slow("starts"),
            "cancels slow": lambda: self._be_slow("cancels"),
            "savepoint fails": lambda: self.fake.fail_next_savepoint(CAUSES[0]),
            "stop fails": lambda: self.fake.savepoint_then_fail(random.choice(["FAILED", "RUNNING"])),
            "run refused": lambda: self.fake.refuse_next_run(CAUSES[1], burn=random.random() < 0.5),
            "job fails": lambda: self._change_a_job("FAILED"),
            "job restarts": lambda: self._change_a_job("RESTARTING"),
            "job finishes": lambda: self._change_a_job("FINISHED"),
            "job cancelled outside": lambda: self._change_a_job("CANCELED"),
            "TaskManager away": self._lose_taskmanager,
        }

    # --- what is seen ---

    def jobs(self) -> dict[str, FlinkJob]:
        return {key: FlinkJob(one.state, one.tasks_up, one.tasks_total) for key, one in self.fake.jobs.items()}

    def submissions(self) -> list[str]:
        """Return the ids that this JobManager has taken over."""
        return [job_id for job_id, _body in self.fake._submissions[self.wiped :]]

    # --- what happens ---

    def complete_checkpoints(self) -> None:
        """Let every job that runs complete a checkpoint, on disk too."""
        self.clock.after(self.random.uniform(4, 8), "checkpoints", self.complete_checkpoints)
        for job_id, job in self.fake.jobs.items():
            if job.state == "RUNNING" and job.tasks_up == job.tasks_total:
                path = self.checkpoints / job_id / f"chk-{len(job.checkpoints) + 1}"
                path.mkdir(parents=True, exist_ok=True)
                (path / "_metadata").write_bytes(b"a checkpoint of the fake Flink")
                self.fake.complete_checkpoint(job_id, path.as_uri())

    def heal(self) -> None:
        """Let nothing be lost, hidden, held or away any more."""
        self.fake.clear_faults()
        self._come_back()
        self._show()
        self._have_taskmanager()
        for what in ("savepoints", "starts", "cancels"):
            self.fake._release(what)
        for promised in (self.fake._failing_savepoints, self.fake._failing_stops, self.fake._refused_runs):
            promised.clear()
        for job in self.fake.jobs.values():
            if job.state in ("RUNNING", "RESTARTING"):
                job.enter("RUNNING", job.tasks_total)

    def stop(self) -> None:
        self.fake.stop()

    def _later(self, shortest: float, longest: float, what: str, deed: Callable[[], object]) -> None:
        self.clock.after(self.random.uniform(shortest, longest), what, deed)

    def _lose_answers(self) -> None:
        kind, more = self.random.choice(LOSSES)
        self.fake.fault(self.random.choice(REQUESTS), kind, times=self.random.randint(1, 3), **more)  # type: ignore[arg-type]

    def _lose_many(self) -> None:
        kind, more = self.random.choice(LOSSES)
        self.fake.fault(self.random.choice(REQUESTS), kind, times=None, **more)  # type: ignore[arg-type]
        self._later(2, 60, "answers arrive", self.fake.clear_faults)

    def _go_away(self) -> None:
        self.fake.stop()
        self._later(1, 60, "JobManager comes back", self._come_back)

    def _come_back(self) -> None:
        if self.fake._server is None:
            self.fake.start()

    def _restart(self) -> None:
        self._replace(keep_jobs=True)
        if self.random.random() < 0.5:
            self._hide()

    def _restart_empty(self) -> None:
        self._replace(keep_jobs=False)

    def _replace(self, keep_jobs: bool) -> None:
        known = set(self.fake.jobs)
        self.fake.restart(keep_jobs=keep_jobs)
        if not keep_jobs:
            self.wiped, self.hidden = len(self.fake._submissions), {}
        self.doubtful |= known - set(self.fake.jobs)

    def _hide(self) -> None:
        """A new JobManager answers before it has brought its jobs back."""
        with self.fake._lock:
            self.hidden |= self.fake._jobs
            self.fake._jobs.clear()
        self.doubtful |= set(self.hidden)
        self._later(1, 40, "jobs shown", self._show)

    def _show(self) -> None:
        with self.fake._lock:
            self.fake._jobs.update(self.hidden)
        self.hidden = {}

    def _forget_ended(self) -> None:
        for job_id, job in self.fake.jobs.items():
            if job.state in OVER:
                self.doubtful.add(job_id)
                self.fake.forget_job(job_id)

    def _be_slow(self, what: str) -> None:
        self.fake._hold(what)
        self._later(1, 60, f"{what} go on", lambda: self.fake._release(what))

    def _lose_taskmanager(self) -> None:
        self.fake.taskmanagers = 0
        for job in self.fake.jobs.values():
            if job.state == "RUNNING":
                job.enter("RESTARTING")
        self._later(1, 30, "TaskManager comes back", self._have_taskmanager)

    def _have_taskmanager(self) -> None:
        self.fake.taskmanagers = 1
        for job in self.fake.jobs.values():
            if job.state == "RESTARTING":
                job.enter("RUNNING", job.tasks_total)

    def _change_a_job(self, state: str) -> None:
        alive = [key for key, one in self.fake.jobs.items() if one.state not in OVER]
        if not alive:
            return
        job_id = self.random.choice(alive)
        if state in ("FAILED", "RESTARTING"):
            self.fake.fail_job(job_id, CAUSES[1], state=state)
        else:
            self.fake.set_state(job_id, state)
        if state == "RESTARTING":
            self._later(1, 20, "job runs again", lambda: self._run_again(job_id))

    def _run_again(self, job_id: str) -> None:
        job = self.fake.jobs.get(job_id)
        if job and job.state == "RESTARTING":
            job.enter("RUNNING", job.tasks_total)
