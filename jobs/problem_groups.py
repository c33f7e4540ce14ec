"""The jobs of a workspace that have a problem, grouped by what is wrong: one cause that hits a thousand jobs is one line.

The grouping is done in the database, and no trace is read: with 10,000 jobs it takes as many queries as with ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Case, CharField, Count, F, Func, Max, Min, Q, Value, When, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Left, RowNumber

from clusters.models import FlinkEndpoint
from jobs.advice import Explanation, explain
from jobs.flink_ids import is_of, origin_of
from jobs.known_errors import FALLBACK
from jobs.models import Job, JobQuerySet, Problem
from jobs.restarts import OFTEN_RESTARTED
from workspaces.models import Workspace

SAMPLE = 10
UNREACHABLE = "cluster-unreachable"
TWICE, RESTARTS = "runs-twice", "restarts-often"
# What is shown of a job comes from Flink while it has a live run or an open operation.
IS_UNREACHABLE = Q(endpoint__unreachable_since__isnull=False) & (
    Q(current_run__isnull=False, current_run__ended_at=None) | ~Q(action="")
)
HAS_PROBLEM = Q(problem__isnull=False) | IS_UNREACHABLE
ANY = "any"

_FIRST_LINE = Left(Func(F("problem__summary"), Value("\n"), Value(1), function="split_part"), 160)
_TITLE = Coalesce(KeyTextTransform("known", "problem__values"), Value(""), output_field=CharField())
# What two problems on one endpoint must have in common to be the same one. Out of reach goes before all else.
SAME: dict[str, Any] = {
    "code": Case(When(IS_UNREACHABLE, then=Value(UNREACHABLE)), default=F("problem__code")),
    "words": Case(
        When(IS_UNREACHABLE, then=Value("")),
        # What is not known is the same when Flink says the same of it.
        When(problem__values__known=FALLBACK.title, then=_FIRST_LINE),
        default=_TITLE,
        output_field=CharField(),
    ),
}
SINCE = Case(When(IS_UNREACHABLE, then=F("endpoint__unreachable_since")), default=F("problem__created_at"))


@dataclass(frozen=True, slots=True)
class Group:
    """One thing that is wrong with `count` jobs on one endpoint, first seen at `since`, last at `latest`; None where that is not known."""

    key: str
    endpoint: FlinkEndpoint
    explanation: Explanation
    is_unreachable: bool
    count: int
    since: datetime | None
    latest: datetime | None
    jobs: list[dict[str, Any]]

    @property
    def more(self) -> int:
        return self.count - len(self.jobs)

    @property
    def came_at_once(self) -> bool:
        """Tell whether the first and the last came within the second that times are told to."""
        if self.since is None or self.latest is None:
            return True
        return self.since.replace(microsecond=0) == self.latest.replace(microsecond=0)


def with_problem(jobs: JobQuerySet, wish: str) -> JobQuerySet:
    """Keep the jobs of a group by its key; for `any` all that have a problem, for nonsense none."""
    if wish == ANY:
        return jobs.filter(HAS_PROBLEM)
    endpoint, code, words = [*wish.split(":", 2), "", ""][:3]
    if not (endpoint.isascii() and endpoint.isdecimal() and len(endpoint) < 10):
        return jobs.none()
    if code == TWICE:
        on = FlinkEndpoint.objects.filter(pk=int(endpoint)).first()
        return _running_twice(jobs, on) if on else jobs.none()
    if code == RESTARTS:
        return _restarting(jobs).filter(endpoint=int(endpoint))
    here: Any = jobs.filter(HAS_PROBLEM, endpoint=int(endpoint)).alias(**SAME)
    return here.filter(code=code, words=words)


def groups_of(workspace: Workspace) -> list[Group]:
    """Return what is wrong in `workspace`; what hits the most jobs comes first."""
    jobs: Any = Job.objects.filter(HAS_PROBLEM, workspace=workspace, deleted_at=None).annotate(**SAME).order_by()
    counted = jobs.values("endpoint", "code", "words").annotate(
        count=Count("pk"), since=Min(SINCE), latest=Max(SINCE), newest=Max("problem")
    )
    rows = list(counted.order_by("-count", "code", "words", "endpoint"))
    endpoints = _endpoints(rows)
    problems = Problem.objects.defer("trace").in_bulk([row["newest"] for row in rows if row["newest"]])
    samples = _samples(jobs)
    return [*_twice(workspace), *_restarted(workspace)] + [
        _group(row, endpoints[row["endpoint"]], problems.get(row["newest"]), samples) for row in rows
    ]


def _running_twice(jobs: JobQuerySet, endpoint: FlinkEndpoint) -> JobQuerySet:
    """Keep the jobs of which the Flink of this endpoint runs one on no record beside their run."""
    origins = [origin_of(one) for one in endpoint.unrecorded_jobs]
    serials = {one.serial for one in origins if one}
    live = jobs.filter(endpoint=endpoint, serial__in=serials, current_run__isnull=False, current_run__ended_at=None)
    # As in Job.second_ids: what is being taken over is a run, and noted still.
    return live.exclude(current_run__flink_job_id__in=endpoint.unrecorded_jobs)


def _twice(workspace: Workspace) -> Iterator[Group]:
    """Give what runs twice, cluster by cluster: it comes first, as two of one job may write the same results."""
    endpoints = FlinkEndpoint.objects.filter(cluster__workspaces=workspace).exclude(unrecorded_jobs=[])
    for endpoint in endpoints.select_related("cluster").order_by("pk"):
        jobs = _running_twice(Job.objects.filter(workspace=workspace, deleted_at=None), endpoint)
        found: list[Any] = list(jobs.order_by("name", "pk").values("serial", "name"))
        if found:
            ids = [one for one in endpoint.unrecorded_jobs if any(is_of(one, job["serial"]) for job in found[:SAMPLE])]
            told = {"cluster": endpoint.cluster.name, "ids": ", ".join(ids)}
            why = explain(Problem(code=TWICE, values=told))
            yield Group(f"{endpoint.pk}:{TWICE}:", endpoint, why, False, len(found), None, None, found[:SAMPLE])


def _restarting(jobs: Any) -> Any:
    return jobs.alias(**OFTEN_RESTARTED).filter(often_restarted_at__isnull=False)


def _restarted(workspace: Workspace) -> Iterator[Group]:
    """Give what Flink restarts again and again, Flink by Flink: such a job has no problem on record, as it may still recover."""
    jobs = _restarting(Job.objects.filter(workspace=workspace, deleted_at=None)).order_by("endpoint", "name", "pk")
    rows = list(jobs.values("endpoint", "serial", "name"))
    endpoints = _endpoints(rows)
    for pk, some in groupby(rows, key=itemgetter("endpoint")):
        found, why = list(some), explain(Problem(code=RESTARTS))
        yield Group(f"{pk}:{RESTARTS}:", endpoints[pk], why, False, len(found), None, None, found[:SAMPLE])


def _endpoints(rows: Iterable[Mapping[str, Any]]) -> dict[int, FlinkEndpoint]:
    """Return those that the rows are about, by primary key, all in one query."""
    return FlinkEndpoint.objects.select_related("cluster").in_bulk({row["endpoint"] for row in rows})


def _samples(jobs: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the first few jobs of every group, by its key."""
    place = Window(RowNumber(), partition_by=["endpoint", "code", "words"], order_by=["name", "pk"])
    found: dict[str, list[dict[str, Any]]] = {}
    first = jobs.alias(place=place).filter(place__lte=SAMPLE)
    for row in first.order_by("name", "pk").values("endpoint", "code", "words", "serial", "name"):
        found.setdefault(_key(row), []).append(row)
    return found


def _group(
    row: dict[str, Any], endpoint: FlinkEndpoint, problem: Problem | None, samples: dict[str, list[dict[str, Any]]]
) -> Group:
    is_unreachable = row["code"] == UNREACHABLE
    if is_unreachable or problem is None:
        reason = endpoint.unreachable_reason
        problem = Problem(code=UNREACHABLE, values={"cluster": endpoint.cluster.name}, summary=reason)
    return Group(
        key=_key(row),
        endpoint=endpoint,
        explanation=explain(problem),
        is_unreachable=is_unreachable,
        count=row["count"],
        since=row["since"],
        latest=row["latest"],
        jobs=samples.get(_key(row), []),
    )


def _key(row: dict[str, Any]) -> str:
    return f"{row['endpoint']}:{row['code']}:{row['words']}"
