"""One job: its overview and the tabs that list what happened to it, live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Max, Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.advice import Explanation, explain
from jobs.models import Job, Operation, Problem
from jobs.preview import newest_results
from jobs.tree import Branch, tree_of
from jobs.views.events import events_body
from jobs.views.thrown import exceptions_of
from jobs.views.visit import Request, job_of
from workspaces import clock
from workspaces.models import May
from workspaces.record_pages import key_in

PAGE_SIZE = 20
# What changes together with a job's row is there so soon after it.
SETTLES_WITHIN = timedelta(seconds=1)
# How often an open page asks for what is new: while somebody waits for what he has just clicked; for what takes its time; for nothing.
AT_ONCE_MS, SOON_MS, NOW_AND_THEN_MS = 100, 1000, 2000
AT_ONCE_FOR = timedelta(seconds=5)


@require_GET
def overview(request: Request, serial: str) -> HttpResponse:
    job = job_of(request, serial)
    return render(request, "jobs/overview.html", overview_context(request, job) | exceptions_of(job))


@require_GET
def snapshots(request: Request, serial: str) -> HttpResponse:
    return _tab(request, job_of(request, serial), "snapshots")


@require_GET
def runs(request: Request, serial: str) -> HttpResponse:
    return _tab(request, job_of(request, serial), "runs")


@require_GET
def events(request: Request, serial: str) -> HttpResponse:
    return _tab(request, job_of(request, serial), "events")


@require_GET
def operations(request: Request, serial: str) -> HttpResponse:
    return _tab(request, job_of(request, serial), "operations")


@require_GET
def poll(request: Request, serial: str) -> HttpResponse:
    """Answer the head and the body of the open tab when something changed since the page was last told, or 204."""
    job = job_of(request, serial)
    told = request.GET.get("seen", "")
    is_settled = told == seen_mark(job) and job.changed_at < clock.now() - SETTLES_WITHIN
    if is_settled and request.GET.get("pace") in (None, str(pace(job))):
        return HttpResponse(status=204)
    tab = request.GET.get("tab", "")
    context = head_context(request, job, tab if tab in BODIES else "draft") | {"oob": True}
    return render(request, "jobs/_job_poll.html", context | _body(request, job, tab))


@require_GET
def results(request: Request, serial: str) -> HttpResponse:
    job = job_of(request, serial)
    return render(request, "jobs/_results.html", {"job": job, "results": newest_results(job)})


def head_context(request: Request, job: Job, tab: str) -> dict[str, Any]:
    """Return what the head of every page of a job needs."""
    return {
        "job": job,
        "workspace": job.workspace,
        "can_operate": job.workspace.may(request.user, May.OPERATE),
        "tab": tab,
        "seen": seen_mark(job),
        "pace": pace(job),
    }


def pace(job: Job) -> int:
    """Return after how many milliseconds the page of this job asks for what is new."""
    if not job.is_busy:
        return NOW_AND_THEN_MS
    return AT_ONCE_MS if clock.now() - job.changed_at < AT_ONCE_FOR else SOON_MS


def seen_mark(job: Job) -> str:
    """Return the mark of what a page shows of this job."""
    outage = job.endpoint.unreachable_since
    return f"{job.changed_at.timestamp():.6f}-{outage.timestamp() if outage else 0:.0f}"


def _tab(request: Request, job: Job, tab: str) -> HttpResponse:
    return render(request, f"jobs/{tab}.html", head_context(request, job, tab) | _body(request, job, tab))


def _body(request: Request, job: Job, tab: str) -> dict[str, Any]:
    return BODIES[tab](request, job) if tab in BODIES else {}


def overview_context(request: Request, job: Job) -> dict[str, Any]:
    """Return what the head of the job and its overview need."""
    return head_context(request, job, "overview") | _overview_body(request, job)


def _overview_body(request: Request, job: Job) -> dict[str, Any]:
    latest = job.operations.select_related("requested_by", "problem").prefetch_related("steps").first()
    run = job.current_run
    return {
        "explanation": explain(job.problem) if job.problem else None,
        "second": _second(job),
        "operation": latest,
        "restored_from": run.restored_from if run else None,
        "restarts": run.restarts.aggregate(count=Sum("count"), last_at=Max("last_at")) if run else None,
        "latest_version": job.versions.select_related("published_by").first(),
        "results": newest_results(job),
        "path": _path(job),
    }


def _second(job: Job) -> Explanation | None:
    """Tell of what Flink runs of the job beside its run."""
    ids = job.second_ids
    about = {"cluster": job.cluster.name, "ids": ", ".join(ids)}
    return explain(Problem(code="runs-twice", values=about)) if ids else None


def _path(job: Job) -> list[Branch]:
    """Return the folders from the root down to the one that the job is in."""
    branch = tree_of(job.workspace).find(job.folder_id) if job.folder_id else None
    return branch.path if branch else []


def _snapshots_body(request: Request, job: Job) -> dict[str, Any]:
    return _page(request, job.snapshots.select_related("run__version", "problem"), "serial")


def _runs_body(request: Request, job: Job) -> dict[str, Any]:
    return _page(request, job.runs.select_related("version", "endpoint", "restored_from", "problem"), "number")


def _operations_body(request: Request, job: Job) -> dict[str, Any]:
    told = Operation.objects.filter(job=job).select_related(
        "requested_by", "cancelled_by", "problem", "run", "snapshot"
    )
    return _page(request, told.prefetch_related("steps"), "serial")


def _page(request: Request, rows: Any, key: str) -> dict[str, Any]:
    """Return the page that is asked for: by its number, or as the one that shows the row of this `key`."""
    shown = request.GET.get("show", "")
    number = request.GET.get("page") or _page_of(rows, key, shown)
    page = Paginator(rows, PAGE_SIZE).get_page(number)
    return {
        "shown": shown,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
    }


def _page_of(rows: Any, key: str, shown: str) -> int:
    """Return the number of the page with this row; of one that there isn't the first."""
    if key == "number" and key_in(shown) is None:
        return 1
    found = rows.filter(**{key: shown.replace("\0", "")}).values_list("created_at").first() if shown else None
    return rows.filter(created_at__gt=found[0]).count() // PAGE_SIZE + 1 if found else 1


BODIES = {
    "overview": _overview_body,
    "snapshots": _snapshots_body,
    "runs": _runs_body,
    "events": events_body,
    "operations": _operations_body,
}
