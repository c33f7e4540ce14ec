"""What the frame around every page shows."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from workspaces.models import Workspace, is_super_admin
from workspaces.prepared import Prepared


def _spaces(visitor: User) -> QuerySet[Workspace, tuple[str, str]]:
    return Workspace.objects.visible_to(visitor).values_list("serial", "name")


SPACES = Prepared(lambda user: _spaces(User(pk=user)), user=-1)
ALL_SPACES = Prepared(lambda: _spaces(User(is_superuser=True)))


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Give the workspaces that the user can switch to (ID and name); asked of the database only by pages that show them."""
    user = getattr(request, "user", None)

    def mine() -> list[tuple[str, ...]]:
        if user is None or not user.pk:
            return []
        return ALL_SPACES.rows() if is_super_admin(user) else SPACES.rows(user=user.pk)

    return {"my_workspaces": mine, "languages": settings.LANGUAGES, "support_url": settings.SUPPORT_URL}
