"""The pages of clusters: those of a workspace for its members; all of them, and each with its dialogs, for super admins."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from clusters import acts
from clusters.forms import BindForm, ClusterForm
from clusters.models import MOST_WORKSPACES, Cluster, ClusterQuerySet, FlinkEndpoint
from workspaces.answers import ask_or_do, leave_to, sent
from workspaces.models import Event, Workspace, is_super_admin
from workspaces.record_pages import events_shown
from workspaces.visit import Request, require_super_admin, workspace_of

PAGE_SIZE = 50


@require_GET
def clusters(request: Request, serial: str) -> HttpResponse:
    """List the clusters that a workspace may use."""
    workspace = workspace_of(request, serial)
    rows = Cluster.objects.filter(workspaces=workspace).with_use(workspace)
    context = _page(request, rows) | {"workspace": workspace, "may_rule": is_super_admin(request.user)}
    return render(request, "clusters/clusters.html", context)


@require_GET
def all_clusters(request: Request) -> HttpResponse:
    require_super_admin(request)
    own = {"section": "all-clusters", "may_rule": True}
    return render(request, "clusters/clusters.html", _page(request, Cluster.objects.with_use()) | own)


@require_GET
def cluster(request: Request, serial: str) -> HttpResponse:
    found = ruled_cluster_of(request, serial)
    bound = found.bindings.select_related("workspace").order_by("workspace__name")
    jobs = Workspace.objects.filter(pk=OuterRef("workspace")).order_by()
    here = Q(jobs__cluster=found, jobs__deleted_at=None)
    # Each counted by itself: together they would be every job with every run.
    same = FlinkEndpoint.objects.filter(pk=OuterRef("pk")).order_by()
    live = same.annotate(n=Count("runs", filter=Q(runs__ended_at=None)))
    context = {
        "section": "all-clusters",
        "cluster": found,
        "endpoints": found.endpoints.annotate(
            job_count=Subquery(same.annotate(n=Count("jobs", filter=Q(jobs__deleted_at=None))).values("n")),
            live_count=Subquery(live.values("n")),
        ),
        "bindings": bound.annotate(job_count=Subquery(jobs.annotate(n=Count("jobs", filter=here)).values("n"))),
        "most_workspaces": MOST_WORKSPACES,
    } | events_shown(request, Event.objects.filter(about=found.serial))
    return render(request, "clusters/cluster.html", context)


@require_http_methods(["GET", "POST"])
def new(request: Request) -> HttpResponse:
    require_super_admin(request)
    form = ClusterForm(sent(request))

    def do() -> HttpResponse:
        made = acts.create_cluster(request.user, form.cleaned_data)
        told = _("The cluster %(cluster)s was created. Add its Flink versions and bind it to workspaces.")
        return leave_to(request, redirect("cluster", made.serial), told % {"cluster": made.name})

    return ask_or_do(request, "clusters/_new.html", form, do, {"back": reverse("all-clusters")})


@require_http_methods(["GET", "POST"])
def edit(request: Request, serial: str) -> HttpResponse:
    found = ruled_cluster_of(request, serial)
    form = ClusterForm(sent(request), instance=found)

    def do() -> HttpResponse:
        acts.change_cluster(request.user, found, form.cleaned_data)
        return leave_to(request, redirect("cluster", serial), _("The cluster was changed."))

    return ask_or_do(request, "clusters/_edit.html", form, do, about(found))


@require_http_methods(["GET", "POST"])
def delete(request: Request, serial: str) -> HttpResponse:
    found = ruled_cluster_of(request, serial)

    def do() -> HttpResponse:
        acts.delete_cluster(request.user, found)
        told = _("The cluster %(cluster)s was deleted.") % {"cluster": found.name}
        return leave_to(request, redirect("all-clusters"), told)

    context = about(found) | {"refusal": acts.why_not_delete(found)}
    return ask_or_do(request, "clusters/_delete.html", forms.Form(sent(request)), do, context)


@require_http_methods(["GET", "POST"])
def bind(request: Request, serial: str) -> HttpResponse:
    found = ruled_cluster_of(request, serial)
    form = BindForm(sent(request), cluster=found)

    def do() -> HttpResponse:
        bound = acts.bind(request.user, found, form.cleaned_data["workspace"])
        told = _("%(workspace)s can use the cluster now.") % {"workspace": bound.workspace}
        return leave_to(request, redirect("cluster", serial), told)

    return ask_or_do(request, "clusters/_bind.html", form, do, about(found) | {"most_workspaces": MOST_WORKSPACES})


@require_http_methods(["GET", "POST"])
def unbind(request: Request, serial: str, binding: int) -> HttpResponse:
    found = ruled_cluster_of(request, serial)
    bound = get_object_or_404(found.bindings.select_related("cluster", "workspace"), pk=binding)

    def do() -> HttpResponse:
        acts.unbind(request.user, bound)
        told = _("%(workspace)s can't use the cluster any more.") % {"workspace": bound.workspace}
        return leave_to(request, redirect("cluster", serial), told)

    context = about(found) | {"binding": bound, "refusal": acts.why_not_unbind(bound)}
    return ask_or_do(request, "clusters/_unbind.html", forms.Form(sent(request)), do, context)


def ruled_cluster_of(request: Request, serial: str) -> Any:
    """Return a cluster to a super admin; raise 404 when the user does not see it and 403 when he may only look."""
    found = get_object_or_404(Cluster.objects.visible_to(request.user).with_use(), serial=serial)
    require_super_admin(request)
    return found


def about(found: Cluster) -> dict[str, Any]:
    """Return what every dialog about a cluster needs."""
    return {"cluster": found, "back": reverse("cluster", args=[found.serial])}


def _page(request: Request, rows: ClusterQuerySet) -> dict[str, Any]:
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    pages = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return {"section": "clusters", "page": page, "pages": pages}
