"""Where jobs run: clusters, the Flink versions they offer, and the workspaces they are bound to."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from clusters import flink
from clusters.engine import Engine
from workspaces.models import Workspace
from workspaces.serials import new_serial


def new_cluster_serial() -> str:
    return new_serial("cluster")


class Cluster(models.Model):
    serial = models.CharField(_("ID"), max_length=32, unique=True, default=new_cluster_serial, editable=False)
    name = models.CharField(_("name"), max_length=50, unique=True)
    description = models.CharField(_("description"), max_length=200, blank=True)
    workspaces = models.ManyToManyField(
        Workspace, through="ClusterBinding", related_name="clusters", verbose_name=_("workspaces")
    )
    total_cu = models.DecimalField(_("total CU"), max_digits=8, decimal_places=2, default=Decimal(32))
    supports_fine_grained = models.BooleanField(_("fine-grained resources"), default=True)
    supports_snapshot_choice = models.BooleanField(
        _("snapshots can be chosen"), default=True, help_text=_("Off for old clusters, which must be upgraded first.")
    )
    snapshot_directory = models.CharField(
        _("snapshot directory"),
        max_length=500,
        help_text=_("A URI that Flink can write to, for example file:///data/snapshots"),
    )
    is_under_maintenance = models.BooleanField(_("under maintenance"), default=False)
    maintenance_reason = models.CharField(_("reason of the maintenance"), max_length=200, blank=True)
    is_embedded = models.BooleanField(_("embedded"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(total_cu__gt=0), name="clusters_cluster_cu_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def default_endpoint(self) -> FlinkEndpoint | None:
        return self.endpoints.filter(is_default=True).first()


class ClusterBinding(models.Model):
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="bindings", verbose_name=_("cluster"))
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="bindings", verbose_name=_("workspace"))

    class Meta:
        verbose_name = _("binding")
        verbose_name_plural = _("bindings")
        constraints = [models.UniqueConstraint(fields=["cluster", "workspace"], name="clusters_binding_once")]

    def __str__(self) -> str:
        return f"{self.cluster} - {self.workspace}"


class FlinkEndpoint(models.Model):
    """One Flink version of a cluster. The watcher keeps what it last learned about it here."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="endpoints", verbose_name=_("cluster"))
    flink_version = models.CharField(_("Flink version"), max_length=20)
    rest_url = models.URLField(_("JobManager REST address"), max_length=300)
    dashboard_url = models.URLField(
        _("dashboard address"), max_length=300, blank=True, help_text=_("For browsers; the REST address when empty.")
    )
    is_default = models.BooleanField(_("default version"), default=True)

    seen_at = models.DateTimeField(_("last answer"), null=True, editable=False)
    unreachable_since = models.DateTimeField(_("unreachable since"), null=True, editable=False)
    unreachable_reason = models.TextField(_("why unreachable"), blank=True, editable=False)
    failed_looks = models.PositiveIntegerField(default=0, editable=False)
    slots_total = models.PositiveIntegerField(_("slots"), default=0, editable=False)
    slots_free = models.PositiveIntegerField(_("free slots"), default=0, editable=False)
    look_at = models.DateTimeField(null=True, editable=False)
    # When a follow-up look is already under way, so that many asks at once cause one look.
    follow_up_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("Flink endpoint")
        verbose_name_plural = _("Flink endpoints")
        constraints = [
            models.UniqueConstraint(fields=["cluster", "flink_version"], name="clusters_endpoint_version_once"),
            models.UniqueConstraint(
                fields=["cluster"], condition=models.Q(is_default=True), name="clusters_endpoint_one_default"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cluster} (Flink {self.flink_version})"

    def engine(self) -> Engine:
        """Return the driver for this endpoint; one per process and address, with kept-alive connections."""
        return flink.connect(self.rest_url, settings.SQL_RUNNER_JAR)

    @property
    def browser_url(self) -> str:
        return self.dashboard_url or self.rest_url
