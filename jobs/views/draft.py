"""The editor of the one draft: save, check, and on to publishing."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from jobs import operations
from jobs.advice import explain
from jobs.forms import DraftForm
from jobs.models import Draft, Job
from jobs.remedies import fields_of
from jobs.secrets import lines_beside, masked_sql
from jobs.views.job import head_context
from jobs.views.versions import settings_beside, settings_of
from jobs.views.visit import Request, job_of, operable_job_of


@require_http_methods(["GET", "POST"])
def draft(request: Request, serial: str) -> HttpResponse:
    if request.method == "POST":
        return _do(request, operable_job_of(request, serial))
    job = job_of(request, serial)
    stored = _stored(job)
    form = DraftForm(job=job, instance=stored, initial={"revision": stored.revision})
    return render(request, "jobs/draft.html", _context(request, job, form, stored) | _pointed_at(request, job))


def _pointed_at(request: Request, job: Job) -> dict[str, Any]:
    """Mark line 3 with what is wrong with the job, as Check does, when the address says ?line=3."""
    line = request.GET.get("line", "")
    if job.problem is None or not (line.isdecimal() and len(line) < 7):
        return {}
    return {"explanation": explain(job.problem), "line": int(line)}


def _do(request: Request, job: Job) -> HttpResponse:
    form = DraftForm(request.POST, job=job, instance=_stored(job))
    if not form.is_valid():
        return _answer(request, job, form, status=422)
    if request.POST.get("do") == "check":
        return _check(request, job, form)
    # "Save mine over theirs" of the conflict's dialog names the revision that the user has seen.
    over = request.POST.get("over", "")
    revision = int(over) if over.isdecimal() and len(over) < 10 else form.cleaned_data["revision"]
    try:
        saved = operations.save_draft(request.user, job, revision, form.values())
    except operations.Conflict as conflict:
        return _show_conflict(request, job, form, conflict)
    except operations.Refusal as no:
        return _answer(request, job, form, refusal=no.message, status=422)
    return _saved(request, job, saved)


def _saved(request: Request, job: Job, saved: Draft) -> HttpResponse:
    to_publish = request.POST.get("do") == "publish"
    if not request.htmx:
        return redirect("publish" if to_publish else "draft", job.serial)
    job = job_of(request, job.serial)
    form = DraftForm(job=job, instance=saved, initial={"revision": saved.revision})
    answer = _answer(request, job, form, message="" if to_publish else _("The draft was saved."))
    trigger_client_event(answer, "console:saved")
    if to_publish:
        trigger_client_event(answer, "console:open-publish")
    return answer


def _check(request: Request, job: Job, form: DraftForm) -> HttpResponse:
    try:
        problem = operations.check(job, form.values())
    except operations.Refusal as no:
        return _answer(request, job, form, refusal=no.message, status=422)
    explanation = explain(problem) if problem else None
    line = problem.values.get("line") if problem else None
    fields = fields_of(problem) if problem else []
    return _answer(request, job, form, is_checked=True, explanation=explanation, line=line, fields=fields)


def _show_conflict(request: Request, job: Job, form: DraftForm, conflict: operations.Conflict) -> HttpResponse:
    """Show both texts: the one that somebody saved in between, and the user's own, which stays in the editor."""
    theirs = conflict.draft
    mine = Draft(job=job, **form.values())
    context = {
        "refusal": conflict.message,
        "theirs": theirs,
        "is_own": conflict.is_own,
        "lines": lines_beside(theirs, mine),
        "settings": [row for row in settings_beside(theirs, mine) if row[1] != row[2]],
    }
    if not request.htmx:
        return _answer(request, job, form, **context, status=409)
    answer = render(request, "jobs/_conflict.html", {"job": job, "workspace": job.workspace} | context, status=409)
    answer["HX-Retarget"], answer["HX-Reswap"] = "#dialog", "innerHTML"
    return answer


def _answer(request: Request, job: Job, form: DraftForm, *, status: int = 200, **more: Any) -> HttpResponse:
    """Answer all around the editor, never the editor itself: the text, the cursor and the undo history stay."""
    context = _context(request, job, form, _stored(job)) | more
    if request.htmx:
        return render(request, "jobs/_draft_answer.html", context | {"oob": True}, status=status)
    return render(request, "jobs/draft.html", context, status=status)


def _context(request: Request, job: Job, form: DraftForm, stored: Draft) -> dict[str, Any]:
    return head_context(request, job, "draft") | {
        "form": form,
        "stored": stored,
        "stored_sql": masked_sql(stored),
        "stored_settings": settings_of(stored),
        "variables": job.workspace.variables.all(),
    }


def _stored(job: Job) -> Draft:
    """Return the draft as it is stored, or an empty one with revision 0."""
    return Draft.objects.select_related("saved_by").filter(job=job).first() or Draft(job=job, revision=0)
