"""One simulated trial: people, damage, calm and checks, all drawn from the seed and done in simulated time."""

import logging
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from clusters.flink import connect
from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.models import Job, Operation, Run, Snapshot, Version
from jobs.states import Action, Status
from trials.backup import LOOK_AGAIN_SECONDS, Backup
from trials.checks import check, definition_of
from trials.clockwork import Clockwork
from trials.evidence import Evidence
from trials.people import Click
from trials.proxy import Ask
from trials.schedule import PEOPLE, pick
from trials.simulated_console import Died, SimulatedConsole, in_place_of_the_real_one
from trials.simulated_flink import SimulatedFlink
from trials.trial import Result
from workspaces.models import Workspace

WISHES = {
    "toggle-with-snapshot": 10,
    "toggle": 5,
    "run": 4,
    "stop": 2,
    "stop-with-snapshot": 3,
    "snapshot": 5,
    "cancel": 3,
    "publish": 2,
    "copy": 1,
    "delete": 1,
    "batch-run": 2,
    "batch-stop": 2,
    "batch-snapshot": 1,
    "batch-publish": 1,
    "batch-copy": 1,
}
# What may happen just between a request and its answer's way into the book.
SUDDEN = [
    "JobManager away",
    "JobManager restarts",
    "JobManager restarts empty",
    "jobs hidden",
    "triggers forgotten",
    "ended jobs forgotten",
    "job fails",
    "job restarts",
    "TaskManager away",
]
LOAD_SECONDS = (3.0, 9.0)
# As many steps' deadlines as an operation and a batch behind it may take, and the patience with lost jobs.
SETTLED_WITHIN_SECONDS = 500
LOOK_SECONDS = 5.0
# In so many of all trials a backup is restored.
RESTORED = 0.2
NAMES_OF_ANSWERS = {"done": 302, "refused": 422, "died": 0}


