"""What happened to a job, newest first, for the tab "Events" and for DescribeJobEvents alike: one source, so both tell the same.

Events are no book of their own. They are read from what is on record anyway: starts and ends of runs, snapshots, operations; and what only the
watcher sees: restarts by Flink itself, and times in which it did not answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, TextChoices, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils.translation import pgettext_lazy

from clusters.models import Outage
from jobs.models import Job, Operation, Problem, Restart, Run, Snapshot
from jobs.states import Action, Outcome, RunEnd


class Kind(TextChoices):
    FAILED = "failed", pgettext_lazy("event", "Job failed")
    START_FAILED = "start-failed", pgettext_lazy("event", "Start failed")
    STOP_FAILED = "stop-failed", pgettext_lazy("event", "Stop failed")
    SNAPSHOT_FAILED = "snapshot-failed", pgettext_lazy("event", "Snapshot failed")
    RESTARTED = "restarted", pgettext_lazy("event", "Restarted by Flink")
    UNREACHABLE = "unreachable", pgettext_lazy("event", "Flink unreachable")
    RECOVERED = "recovered", pgettext_lazy("event", "Recovered")
    STARTED = "started", pgettext_lazy("event", "Started")
    STOPPED = "stopped", pgettext_lazy("event", "Stopped")
    FINISHED = "finished", pgettext_lazy("event", "Finished")
    START_CANCELLED = "start-cancelled", pgettext_lazy("event", "Start cancelled")
    SNAPSHOT = "snapshot", pgettext_lazy("event", "Snapshot created")
    PUBLISHED = "published", pgettext_lazy("event", "Version published")
    SWITCHED = "switched", pgettext_lazy("event", "Auto recovery switched")
    CREATED = "created", pgettext_lazy("event", "Job created")


# What somebody should look at.
TROUBLE = frozenset(
    {Kind.FAILED, Kind.START_FAILED, Kind.STOP_FAILED, Kind.SNAPSHOT_FAILED, Kind.RESTARTED, Kind.UNREACHABLE}
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in the order: by its time, and of one time by where it is read from."""

    at: datetime
    source: str  # a key of SOURCES
    pk: int

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // timedelta(microseconds=1)}-{self.source}-{self.pk}"

    @classmethod
    def of(cls, text: str) -> Place | None:
        """Return the place that stands in an address, or None for anything else."""
        found = re.fullmatch(r"(\d{1,16})-([a-z]+)-(\d{1,17})", text, re.ASCII)
        if found is None or found[2] not in SOURCES:
            return None
        return cls(EPOCH + timedelta(microseconds=int(found[1])), found[2], int(found[3]))


@dataclass(frozen=True, slots=True)
class Event:
    """`operation`: by which it came about, where there is one; `problem`: why, where something went wrong."""

    place: Place
    kind: Kind
    run: Run | None = None
    snapshot: Snapshot | None = None
    operation: Operation | None = None
    problem: Problem | None = None
    restart: Restart | None = None
    outage: Outage | None = None

    @property
    def at(self) -> datetime:
        return self.place.at


@dataclass(frozen=True, slots=True)
class Selection:
    """The events of a job of these kinds and runs (numbers), within a time; what is empty means all."""

    job: Job
    kinds: Collection[str] = ()
    runs: Collection[int] = ()
    since: datetime | None = None
    until: datetime | None = None

    def newest(self, count: int, skip: int = 0, before: Place | None = None) -> list[Event]:
        """Return so many events, newest first, but for the first `skip`; only those `before` a place."""
        first, *others = (
            self._read_from(source)
            .filter(_before(source, before))
            .order_by("-at", "-pk")
            .values_list("at", "read_from", "pk", "kind", "of_run")[: skip + count]
            for source in SOURCES
        )
        rows = first.union(*others, all=True).order_by("-at", "-read_from", "-pk")[skip : skip + count]
        found = [(Place(at, source, pk), Kind(kind), number) for at, source, pk, kind, number in rows]
        return _brought(self.job, found)

    def counts(self) -> dict[Kind, int]:
        """Return how many events there are of each kind that occurs."""
        first, *others = (
            self._read_from(source).order_by().values("kind").annotate(n=Count("pk")).values_list("kind", "n")
            for source in SOURCES
        )
        found: Counter[str] = Counter()
        for kind, n in first.union(*others, all=True):
            found[kind] += n
        return {kind: found[kind] for kind in Kind if found[kind]}

    def _read_from(self, source: str) -> Rows:
        rows = SOURCES[source](self.job).annotate(read_from=Value(source))
        if self.kinds:
            rows = rows.filter(kind__in=self.kinds)
        if self.runs:
            rows = rows.filter(of_run__in=self.runs)
        if self.since:
            rows = rows.filter(at__gte=self.since)
        return rows.filter(at__lte=self.until) if self.until else rows


