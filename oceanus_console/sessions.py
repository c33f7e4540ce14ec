"""Sessions in the database: asked only for keys that we could have given, and together with the user whose session it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import middleware
from django.contrib.auth.models import User
from django.contrib.sessions import middleware as sessions
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.core.cache.backends.locmem import LocMemCache
from django.db.models import QuerySet, Subquery
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from workspaces.models import is_super_admin
from workspaces.prepared import Prepared

OF_A_USER = [field.attname for field in User._meta.concrete_fields]
BACKEND = "django.contrib.auth.backends.ModelBackend"
# Whose sessions this process has seen, and whether these users see all: no more than a guess, which saves a query when it is right.
_guesses = LocMemCache("users of sessions", {"OPTIONS": {"MAX_ENTRIES": 10_000}})


def with_session(user: int, key: str, now: datetime, *more: Any) -> QuerySet[User, tuple[Any, ...]]:
    """Return the columns of a user, the data of a session that is still good, and what else is asked for."""
    session = Session.objects.filter(session_key=key, expire_date__gt=now).values("session_data")
    return User.objects.filter(pk=user).values_list(*OF_A_USER, Subquery(session), *more)


EXAMPLES = {"user": -1, "key": "a key", "now": datetime(1970, 1, 1, tzinfo=UTC)}
USER_WITH_SESSION = Prepared(with_session, **EXAMPLES)


class SessionStore(DatabaseStore):
    owner: User | None = None  # as the database has it now, if the session came with it; not yet proven to be the user

    def _validate_session_key(self, key: Any) -> bool:
        """Refuse nonsense in a cookie (a NUL byte, for one) before PostgreSQL does."""
        return is_ours(key)

    def load(self) -> dict[str, Any]:
        if guess := guess_of(self.session_key):
            for *fields, data in USER_WITH_SESSION.rows(user=guess[0], key=self.session_key, now=timezone.now()):
                if data is not None:
                    return self.take(fields, data)
        return dict(super().load())

    def take(self, fields: Sequence[Any], data: str) -> dict[str, Any]:
        """Take what the database has of the session and of the user who was guessed."""
        self.owner = User.from_db("default", OF_A_USER, fields)
        self._session_cache = deepcopy(_decoded(data))
        return self._session_cache


@lru_cache(maxsize=1000)
def _decoded(data: str) -> dict[str, Any]:
    """Return what a session holds, its signature proven; most requests come with a session that has not changed."""
    return dict(SessionStore().decode(data))


def is_ours(key: Any) -> bool:
    """Tell whether we could have given this key to a session."""
    return bool(re.fullmatch(r"[0-9a-z]{8,40}", key or ""))


def guess_of(key: str | None) -> tuple[int, bool] | None:
    """Return the primary key of the user whose session it was when last seen here, and whether he is a super admin."""
    guess: tuple[int, bool] | None = _guesses.get(key) if is_ours(key) else None
    return guess


class SessionMiddleware(sessions.SessionMiddleware):
    """Django's, which fetches no session that somebody before it has fetched for this request."""

    def process_request(self, request: Any) -> None:
        if not hasattr(request, "session"):
            super().process_request(request)


class AuthenticationMiddleware(middleware.AuthenticationMiddleware):
    """Django's, which asks for the user again only if he didn't come with his session."""

    def process_request(self, request: Any) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user_of(request))


def _user_of(request: Any) -> Any:
    if not hasattr(request, "_cached_user"):  # as Django does
        request._cached_user = user = proven_owner(request.session) or auth.get_user(request)
        guess, key = (user.pk, is_super_admin(user)), request.session.session_key
        if user.pk and key and guess_of(key) != guess:
            _guesses.set(key, guess, settings.SESSION_COOKIE_AGE)
    return request._cached_user


def proven_owner(session: Any) -> User | None:
    """Return the user who came with the session if all is as Django demands it; about all else Django decides."""
    claimed = session.get(auth.SESSION_KEY)  # the session is loaded here
    owner: User | None = session.owner
    if (
        owner is not None
        and str(owner.pk) == claimed
        and session.get(auth.BACKEND_SESSION_KEY) == BACKEND
        and BACKEND in settings.AUTHENTICATION_BACKENDS
        and owner.is_active
        and constant_time_compare(session.get(auth.HASH_SESSION_KEY) or "", owner.get_session_auth_hash())
    ):
        return owner
    return None
