"""One real trial: load and damage by its schedule, then calm, then the checks."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from jobs.models import Job
from trials import schedule
from trials.checks import check
from trials.complaints import bad_pages, tracebacks
from trials.console import NotUp
from trials.damage import Wrecker
from trials.evidence import Evidence, ask_flink
from trials.ground import Ground
from trials.people import Click

HEALTHY_WITHIN_SECONDS = 180
# All deadlines of an operation's steps together (console.py), and what waits in a batch behind it.
OPEN_AT_MOST_SECONDS = 240
CALM_SECONDS = 30
LOOK_SECONDS = 0.5


@dataclass
class Result:
    """What came of a trial. `log`: what was done when, for people."""

    seed: int
    damages: list[str] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    load_seconds: float = 0.0
    settle_seconds: float = 0.0


class Trial:
    def __init__(self, ground: Ground, plan: schedule.Schedule) -> None:
        self.ground, self.plan = ground, plan
        self.wrecker = Wrecker(ground.console, ground.proxy)
        self.said_before = ground.console.output.stat().st_size
        self.result = Result(plan.seed, [one.name for one in plan.damages])

    def take(self) -> Result:
        """Do the trial to its end; what was found stands in the result."""
        since = datetime.now(UTC)
        asked_before = len(self.ground.proxy.asks)
        for person in self.ground.people.values():
            person.clicks.clear()
        self.ground.load.choose(self.ground.jobs_for_a_trial(schedule.JOBS))
        self._go()
        self.result.load_seconds = (datetime.now(UTC) - since).total_seconds()
        self.result.findings = list(self._settle(since, asked_before))
        self.result.settle_seconds = (datetime.now(UTC) - since).total_seconds() - self.result.load_seconds
        self.result.clicks = [click for person in self.ground.people.values() for click in person.clicks]
        said = self.ground.console.said(self.said_before)
        self.result.findings += tracebacks(said, self.wrecker.hurt)
        self.result.findings += bad_pages(self.result.clicks, self.wrecker.hurt)
        self.result.findings += self.ground.strangers_see_nothing()
        self.result.log = list(self._log(since))
        return self.result

    def _go(self) -> None:
        """Do what the schedule says, each thing at its time and in a thread of its own."""
        began = self.wrecker.began = time.monotonic()
        with ThreadPoolExecutor(24) as pool:
            futures = []
            for event in self.plan.events():
                time.sleep(max(0.0, began + event.at - time.monotonic()))
                if isinstance(event, schedule.Damage):
                    futures.append(pool.submit(self.wrecker.do, event))
                    continue
                for by in self.ground.people if event.both else [event.by]:
                    futures.append(pool.submit(self._click, event, by))
        for future in futures:
            future.result()
        self.wrecker.heal()

    def _click(self, event: schedule.Click, by: str) -> None:
        try:
            self.ground.load.click(event, by)
        finally:
            connection.close()  # of this thread

    def _settle(self, since: datetime, asked_before: int) -> Iterator[str]:
        """Wait until all is well, as long as it may take; return what is not well then."""
        try:
            self.ground.console.await_health(HEALTHY_WITHIN_SECONDS)
        except NotUp as error:
            yield str(error)
            return
        healthy_at = time.monotonic()
        calm_since = None
        while True:
            findings = self._look(since, asked_before)
            if not findings:
                return
            now = time.monotonic()
            is_open = any(one.startswith("G5") for one in findings)
            calm_since = None if is_open else calm_since or now
            if (calm_since and now - calm_since > CALM_SECONDS) or now - healthy_at > OPEN_AT_MOST_SECONDS:
                yield from findings
                return
            time.sleep(LOOK_SECONDS)

    def _look(self, since: datetime, asked_before: int) -> list[str]:
        try:
            close_old_connections()
            return check(self.evidence(since, asked_before))
        except (OSError, ValueError, DatabaseError, InterfaceError) as error:
            connection.close()
            return [f"no evidence: {error!r}"]

    def evidence(self, since: datetime, asked_before: int) -> Evidence:
        ground = self.ground
        return Evidence(
            since=since - timedelta(milliseconds=1),
            jobs=ask_flink(f"http://127.0.0.1:{ground.console.flink_port}"),
            ends=ground.archive.ends(),
            snapshot_root=ground.console.home / "snapshots",
            asks=ground.proxy.asks[asked_before:],
            people={name: list(person.clicks) for name, person in ground.people.items()},
            definitions=ground.definitions,
        )

    def _log(self, since: datetime) -> Iterator[str]:
        yield f"seed {self.plan.seed}, began {since:%H:%M:%S.%f}"
        yield from self.wrecker.done
        yield from (str(click) for click in sorted(self.result.clicks, key=lambda one: one.sent_at))
        yield from (f"{one.at:%H:%M:%S.%f}  Flink: {one.method} {one.path} {one.fault} -> {one.status}"
                    for one in self.ground.proxy.asks if one.at >= since)  # fmt: skip
        for job in Job.objects.filter(serial__in=self.ground.load.jobs).select_related("current_run"):
            yield f"{job.serial} {job.status} {job.current_run} {job.current_run and job.current_run.flink_job_id}"
