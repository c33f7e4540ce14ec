"""How views answer: a dialog as a fragment or as a page, and what follows a dialog that did its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRedirect

from workspaces.refusal import Refusal
from workspaces.visit import Request, page_under


def ask_or_do(
    request: Request, fragment: str, form: forms.BaseForm, do: Callable[[], HttpResponse], context: dict[str, Any]
) -> HttpResponse:
    """Do the act when its form was sent and is right; else show the dialog, with the reason when it can't be done."""
    is_sent = request.method == "POST"
    refusal = ""
    if is_sent and form.is_valid():
        try:
            return do()
        except Refusal as no:
            refusal = no.message
    if is_sent:
        context |= {"refusal": refusal}
    template = fragment if request.htmx else "dialog.html"
    shared = {"form": form, "fragment": fragment, "back": "/", "is_alone": is_alone(request)}
    return render(request, template, shared | context, status=422 if is_sent else 200)


def is_alone(request: Request) -> bool:
    """Tell whether a dialog is a page of its own, which the browser sends, and not laid over a page by htmx."""
    return not request.htmx or page_under(request).partition("?")[0] == request.path


def leave_to(request: Request, target: HttpResponseRedirect, message: str) -> HttpResponse:
    """Go to another page, which shows `message`."""
    messages.success(request, message)
    return HttpResponseClientRedirect(target.url) if request.htmx else target


def sent(request: Request) -> Any:
    """Return what was posted, or None when the form is only asked for."""
    return request.POST if request.method == "POST" else None
