"""Asking for a batch: the dialog that tells what would happen to every job, and the click that writes it down."""

from __future__ import annotations

import uuid

from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from jobs import operations
from jobs.batch_forms import BATCH_FORMS, BatchForm
from jobs.models import Batch, Job, JobQuerySet
from jobs.operations.plan import Plan, plan
from jobs.states import Action
from jobs.tree import Tree
from jobs.views.answers import show_dialog
from jobs.views.batches import result_context
from jobs.views.listing import Wish
from jobs.views.visit import Request, workspace_of
from workspaces.models import May, Workspace
from workspaces.prepared import among
from workspaces.visit import time_at


@require_http_methods(["GET", "POST"])
def confirm(request: Request, serial: str, action: str) -> HttpResponse:
    """Show what would happen; make the batch when the form was sent, but for `do=plan`: that shows it once more."""
    workspace = workspace_of(request, serial)
    if not workspace.may(request.user, May.OPERATE):
        raise PermissionDenied
    form = _form(request, workspace, action)
    is_sent = request.method == "POST" and request.POST.get("do") != "plan"
    refusal = ""
    if is_sent and form.is_valid():
        try:
            return _show_result(request, _make(request, workspace, form))
        except operations.Refusal as no:
            refusal = no.message
    made = _plan(request, workspace, form)
    lines = made.shown
    context = {
        "workspace": workspace,
        "form": form,
        "action": action,
        "refusal": refusal,
        "plan": made,
        "lines": lines,
        "more": len(made.lines) - len(lines),
        "go": form.go % {"count": made.possible},
    }
    return show_dialog(request, "jobs/_batch_confirm.html", context, invalid=is_sent)


def _form(request: Request, workspace: Workspace, action: str) -> BatchForm:
    if action not in BATCH_FORMS:
        raise Http404
    if request.method == "POST" and request.POST.get("do") != "plan":
        return BATCH_FORMS[action](request.POST, workspace=workspace)
    if request.method == "POST":
        return BATCH_FORMS[action](initial=request.POST.dict(), workspace=workspace)
    ticked = _ticked(request, workspace)
    initial = {"jobs": ",".join(ticked), "key": uuid.uuid4()}
    if action == Action.COPY:
        initial["cluster"] = _cluster_of_most(_jobs(request, workspace).filter(among("jobs_job.serial", ticked)))
    return BATCH_FORMS[action](initial=initial, workspace=workspace)


def _cluster_of_most(jobs: JobQuerySet) -> str:
    """Return the ID of the cluster that most of the jobs are on: what is copied stays there unless another one is chosen."""
    found = jobs.values("cluster__serial").annotate(count=Count("pk")).order_by("-count", "cluster__serial").first()
    return found["cluster__serial"] if found else ""


def _ticked(request: Request, workspace: Workspace) -> list[str]:
    """Return the serials that were ticked, in their order; with ?all=1 those of all jobs that match the filter."""
    if request.GET.get("all"):
        wish = Wish.of(request.GET)
        rows = workspace.folders.order_by("name").values("id", "serial", "name", "parent")
        chosen = Tree(rows, {}, wish.folder).chosen()
        cluster = wish.cluster_among(workspace.clusters.values("id", "serial"))
        return list(wish.select(_jobs(request, workspace), chosen, cluster).values_list("serial", flat=True))
    ticked = [serial for serial in request.GET.getlist("job") if "\0" not in serial and "," not in serial]
    order = request.GET.get("order", "").split(",")
    rank = {serial: position for position, serial in enumerate(order)}
    return sorted(ticked, key=lambda serial: rank.get(serial, len(rank)))


def _jobs(request: Request, workspace: Workspace) -> JobQuerySet:
    return Job.objects.visible_to(request.user).filter(workspace=workspace)


def _named(request: Request, workspace: Workspace, form: BatchForm) -> JobQuerySet:
    return _jobs(request, workspace).filter(
        among("jobs_job.serial", [one for one in form.serials() if "\0" not in one])
    )


def _plan(request: Request, workspace: Workspace, form: BatchForm) -> Plan:
    start = str(form["start"].value()) if "start" in form.fields else ""
    cluster = None
    if "cluster" in form.fields:
        clusters = list(form.fields["cluster"].queryset)  # type: ignore[attr-defined]
        wanted = form["cluster"].value()
        cluster = next((one for one in clusters if one.serial == wanted), clusters[0] if clusters else None)
    return plan(workspace, form.action, _named(request, workspace, form), form.serials(), start, cluster)


def _make(request: Request, workspace: Workspace, form: BatchForm) -> Batch:
    jobs = _named(request, workspace, form)
    ids = dict(jobs.values_list("serial", "pk"))
    order = [ids[serial] for serial in form.serials() if serial in ids]
    key, params = form.cleaned_data["key"], form.params()
    if form.action == Action.COPY:  # whose names tell the time
        params["zone"] = str(time_at(request).tzinfo)
    return operations.request_batch(request.user, workspace, form.action, jobs, params, key, order=order)


def _show_result(request: Request, batch: Batch) -> HttpResponse:
    if not request.htmx:
        return redirect("batch", batch.serial)
    return show_dialog(request, "jobs/_batch_result.html", result_context(batch))
