"""Operation (one act asked for on one job, from the click to its end), its steps, and Problem (why something went wrong)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from jobs.models.job import Job
from jobs.models.run import Run, Snapshot
from jobs.states import Action, Outcome, Step
from workspaces.moments import MomentField
from workspaces.serials import new_serial


def new_operation_serial() -> str:
    return new_serial("op")


class Problem(models.Model):
    """Why something went wrong: a code of jobs/advice.py with its values, and Flink's own words."""

    code = models.CharField(max_length=40)
    values: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    summary = models.TextField(blank=True)
    trace = models.TextField(blank=True)
    created_at = MomentField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("problem")
        verbose_name_plural = _("problems")

    def __str__(self) -> str:
        return self.summary or self.code

    @property
    def refusal(self) -> str:
        """The sentence with which an act of the console's own was refused, in the reader's language; "" otherwise."""
        told = self.values.get("refusal") or {}
        return told.get(get_language() or "", "") or next(iter(told.values()), "")


class Operation(models.Model):
    """The log that is written ahead: whoever finds an open operation can carry it on from here, at any time (G5)."""

    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_operation_serial, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="operations", verbose_name=_("job"))
    action = models.CharField(_("act"), max_length=20, choices=Action.choices)
    # What the user chose, for people to read; the worker reads the rows it names.
    params: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(_("parameters"), default=dict)
    requested_by = models.ForeignKey(
        "auth.User", models.PROTECT, null=True, related_name="+", verbose_name=_("requested by")
    )
    created_at = MomentField(_("requested"), auto_now_add=True)
    run = models.ForeignKey(Run, models.CASCADE, null=True, related_name="operations", verbose_name=_("run"))
    snapshot = models.ForeignKey(
        Snapshot, models.CASCADE, null=True, related_name="operations", verbose_name=_("snapshot")
    )

    batch = models.ForeignKey(
        "jobs.Batch", models.SET_NULL, null=True, related_name="operations", verbose_name=_("batch")
    )

    step = models.CharField(_("step"), max_length=20, choices=Step.choices)
    deadline_at = models.DateTimeField(_("deadline"), null=True)
    look_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    cancelled_by = models.ForeignKey(
        "auth.User", models.PROTECT, null=True, related_name="+", verbose_name=_("cancelled by")
    )

    ended_at = models.DateTimeField(_("ended"), null=True)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices, blank=True)
    problem = models.ForeignKey(Problem, models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        ordering = ["-created_at", "-pk"]
        constraints = [
            # G1: at most one open operation per job.
            models.UniqueConstraint(fields=["job"], condition=models.Q(ended_at=None), name="jobs_operation_one_open"),
            models.CheckConstraint(
                condition=models.Q(ended_at=None, outcome="")
                | (models.Q(ended_at__isnull=False) & ~models.Q(outcome="")),
                name="jobs_operation_outcome_with_end",
            ),
        ]
        indexes = [
            models.Index(fields=["look_at"], condition=models.Q(ended_at=None), name="jobs_operation_open_due"),
            models.Index(fields=["job", "-created_at"], name="jobs_operation_of_job"),
        ]

    def __str__(self) -> str:
        return f"{self.serial} {self.action}"

    @property
    def duration(self) -> object:
        return self.ended_at - self.created_at if self.ended_at else None


class OperationStep(models.Model):
    """One line of an operation's record: what happened when, with Flink's words where there are any."""

    class Event(models.TextChoices):
        REQUESTED = "requested", _("requested")
        ASKED = "asked", _("Flink was asked")
        ACCEPTED = "accepted", _("Flink accepted")
        REFUSED = "refused", _("Flink refused")
        ADOPTED = "adopted", _("found on Flink and adopted")
        UNANSWERED = "unanswered", _("no answer; looking again")
        UNREACHABLE = "unreachable", _("not reachable; trying again")
        WAITING_FOR_SLOTS = "waiting-for-slots", _("waiting for free slots")
        SNAPSHOT_COMPLETED = "snapshot-completed", _("the snapshot is complete")
        SNAPSHOT_FAILED = "snapshot-failed", _("the snapshot failed")
        CANCEL_REQUESTED = "cancel-requested", _("cancellation requested")
        TOO_LATE = "too-late", _("the deadline of the step has passed")
        HOPELESS = "hopeless", _("this error never heals; cancelling on Flink")
        STRAY_CANCELLED = "stray-cancelled", _("found alive after its end and cancelled on Flink")
        ENDED = "ended", _("ended")

    operation = models.ForeignKey(Operation, models.CASCADE, related_name="steps")
    at = MomentField(_("time"), auto_now_add=True)
    step = models.CharField(_("step"), max_length=20, choices=Step.choices)
    event = models.CharField(_("event"), max_length=20, choices=Event.choices)
    detail = models.TextField(_("detail"), blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.operation_id} {self.step} {self.event}"
