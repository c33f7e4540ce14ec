"""Batch (one act asked for on many jobs) and its items, one per job."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Count, Q
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from jobs.models.job import Job
from jobs.models.operation import Operation, Problem
from jobs.models.run import Snapshot
from jobs.states import Action
from workspaces.models import Visitor, Workspace, is_super_admin
from workspaces.moments import MomentField
from workspaces.serials import new_serial


def new_batch_serial() -> str:
    return new_serial("batch")


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, user: Visitor) -> BatchQuerySet:
        if is_super_admin(user):
            return self
        return self.filter(workspace__members__user_id=user.pk) if user.pk else self.none()


class Batch(models.Model):
    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_batch_serial, editable=False)
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="batches", verbose_name=_("workspace"))
    action = models.CharField(_("act"), max_length=20, choices=Action.choices)
    params: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(_("parameters"), default=dict)
    requested_by = models.ForeignKey("auth.User", models.PROTECT, related_name="+", verbose_name=_("requested by"))
    # From the form: the same form sent twice makes one batch.
    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="retries", verbose_name=_("retry of"))
    total = models.PositiveIntegerField(_("jobs"), default=0)
    created_at = MomentField(_("requested"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    # Who took back, last, what had not begun.
    cancelled_by = models.ForeignKey(
        "auth.User", models.PROTECT, null=True, related_name="+", verbose_name=_("cancelled by")
    )
    cancelled_at = models.DateTimeField(_("cancelled"), null=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["ended_at"], condition=Q(ended_at=None), name="jobs_batch_open")]

    def __str__(self) -> str:
        return f"{self.serial} {self.action}"

    def counts(self) -> dict[str, int]:
        """Return how many items stand where: state -> count, every state present."""
        found = dict(self.items.values_list("state").annotate(Count("pk")))
        return {state: found.get(state, 0) for state in BatchItem.State.values}


class BatchItem(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("batch item", "Waiting")
        WORKING = "working", pgettext_lazy("batch item", "In progress")
        SUCCEEDED = "succeeded", pgettext_lazy("batch item", "Succeeded")
        FAILED = "failed", pgettext_lazy("batch item", "Failed")
        REFUSED = "refused", pgettext_lazy("batch item", "Not possible")
        CANCELLED = "cancelled", pgettext_lazy("batch item", "Cancelled")

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items", verbose_name=_("batch"))
    job = models.ForeignKey(Job, models.CASCADE, related_name="batch_items", verbose_name=_("job"))
    position = models.PositiveIntegerField()
    state = models.CharField(_("outcome"), max_length=10, choices=State.choices, default=State.WAITING)
    # Why not: language -> sentence. Of an operation that failed, its problem tells.
    reasons: models.JSONField[dict[str, str], dict[str, str]] = models.JSONField(_("reason"), default=dict)
    problem = models.ForeignKey(Problem, models.SET_NULL, null=True, related_name="+")
    operation = models.OneToOneField(
        Operation, models.SET_NULL, null=True, related_name="batch_item", verbose_name=_("operation")
    )
    # What a run of this item starts from, where each job has its own.
    snapshot = models.ForeignKey(Snapshot, models.SET_NULL, null=True, related_name="+")
    # What a copy made, and what was changed in it.
    copy = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+", verbose_name=_("copy"))
    changes: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(default=list)
    changed_at = MomentField(auto_now=True)

    class Meta:
        verbose_name = _("batch item")
        verbose_name_plural = _("batch items")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "position"], name="jobs_batchitem_position_once"),
            models.UniqueConstraint(fields=["batch", "job"], name="jobs_batchitem_job_once"),
        ]
        indexes = [
            models.Index(
                fields=["batch", "position"], condition=Q(state__in=["waiting", "working"]), name="jobs_batchitem_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.position}"

    @property
    def reason(self) -> str:
        """Why it was not possible, in the reader's language; "" otherwise."""
        return self.reasons.get(get_language() or "", "") or next(iter(self.reasons.values()), "")


DONE = [BatchItem.State.SUCCEEDED, BatchItem.State.FAILED, BatchItem.State.REFUSED, BatchItem.State.CANCELLED]
UNSUCCESSFUL = [BatchItem.State.FAILED, BatchItem.State.REFUSED, BatchItem.State.CANCELLED]
