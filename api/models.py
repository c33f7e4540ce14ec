"""What programs sign their requests with, and what keeps a signed request from being used twice."""

from __future__ import annotations

import secrets
import string
from datetime import datetime, timedelta

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from workspaces import clock
from workspaces.serials import new_serial

ALPHANUMERICS = string.ascii_letters + string.digits
# So that not every request writes.
USE_IS_NOTED_EVERY = timedelta(minutes=1)


def random_text(length: int) -> str:
    return "".join(secrets.choice(ALPHANUMERICS) for _ in range(length))


def new_key_serial() -> str:
    return new_serial("key")


def new_secret_id() -> str:
    """Return a public name for a key, of the form that clients expect."""
    return "AKID" + random_text(32)


class AccessKeyQuerySet(models.QuerySet["AccessKey"]):
    def live(self) -> AccessKeyQuerySet:
        """Keep those that still open the API."""
        return self.filter(revoked_at=None)


class AccessKey(models.Model):
    """Lets programs act as its user. The secret is sealed: it signs requests, so a hash of it would not do."""

    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_key_serial, editable=False)
    user = models.ForeignKey("auth.User", models.CASCADE, related_name="access_keys", verbose_name=_("user"))
    secret_id = models.CharField(max_length=36, unique=True, default=new_secret_id, editable=False)
    sealed_secret = models.TextField(editable=False)
    description = models.CharField(_("description"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    last_used_from = models.GenericIPAddressField(_("from"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("access key")
        verbose_name_plural = _("access keys")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.secret_id

    def note_use(self, address: str | None) -> None:
        """Remember that the key was used, once a minute."""
        now = clock.now()
        if self.last_used_at is None or now - self.last_used_at > USE_IS_NOTED_EVERY:
            AccessKey.objects.filter(pk=self.pk).update(last_used_at=now, last_used_from=address)


class UsedSignature(models.Model):
    """A request that has changed something. It is kept for as long as somebody who recorded it could send it again."""

    signature = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.signature

    @classmethod
    def is_new(cls, signature: str, expires_at: datetime) -> bool:
        """Take a signature out of use. Tell whether it was unused until now."""
        cls.objects.filter(expires_at__lt=clock.now()).delete()
        return cls.objects.get_or_create(signature=signature, defaults={"expires_at": expires_at})[1]


class CallCount(models.Model):
    """How often a user has called an action within the second of his last call.

    In PostgreSQL, so that it holds over all web processes; without a log (the table is UNLOGGED), so that it costs next to nothing.
    """

    user = models.ForeignKey("auth.User", models.CASCADE, related_name="+")
    action = models.CharField(max_length=50)
    second = models.BigIntegerField()
    calls = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "action"], name="api_callcount_once")]

    def __str__(self) -> str:
        return f"{self.action}: {self.calls}"

    @classmethod
    def count(cls, user_id: int, action: str) -> int:
        """Count a call, and return the how-many-th of this second it is. One statement, so nobody comes in between."""
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [user_id, action])
            calls: int = cursor.fetchone()[0]
        return calls


COUNT = """
    INSERT INTO api_callcount AS kept (user_id, action, second, calls)
    VALUES (%s, %s, floor(extract(epoch FROM clock_timestamp()))::bigint, 1)
    ON CONFLICT (user_id, action) DO UPDATE SET
        calls = CASE WHEN kept.second = EXCLUDED.second THEN kept.calls + 1 ELSE 1 END,
        second = EXCLUDED.second
    RETURNING calls
"""
