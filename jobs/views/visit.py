"""What every view begins with: the typed request, and things fetched through the user."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from jobs.models import Job
from workspaces.models import May, Workspace


class Request(HttpRequest):
    """A request of somebody who has signed in (LoginRequiredMiddleware), with htmx's headers (HtmxMiddleware)."""

    user: User
    htmx: HtmxDetails


def workspace_of(request: Request, serial: str) -> Workspace:
    """Return a workspace that the user sees, or raise 404."""
    return get_object_or_404(Workspace.objects.visible_to(request.user), serial=serial)


def job_of(request: Request, serial: str) -> Job:
    """Return a job that the user sees, with all that a row shows, or raise 404."""
    return get_object_or_404(Job.objects.visible_to(request.user).for_rows(), serial=serial)


def operable_job_of(request: Request, serial: str) -> Job:
    """Return a job that the user may operate; raise 404 when he does not see it and 403 when he may only look."""
    job = job_of(request, serial)
    if not job.workspace.may(request.user, May.OPERATE):
        raise PermissionDenied
    return job
