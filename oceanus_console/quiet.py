"""The shortest way to say that nothing is new: open lists ask every two seconds, and mostly that is the answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone

from jobs.views.watched import NEWEST, OUTAGES, is_settled, mark, told_to
from oceanus_console.sessions import EXAMPLES, SessionStore, guess_of, proven_owner, with_session
from workspaces.models import Workspace, is_super_admin
from workspaces.prepared import Prepared

POLL = re.compile(r"/spaces/([-\w]{1,32})/jobs/poll/")


class Quiet:
    """Answer 204 to a poll that would get it anyway, after one query; let all else go on its way."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        poll = POLL.fullmatch(request.path_info) if request.method == "GET" else None
        if poll and _knows_all(request, poll[1]):
            return HttpResponse(status=204)
        return self.get_response(request)


def _knows_all(request: HttpRequest, serial: str) -> bool:
    """Tell whether the user is signed in, sees the workspace, and his page shows it as it is."""
    key, told = request.COOKIES.get(settings.SESSION_COOKIE_NAME), told_to(request)
    guess = guess_of(key)
    if guess is None or not _may_be_last(told):
        return False
    user, sees_all = guess
    for *fields, data, newest, outages in _QUERIES[sees_all].rows(
        user=user, key=key, now=timezone.now(), serial=serial
    ):
        if data is None or newest is None:
            return False
        # If more is to be done, it is done with this one.
        request.session = session = SessionStore(key)
        session.take(fields, data)
        owner = proven_owner(session)
        is_as_guessed = owner is not None and is_super_admin(owner) == sees_all
        return is_as_guessed and is_settled(newest) and told == mark(newest, outages)
    return False


def _may_be_last(told: str) -> bool:
    """Tell whether what a page was told lies so far back that nothing older can come in any more."""
    try:
        return is_settled(datetime.fromtimestamp(float(told.partition("-")[0]), UTC))
    except (ValueError, OverflowError, OSError):
        return False


def _query(sees_all: bool, user: int, key: str, now: Any, serial: str) -> QuerySet[User, tuple[Any, ...]]:
    seen = Workspace.objects.visible_to(User(pk=user, is_superuser=sees_all)).filter(serial=serial).order_by()
    return with_session(user, key, now, Subquery(seen.values_list(NEWEST)), Subquery(seen.values_list(OUTAGES)))


# For users who see the workspaces that they are members of, and for those who see all.
_QUERIES = [
    Prepared(lambda sees_all=sees_all, **values: _query(sees_all, **values), **EXAMPLES, serial="a serial")
    for sees_all in (False, True)
]
