"""The list of a workspace's jobs, its live cells, and the form for a new job."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import JSONObject
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from clusters.models import Cluster, FlinkEndpoint
from jobs.forms import NewJobForm
from jobs.models import Folder, Job, JobQuerySet
from jobs.operations import Refusal, create_job
from jobs.problem_groups import HAS_PROBLEM, with_problem
from jobs.states import Status
from jobs.tree import Tree
from jobs.views.answers import show_dialog
from jobs.views.paging import COMMIT_LAG, PageNumbers, counted_once, page_of
from jobs.views.rows import CELLS, ROW, Row, rows_of
from jobs.views.visit import Request, workspace_of
from workspaces.answers import leave_to
from workspaces.models import May, Workspace

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


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks the list for. What can't be understood is taken for not said."""

    search: str
    status: str
    folder: str
    problem: str
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
            sort=sort if sort.removeprefix("-") in SORTS else "-updated",
            size=int(size) if size in map(str, SIZES) else SIZES[0],
            page=query.get("page", "1"),
        )

    def select(self, jobs: JobQuerySet, folders: list[int] | None) -> JobQuerySet:
        """Keep what matches, in order; `folders`: the ids of those to look in, None for everywhere."""
        if folders is not None:
            jobs = jobs.filter(folder__in=folders)
        if self.search:
            jobs = jobs.filter(Q(name__icontains=self.search) | Q(serial__icontains=self.search))
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
    workspace = get_object_or_404(_watched(request), serial=serial)
    wish = Wish.of(request.GET)
    counted = _count(workspace)
    tree = tree_with(workspace, counted, wish)
    can_operate = workspace.may(request.user, May.OPERATE)
    found = wish.select(_jobs_of(request, workspace), tree.chosen())
    numbers = PageNumbers(_count_found(workspace, counted, wish, tree, found), wish.size)
    number = numbers.nearest(wish.page)
    page = Page(rows_of(page_of(found, numbers, number), ROW, can_operate), number, numbers)
    context = {
        "workspace": workspace,
        "can_operate": can_operate,
        "wish": wish,
        "tree": tree,
        "sizes": SIZES,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "rows": [row.serial for row in page],
        "seen": _seen(workspace),
        "summary": _summary(workspace, counted, tree),
    }
    is_part = request.htmx.target == "listing"
    return render(request, "jobs/_listing.html" if is_part else "jobs/jobs.html", context)


@require_GET
def poll(request: Request, serial: str) -> HttpResponse:
    """Answer the cells that changed since the page was last told, or 204."""
    workspace = get_object_or_404(_watched(request), serial=serial)
    told, seen = request.GET.get("seen", ""), _seen(workspace)
    if told == seen and _newest(workspace) < timezone.now() - COMMIT_LAG:
        return HttpResponse(status=204)
    rows = request.GET.getlist("row")[: max(SIZES)]
    wish, counted = Wish.of(request.GET), _count(workspace)
    tree = tree_with(workspace, counted, wish)
    can_operate = workspace.may(request.user, May.OPERATE)
    named = _jobs_of(request, workspace).filter(serial__in=[row for row in rows if "\0" not in row])
    shown = rows_of(named, CELLS, can_operate)
    context = {
        "workspace": workspace,
        "can_operate": can_operate,
        "wish": wish,
        "tree": tree,
        "changed": [row for row in shown if _is_new(row, told, seen)],
        "gone": sorted(set(rows) - {row.serial for row in shown}) if len(shown) < len(rows) else [],
        "rows": rows,
        "seen": seen,
        "summary": _summary(workspace, counted, tree),
        "oob": True,
    }
    return render(request, "jobs/_poll.html", context)


@require_http_methods(["GET", "POST"])
def new(request: Request, serial: str) -> HttpResponse:
    workspace = workspace_of(request, serial)
    if not workspace.may(request.user, May.OPERATE):
        raise PermissionDenied
    form = NewJobForm(request.POST or None, workspace=workspace, initial={"folder": request.GET.get("folder", "")})
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


def _jobs_of(request: Request, workspace: Workspace) -> JobQuerySet:
    return Job.objects.visible_to(request.user).filter(workspace=workspace)


