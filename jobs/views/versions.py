"""Published versions: the list, one of them read-only, and two of them side by side."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from jobs.diff import side_by_side
from jobs.models import Definition, Job, Version
from jobs.views.job import PAGE_SIZE, head_context
from jobs.views.visit import Request, job_of


@require_GET
def versions(request: Request, serial: str) -> HttpResponse:
    job = job_of(request, serial)
    rows = job.versions.select_related("published_by").annotate(run_count=Count("runs")).order_by("-number")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    pages = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return render(
        request, "jobs/versions.html", head_context(request, job, "versions") | {"page": page, "pages": pages}
    )


@require_GET
def version(request: Request, serial: str, number: int) -> HttpResponse:
    job = job_of(request, serial)
    shown = get_object_or_404(job.versions.select_related("published_by"), number=number)
    context = {"version": shown, "settings": settings_of(shown)}
    return render(request, "jobs/version.html", head_context(request, job, "versions") | context)


@require_GET
def compare(request: Request, serial: str) -> HttpResponse:
    """Show versions a and b beside each other; what the address leaves open is the newest and the one before."""
    job = job_of(request, serial)
    choices = list(job.versions.defer("sql").select_related("published_by"))
    left, right = _chosen(request, job, "a", 1), _chosen(request, job, "b", 0)
    context: dict[str, object] = {"choices": choices, "left": left, "right": right}
    if left and right:
        context["lines"] = side_by_side(left.sql, right.sql)
        context["settings"] = settings_beside(left, right)
    return render(request, "jobs/compare.html", head_context(request, job, "versions") | context)


def settings_of(definition: Definition) -> list[tuple[str, str]]:
    """Return the settings of a draft or version as names and texts, for people."""
    rows = [
        (_("Default parallelism"), str(definition.parallelism)),
        (_("Checkpoint interval"), _("%(seconds)s s") % {"seconds": definition.checkpoint_interval_seconds}),
        (_("JobManager spec"), f"{definition.jobmanager_spec.normalize():f} CU"),
        (_("TaskManager spec"), f"{definition.taskmanager_spec.normalize():f} CU"),
    ]
    return rows + sorted(definition.properties.items())


def settings_beside(left: Definition, right: Definition) -> list[tuple[str, str, str]]:
    """Return name, left text and right text of every setting that one of the two has."""
    one, other = dict(settings_of(left)), dict(settings_of(right))
    return [(name, one.get(name, ""), other.get(name, "")) for name in dict.fromkeys([*one, *other])]


def _chosen(request: Request, job: Job, name: str, default: int) -> Version | None:
    """Return the version that the address names, else the `default`-th newest."""
    number = request.GET.get(name, "")
    if number.isdecimal() and len(number) < 9:
        return get_object_or_404(job.versions, number=int(number))
    return job.versions.all()[default : default + 1].first()