def _before(source: str, place: Place | None) -> Q:
    if place is None:
        return Q()
    if source == place.source:
        return Q(at__lt=place.at) | Q(at=place.at, pk__lt=place.pk)
    return Q(at__lte=place.at) if source < place.source else Q(at__lt=place.at)


# --- Where events are read from: each with its time (`at`) and its kind ---

Rows = QuerySet[Any, Any]


def _starts(job: Job) -> Rows:
    automatic = Operation.objects.filter(run=OuterRef("pk"), action=Action.RUN, params__automatic=True)
    kind = Case(When(Exists(automatic), then=Value(Kind.RECOVERED)), default=Value(Kind.STARTED))
    return job.runs.exclude(started_at=None).annotate(at=F("started_at"), kind=kind, of_run=F("number"))


def _ends(job: Job) -> Rows:
    start = Operation.objects.filter(run=OuterRef("pk"), action=Action.RUN)
    # When its start is no longer on record, the end of the run alone tells it.
    cancelled = Q(Exists(start.filter(outcome=Outcome.CANCELLED))) | (Q(end=RunEnd.CANCELLED) & ~Exists(start))
    never_up = [RunEnd.FAILED, RunEnd.LOST, RunEnd.CANCELLED, RunEnd.NEVER_STARTED]
    kind = Case(
        When(cancelled, started_at=None, end__in=never_up, then=Value(Kind.START_CANCELLED)),
        When(started_at=None, end__in=never_up, then=Value(Kind.START_FAILED)),
        When(end__in=[RunEnd.FAILED, RunEnd.LOST], then=Value(Kind.FAILED)),
        When(end=RunEnd.FINISHED, then=Value(Kind.FINISHED)),
        default=Value(Kind.STOPPED),
    )
    return job.runs.exclude(ended_at=None).annotate(at=F("ended_at"), kind=kind, of_run=F("number"))


def _snapshots(job: Job) -> Rows:
    """Return the snapshots that somebody asked for; of checkpoints there is one row that moves on, which tells of no event."""
    kind = Case(When(state=Snapshot.State.FAILED, then=Value(Kind.SNAPSHOT_FAILED)), default=Value(Kind.SNAPSHOT))
    settled = job.snapshots.exclude(source=Snapshot.Source.CHECKPOINT).exclude(state=Snapshot.State.CREATING)
    return settled.exclude(ended_at=None).annotate(at=F("ended_at"), kind=kind, of_run=F("run__number"))


FAILING = {
    Action.RUN: Kind.START_FAILED,
    Action.STOP: Kind.STOP_FAILED,
    Action.SNAPSHOT: Kind.SNAPSHOT_FAILED,
}
CHANGING = {Action.PUBLISH: Kind.PUBLISHED, Action.RECOVERY: Kind.SWITCHED, Action.CREATE: Kind.CREATED}


def _operations(job: Job) -> Rows:
    """Return those that changed the job, and those that failed, unless the end of their run or their snapshot tells the same."""
    is_told = Q(problem=F("run__problem"), run__ended_at__isnull=False) | Q(problem=F("snapshot__problem"))
    failed = Q(outcome=Outcome.FAILED, action__in=FAILING) & ~is_told
    changing = Q(outcome=Outcome.SUCCEEDED, action__in=CHANGING)
    kinds = [When(action=action, then=Value(kind)) for action, kind in (FAILING | CHANGING).items()]
    told = Operation.objects.filter(failed | changing, job=job, ended_at__isnull=False)
    return told.annotate(at=F("ended_at"), kind=Case(*kinds), of_run=F("run__number"))


