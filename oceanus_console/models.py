from __future__ import annotations

from datetime import timedelta

from axes.models import AccessAttempt
from django.db import models
from django.utils.translation import gettext_lazy as _

from workspaces import clock


class Heartbeat(models.Model):
    """When a process without a port of its own (worker, beat) was last seen."""

    FRESH = timedelta(seconds=10)

    name = models.CharField(max_length=50, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_fresh(self) -> bool:
        return clock.now() - self.at < self.FRESH


class FailedSignIn(AccessAttempt):
    """The failed sign-ins with one name from one address, as django-axes counts them."""

    class Meta:
        proxy = True
        verbose_name = _("failed sign-in")
        verbose_name_plural = _("failed sign-ins")


class Unsealed(models.Model):
    """A settled row of the record that waits for its seal. Triggers in the database write it, together with what it names."""

    table_name = models.CharField(max_length=63)
    row_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id}"


class Seal(models.Model):
    """A link of the chain over the record of acts (oceanus_console/audit.py). Triggers refuse to change or remove it."""

    number = models.BigIntegerField(_("number"), primary_key=True)
    at = models.DateTimeField(_("time"))
    previous = models.CharField(_("digest of the one before"), max_length=64, blank=True)
    # Table -> the columns that were read of its rows: what a later release adds is not asked of older seals.
    columns: models.JSONField[dict[str, list[str]], dict[str, list[str]]] = models.JSONField()
    # Table -> id -> digest of the row; "" if it was gone already.
    rows: models.JSONField[dict[str, dict[str, str]], dict[str, dict[str, str]]] = models.JSONField()
    digest = models.CharField(_("digest"), max_length=64)

    class Meta:
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


class Removal(models.Model):
    """What of the record went because of its age, in one statement. A trigger in the database writes it, and is the only one who can."""

    at = models.DateTimeField(_("time"))
    kept_since = models.DateTimeField(_("records are kept since"))
    table_name = models.CharField(_("table"), max_length=63)
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    ids: models.JSONField[list[int], list[int]] = models.JSONField(_("removed rows"))

    class Meta:
        verbose_name = _("removal of old records")
        verbose_name_plural = _("removals of old records")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["table_name", "last"], name="oceanus_console_removal_last")]

    def __str__(self) -> str:
        return f"{self.table_name} {self.first}-{self.last}"

    @property
    def count(self) -> int:
        return len(self.ids)


class RemovedOperations(models.Model):
    """How many ended operations of one kind have left the record because of their age: the metrics go on counting them."""

    action = models.CharField(max_length=20)
    outcome = models.CharField(max_length=20)
    bucket = models.SmallIntegerField()  # of their duration (oceanus_console/ended.py)
    number = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["action", "outcome", "bucket"], name="oceanus_console_removedoperations_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.outcome} {self.bucket}: {self.number}"
