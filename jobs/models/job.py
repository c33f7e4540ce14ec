"""Folder and Job."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from clusters.models import Cluster, FlinkEndpoint
from jobs.flink_ids import is_of
from jobs.states import TABLE, Action, Status, is_allowed
from workspaces.models import Visitor, Workspace, is_super_admin
from workspaces.moments import MomentField
from workspaces.serials import new_serial

# The original product's rule: fewer than 50 characters; Chinese, letters, digits, - _ . in half width.
valid_name = RegexValidator(
    r"^[\u4e00-\u9fffA-Za-z0-9._-]{1,49}\Z",
    _("Use 1 to 49 characters: Chinese, letters, digits, hyphen, underscore and full stop."),
)


def new_job_serial() -> str:
    return new_serial("cql")


def new_folder_serial() -> str:
    return new_serial("folder")


class Folder(models.Model):
    """A folder of jobs. The root of a workspace has no row: its jobs and folders have no parent."""

    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_folder_serial, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="folders", verbose_name=_("workspace"))
    parent = models.ForeignKey("self", models.PROTECT, related_name="children", null=True, blank=True)
    name = models.CharField(_("name"), max_length=50, validators=[valid_name])

    class Meta:
        verbose_name = _("folder")
        verbose_name_plural = _("folders")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "parent", "name"], nulls_distinct=False, name="jobs_folder_sibling_names"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: Visitor) -> JobQuerySet:
        """Keep the jobs in workspaces of `user`, without deleted ones."""
        jobs = self.filter(deleted_at=None)
        if is_super_admin(user):
            return jobs
        return jobs.filter(workspace__members__user_id=user.pk) if user.pk else jobs.none()

    def for_rows(self) -> JobQuerySet:
        """Bring along, in the same query, all that a row of the list shows."""
        return self.select_related(
            "cluster", "endpoint", "current_run__version", "current_run__endpoint", "problem", "workspace"
        ).defer("problem__trace", "current_run__version__sql", "current_run__version__properties")


class Job(models.Model):
    class Type(models.TextChoices):
        SQL = "sql", "SQL"

    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_job_serial, editable=False)
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="jobs", verbose_name=_("workspace"))
    folder = models.ForeignKey(
        Folder,
        models.PROTECT,
        related_name="jobs",
        null=True,
        blank=True,
        verbose_name=_("folder"),
        db_index=False,  # an index of several columns begins with it
    )
    name = models.CharField(_("name"), max_length=49, validators=[valid_name])
    description = models.CharField(_("description"), max_length=200, blank=True)
    type = models.CharField(pgettext_lazy("job", "type"), max_length=10, choices=Type.choices, default=Type.SQL)
    cluster = models.ForeignKey(Cluster, models.PROTECT, related_name="jobs", verbose_name=_("cluster"))
    endpoint = models.ForeignKey(FlinkEndpoint, models.PROTECT, related_name="jobs", verbose_name=_("Flink version"))
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.UNINITIALIZED)
    # While an operation is open: which, and where it stands (copied from the operation, so that a row needs no join).
    action = models.CharField(max_length=20, choices=Action.choices, blank=True)
    step = models.CharField(max_length=20, blank=True)
    # Why the status is what it is, when something went wrong: the triangle.
    problem = models.ForeignKey("jobs.Problem", models.SET_NULL, null=True, related_name="+")
    # Whether the console itself runs the job again when it has failed or vanished, and when it will.
    auto_recovery = models.BooleanField(_("auto recovery"), default=True)
    recover_at = models.DateTimeField(null=True)
    current_run = models.ForeignKey("jobs.Run", models.SET_NULL, null=True, related_name="+")
    last_version_number = models.PositiveIntegerField(_("latest version"), default=0)
    last_run_number = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        "auth.User", models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = MomentField(_("created"), auto_now_add=True)
    updated_at = MomentField(_("updated"), auto_now_add=True)
    # Changes with everything that a row shows; the page's poll asks for what is newer.
    changed_at = MomentField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=models.Q(deleted_at=None), name="jobs_job_name_in_workspace"
            ),
            models.CheckConstraint(condition=models.Q(status__in=Status.values), name="jobs_job_status"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-updated_at"], name="jobs_job_newest_first"),
            models.Index(fields=["workspace", "status", "-updated_at"], name="jobs_job_newest_by_status"),
            models.Index(fields=["folder", "-updated_at"], name="jobs_job_newest_in_folder"),
            models.Index(fields=["workspace", "changed_at"], name="jobs_job_changed"),
            models.Index(fields=["recover_at"], condition=~models.Q(recover_at=None), name="jobs_job_to_recover"),
        ]

    def __str__(self) -> str:
        return self.name

    def may(self, action: Action) -> bool:
        """Tell whether the table allows `action` now. An open operation forbids a second one, whatever the status."""
        if self.is_busy and action not in FREE_WHILE_BUSY:
            return False
        if action == Action.CANCEL:
            return self.status == Status.OPERATING and self.action == Action.RUN and self.step in CANCELLABLE_STEPS
        return is_allowed(action, Status(self.status))

    def why_not(self, action: Action) -> str:
        """Return why `action` is not allowed now, for the user; "" when it is."""
        if self.may(action):
            return ""
        if self.is_busy and action != Action.CANCEL:
            return str(
                _("Another operation is under way on this job: %(action)s.") % {"action": Action(self.action).label}
            )
        return str(TABLE[action].refusal)

    @property
    def is_busy(self) -> bool:
        return bool(self.action)

    @property
    def live_run(self) -> models.Model | None:
        """The current run while it is not over."""
        return self.current_run if self.current_run and not self.current_run.ended_at else None

    @cached_property
    def second_ids(self) -> list[str]:
        """The Flink ids of what runs of the job beside its run, on no record."""
        if not self.live_run:
            return []
        # While it is being taken over it is a run, and noted still.
        own = self.current_run.flink_job_id if self.current_run else ""
        return [one for one in self.endpoint.unrecorded_jobs if is_of(one, self.serial) and one != own]

    # As queries with OFTEN_RESTARTED tell it (jobs/restarts.py).
    often_restarted_at: datetime | None = None

    def time_of_all_runs(self) -> timedelta:
        """Return how long its runs have lasted until now, taken together."""
        lasted = Coalesce(F("ended_at"), Now()) - F("started_at")
        total = Sum(lasted, output_field=models.DurationField())
        return self.runs.exclude(started_at=None).aggregate(total=total)["total"] or timedelta()

    @property
    def online_number(self) -> int | None:
        """The number of the version that runs."""
        return self.current_run.version.number if self.live_run and self.current_run else None

    @property
    def newer_versions(self) -> int:
        """How many versions were published since the one that runs."""
        return self.last_version_number - (self.online_number or self.last_version_number)


# What may be asked for while another operation is open: these never touch Flink.
FREE_WHILE_BUSY = frozenset(
    {
        Action.SAVE,
        Action.PUBLISH,
        Action.COPY,
        Action.CANCEL,
        Action.MOVE,
        Action.RENAME,
        Action.RECOVERY,
        Action.DESCRIBE,
        Action.DELETE_VERSION,
    }
)
# A run that Flink was already asked to end can't be cancelled once more.
CANCELLABLE_STEPS = frozenset({"submitting", "starting"})
