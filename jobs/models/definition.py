"""What a job does: the one editable draft, and the immutable numbered versions."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from jobs.models.job import Job
from workspaces.moments import MomentField

if TYPE_CHECKING:
    from collections.abc import Mapping

# In characters. Whatever takes scripts apart, masks or compares them takes as long as they are; a longer one is none that people read.
SQL_LENGTH = 200_000
NOTE_LENGTH = 200
SPECS = [(Decimal(spec), f"{spec} CU") for spec in ("0.25", "0.5", "1", "2")]


class Definition(models.Model):
    sql = models.TextField("SQL", blank=True)
    parallelism = models.PositiveIntegerField(
        _("default parallelism"), default=1, validators=[MinValueValidator(1), MaxValueValidator(2048)]
    )
    checkpoint_interval_seconds = models.PositiveIntegerField(
        _("checkpoint interval (s)"), default=60, validators=[MinValueValidator(1), MaxValueValidator(3600)]
    )
    jobmanager_spec = models.DecimalField(
        _("JobManager spec"), max_digits=4, decimal_places=2, choices=SPECS, default=Decimal(1)
    )
    taskmanager_spec = models.DecimalField(
        _("TaskManager spec"), max_digits=4, decimal_places=2, choices=SPECS, default=Decimal(1)
    )
    # Advanced Flink properties: key -> value, both strings.
    properties: models.JSONField[Mapping[str, str], Mapping[str, str]] = models.JSONField(
        _("advanced properties"), default=dict, blank=True
    )

    class Meta:
        abstract = True

    @property
    def cu(self) -> Decimal:
        """The CU that a run of this takes: JobManager spec + TaskManager spec x parallelism."""
        return self.jobmanager_spec + self.taskmanager_spec * self.parallelism

    def values(self) -> dict[str, object]:
        """Return what makes the definition, by field name, to be written into another one."""
        return {field.name: getattr(self, field.name) for field in Definition._meta.get_fields()}

    def is_like(self, other: Definition) -> bool:
        """Tell whether both make the same job."""
        return self.values() == other.values()


class Draft(Definition):
    job = models.OneToOneField(Job, models.CASCADE, related_name="draft", verbose_name=_("job"))
    # Counts the saves. Whoever saves says which one he began from, so nobody overwrites another's work unseen.
    revision = models.PositiveIntegerField(default=1)
    saved_at = MomentField(_("saved"), auto_now=True)
    saved_by = models.ForeignKey("auth.User", models.SET_NULL, null=True, related_name="+", verbose_name=_("saved by"))

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")

    def __str__(self) -> str:
        return f"{self.job} (draft)"


class Version(Definition):
    """A published definition. It never changes: a trigger in the database refuses every UPDATE (G7)."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="versions", verbose_name=_("job"))
    number = models.PositiveIntegerField(_("version"))
    note = models.CharField(_("version note"), max_length=NOTE_LENGTH)
    published_at = MomentField(_("published"), auto_now_add=True)
    published_by = models.ForeignKey(
        "auth.User", models.PROTECT, null=True, related_name="+", verbose_name=_("published by")
    )

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="jobs_version_number_once")]

    def __str__(self) -> str:
        return f"{self.job} v{self.number}"

    @property
    def is_lost(self) -> bool:
        """Tell whether it only holds the place of a version that was published after a backup that was restored."""
        return self.published_by_id is None and self.sql == script_of_lost(self.note)


def script_of_lost(note: str) -> str:
    """Return what stands for a script that is not on record any more: nothing that can be run."""
    return f"-- {note}\n"
