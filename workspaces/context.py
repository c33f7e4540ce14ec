"""What the frame around every page shows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from workspaces.models import Workspace


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Give the workspaces that the user can switch to (ID and name); asked of the database only by pages that show them."""
    user = getattr(request, "user", None)

    def mine() -> list[tuple[str, str]]:
        return list(Workspace.objects.visible_to(user).values_list("serial", "name")) if user else []

    return {"my_workspaces": mine, "languages": settings.LANGUAGES, "support_url": settings.SUPPORT_URL}
