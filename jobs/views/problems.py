"""What is wrong in a workspace: its problems, each with the jobs that it hits."""

from __future__ import annotations

import hashlib

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.problem_groups import Group, groups_of
from jobs.views.visit import Request, workspace_of
from workspaces.models import May


@require_GET
def problems(request: Request, serial: str) -> HttpResponse:
    """Show the groups; to the page's own poll answer 204 while nothing has changed."""
    workspace = workspace_of(request, serial)
    groups = groups_of(workspace)
    seen = _mark(groups)
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    context = {
        "section": "problems",
        "workspace": workspace,
        "can_operate": workspace.may(request.user, May.OPERATE),
        "groups": groups,
        "total": sum(group.count for group in groups),
        "seen": seen,
    }
    return render(request, "jobs/_problems.html" if request.htmx else "jobs/problems.html", context)


def _mark(groups: list[Group]) -> str:
    """Return the mark of what the page shows."""
    told = [(one.key, one.count, one.since, one.latest, [job["serial"] for job in one.jobs]) for one in groups]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
