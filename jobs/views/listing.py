"""The list of a workspace's jobs, and the form for a new job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Page
from django.db.models import F
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from clusters.models import ClusterBinding, FlinkEndpoint
from jobs.forms import NewJobForm
from jobs.models import Job, JobQuerySet
from jobs.operations import Refusal, create_job
from jobs.problem_groups import with_problem
from jobs.search import REACHABLE, among, matching, reachable
from jobs.states import Status
from jobs.tree import Tree
from jobs.views.answers import show_dialog
from jobs.views.counts import Counted, Hits, count, listed, number_of, on_cluster, summary, tree_of
from jobs.views.paging import PageNumbers, counted_once, page_of
from jobs.views.rows import html_of, rows_of
from jobs.views.visit import Request, workspace_of
from jobs.views.watched import Watched, watched
from workspaces.answers import leave_to, sent
from workspaces.models import May

SORTS = {
    "name": "name",
    "status": "status",
    "cluster": "cluster__name",
    "flink": "endpoint__flink_version",
    "version": "last_version_number",
    "started": "current_run__started_at",
    "updated": "updated_at",
}
# What may be missing comes last, both ways; for what is always there, an index could not give that order.
MAY_BE_MISSING = {"started"}
SIZES = (20, 50, 100)
NO_CLUSTER = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks the list for. What can't be understood is taken for not said."""

    search: str
    status: str
    folder: str
    problem: str
    cluster: str
    sort: str
    size: int
    page: str

    @classmethod
    def of(cls, query: QueryDict) -> Wish:
        sort, size = query.get("sort", ""), query.get("size", "")
        return cls(
            search=query.get("q", "").replace("\0", "").strip()[:100],
            status=query.get("status", "") if query.get("status") in Status.values else "",
            folder=query.get("folder", "").replace("\0", "")[:32],
            problem=query.get("problem", "").replace("\0", "?")[:250],
            cluster=query.get("cluster", "").replace("\0", "?")[:32],
            sort=sort if sort.removeprefix("-") in SORTS else "-updated",
            size=int(size) if size in map(str, SIZES) else SIZES[0],
            page=query.get("page", "1"),
        )

    def cluster_among(self, clusters: Iterable[Mapping[str, Any]]) -> int | None:
        """Return the id of the cluster that is chosen; None for all, and NO_CLUSTER for one that is not among these."""
        if not self.cluster:
            return None
        return next((one["id"] for one in clusters if one["serial"] == self.cluster), NO_CLUSTER)

    def select(self, jobs: JobQuerySet, folders: list[int] | None, cluster: int | None) -> JobQuerySet:
        """Keep what matches, in order; `folders` and `cluster`: the ids of where to look, None for everywhere."""
        if folders is not None:
            jobs = jobs.filter(folder__in=folders)
        if cluster is not None:
            jobs = jobs.filter(cluster=cluster)
        if self.search:
            jobs = matching(jobs, self.search)
        if self.status:
            jobs = jobs.filter(status=self.status)
        if self.problem:
            jobs = with_problem(jobs, self.problem)
        key = self.sort.removeprefix("-")
        column, last = F(SORTS[key]), True if key in MAY_BE_MISSING else None
        order = column.desc(nulls_last=last) if self.sort.startswith("-") else column.asc(nulls_last=last)
        return jobs.order_by(order, "-pk")


@require_GET
def jobs(request: Request, serial: str) -> HttpResponse:
    workspace = watched(request, serial)
    wish = Wish.of(request.GET)
    if wish.cluster_among(workspace.clusters) == NO_CLUSTER:  # a link or a bookmark from when it was there
        return redirect(_without_cluster(request))
    counted, seen = count(workspace)
    here = on_cluster(counted, wish.cluster_among(workspace.clusters))
    tree = tree_of(workspace, here, wish.folder)
    hits = hits_of(workspace, here, replace(wish, status=""), tree)
    found, numbers = _find(workspace, here, wish, tree, hits)
    number = numbers.nearest(wish.page)
    pks = page_of(found, numbers, number)
    page = Page(rows_of(pks, workspace.can_operate), number, numbers)
    is_part = request.htmx.target == "listing"
    told = summary(workspace, counted, here, tree, wish.problem, hits)
    context = {
        "workspace": workspace,
        "can_operate": workspace.can_operate,
        "wish": wish,
        "tree": tree,
        "sizes": SIZES,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "html": html_of(page),
        "rows": [row.serial for row in page],
        "seen": seen,
        "counted": "" if is_part else tree.mark,  # the folders beside a part stay as they are
        "listed": listed(told, wish.status),
        "summary": told,
        "clusters": _offered(workspace, wish),
        # Where there are jobs there is a cluster, so it is asked for only where there are none.
        "lacks_cluster": not counted and not ClusterBinding.objects.filter(workspace=workspace.pk).exists(),
    }
    return render(request, "jobs/_listing.html" if is_part else "jobs/jobs.html", context)


