"""Where jobs run: clusters, the Flink versions they offer, and the workspaces they are bound to."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Count, JSONField, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from clusters import flink
from clusters.engine import Engine
from clusters.process_logs import ProcessLogs
from workspaces.models import Visitor, Workspace, is_super_admin
from workspaces.serials import new_serial

# Addresses inside a network have no dots as often as not (http://jobmanager:8081), so Django's own check won't do.
valid_address = RegexValidator(
    r"^https?://[A-Za-z0-9.:\[\]_-]+(/[^\s?#]*)?\Z", _("Write an address that begins with http:// or https://.")
)
valid_directory = RegexValidator(
    r"^[a-z][a-z0-9+.-]*:/[^\s?#]+\Z", _("Write a URI, for example file:///data/snapshots or s3://bucket/snapshots.")
)
valid_version = RegexValidator(r"^\d+\.\d+(\.\d+)?([.-][\w.-]+)?\Z", _("Write a version, for example 2.2.1."))
# The original product's limit.
MOST_WORKSPACES = 10


def new_cluster_serial() -> str:
    return new_serial("cluster")


class Reach(models.TextChoices):
    """What is known about the way to a cluster or an endpoint."""

    NONE = "none", _("No Flink yet")
    UNKNOWN = "unknown", _("Not asked yet")
    ANSWERS = "answers", _("Answers")
    OTHER_VERSION = "other-version", _("Another Flink version")
    PARTLY = "partly", _("Partly unreachable")
    UNREACHABLE = "unreachable", _("Unreachable")


class ClusterQuerySet(models.QuerySet["Cluster"]):
    def visible_to(self, user: Visitor) -> ClusterQuerySet:
        """Keep the clusters that are bound to a workspace of `user`; a super admin sees all."""
        if is_super_admin(user):
            return self
        if not user.pk:
            return self.none()
        mine = ClusterBinding.objects.filter(workspace__members__user_id=user.pk)
        return self.filter(pk__in=mine.values("cluster"))

    def with_use(self, workspace: Workspace | None = None) -> ClusterQuerySet:
        """Bring along the endpoints, the CU of what runs, and how many jobs (of `workspace`) and workspaces there are."""
        live = FlinkEndpoint.objects.filter(cluster=OuterRef("pk"), runs__isnull=False, runs__ended_at=None).order_by()
        same = Cluster.objects.filter(pk=OuterRef("pk")).order_by()
        jobs = Q(jobs__deleted_at=None) & (Q(jobs__workspace=workspace) if workspace else Q())
        amount = models.DecimalField(max_digits=12, decimal_places=2)
        return self.prefetch_related("endpoints").annotate(
            used_cu=Coalesce(
                Subquery(live.values("cluster").annotate(cu=Sum("runs__cu")).values("cu")),
                Value(Decimal(0)),
                output_field=amount,
            ),
            job_count=Subquery(same.annotate(n=Count("jobs", filter=jobs)).values("n")),
            workspace_count=Subquery(same.annotate(n=Count("bindings")).values("n")),
        )


class Cluster(models.Model):
    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_cluster_serial, editable=False)
    name = models.CharField(
        _("name"),
        max_length=50,
        unique=True,
        error_messages={"unique": _("There is already a cluster with this name.")},
    )
    description = models.CharField(_("description"), max_length=200, blank=True)
    workspaces = models.ManyToManyField(
        Workspace, through="ClusterBinding", related_name="clusters", verbose_name=_("workspaces")
    )
    total_cu = models.DecimalField(
        _("total CU"),
        max_digits=8,
        decimal_places=2,
        default=Decimal(32),
        validators=[MinValueValidator(Decimal("0.25"))],
    )
    supports_fine_grained = models.BooleanField(_("fine-grained resources"), default=True)
    supports_snapshot_choice = models.BooleanField(
        _("snapshots can be chosen"), default=True, help_text=_("Off for old clusters, which must be upgraded first.")
    )
    snapshot_directory = models.CharField(
        _("snapshot directory"),
        max_length=500,
        validators=[valid_directory],
        help_text=_("A URI that Flink can write to, for example file:///data/snapshots"),
    )
    is_under_maintenance = models.BooleanField(_("under maintenance"), default=False)
    maintenance_reason = models.CharField(_("reason of the maintenance"), max_length=200, blank=True)
    is_embedded = models.BooleanField(_("embedded"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = ClusterQuerySet.as_manager()

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(total_cu__gt=0), name="clusters_cluster_cu_positive"),
            models.CheckConstraint(
                condition=Q(is_under_maintenance=False) | ~Q(maintenance_reason=""),
                name="clusters_cluster_maintenance_reason",
                violation_error_message=_("Say why the cluster is under maintenance; users read it."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def reach(self) -> Reach:
        found = {endpoint.reach for endpoint in self.endpoints.all()}
        if len(found) == 1:
            return found.pop()
        if Reach.UNREACHABLE in found:
            return Reach.PARTLY
        if Reach.OTHER_VERSION in found:
            return Reach.OTHER_VERSION
        return Reach.ANSWERS if found else Reach.NONE

    @property
    def unreachable_since(self) -> datetime | None:
        """Since when an endpoint has not answered, the longest of them."""
        return min((one.unreachable_since for one in self.endpoints.all() if one.unreachable_since), default=None)


class ClusterBinding(models.Model):
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="bindings", verbose_name=_("cluster"))
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="bindings", verbose_name=_("workspace"))

    class Meta:
        verbose_name = _("binding")
        verbose_name_plural = _("bindings")
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "workspace"],
                name="clusters_binding_once",
                violation_error_message=_("The cluster is bound to this workspace already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster} - {self.workspace}"


class FlinkEndpoint(models.Model):
    """One Flink version of a cluster. The watcher keeps what it last learned about it here."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="endpoints", verbose_name=_("cluster"))
    flink_version = models.CharField(_("Flink version"), max_length=20, validators=[valid_version])
    rest_url = models.CharField(_("JobManager REST address"), max_length=300, validators=[valid_address])
    dashboard_url = models.CharField(
        _("dashboard address"),
        max_length=300,
        blank=True,
        validators=[valid_address],
        help_text=_("For browsers; the REST address when empty."),
    )
    is_default = models.BooleanField(_("default version"), default=True)

    seen_at = models.DateTimeField(_("last answer"), null=True, editable=False)
    # Since when the database server had been running that this was written to: one that has taken over from it may lack the last seconds.
    seen_under = models.DateTimeField(null=True, editable=False)
    # Since when it has answered whenever somebody looked.
    answers_since = models.DateTimeField(null=True, editable=False)
    unreachable_since = models.DateTimeField(_("unreachable since"), null=True, editable=False)
    unreachable_reason = models.TextField(_("why unreachable"), blank=True, editable=False)
    failed_looks = models.PositiveIntegerField(default=0, editable=False)
    # Whether its jobs outlive its JobManager (high availability); null: not asked yet.
    keeps_jobs = models.BooleanField(null=True, editable=False)
    # Where its jobs keep their checkpoints, each in a folder by its id, as Flink has told; a URI.
    checkpoint_directory = models.CharField(max_length=600, blank=True, editable=False)
    # Flink ids of our own jobs that live there and that no run tells of (jobs/operations/unrecorded.py).
    unrecorded_jobs: models.JSONField[list[str], list[str]] = models.JSONField(
        default=list, db_default=Value([], JSONField()), editable=False
    )
    # As YARN and native Kubernetes do: then slots come when jobs wait for them, and how many there are now tells nothing.
    brings_taskmanagers = models.BooleanField(_("TaskManagers on demand"), default=False, db_default=False)
    # What it told of itself, and when (clusters/capacity.py).
    told_version = models.CharField(
        _("its own version"), max_length=20, blank=True, default="", db_default="", editable=False
    )
    capacity_seen_at = models.DateTimeField(_("slots seen"), null=True, editable=False)
    slots_total = models.PositiveIntegerField(_("slots"), default=0, editable=False)
    slots_free = models.PositiveIntegerField(_("free slots"), default=0, editable=False)
    look_at = models.DateTimeField(null=True, editable=False)
    # When a follow-up look is already under way, so that many asks at once cause one look.
    follow_up_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("Flink endpoint")
        verbose_name_plural = _("Flink endpoints")
        ordering = ["-is_default", "-flink_version"]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "flink_version"],
                name="clusters_endpoint_version_once",
                violation_error_message=_("The cluster has this Flink version already."),
            ),
            models.UniqueConstraint(
                fields=["cluster"], condition=Q(is_default=True), name="clusters_endpoint_one_default"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cluster} (Flink {self.flink_version})"

    def engine(self) -> Engine:
        """Return the driver for this endpoint; one per process and address, with kept-alive connections."""
        return self._driver()

    def logs(self) -> ProcessLogs:
        """Return the reader of what its processes log."""
        return self._driver().logs

    def _driver(self) -> flink.FlinkEngine:
        return flink.connect(self.rest_url, settings.SQL_RUNNER_JAR, settings.BATCH_PARALLEL_PER_ENDPOINT)

    @property
    def reach(self) -> Reach:
        if self.unreachable_since:
            return Reach.UNREACHABLE
        if self.told_version and self.told_version != self.flink_version:
            return Reach.OTHER_VERSION
        return Reach.ANSWERS if self.seen_at else Reach.UNKNOWN

    @property
    def has_no_slots(self) -> bool:
        """Tell whether it answers without a TaskManager, so that nothing can run on it."""
        if self.brings_taskmanagers:
            return False
        return self.reach != Reach.UNREACHABLE and self.capacity_seen_at is not None and not self.slots_total

    @property
    def browser_url(self) -> str:
        return self.dashboard_url or self.rest_url

    def end_outage(self) -> None:
        """Put on record that it answers again, or that it is to be looked for elsewhere."""
        self.outages.filter(ended_at=None).update(ended_at=Now())


class Outage(models.Model):
    """A time in which a Flink endpoint did not answer; silences with little between them are one, and counted."""

    endpoint = models.ForeignKey(FlinkEndpoint, models.CASCADE, related_name="outages")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    count = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint"], condition=Q(ended_at=None), name="clusters_outage_one_open"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.began_at} - {self.ended_at}"