def _restarts(job: Job) -> Rows:
    restarts = Restart.objects.filter(run__job=job)
    return restarts.annotate(at=F("first_at"), kind=Value(Kind.RESTARTED), of_run=F("run__number"))


def _outages(job: Job) -> Rows:
    """Return the times in which the Flink of a run did not answer, as far as they fell into its life."""
    # Of runs, which follow one another, the last one that began before its end was there, or none was.
    before_its_end = job.runs.filter(
        endpoint=OuterRef("endpoint"), created_at__lte=Coalesce(OuterRef("ended_at"), Now())
    )
    was_there = Q(ended_at=None) | Q(ended_at__gte=OuterRef("began_at"))
    last = before_its_end.order_by("-created_at").values(there=Case(When(was_there, then="number")))[:1]
    here = Outage.objects.filter(endpoint__in=job.runs.order_by().values("endpoint"))
    here = here.annotate(of_run=Subquery(last)).filter(of_run__isnull=False)
    return here.annotate(at=F("began_at"), kind=Value(Kind.UNREACHABLE))


# Name in an address -> what is read.
SOURCES = {
    "end": _ends,
    "operation": _operations,
    "outage": _outages,
    "restart": _restarts,
    "snapshot": _snapshots,
    "start": _starts,
}


# --- From the places of a page to all that is told of them: a few statements, however many there are ---


def _with_version(rows: QuerySet[Any], version: str) -> QuerySet[Any]:
    """Bring the version along, but for what is in it, which is long."""
    return rows.select_related(version).defer(f"{version}__sql", f"{version}__properties")


def _brought(job: Job, found: Sequence[tuple[Place, Kind, int | None]]) -> list[Event]:
    def pks(*sources: str) -> set[int]:
        return {place.pk for place, _kind, _number in found if place.source in sources}

    told = Operation.objects.select_related("requested_by", "cancelled_by", "problem", "snapshot")
    told = _with_version(told, "run__version")
    runs = _with_version(Run.objects.select_related("restored_from", "problem"), "version")
    runs_by_id = runs.in_bulk(pks("start", "end"))
    snapshots_by_id = _with_version(Snapshot.objects.select_related("problem"), "run__version").in_bulk(pks("snapshot"))
    began_or_ended = Q(action=Action.RUN) | Q(action=Action.STOP, outcome=Outcome.SUCCEEDED)
    acts = {(one.run_id, one.action): one for one in told.filter(began_or_ended, run__in=runs_by_id)}
    asked = {one.snapshot_id: one for one in told.filter(snapshot__in=snapshots_by_id)}
    operations = told.in_bulk(pks("operation"))
    restarts = _with_version(Restart.objects.all(), "run__version").in_bulk(pks("restart"))
    outages = Outage.objects.in_bulk(pks("outage"))
    silent = {number for place, _kind, number in found if number is not None and place.source == "outage"}
    runs_by_number: dict[int | None, Run] = {one.number: one for one in runs.filter(job=job, number__in=silent)}

    def event(place: Place, kind: Kind, number: int | None) -> Event | None:
        if place.source == "snapshot" and (snapshot := snapshots_by_id.get(place.pk)):
            return Event(place, kind, snapshot.run, snapshot, asked.get(place.pk), snapshot.problem)
        if place.source == "operation" and (operation := operations.get(place.pk)):
            return Event(place, kind, operation.run, operation.snapshot, operation, operation.problem)
        if place.source == "restart" and (restart := restarts.get(place.pk)):
            return Event(place, kind, restart.run, restart=restart)
        if place.source == "outage" and (outage := outages.get(place.pk)):
            return Event(place, kind, runs_by_number.get(number), outage=outage)
        if place.source in ("start", "end") and (run := runs_by_id.get(place.pk)):
            start, stop = acts.get((run.pk, Action.RUN)), acts.get((run.pk, Action.STOP))
            if place.source == "start":
                return Event(place, kind, run, run.restored_from, start)
            by = stop if run.started_at else stop or start
            return Event(place, kind, run, by.snapshot if by else None, by, run.problem)
        return None  # removed of age since its place was found

    return [one for one in (event(*one) for one in found) if one]
