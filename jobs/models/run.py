"""Run (one start of a job on Flink) and Snapshot."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from clusters.models import FlinkEndpoint
from jobs.flink_ids import new_flink_id
from jobs.models.definition import Version
from jobs.models.job import Job
from jobs.states import RunEnd
from workspaces import clock
from workspaces.moments import MomentField
from workspaces.serials import new_serial

# No file system that Flink writes to takes a longer one.
LONGEST_PATH = 5000


def new_snapshot_serial() -> str:
    return new_serial("svp")


class Run(models.Model):
    """One start of a job. The row, with the id that Flink will know it by, is committed before Flink hears of it."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="runs", verbose_name=_("job"))
    number = models.PositiveIntegerField(_("running instance"))
    version = models.ForeignKey(Version, models.PROTECT, related_name="runs", verbose_name=_("version"))
    endpoint = models.ForeignKey(FlinkEndpoint, models.PROTECT, related_name="runs", verbose_name=_("Flink endpoint"))
    flink_job_id = models.CharField(_("Flink job ID"), max_length=32, unique=True, default=new_flink_id, editable=False)
    restored_from = models.ForeignKey(
        "jobs.Snapshot", models.PROTECT, null=True, related_name="restored_runs", verbose_name=_("restored from")
    )
    allow_non_restored_state = models.BooleanField(_("allow non-restored state"), default=False)
    cu = models.DecimalField("CU", max_digits=8, decimal_places=2)

    created_at = MomentField(_("created"), auto_now_add=True)
    # Before the first request that could start it; null means: Flink was surely never asked.
    submitted_at = models.DateTimeField(_("submitted"), null=True)
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    end = models.CharField(pgettext_lazy("run", "end"), max_length=20, choices=RunEnd.choices, blank=True)
    problem = models.ForeignKey("jobs.Problem", models.SET_NULL, null=True, related_name="+")

    # What Flink last said of it.
    flink_state = models.CharField(_("state on Flink"), max_length=20, blank=True)
    tasks_up = models.PositiveIntegerField(default=0)
    tasks_total = models.PositiveIntegerField(default=0)
    missing_since = models.DateTimeField(null=True)
    # Its endpoint has got another address since, where it was not seen yet: it may run on at the former one.
    is_unseen_here = models.BooleanField(default=False, db_default=False)
    # When the watcher last asked for its newest checkpoint; null: not yet.
    checkpoints_seen_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="jobs_run_number_once"),
            # G2: no second run while one is not surely over.
            models.UniqueConstraint(fields=["job"], condition=models.Q(ended_at=None), name="jobs_run_one_open"),
            models.CheckConstraint(
                condition=models.Q(ended_at=None, end="") | (models.Q(ended_at__isnull=False) & ~models.Q(end="")),
                name="jobs_run_end_with_time",
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint"], condition=models.Q(ended_at=None), name="jobs_run_open_by_endpoint"),
            models.Index(fields=["job", "created_at"], name="jobs_run_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.job} #{self.number}"

    @property
    def is_up(self) -> bool:
        """Tell whether all its tasks worked when Flink was last seen."""
        has_all_tasks = self.tasks_total > 0 and self.tasks_up == self.tasks_total
        return self.flink_state == "RUNNING" and has_all_tasks and self.missing_since is None

    @property
    def duration(self) -> object:
        """How long it has run, as a timedelta; None before its start."""
        return (self.ended_at or clock.now()) - self.started_at if self.started_at else None


class Snapshot(models.Model):
    """A Flink savepoint or retained checkpoint of a run.

    A savepoint's row, with its trigger id and directory, is committed before Flink is asked (G3). Of a run's checkpoints there
    is one row, the newest: it moves on while the run lives, and stays once the run is over.
    """

    class Source(models.TextChoices):
        MANUAL = "manual", _("Created during running")
        STOP = "stop", _("Created when stopping")
        CHECKPOINT = "checkpoint", _("Retained checkpoint")
        FOUND = "found", _("Found in the snapshot directory")

    class State(models.TextChoices):
        CREATING = "creating", pgettext_lazy("snapshot", "Creating")
        COMPLETED = "completed", pgettext_lazy("snapshot", "Completed")
        FAILED = "failed", pgettext_lazy("snapshot", "Failed")
        GONE = "gone", pgettext_lazy("snapshot", "No longer there")

    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_snapshot_serial, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="snapshots", verbose_name=_("job"))
    run = models.ForeignKey(Run, models.CASCADE, related_name="snapshots", verbose_name=_("run"))
    trigger_id = models.CharField(max_length=32, unique=True, default=new_flink_id, editable=False)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.CREATING)
    description = models.CharField(_("description"), max_length=200, blank=True)
    directory = models.CharField(_("directory"), max_length=LONGEST_PATH)
    location = models.CharField(_("location"), max_length=LONGEST_PATH, blank=True)
    size_bytes = models.BigIntegerField(_("size"), null=True)
    created_at = MomentField(_("triggered"), auto_now_add=True)
    # Before the first request to Flink; null means: Flink was surely never asked.
    asked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(_("completed"), null=True)
    problem = models.ForeignKey("jobs.Problem", models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="completed") | ~models.Q(location=""),
                name="jobs_snapshot_completed_has_location",
            ),
            models.UniqueConstraint(
                fields=["run"], condition=models.Q(source="checkpoint"), name="jobs_snapshot_one_checkpoint_of_run"
            ),
        ]
        indexes = [models.Index(fields=["run"], condition=models.Q(state="creating"), name="jobs_snapshot_creating")]

    def __str__(self) -> str:
        return self.serial

    @property
    def duration(self) -> object:
        return self.ended_at - self.created_at if self.ended_at else None


class Restart(models.Model):
    """That Flink itself restarted a run, as the watcher saw it: a row per run and hour, which counts."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="restarts")
    hour = models.DateTimeField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "hour"], name="jobs_restart_one_row_an_hour")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.first_at} {self.count}"
