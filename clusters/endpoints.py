"""The dialogs of a cluster's Flink endpoints."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from clusters import acts, connection
from clusters.forms import EndpointForm
from clusters.models import Cluster, FlinkEndpoint
from clusters.views import about, ruled_cluster_of
from workspaces.answers import ask_or_do, leave_to, sent
from workspaces.visit import Request

LEVELS = {"ok": messages.SUCCESS, "warn": messages.WARNING, "bad": messages.ERROR}


@require_http_methods(["GET", "POST"])
def add(request: Request, serial: str) -> HttpResponse:
    cluster = ruled_cluster_of(request, serial)
    is_first = not cluster.endpoints.exists()
    form = EndpointForm(sent(request), initial={"is_default": is_first})

    def do() -> HttpResponse:
        made = acts.add_endpoint(request.user, cluster, form.cleaned_data)
        told = _("Flink %(version)s was added. Test the connection.") % {"version": made.flink_version}
        return leave_to(request, redirect("cluster", serial), told)

    return ask_or_do(request, "clusters/_add_endpoint.html", form, do, about(cluster))


@require_http_methods(["GET", "POST"])
def edit(request: Request, serial: str, endpoint: int) -> HttpResponse:
    cluster = ruled_cluster_of(request, serial)
    found = _endpoint_of(cluster, endpoint)
    form = EndpointForm(sent(request), instance=found)

    def do() -> HttpResponse:
        acts.change_endpoint(request.user, found, form.cleaned_data)
        return leave_to(request, redirect("cluster", serial), _("The Flink endpoint was changed."))

    live = found.runs.filter(ended_at=None).count()
    context = about(cluster) | {"endpoint": found, "live": live}
    return ask_or_do(request, "clusters/_edit_endpoint.html", form, do, context)


@require_http_methods(["GET", "POST"])
def remove(request: Request, serial: str, endpoint: int) -> HttpResponse:
    cluster = ruled_cluster_of(request, serial)
    found = _endpoint_of(cluster, endpoint)

    def do() -> HttpResponse:
        acts.remove_endpoint(request.user, found)
        told = _("Flink %(version)s was removed.") % {"version": found.flink_version}
        return leave_to(request, redirect("cluster", serial), told)

    context = about(cluster) | {"endpoint": found, "refusal": acts.why_not_remove(found)}
    return ask_or_do(request, "clusters/_remove_endpoint.html", forms.Form(sent(request)), do, context)


@require_POST
def test(request: Request, serial: str, endpoint: int) -> HttpResponse:
    """Ask Flink now, the one thing that a person waits for; changes nothing."""
    answer = connection.ask(_endpoint_of(ruled_cluster_of(request, serial), endpoint))
    if request.htmx:
        return render(request, "clusters/_answer.html", {"answer": answer})
    messages.add_message(request, LEVELS[answer.level], answer.text)
    return redirect("cluster", serial)


def _endpoint_of(cluster: Cluster, pk: int) -> FlinkEndpoint:
    return get_object_or_404(cluster.endpoints.select_related("cluster"), pk=pk)
