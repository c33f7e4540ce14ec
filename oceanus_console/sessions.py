"""Sessions in the database: asked only for keys that we could have given, and together with the user whose session it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import middleware
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.core.cache.backends.locmem import LocMemCache
from django.db.models import QuerySet, Subquery
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from workspaces.prepared import Prepared

OF_A_USER = [field.attname for field in User._meta.concrete_fields]
BACKEND = "django.contrib.auth.backends.ModelBackend"
# Whose sessions this process has seen: no more than a guess, which saves a query when it is right.
_guesses = LocMemCache("users of sessions", {"OPTIONS": {"MAX_ENTRIES": 10_000}})


def _with_session(user: int, key: str, now: datetime) -> QuerySet[User, tuple[Any, ...]]:
    session = Session.objects.filter(session_key=key, expire_date__gt=now).values("session_data")
    return User.objects.filter(pk=user).values_list(*OF_A_USER, Subquery(session))


USER_WITH_SESSION = Prepared(_with_session, user=-1, key="a key", now=datetime(1970, 1, 1, tzinfo=UTC))


class SessionStore(DatabaseStore):
    owner: User | None = None  # as the database has it now, if the session came with it; not yet proven to be the user

    def _validate_session_key(self, key: Any) -> bool:
        """Refuse nonsense in a cookie (a NUL byte, for one) before PostgreSQL does."""
        return bool(re.fullmatch(r"[0-9a-z]{8,40}", key or ""))

    def load(self) -> dict[str, Any]:
        if user := _guesses.get(self.session_key):
            for *fields, data in USER_WITH_SESSION.rows(user=user, key=self.session_key, now=timezone.now()):
                if data is not None:
                    self.owner = User.from_db("default", OF_A_USER, fields)
                    return dict(self.decode(data))
        found = dict(super().load())
        if found.get(auth.SESSION_KEY):
            _guesses.set(self.session_key, int(found[auth.SESSION_KEY]), settings.SESSION_COOKIE_AGE)
        return found


class AuthenticationMiddleware(middleware.AuthenticationMiddleware):
    """Django's, which asks for the user again only if he didn't come with his session."""

    def process_request(self, request: Any) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user_of(request))


def _user_of(request: Any) -> Any:
    if not hasattr(request, "_cached_user"):  # as Django does
        request._cached_user = _proven_owner(request.session) or auth.get_user(request)
    return request._cached_user


def _proven_owner(session: Any) -> User | None:
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
