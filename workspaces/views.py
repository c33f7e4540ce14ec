"""Signing in, and the way to the first workspace."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRefresh

from workspaces.models import Workspace

_sign_in_page = LoginView.as_view(template_name="login.html", redirect_authenticated_user=True)


@login_not_required
def sign_in(request: HttpRequest) -> Any:
    """Show the form. A part of a page that lands here lost its session: let the whole page be loaded again."""
    if getattr(request, "htmx", False):
        return HttpResponseClientRefresh()
    return _sign_in_page(request)


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    workspace = Workspace.objects.visible_to(request.user).first()
    return redirect("jobs", workspace.serial) if workspace else render(request, "home.html")
