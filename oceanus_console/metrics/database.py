"""What PostgreSQL knows: operations, jobs, endpoints, heartbeats, and the seals of the record."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import accumulate

from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from clusters.models import FlinkEndpoint
from jobs.models import Job, Operation
from jobs.states import Action, Outcome, Status, Step
from oceanus_console import ended
from oceanus_console.models import Heartbeat, Seal, Unsealed
from workspaces import clock

logger = logging.getLogger(__name__)

Key = tuple[str, str]
# Told from the start, so that also the first failure is seen as a rise.
ALWAYS_TOLD = [(act, outcome) for act in (Action.RUN, Action.STOP, Action.SNAPSHOT) for outcome in Outcome]
# No transaction of ours is open that long: what is older and ended never changes any more, and nothing comes in before it.
SETTLES_AFTER = timedelta(minutes=10)


class Database(Collector):
    """All of it in eleven statements at the most. Without a database that is what is told."""

    def __init__(self) -> None:
        self.ended = EndedOperations()

    def collect(self) -> Iterator[Metric]:
        try:
            found = [self.ended.histogram(), *open_operations(), jobs(), *endpoints(), heartbeats(), *seals()]
        except (DatabaseError, InterfaceError) as error:
            logger.warning("No metrics from the database: %s", error)
            found = []
        yield GaugeMetricFamily("oceanus_database_up", "Whether the database answers.", value=int(bool(found)))
        yield from found


class EndedOperations:
    """Counts of all operations that have ended, the same in every process, without reading the old ones each time.

    What is settled is counted once and kept; only what came after it is read. The first count reads all of them.
    """

    def __init__(self) -> None:
        self.settled_until = 0
        self.counts: Counter[tuple[str, str, int]] = Counter()
        self.seconds: defaultdict[Key, float] = defaultdict(float)

    def histogram(self) -> Metric:
        self._settle()
        counts, seconds = self.counts.copy(), self.seconds.copy()
        add(counts, seconds, ended.tally(pk__gt=self.settled_until))
        told = HistogramMetricFamily(
            "oceanus_operation_duration_seconds",
            "Operations that have ended, from the click to the end.",
            labels=["action", "outcome"],
        )
        for key in sorted({*ALWAYS_TOLD, *seconds}):
            sums = accumulate(counts[*key, bucket] for bucket in range(len(ended.BUCKETS) + 1))
            limits = [*map(str, ended.BUCKETS), "+Inf"]
            told.add_metric(list(map(str, key)), list(zip(limits, sums, strict=True)), sum_value=seconds[key])
        return told

    def _settle(self) -> None:
        before = clock.now() - SETTLES_AFTER
        old = Operation.objects.filter(pk__gt=self.settled_until, created_at__lt=before)
        newest = old.order_by("-pk").values_list("pk", flat=True).first()
        if newest is None:
            return
        first_open = Operation.objects.filter(ended_at=None).aggregate(pk=Min("pk"))["pk"]
        until = min(newest, first_open - 1) if first_open else newest
        # Those that have left the record until now; those that leave it from now on are settled here.
        gone = [] if self.settled_until else ended.removed()
        add(self.counts, self.seconds, [*gone, *ended.tally(pk__gt=self.settled_until, pk__lte=until)])
        self.settled_until = max(self.settled_until, until)


def add(counts: Counter[tuple[str, str, int]], seconds: dict[Key, float], rows: Iterable[ended.Row]) -> None:
    for action, outcome, bucket, number, took in rows:
        counts[action, outcome, bucket] += number
        seconds[action, outcome] += took


def open_operations() -> list[Metric]:
    number = GaugeMetricFamily("oceanus_open_operations", "Operations under way, by their step.", labels=["step"])
    found = Operation.objects.filter(ended_at=None).order_by().values_list("step")
    rows = {step: (n, since) for step, n, since in found.annotate(n=Count("pk"), since=Min("created_at"))}
    for step in [one for one in Step if one != Step.DONE]:
        number.add_metric([step], rows.get(step, (0, None))[0])
    oldest = min((since for _n, since in rows.values()), default=None)
    help_text = "How long the oldest operation under way has been so."
    return [number, GaugeMetricFamily("oceanus_oldest_open_operation_seconds", help_text, value=age(oldest))]


def jobs() -> Metric:
    told = GaugeMetricFamily("oceanus_jobs", "Jobs, by what is known of their status.", labels=["status"])
    found = dict(Job.objects.filter(deleted_at=None).order_by().values_list("status").annotate(Count("pk")))
    for status in Status:
        told.add_metric([status], found.get(status, 0))
    return told


def endpoints() -> list[Metric]:
    labels = ["cluster", "flink_version"]
    reached = GaugeMetricFamily("oceanus_flink_reachable", "Whether a Flink endpoint answered last.", labels=labels)
    seen = GaugeMetricFamily(
        "oceanus_flink_observation_age_seconds", "Since a Flink endpoint last answered.", labels=labels
    )
    for one in FlinkEndpoint.objects.select_related("cluster"):
        where = [one.cluster.name, one.flink_version]
        reached.add_metric(where, int(one.seen_at is not None and one.unreachable_since is None))
        if one.seen_at:
            seen.add_metric(where, age(one.seen_at))
    return [reached, seen]


def heartbeats() -> Metric:
    told = GaugeMetricFamily(
        "oceanus_heartbeat_age_seconds", "Since a worker or beat last showed itself.", labels=["process"]
    )
    for beat in Heartbeat.objects.order_by("name"):
        told.add_metric([beat.name], age(beat.at))
    return told


def seals() -> list[Metric]:
    last = Seal.objects.order_by("-number").values_list("number", flat=True).first()
    return [
        GaugeMetricFamily("oceanus_record_seals", "Seals over the record of acts.", value=last or 0),
        GaugeMetricFamily(
            "oceanus_record_unsealed_rows", "Rows of the record that wait for their seal.", Unsealed.objects.count()
        ),
    ]


def age(since: datetime | None) -> float:
    """Return the seconds since then; 0 when there is none, and for a clock that is a bit ahead of ours."""
    return max(0.0, (clock.now() - since).total_seconds()) if since else 0.0
