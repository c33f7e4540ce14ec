"""What is done to access keys. Every act takes who asks for it first, raises Refusal, and puts itself on record."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from api.models import AccessKey, new_secret_id, random_text
from workspaces.acts import record
from workspaces.models import Event
from workspaces.refusal import Refusal
from workspaces.sealed import seal

MOST_KEYS = 5
SECRET_LENGTH = 40


@transaction.atomic
def make_key(user: User, description: str) -> tuple[AccessKey, str]:
    """Make a key for the user himself. Return it and its secret, which nobody can be shown again. Raise Refusal at five."""
    # Locked, so that two clicks don't make a sixth.
    User.objects.select_for_update().get(pk=user.pk)
    if AccessKey.objects.live().filter(user=user).count() >= MOST_KEYS:
        raise Refusal(_("A user has at most %(most)s access keys. Revoke one first.") % {"most": MOST_KEYS})
    secret = random_text(SECRET_LENGTH)
    return _kept(user, new_secret_id(), secret, description), secret


@transaction.atomic
def take_key(user: User, secret_id: str, secret: str, description: str) -> None:
    """Take a key that was made up elsewhere. Nothing happens when it is there already, or was and is revoked."""
    if not AccessKey.objects.filter(secret_id=secret_id).exists():
        _kept(user, secret_id, secret, description)


@transaction.atomic
def revoke(user: User, key: AccessKey) -> None:
    """Let a key open nothing any more, at once and for good. A second time changes nothing."""
    if AccessKey.objects.live().filter(pk=key.pk).update(revoked_at=timezone.now()):
        record(user, key.serial, Event.Code.KEY_REVOKED, key=key.secret_id)


def _kept(user: User, secret_id: str, secret: str, description: str) -> AccessKey:
    key = AccessKey.objects.create(user=user, secret_id=secret_id, description=description, sealed_secret=seal(secret))
    record(user, key.serial, Event.Code.KEY_MADE, key=key.secret_id)
    return key
