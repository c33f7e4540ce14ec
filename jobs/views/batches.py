"""A batch: its page, live; what can be done with it; and the list of a workspace's batches."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from clusters.models import Cluster
from jobs import operations
from jobs.models import Batch, BatchItem, Folder, Snapshot
from jobs.states import Action
from jobs.views.one_moment import one_moment
from jobs.views.paging import COMMIT_LAG
from jobs.views.progress import Progress, progress_of
from jobs.views.visit import Request, workspace_of
from workspaces import clock
from workspaces.models import May

State = BatchItem.State
PAGE_SIZE = 100
BATCHES_PER_PAGE = 20


@require_GET
@one_moment()
def batch(request: Request, serial: str) -> HttpResponse:
    found = _batch_of(request, serial)
    state = request.GET.get("state", "")
    items = _items(found).filter(state=state) if state in State.values else _items(found)
    page = Paginator(items, PAGE_SIZE).get_page(request.GET.get("page"))
    followers = list(_followers(found))
    context = _shared(found, list(page)) | {
        "workspace": found.workspace,
        "section": "batches",
        "can_operate": found.workspace.may(request.user, May.OPERATE),
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "state": state if state in State.values else "",
        "params": _params(found),
        "followers": followers,
        "restartable": _restartable(found),
        "keys": {act: _key(request, found, act, len(followers)) for act in ("retry", "restart")},
    }
    return render(request, "jobs/batch.html", context)


@require_GET
@one_moment()
def poll(request: Request, serial: str) -> HttpResponse:
    """Answer the progress and the cells that changed since the page was last told, or 204."""
    found = _batch_of(request, serial)
    progress = progress_of(found)
    told = request.GET.get("seen", "")
    is_settled = progress.newest is None or progress.newest < clock.now() - COMMIT_LAG
    if told == progress.seen and is_settled:
        return HttpResponse(status=204)
    rows = [int(row) for row in request.GET.get("rows", "").split(",") if row.isdecimal() and len(row) < 9][:PAGE_SIZE]
    context = _shared(found, list(_items(found).filter(position__in=rows)), progress) | {
        "workspace": found.workspace,
        "can_operate": found.workspace.may(request.user, May.OPERATE),
        "state": request.GET.get("state", ""),
        "place": "dialog" if request.GET.get("place") == "dialog" else "",
        "oob": True,
    }
    if found.ended_at:
        followers = list(_followers(found))
        context["restartable"] = _restartable(found)
        context["keys"] = {act: _key(request, found, act, len(followers)) for act in ("retry", "restart")}
    return render(request, "jobs/_batch_poll.html", context)


@require_POST
def retry(request: Request, serial: str) -> HttpResponse:
    found = _operable(request, serial)
    return _follow(request, found, lambda key: operations.retry_failed(request.user, found, key))


@require_POST
def restart(request: Request, serial: str) -> HttpResponse:
    """Run what this batch stopped, each job from the snapshot just taken."""
    found = _operable(request, serial)
    return _follow(request, found, lambda key: operations.run_from_snapshots(request.user, found, key))


@require_POST
def cancel(request: Request, serial: str) -> HttpResponse:
    found = _operable(request, serial)
    count = operations.cancel_waiting(request.user, found)
    told = ngettext(
        "%(count)d job that had not begun was taken back.", "%(count)d jobs that had not begun were taken back.", count
    )
    messages.success(request, told % {"count": count} if count else _("Nothing was waiting any more."))
    return redirect("batch", serial)


@require_GET
def batches(request: Request, serial: str) -> HttpResponse:
    workspace = workspace_of(request, serial)
    counts = {f"n_{state}": Count("items", filter=Q(items__state=state)) for state in State.values}
    rows = (
        Batch.objects.filter(workspace=workspace)
        .select_related("requested_by")
        .annotate(**counts)
        .order_by("-created_at", "-pk")
    )
    page = Paginator(rows, BATCHES_PER_PAGE).get_page(request.GET.get("page"))
    told = [Progress(one, {state: getattr(one, f"n_{state}") for state in State.values}) for one in page]
    is_live = request.htmx.target == "batches-live"
    context = {
        "workspace": workspace,
        "section": "batches",
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "told": told,
        "is_open": any(not one.batch.ended_at for one in told),
        "oob": is_live,
    }
    return render(request, "jobs/_batches_poll.html" if is_live else "jobs/batches.html", context)


def result_context(found: Batch) -> dict[str, Any]:
    """Return what the dialog after the click shows: the progress and the first items, live."""
    with one_moment():
        items = list(_items(found)[:PAGE_SIZE])
        shared = _shared(found, items)
    return shared | {
        "workspace": found.workspace,
        "place": "dialog",
        "more": max(0, found.total - len(items)),
    }


def _shared(found: Batch, items: list[BatchItem], progress: Progress | None = None) -> dict[str, Any]:
    return {
        "batch": found,
        "progress": progress or progress_of(found),
        "items": items,
        "rows": ",".join(str(item.position) for item in items),
    }


def _batch_of(request: Request, serial: str) -> Batch:
    seen = Batch.objects.visible_to(request.user).select_related("workspace", "requested_by", "retry_of")
    return get_object_or_404(seen, serial=serial)


def _operable(request: Request, serial: str) -> Batch:
    found = _batch_of(request, serial)
    if not found.workspace.may(request.user, May.OPERATE):
        raise PermissionDenied
    return found


def _items(found: Batch) -> QuerySet[BatchItem]:
    return found.items.select_related(
        "job__cluster", "job__endpoint", "operation__snapshot", "operation__run__restored_from", "problem", "copy"
    ).order_by("position")


def _followers(found: Batch) -> QuerySet[Batch]:
    """Return the batches that were asked for on this one's page."""
    after = Q(retry_of=found) | Q(params__from_batch=found.serial)
    return Batch.objects.filter(after, workspace=found.workspace_id).order_by("pk")


