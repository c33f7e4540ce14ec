"""What every view begins with: the typed request, and things fetched through the user."""

from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from workspaces.models import May, Workspace, is_super_admin
from workspaces.zones import time_in


class Request(HttpRequest):
    """A request of somebody who has signed in (LoginRequiredMiddleware), with htmx's headers (HtmxMiddleware)."""

    user: User
    htmx: HtmxDetails


def page_under(request: Request) -> str:
    """Return the address, without its host, of the page of ours that htmx asks from; "" when there is none."""
    try:
        return (request.htmx.current_url_abs_path if request.htmx else "") or ""
    except ValueError:  # the header is no address at all
        return ""


def time_at(request: HttpRequest) -> datetime:
    """Return what time it is where the user is, as his browser tells the zone in a cookie; else what it is here."""
    return time_in(request.COOKIES.get("zone", ""))


def workspace_of(request: Request, serial: str) -> Workspace:
    """Return a workspace that the user sees, or raise 404."""
    return get_object_or_404(Workspace.objects.visible_to(request.user), serial=serial)


def manageable_workspace_of(request: Request, serial: str) -> Workspace:
    """Return a workspace whose members the user manages; raise 404 when he does not see it and 403 when he may only look."""
    workspace = workspace_of(request, serial)
    if not workspace.may(request.user, May.MANAGE_MEMBERS):
        raise PermissionDenied
    return workspace


def operable_workspace_of(request: Request, serial: str) -> Workspace:
    """Return a workspace whose jobs the user operates; raise 404 when he does not see it and 403 when he may only look."""
    workspace = workspace_of(request, serial)
    if not workspace.may(request.user, May.OPERATE):
        raise PermissionDenied
    return workspace


def ruled_workspace_of(request: Request, serial: str) -> Workspace:
    """Return a workspace to its super admin; raise 404 when the user does not see it and 403 when he may only look."""
    workspace = workspace_of(request, serial)
    require_super_admin(request)
    return workspace


def require_super_admin(request: Request) -> None:
    """Raise 403, with a word that no workspace admin can help, when the user is no super admin."""
    if not is_super_admin(request.user):
        raise PermissionDenied(_("Only super admins may do this"))
