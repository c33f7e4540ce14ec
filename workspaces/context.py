"""What the frame around every page shows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from workspaces.models import Workspace


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Give the workspaces that the user can switch to; asked of the database only by pages that show them."""
    user = getattr(request, "user", None)
    mine = Workspace.objects.visible_to(user) if user else Workspace.objects.none()
    return {"my_workspaces": mine, "languages": settings.LANGUAGES, "support_url": settings.SUPPORT_URL}
