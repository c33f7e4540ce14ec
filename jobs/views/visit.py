"""What every view begins with: the typed request, and things fetched through the user."""

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from jobs.models import Job
from jobs.restarts import OFTEN_RESTARTED
from workspaces.models import May
from workspaces.visit import Request, page_under, workspace_of

__all__ = ["Request", "job_of", "operable_job_of", "page_under", "workspace_of"]


def job_of(request: Request, serial: str) -> Job:
    """Return a job that the user sees, with all that a row shows, or raise 404."""
    jobs = Job.objects.visible_to(request.user).for_rows().annotate(**OFTEN_RESTARTED)
    return get_object_or_404(jobs, serial=serial)


def operable_job_of(request: Request, serial: str) -> Job:
    """Return a job that the user may operate; raise 404 when he does not see it and 403 when he may only look."""
    job = job_of(request, serial)
    if not job.workspace.may(request.user, May.OPERATE):
        raise PermissionDenied
    return job