def _watched(request: Request) -> QuerySet[Workspace]:
    """Bring along, in one query, all by which a page knows whether it is out of date."""
    bound = FlinkEndpoint.objects.filter(cluster__workspaces=OuterRef("pk")).order_by()
    capacity = Cluster.objects.filter(workspaces=OuterRef("pk")).order_by().values("workspaces")
    outages = bound.exclude(unreachable_since=None).values("cluster__workspaces").annotate(n=Sum(F("pk"))).values("n")
    folders = Folder.objects.filter(workspace=OuterRef("pk")).order_by("name")
    return Workspace.objects.visible_to(request.user).annotate(
        newest=Subquery(Job.objects.filter(workspace=OuterRef("pk")).order_by("-changed_at").values("changed_at")[:1]),
        outages=Subquery(outages[:1]),
        total_cu=Subquery(capacity.annotate(total=Sum("total_cu")).values("total")[:1]),
        folder_rows=ArraySubquery(
            folders.values(row=JSONObject(id="pk", serial="serial", name="name", parent="parent"))
        ),
    )


def _newest(workspace: Any) -> datetime:
    return workspace.newest or workspace.created_at


def _seen(workspace: Any) -> str:
    """Return the mark of what this page shows: the time of the newest change, and which endpoints are out of reach."""
    return f"{_newest(workspace).timestamp():.6f}-{workspace.outages or 0}"


def _is_new(job: Row, told: str, seen: str) -> bool:
    told_time, _dash, told_outages = told.partition("-")
    if told_outages != seen.partition("-")[2]:
        return True
    try:
        return job.changed_at.timestamp() > float(told_time) - COMMIT_LAG.total_seconds()
    except ValueError:
        return True


def _count_found(workspace: Any, counted: list[dict[str, Any]], wish: Wish, tree: Tree, found: JobQuerySet) -> int:
    """Return how many jobs the wish matches; where nothing is searched for, that is known already."""
    chosen = tree.chosen()
    if wish.search or wish.problem:
        about = (workspace.pk, _seen(workspace), chosen, wish.search, wish.status, wish.problem)
        return counted_once(_newest(workspace), about, found.count)
    return sum(
        row["n"]
        for row in counted
        if (chosen is None or row["folder"] in chosen) and wish.status in ("", row["status"])
    )


def _count(workspace: Any) -> list[dict[str, Any]]:
    """Return the jobs by folder and status, with the CU of what runs."""
    return counted_once(_newest(workspace), (workspace.pk, _seen(workspace)), lambda: _count_now(workspace))


def _count_now(workspace: Workspace) -> list[dict[str, Any]]:
    live = Q(current_run__isnull=False, current_run__ended_at=None)
    rows = Job.objects.filter(workspace=workspace, deleted_at=None).order_by().values("folder", "status")
    return [
        dict(row)
        for row in rows.annotate(
            n=Count("pk"), cu=Sum("current_run__cu", filter=live), wrong=Count("pk", filter=HAS_PROBLEM)
        )
    ]


def tree_with(workspace: Any, counted: list[dict[str, Any]], wish: Wish) -> Tree:
    """Return the tree of folders beside the list; `workspace` brings its folders along (`_watched`)."""
    jobs_in: Counter[int | None] = Counter()
    for row in counted:
        jobs_in[row["folder"]] += row["n"]
    return Tree(workspace.folder_rows, jobs_in, wish.folder)


def _summary(workspace: Any, counted: list[dict[str, Any]], tree: Tree) -> dict[str, Any]:
    """Return the jobs of the current folder by status, and the CU in use of all."""
    chosen = tree.chosen()
    by_status: Counter[str] = Counter()
    for row in counted:
        if chosen is None or row["folder"] in chosen:
            by_status[row["status"]] += row["n"]
    return {
        "total": by_status.total(),
        "counts": [(status, by_status[status]) for status in Status],
        "wrong": sum(row["wrong"] for row in counted),
        "used_cu": sum((row["cu"] or Decimal(0) for row in counted), Decimal(0)),
        "total_cu": workspace.total_cu or Decimal(0),
    }