class SimulatedTrial:
    def __init__(self, seed: int, directory: Path) -> None:
        self.random = Random(seed)
        self.backup_random = Random(f"backup {seed}")  # of its own, so that all else is as without
        self.result = Result(seed)
        self.clock = Clockwork()
        self.directory = Path(tempfile.mkdtemp(dir=directory))
        self.snapshots = self.directory / "snapshots"
        self.clicks: dict[str, list[Click]] = {name: [] for name in PEOPLE}
        self.errors: list[str] = []
        self.definitions: dict[int, str] = {}

    def take(self) -> Result:
        """Do the trial; nothing of it stays in the database."""
        with transaction.atomic():
            self.console = SimulatedConsole(self.clock, self.random)
            self.backup = Backup(self.clock, self.console)
            with in_place_of_the_real_one(self.console), errors_kept(self.errors):
                self._do()
            transaction.set_rollback(True)
        self.result.clicks = [click for clicks in self.clicks.values() for click in clicks]
        return self.result

    def _do(self) -> None:
        connect.cache_clear()
        self.flink = SimulatedFlink(self.clock, self.random, self.directory / "checkpoints")
        self._prepare()
        try:
            self._load()
            self._settle()
        finally:
            self.flink.stop()
        self.result.findings += [f"an error in the log: {one}" for one in self.errors]
        self.result.findings += [f"a task failed: {one}" for one in self.console.traces]
        self.result.findings += [f"the fake Flink broke: {one!r}" for one in self.flink.fake.broken]
        self.result.log = self.clock.log

    def _prepare(self) -> None:
        FlinkEndpoint.objects.update(rest_url=self.flink.fake.url)
        Cluster.objects.update(snapshot_directory=self.snapshots.as_uri())
        self.users = {user.username: user for user in User.objects.filter(username__in=PEOPLE)}
        self.workspace = Workspace.objects.get()
        self.since = self.clock.now()
        self._remember_definitions()

    # --- load and damage ---

    def _load(self) -> None:
        random, self.seconds = self.random, self.random.uniform(*LOAD_SECONDS)
        for _number in range(random.randint(6, 14)):
            self.clock.after(random.uniform(0, self.seconds), "click", self._click)
        for name in random.choices(list(self.flink.damages), k=random.randint(1, 4)):
            self.result.damages.append(name)
            self.clock.after(random.uniform(0.5, self.seconds), name, lambda name=name: self._damage(name))  # type: ignore[misc]
        self.console.ambush = self._ambush
        if random.random() < 0.2:
            self.result.damages.append("beat dies")
            self.clock.after(random.uniform(0, self.seconds), "beat dies", self._kill_beat)
        if self.backup_random.random() < RESTORED:
            self.result.damages.append("backup restored")
            made, restored = sorted(self.backup_random.uniform(0, self.seconds) for _time in range(2))
            self.clock.after(made, "backup", lambda: self.backup.plan(self.backup_random))
            self.clock.after(restored, "restore", self._restore)
        self.clock.after(random.uniform(2, 6), "checkpoints", self.flink.complete_checkpoints)
        self.console.start_beat()
        while self.clock.seconds < self.seconds:
            self.clock.happen()

    def _damage(self, name: str) -> None:
        if self.clock.seconds <= self.seconds:
            self.clock.note(f"damage: {name}")
            self.flink.damages[name]()

    def _ambush(self) -> None:
        name = self.random.choice(SUDDEN)
        self.result.damages.append(f"{name} during a request")
        self.clock.note(f"damage during a request: {name}")
        self.flink.damages[name]()

    def _restore(self) -> None:
        if self.console.is_at_work:
            self.clock.after(LOOK_AGAIN_SECONDS, "restore", self._restore)
            return
        self.backup.restore(self.flink.submissions(), chain(*self.clicks.values()), self.random.random() < 0.5)
        self.definitions.clear()
        self._remember_definitions()
        for _person in range(3):
            self._click()  # before anybody has looked at a Flink

    def _kill_beat(self) -> None:
        self.clock.note("beat dies")
        self.console.beat_is_dead = True
        self.clock.after(self.random.uniform(1, 10), "beat is back", self._revive_beat)

    def _revive_beat(self) -> None:
        self.console.beat_is_dead = False

    def _click(self) -> None:
        wish, by = pick(self.random, WISHES), self.random.choice(PEOPLE)
        jobs = list(Job.objects.filter(deleted_at=None).order_by("pk"))
        if not jobs or self.clock.seconds > self.seconds:
            return
        job = self.random.choice(jobs)
        if wish.startswith("batch-"):
            some = self.random.sample(jobs, min(len(jobs), self.random.randint(1, 4)))
            self._batch(by, Action(wish.removeprefix("batch-")), some)
            return
        if wish.startswith("toggle"):
            stops = job.status in (Status.RUNNING, Status.OPERATING)
            wish = wish.replace("toggle", "stop" if stops else "run")
        self._act(by, wish.removesuffix("-with-snapshot"), job, wish.endswith("-with-snapshot"))

    def _act(self, by: str, action: str, job: Job, with_snapshot: bool) -> None:
        user = self.users[by]
        acts: dict[str, Callable[[], object]] = {
            "run": lambda: operations.run(user, job, self._version(job), self._snapshot(job)),
            "stop": lambda: operations.stop(user, job, with_snapshot),
            "snapshot": lambda: operations.snapshot(user, job, "by a trial"),
            "cancel": lambda: operations.cancel(user, job),
            "publish": lambda: operations.publish(user, job, "by a trial"),
            "delete": lambda: operations.delete(user, job),
            "copy": lambda: operations.copy(user, job, job.cluster, f"copy-{uuid.uuid4().hex[:12]}", None),
        }
        self._ask(by, action, job.serial, acts[action])

    def _batch(self, by: str, action: Action, jobs: list[Job]) -> None:
        key = uuid.UUID(int=self.random.getrandbits(128))
        params: dict[str, Any] = {"start": "latest", "with_snapshot": self.random.random() < 0.6, "note": "by a trial",
                                  "cluster": jobs[0].cluster.serial}  # fmt: skip
        chosen = Job.objects.filter(pk__in=[job.pk for job in jobs])
        self._ask(
            by,
            action,
            "",
            lambda: operations.request_batch(self.users[by], self.workspace, action, chosen, params, key),
            str(key),
        )

    def _ask(self, by: str, action: str, serial: str, act: Callable[[], object], key: str = "") -> None:
        """Click as a page would; whoever answers may die on the way."""
        click = Click(by, str(action), serial, self.clock.now(), key=key)
        self.clicks[by].append(click)
        answer = "done"
        try:
            with self.console.perhaps_dying("the web"):
                act()
        except operations.Refusal:
            answer = "refused"
        except Died:
            answer = "died"
        click.status, click.answered_at = NAMES_OF_ANSWERS[answer], self.clock.now()
        self.clock.note(f"{by}: {action} {serial or key} -> {answer}")

    def _version(self, job: Job) -> Version:
        return self.random.choice(list(job.versions.order_by("number")))

    def _snapshot(self, job: Job) -> Snapshot | None:
        completed = list(job.snapshots.filter(state=Snapshot.State.COMPLETED).order_by("pk"))
        return self.random.choice(completed) if completed and self.random.random() < 0.6 else None

    # --- calm ---

    def _settle(self) -> None:
        """Heal all and let time pass until all is well, as long as it may take."""
        healed_at = self.clock.seconds
        self._remember_definitions()
        self.clock.note("healed")
        self.console.calm()
        self.flink.heal()
        findings: list[str] = ["nobody has looked yet"]
        while findings and self.clock.seconds - healed_at < SETTLED_WITHIN_SECONDS:
            self.backup.date(self.snapshots)
            self._let_pass(LOOK_SECONDS)
            if not Operation.objects.filter(ended_at=None).exists():
                findings = check(self._evidence())
        self.result.load_seconds, self.result.settle_seconds = healed_at, self.clock.seconds - healed_at
        self.result.findings = check(self._evidence())

    def _let_pass(self, seconds: float) -> None:
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self.clock.happen()

    def _evidence(self) -> Evidence:
        beyond = self.backup.beyond_it(self.flink.doubtful)
        known = set(Run.objects.values_list("flink_job_id", flat=True)) if self.backup.forgotten else ()
        submitted = [
            Ask(self.since, "POST", "/jars/x/run", {"jobId": one}, status=200)
            for one in self.flink.submissions()
            if one not in self.backup.forgotten or one in known
        ]
        return Evidence(
            since=self.since - timedelta(milliseconds=1),
            jobs={key: one for key, one in self.flink.jobs().items() if key not in beyond},
            ends={},
            snapshot_root=self.snapshots,
            asks=[*self.console.asks, *submitted],
            people=self.clicks,
            definitions=self.definitions,
            doubtful=frozenset(self.flink.doubtful),
            can_be_recorded=self.backup.can_be_attached,
        )

    def _remember_definitions(self) -> None:
        for version in Version.objects.exclude(pk__in=self.definitions):
            self.definitions[version.pk] = definition_of(version)


@contextmanager
def errors_kept(errors: list[str]) -> Iterator[None]:
    """Keep what is logged as an error, for the length of a block, and let nothing be written elsewhere."""
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: errors.append(f"{record.getMessage()} {record.exc_info}")  # type: ignore[method-assign]
    root = logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    try:
        yield
    finally:
        root.handlers = before
