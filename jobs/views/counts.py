"""How many jobs a workspace has: in each folder, on each cluster, with each status, and what these use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.cache.backends.locmem import LocMemCache
from django.db.models import Count, Q, QuerySet, Sum

from jobs.models import Job
from jobs.problem_groups import HAS_PROBLEM
from jobs.search import REACHABLE
from jobs.states import Status
from jobs.tree import Tree
from jobs.views.paging import counted_once
from jobs.views.watched import Watched
from workspaces.prepared import Prepared

# Counting this many jobs takes some 6 ms. Where there are more, changes that come one after the other are counted together.
MANY = 5_000
LONGEST_SECONDS, JOBS_PER_SECOND = 2.0, 5_000
_lately = LocMemCache("latest counts of jobs", {"OPTIONS": {"MAX_ENTRIES": 1000}})


class Counted(NamedTuple):
    """The jobs of one folder on one cluster with one status: `wrong` have a problem, and those that run use `cu`."""

    folder: int | None
    cluster: int
    status: str
    n: int
    cu: Decimal | None
    wrong: int


def count(workspace: Watched) -> tuple[list[Counted], str]:
    """Return the counts by folder, cluster and status, and the mark of the state that they are of: while many jobs change, a state up to two seconds ago.

    A page that is told this mark asks for the counts again, however long it has been away meanwhile.
    """
    if not workspace.is_settled and (lately := _lately.get(workspace.pk)):
        return lately
    counted = counted_once(workspace.newest, (workspace.pk, workspace.seen), lambda: _count_now(workspace.pk))
    total = sum(row.n for row in counted)
    if total >= MANY:
        _lately.set(workspace.pk, (counted, workspace.seen), min(LONGEST_SECONDS, total / JOBS_PER_SECOND))
    return counted, workspace.seen


def _count_now(workspace: int) -> list[Counted]:
    return [Counted(*row) for row in COUNTS.rows(workspace=workspace)]


def _counts(workspace: int) -> QuerySet[Job, tuple[Any, ...]]:
    live = Q(current_run__isnull=False, current_run__ended_at=None)
    jobs = Job.objects.filter(workspace=workspace, deleted_at=None).order_by().values("folder", "cluster", "status")
    return jobs.annotate(
        n=Count("pk"), cu=Sum("current_run__cu", filter=live), wrong=Count("pk", filter=HAS_PROBLEM)
    ).values_list(*Counted._fields)


class Hits(NamedTuple):
    """What a search finds: primary key and status of each; if there are more than can be turned to, some of them."""

    rows: list[tuple[int, str]]
    are_in_order: bool = False
    there_are_more: bool = False


COUNTS = Prepared(_counts, workspace=-1)


def on_cluster(counted: list[Counted], cluster: int | None) -> list[Counted]:
    """Keep the counts of one cluster; for None, of all."""
    return counted if cluster is None else [row for row in counted if row.cluster == cluster]


def tree_of(workspace: Watched, counted: Iterable[Counted], folder: str) -> Tree:
    """Return the tree of folders beside the list, with the one that is shown."""
    jobs_in: Counter[int | None] = Counter()
    for row in counted:
        jobs_in[row.folder] += row.n
    return Tree(workspace.folders, jobs_in, folder)


def below(counted: Iterable[Counted], tree: Tree) -> list[Counted]:
    """Keep the counts of the folder that is shown, and of all below it."""
    chosen = tree.chosen()
    return [row for row in counted if chosen is None or row.folder in chosen]


def number_of(counted: Iterable[Counted], tree: Tree, status: str) -> int:
    """Return how many jobs with this status, or with any if it is "", are in the folder that is shown and below it."""
    return sum(row.n for row in below(counted, tree) if status in ("", row.status))


def listed(summary: Mapping[str, Any], status: str) -> str:
    """Return how many jobs the list has that is narrowed to this status, if to any; "" if nobody has counted them."""
    if not summary["is_counted"]:
        return ""
    return str(dict(summary["counts"])[status] if status else summary["total"])


def summary(
    workspace: Watched,
    counted: Iterable[Counted],
    here: Iterable[Counted],
    tree: Tree,
    problem: str = "",
    hits: Hits | None = None,
) -> dict[str, Any]:
    """Return the jobs of the current folder, or what a search finds there, by status, and the CU in use of all.

    `here`: of what is `counted` in the whole workspace, that of the cluster that is chosen.
    `is_counted`: the numbers are those of what each chip leads to. They are not known of very many hits, and of jobs with
    a certain problem.
    """
    by_status: Counter[str] = Counter()
    if hits and not hits.there_are_more:
        by_status.update(status for _pk, status in hits.rows)
    else:
        for row in below(here, tree):
            by_status[row.status] += row.n
    is_counted = not problem and not (hits and hits.there_are_more)
    too_many = f"{REACHABLE}+" if hits and hits.there_are_more and not problem else ""
    return {
        "total": by_status.total() if is_counted else too_many,
        "counts": [(status, by_status[status]) for status in Status],
        "is_counted": is_counted,
        "wrong": sum(row.wrong for row in counted),
        "used_cu": sum((row.cu or Decimal(0) for row in counted), Decimal(0)),
        "total_cu": workspace.total_cu,
    }