def _restartable(found: Batch) -> int:
    """Count the jobs that this batch stopped with a snapshot that is complete."""
    if found.action != Action.STOP or not found.ended_at:
        return 0
    return found.items.filter(state=State.SUCCEEDED, operation__snapshot__state=Snapshot.State.COMPLETED).count()


def _key(request: Request, found: Batch, act: str, followers: int) -> uuid.UUID:
    """Return a key that stays the same until the act is done: two clicks, from two windows too, make one batch."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{found.serial}/{act}/{request.user.pk}/{followers}")


def _follow(request: Request, found: Batch, make: Callable[[uuid.UUID], Batch]) -> HttpResponse:
    try:
        key = uuid.UUID(request.POST.get("key", ""))
    except ValueError:
        key = uuid.uuid4()
    try:
        return redirect("batch", make(key).serial)
    except operations.Refusal as no:
        messages.error(request, no.message)
        return redirect("batch", found.serial)


def _params(found: Batch) -> list[tuple[str, str]]:
    """Return what was chosen, for people: (name, value)."""
    params = found.params
    told: list[tuple[str, str]] = []
    if "with_snapshot" in params:
        told.append((_("Create a snapshot when stopping"), _("yes") if params["with_snapshot"] else _("no")))
    if start := STARTS.get(params.get("start", "")):
        told.append((_("Start from"), start()))
    if "note" in params:
        told.append((_("Version note"), str(params["note"])))
    if "cluster" in params:
        cluster = Cluster.objects.filter(serial=params["cluster"]).first()
        told.append((_("Target cluster"), cluster.name if cluster else str(params["cluster"])))
    if "folder" in params:
        folder = Folder.objects.filter(serial=params["folder"], workspace=found.workspace_id).first()
        told.append((_("Target folder"), folder.name if folder else str(params["folder"] or _("Job list"))))
    return told


STARTS: dict[str, Callable[[], str]] = {
    "latest": lambda: _("the latest snapshot, where there is one"),
    "none": lambda: _("no state"),
    "chosen": lambda: _("the snapshots just taken"),
}
