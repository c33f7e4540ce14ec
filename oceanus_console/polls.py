"""The shortest way to answer open lists, which ask every two seconds what is new: mostly nothing is."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone, translation

from jobs.views.news import poll
from jobs.views.visit import Request
from jobs.views.watched import NEWEST, OUTAGES, is_settled, mark, told_to
from oceanus_console.sessions import EXAMPLES, SessionStore, guess_of, proven_owner, with_session
from workspaces.models import Workspace, is_super_admin
from workspaces.prepared import Prepared

POLL = re.compile(r"/spaces/([-\w]{1,32})/jobs/poll/")
# What a poll brings is put into a page by htmx, under the policy of that page. Opened by itself it may do nothing.
POLICY = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store, private"}


class Polls:
    """Answer the polls of whoever is known to this process: 204 after one query, if nothing is new.

    Nothing that pages need touches them: no message, no CSRF token, no policy of content. All else, and all doubt, goes on its way.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponseBase:
        asked = POLL.fullmatch(request.path_info) if request.method == "GET" else None
        if asked is None or (known := _known(request, asked[1])) is None:
            return self.get_response(request)
        request.get_host()  # one that is not ours is refused, as on all pages
        if is_settled(known.newest) and told_to(request) == mark(known.newest, known.outages):
            return HttpResponse(status=204)
        request.user = known.user
        with translation.override(translation.get_language_from_request(request)):
            response = poll(request, asked[1])
        for name, value in POLICY.items():
            response.headers[name] = value
        return response


class Known(NamedTuple):
    """Who asks, and what the workspace that he sees is like now."""

    user: User
    newest: datetime
    outages: int


def _known(request: HttpRequest, serial: str) -> Known | None:
    """Return who asks if he is signed in, sees the workspace, and is guessed right; all else is found out on the long way."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if (guess := guess_of(key)) is None:
        return None
    user, sees_all = guess
    for *fields, data, newest, outages in _QUERIES[sees_all].rows(
        user=user, key=key, now=timezone.now(), serial=serial
    ):
        if data is None or newest is None:
            return None
        # If more is to be done, it is done with this one.
        request.session = session = SessionStore(key)
        session.take(fields, data)
        owner = proven_owner(session)
        if owner is not None and is_super_admin(owner) == sees_all:
            return Known(owner, newest, outages)
    return None


def _query(sees_all: bool, user: int, key: str, now: Any, serial: str) -> QuerySet[User, tuple[Any, ...]]:
    seen = Workspace.objects.visible_to(User(pk=user, is_superuser=sees_all)).filter(serial=serial).order_by()
    return with_session(user, key, now, Subquery(seen.values_list(NEWEST)), Subquery(seen.values_list(OUTAGES)))


# For users who see the workspaces that they are members of, and for those who see all.
_QUERIES = [
    Prepared(lambda sees_all=sees_all, **values: _query(sees_all, **values), **EXAMPLES, serial="a serial")
    for sees_all in (False, True)
]
