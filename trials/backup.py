"""A backup of the database, made in the midst of a simulated trial and restored seconds later: Flink knows more by then."""

import os
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from django.db import connection
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs.flink_ids import origin_of
from jobs.models import Job, Run
from trials.clockwork import Clockwork
from trials.people import Click
from trials.simulated_console import SimulatedConsole

# Whoever restores has stopped the console before; a deed that somebody is at ends first.
LOOK_AGAIN_SECONDS = 0.1


class Backup:
    """`forgotten`: what was submitted since and is on no record any more; `with_runs`: jobs (IDs) of which it knows a run."""

    def __init__(self, clock: Clockwork, console: SimulatedConsole) -> None:
        self.clock, self.console = clock, console
        self.made_at: datetime | None = None
        self.forgotten: set[str] = set()
        self.with_runs: set[str] | None = None

    def plan(self, random: Random) -> None:
        """Make it just before somebody asks Flink for something, or for a deed: there it matters what is written down."""
        self.console.interruption = ("POST" if random.random() < 0.5 else "", self._make)

    def _make(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT backup")
        self.made_at = self.clock.now()
        self.clock.note("a backup is made")

    def restore(self, submitted: Iterable[str], clicks: Iterable[Click], is_standby: bool) -> None:
        """Let the database be as it was; nobody can say any more what became of the clicks since.

        A standby takes over at once, and is another server; a dump is restored later, to the same one.
        """
        self.console.interruption = None
        if self.made_at is None:
            return
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT backup")
        before = timezone.now() - timedelta(days=1)
        if is_standby:
            FlinkEndpoint.objects.update(seen_under=before)
        else:  # it was some time ago, as the database tells time, which is not simulated
            FlinkEndpoint.objects.update(seen_at=before, answers_since=before)
        known = set(Run.objects.values_list("flink_job_id", flat=True))
        self.forgotten |= set(submitted) - known
        self.with_runs = set(Run.objects.values_list("job__serial", flat=True))
        for click in clicks:
            if click.answered_at is None or click.answered_at >= self.made_at:
                click.status = 0
        self.clock.note("a standby takes over that has seen no more" if is_standby else "the backup is restored")

    def date(self, snapshots: Path) -> None:
        """Let snapshots be of simulated time, too: by that they are given to the runs on record."""
        for path in snapshots.rglob("_metadata") if self.with_runs is not None else ():
            os.utime(path, (self.clock.now().timestamp(),) * 2)

    def can_be_attached(self, snapshot: Path) -> bool:
        """Tell whether there is a job, with a run, that a snapshot can be given to."""
        return self.with_runs is None or snapshot.parent.parent.parent.name in self.with_runs

    def beyond_it(self, out_of_sight: Collection[str]) -> set[str]:
        """Return what was submitted and nobody can take over: of jobs that are on no record any more.

        Also what a JobManager had not brought back yet (`out_of_sight`) when its job was started again, if that is told.
        """
        known = set(Job.objects.filter(deleted_at=None).values_list("serial", flat=True))
        lost = {one for one in self.forgotten if (origin := origin_of(one)) is None or origin.serial not in known}
        told = {one for endpoint in FlinkEndpoint.objects.all() for one in endpoint.unrecorded_jobs}
        return lost | (self.forgotten & told & set(out_of_sight))
