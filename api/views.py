"""The pages of a user's access keys. Everybody has his own, and nobody sees those of others."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from api import keys
from api.clients import clients_for
from api.forms import KeyForm
from api.models import AccessKey
from workspaces.answers import ask_or_do, leave_to, sent
from workspaces.models import Event
from workspaces.record_pages import events_shown
from workspaces.visit import Request

REVOKED_SHOWN = 10


@require_GET
def access_keys(request: Request) -> HttpResponse:
    return render(request, "api/keys.html", _listed(request))


@never_cache
@require_http_methods(["GET", "POST"])
def new(request: Request) -> HttpResponse:
    """Make a key, and show its secret: this once, in the answer itself, as it is stored nowhere that a page can read."""
    form = KeyForm(sent(request))

    def do() -> HttpResponse:
        key, secret = keys.make_key(request.user, form.cleaned_data["description"])
        context = _listed(request) | {"key": key, "secret": secret, "fragment": "api/_made.html"}
        return render(request, "api/_made.html" if request.htmx else "dialog.html", context)

    return ask_or_do(request, "api/_new.html", form, do, {"back": reverse("access-keys"), "most": keys.MOST_KEYS})


@require_http_methods(["GET", "POST"])
def revoke(request: Request, serial: str) -> HttpResponse:
    key = get_object_or_404(AccessKey.objects.live(), user=request.user, serial=serial)

    def do() -> HttpResponse:
        keys.revoke(request.user, key)
        return leave_to(request, redirect("access-keys"), _("The access key was revoked."))

    context = {"key": key, "back": reverse("access-keys")}
    return ask_or_do(request, "api/_revoke.html", forms.Form(sent(request)), do, context)


@require_GET
def api_clients(request: Request) -> HttpResponse:
    """Show how the official clients are pointed at this console, at the address that the reader came to."""
    scheme, host = request.scheme or "http", request.get_host()
    language = "zh-CN" if get_language() == "zh-hans" else "en-US"
    context = {"clients": clients_for(scheme, host, language), "url": f"{scheme}://{host}"}
    return render(request, "api/clients.html", context)


def _listed(request: Request) -> dict[str, Any]:
    """Return what the list needs, the keys that are good and the last of those that aren't, and the record below it."""
    own = AccessKey.objects.filter(user=request.user)
    live = list(own.live())
    return {
        "section": "access-keys",
        "live": live,
        "revoked": own.exclude(revoked_at=None).order_by("-revoked_at")[:REVOKED_SHOWN],
        "may_make": len(live) < keys.MOST_KEYS,
        "most": keys.MOST_KEYS,
        **events_shown(request, Event.objects.filter(about__in=own.values("serial"))),
    }
