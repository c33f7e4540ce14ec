"""Published versions: the list, one of them read-only, and two of them side by side."""

from __future__ import annotations

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, Window
from django.db.models.functions import Lag
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from clusters.cu import cu_text
from jobs import operations
from jobs.forms import RestoreForm
from jobs.models import Draft, Job, Version
from jobs.secrets import lines_beside, masked_properties, masked_sql, properties_beside
from jobs.views.answers import show_dialog
from jobs.views.job import PAGE_SIZE, head_context
from jobs.views.visit import Request, job_of, operable_job_of
from workspaces.answers import leave_to, sent

# Among so many of the newest versions is looked whether one says what the draft says.
KEPT_AMONG = 20
# So many of the newest are offered for a comparison; the list of versions leads to the others.
OFFERED = 200


@require_GET
def versions(request: Request, serial: str) -> HttpResponse:
    job = job_of(request, serial)
    # The one before it may have been deleted.
    before = Window(Lag("number"), order_by="number")
    rows = job.versions.select_related("published_by").annotate(run_count=Count("runs"), before=before)
    rows = rows.order_by("-number")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    pages = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return render(
        request, "jobs/versions.html", head_context(request, job, "versions") | {"page": page, "pages": pages}
    )


@require_GET
def version(request: Request, serial: str, number: int) -> HttpResponse:
    job = job_of(request, serial)
    shown = get_object_or_404(job.versions.select_related("published_by"), number=number)
    draft = Draft.objects.filter(job=job).first()
    is_draft = draft is not None and draft.is_like(shown)
    context = {"version": shown, "sql": masked_sql(shown), "settings": settings_of(shown), "is_draft": is_draft}
    return render(request, "jobs/version.html", head_context(request, job, "versions") | context)


@require_http_methods(["GET", "POST"])
def restore(request: Request, serial: str, number: int) -> HttpResponse:
    """Make the draft what a version is; what it was is told first."""
    job = operable_job_of(request, serial)
    chosen = get_object_or_404(job.versions, number=number)
    form, refusal = RestoreForm(sent(request)), ""
    if form.is_valid():
        try:
            operations.restore_version(request.user, chosen, form.cleaned_data["revision"])
        except operations.Refusal as no:
            refusal = no.message
        else:
            told = _("The draft is now what version %(number)s is. Publish it to run it.") % {"number": number}
            return leave_to(request, redirect("draft", job.serial), told)
    draft = Draft.objects.filter(job=job).select_related("saved_by").first()
    context = {
        "job": job,
        "workspace": job.workspace,
        "version": chosen,
        "form": RestoreForm(initial={"revision": draft.revision if draft else 0}),
        "draft": draft,
        "is_kept": draft is None or any(draft.is_like(one) for one in job.versions.all()[:KEPT_AMONG]),
        "refusal": refusal,
    }
    return show_dialog(request, "jobs/_restore_version.html", context, invalid=request.method == "POST")


@require_http_methods(["GET", "POST"])
def delete(request: Request, serial: str, number: int) -> HttpResponse:
    """Delete a version that never ran."""
    job = operable_job_of(request, serial)
    chosen = get_object_or_404(job.versions, number=number)
    form, refusal = forms.Form(sent(request)), ""
    try:
        operations.refuse_what_ran(job, chosen)
        if form.is_valid():
            operations.delete_version(request.user, chosen)
            told = _("Version %(number)s was deleted.") % {"number": number}
            return leave_to(request, redirect("versions", job.serial), told)
    except operations.Refusal as no:
        refusal = no.message
    context = {
        "job": job,
        "workspace": job.workspace,
        "version": chosen,
        "refusal": refusal,
        "is_possible": not refusal,
    }
    return show_dialog(request, "jobs/_delete_version.html", context, invalid=request.method == "POST")


@require_GET
def compare(request: Request, serial: str) -> HttpResponse:
    """Show versions a and b beside each other; what the address leaves open is the newest and the one before."""
    job = job_of(request, serial)
    left, right = _chosen(request, job, "a", 1), _chosen(request, job, "b", 0)
    choices = list(job.versions.only("job", "number", "note")[: OFFERED + 1])
    more, choices = len(choices) > OFFERED, choices[:OFFERED]
    older = {one for one in (left, right) if one and one not in choices}
    choices += sorted(older, key=lambda one: -one.number)
    context: dict[str, object] = {"choices": choices, "left": left, "right": right, "offered": OFFERED if more else 0}
    if left and right:
        context["lines"] = lines_beside(left, right)
        context["settings"] = settings_beside(left, right)
    return render(request, "jobs/compare.html", head_context(request, job, "versions") | context)


def settings_of(definition: Draft | Version) -> list[tuple[str, str]]:
    """Return the settings of a draft or version as names and texts, for people: without secrets."""
    return _numbers(definition) + sorted(masked_properties(definition).items())


def settings_beside(left: Draft | Version, right: Draft | Version) -> list[tuple[str, str, str]]:
    """Return name, left text and right text of every setting that one of the two has."""
    left_properties, right_properties = properties_beside(left, right)
    one = dict(_numbers(left)) | dict(sorted(left_properties.items()))
    other = dict(_numbers(right)) | dict(sorted(right_properties.items()))
    return [(name, one.get(name, ""), other.get(name, "")) for name in dict.fromkeys([*one, *other])]


def _numbers(definition: Draft | Version) -> list[tuple[str, str]]:
    return [
        (_("Default parallelism"), str(definition.parallelism)),
        (_("Checkpoint interval"), _("%(seconds)s s") % {"seconds": definition.checkpoint_interval_seconds}),
        (_("JobManager spec"), f"{cu_text(definition.jobmanager_spec)} CU"),
        (_("TaskManager spec"), f"{cu_text(definition.taskmanager_spec)} CU"),
    ]


def _chosen(request: Request, job: Job, name: str, default: int) -> Version | None:
    """Return the version that the address names, else the `default`-th newest."""
    number = request.GET.get(name, "")
    if number.isdecimal() and len(number) < 9:
        return get_object_or_404(job.versions, number=int(number))
    return job.versions.all()[default : default + 1].first()