@require_http_methods(["GET", "POST"])
def new(request: Request, serial: str) -> HttpResponse:
    workspace = workspace_of(request, serial)
    if not workspace.may(request.user, May.OPERATE):
        raise PermissionDenied
    form = NewJobForm(sent(request), workspace=workspace, initial={"folder": request.GET.get("folder", "")})
    refusal = ""
    if form.is_valid():
        endpoint: FlinkEndpoint = form.cleaned_data["endpoint"]
        try:
            name, folder = form.cleaned_data["name"], form.cleaned_data["folder"]
            job = create_job(request.user, workspace, name, endpoint.cluster, endpoint, folder)
        except Refusal as no:
            refusal = no.message
        else:
            return leave_to(
                request, redirect("draft", job.serial), _("The job was created. Write its SQL, then save the draft.")
            )
    context: dict[str, Any] = {"workspace": workspace, "form": form, "refusal": refusal}
    return show_dialog(request, "jobs/_new.html", context, invalid=request.method == "POST")


def _jobs_of(workspace: Watched) -> JobQuerySet:
    """Return the jobs of a workspace that was fetched through the user."""
    return Job.objects.filter(workspace_id=workspace.pk, deleted_at=None).order_by()


def _without_cluster(request: Request) -> str:
    """Return the address that asks for the same of all clusters, from its first page on."""
    query = request.GET.copy()
    for name in ("cluster", "page"):
        query.pop(name, None)
    return f"{request.path}?{query.urlencode()}" if query else request.path


def _offered(workspace: Watched, wish: Wish) -> list[list[str]]:
    """Return serial and name of the clusters to choose from. A single one is no choice, but what is chosen is always told."""
    clusters = [[one["serial"], one["name"]] for one in workspace.clusters]
    return clusters if wish.cluster or len(clusters) > 1 else []


def hits_of(workspace: Watched, counted: list[Counted], wish: Wish, tree: Tree) -> Hits | None:
    """Return what the search finds; None when nothing is searched for."""
    if not wish.search:
        return None
    chosen = tree.chosen()
    found = wish.select(_jobs_of(workspace), chosen, wish.cluster_among(workspace.clusters))
    about = (workspace.pk, workspace.seen, chosen, wish.cluster, wish.search, wish.status, wish.problem)
    total = number_of(counted, tree, wish.status)
    if total <= REACHABLE:  # so few that looking at each is quicker than asking twice
        rows = counted_once(workspace.newest, (about, wish.sort), lambda: list(found.values_list("pk", "status")))
        return Hits(rows, are_in_order=True)
    rows = counted_once(workspace.newest, about, lambda: reachable(found, workspace.pk, wish.search))
    return Hits(rows[:REACHABLE], there_are_more=len(rows) > REACHABLE)


def _find(
    workspace: Watched, counted: list[Counted], wish: Wish, tree: Tree, hits: Hits | None
) -> tuple[JobQuerySet | list[int], PageNumbers]:
    """Return what the wish matches, in order, as a query or as primary keys, and its pages; `hits`: with any status."""
    chosen = tree.chosen()
    found = wish.select(_jobs_of(workspace), chosen, wish.cluster_among(workspace.clusters))
    if hits and hits.there_are_more and wish.status:  # of those with this status there may be few
        hits = hits_of(workspace, counted, wish, tree)
    if hits and hits.there_are_more:
        return found, PageNumbers(REACHABLE, wish.size, there_are_more=True)
    if hits:
        pks = [pk for pk, status in hits.rows if wish.status in ("", status)]
        return pks if hits.are_in_order else among(found, pks), PageNumbers(len(pks), wish.size)
    total = number_of(counted, tree, wish.status)
    if wish.problem:
        about = (workspace.pk, workspace.seen, chosen, wish.cluster, wish.status, wish.problem)
        total = counted_once(workspace.newest, about, found.count)
    return found, PageNumbers(total, wish.size)
