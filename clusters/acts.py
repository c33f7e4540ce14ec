"""What is done to clusters, their Flink endpoints and their bindings, for views and admin alike.

Every act takes who asks for it first, raises Refusal with a sentence for the user, and puts itself on record.
Jobs are counted through the names that they give to their clusters; nothing here imports them.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clusters.models import MOST_WORKSPACES, Cluster, ClusterBinding, FlinkEndpoint
from workspaces.acts import hold, record
from workspaces.models import Event, Workspace
from workspaces.refusal import Refusal

# What was learned at another address says nothing about this one; the watcher looks at once.
UNSEEN: dict[str, Any] = {
    "seen_at": None,
    "seen_under": None,
    "answers_since": None,
    "unreachable_since": None,
    "unreachable_reason": "",
    "failed_looks": 0,
    "slots_total": 0,
    "slots_free": 0,
    "told_version": "",
    "capacity_seen_at": None,
    "keeps_jobs": None,
    "checkpoint_directory": "",
    "unrecorded_jobs": [],
    "look_at": None,
}


@transaction.atomic
def create_cluster(user: User, values: dict[str, Any]) -> Cluster:
    """Create a cluster from its fields by name; its endpoints are added afterwards. Raise Refusal for a taken name."""
    cluster = _saved(Cluster(**values))
    record(user, cluster.serial, Event.Code.CLUSTER_CREATED, cluster=cluster.name)
    return cluster


@transaction.atomic
def change_cluster(user: User, cluster: Cluster, values: dict[str, Any]) -> Cluster:
    """Set fields of a cluster by name. Raise Refusal for a taken name."""
    before = _locked(cluster.pk)
    if _has_all(before, values):
        return before
    after = Cluster.objects.get(pk=cluster.pk)
    for name, value in values.items():
        setattr(after, name, value)
    _saved(after)
    record_change(user, before, after)
    return after


def record_change(user: User, before: Cluster, after: Cluster) -> None:
    """Put on record what a change of a cluster's fields meant."""
    if after.is_under_maintenance and (
        not before.is_under_maintenance or after.maintenance_reason != before.maintenance_reason
    ):
        names = {"cluster": after.name, "reason": after.maintenance_reason}
        record(user, after.serial, Event.Code.MAINTENANCE_BEGUN, **names)
    elif before.is_under_maintenance and not after.is_under_maintenance:
        record(user, after.serial, Event.Code.MAINTENANCE_ENDED, cluster=after.name)
    else:
        record(user, after.serial, Event.Code.CLUSTER_CHANGED, cluster=after.name)


@transaction.atomic
def delete_cluster(user: User, cluster: Cluster) -> None:
    """Delete a cluster with its endpoints and bindings. Raise Refusal while a job is on it, or the record of one."""
    _locked(cluster.pk)
    if reason := why_not_delete(cluster):
        raise Refusal(reason)
    record(user, cluster.serial, Event.Code.CLUSTER_DELETED, cluster=cluster.name)
    cluster.delete()


def why_not_delete(cluster: Cluster) -> str:
    """Return why a cluster can't be deleted now, for the user; "" when it can."""
    if jobs := cluster.jobs.filter(deleted_at=None).count():
        told = ngettext(
            "There is still %(count)s job on this cluster. Delete it first.",
            "There are still %(count)s jobs on this cluster. Delete them first.",
            jobs,
        )
        return told % {"count": jobs}
    if cluster.jobs.exists() or cluster.endpoints.filter(runs__isnull=False).exists():
        return _(
            "The record of jobs that ran on this cluster stays, so it does, too. Unbind it from its workspaces instead."
        )
    return ""


@transaction.atomic
def add_endpoint(user: User, cluster: Cluster, values: dict[str, Any]) -> FlinkEndpoint:
    """Add a Flink version to a cluster; the first one is the default. Raise Refusal for a version that it has."""
    cluster = _locked(cluster.pk)
    is_default = values["is_default"] or not cluster.endpoints.exists()
    endpoint = _saved_endpoint(FlinkEndpoint(cluster=cluster, **values | {"is_default": is_default}))
    record(user, cluster.serial, Event.Code.ENDPOINT_ADDED, **names_of(endpoint))
    return endpoint


@transaction.atomic
def change_endpoint(user: User, endpoint: FlinkEndpoint, values: dict[str, Any]) -> FlinkEndpoint:
    """Set fields of an endpoint by name. Raise Refusal when no default would be left, or for a version that there is."""
    cluster = _locked(endpoint.cluster_id)
    # Before its runs: who is about to ask Flink for one holds the address until that is written down.
    now = cluster.endpoints.select_for_update(no_key=True).filter(pk=endpoint.pk).first()
    if now is None:
        raise Refusal(_("This Flink endpoint was removed in the meantime."))
    if now.is_default and not values["is_default"]:
        raise Refusal(_("One Flink version must be the default. Make another one the default instead."))
    if _has_all(now, values):
        return now
    if now.rest_url != values["rest_url"]:
        values = values | UNSEEN
        now.end_outage()
        now.runs.filter(ended_at=None).exclude(submitted_at=None).update(is_unseen_here=True)
    for name, value in values.items():
        setattr(now, name, value)
    _saved_endpoint(now, list(values))
    record(user, cluster.serial, Event.Code.ENDPOINT_CHANGED, **names_of(now))
    return now


@transaction.atomic
def remove_endpoint(user: User, endpoint: FlinkEndpoint) -> None:
    """Take a Flink version from a cluster. Raise Refusal while jobs or runs use it, or it is the default of several, or gone."""
    cluster = _locked(endpoint.cluster_id)
    if not cluster.endpoints.filter(pk=endpoint.pk).exists():
        raise Refusal(_("This Flink endpoint was removed in the meantime."))
    if reason := why_not_remove(endpoint):
        raise Refusal(reason)
    record(user, cluster.serial, Event.Code.ENDPOINT_REMOVED, **names_of(endpoint))
    endpoint.delete()


def why_not_remove(endpoint: FlinkEndpoint) -> str:
    """Return why an endpoint can't be removed now, for the user; "" when it can."""
    if endpoint.is_default and endpoint.cluster.endpoints.exclude(pk=endpoint.pk).exists():
        return why_used(endpoint) or _("This is the default version. Make another one the default first.")
    return why_used(endpoint)


def why_used(endpoint: FlinkEndpoint) -> str:
    """Return what needs an endpoint: jobs, or the record of runs; "" when nothing does."""
    if jobs := endpoint.jobs.filter(deleted_at=None).count():
        told = ngettext("%(count)s job uses this Flink version.", "%(count)s jobs use this Flink version.", jobs)
        return told % {"count": jobs}
    if endpoint.runs.exists() or endpoint.jobs.exists():
        return _("The record of runs on this Flink version stays, so it does, too.")
    return ""


@transaction.atomic
def bind(user: User, cluster: Cluster, workspace: Workspace) -> ClusterBinding:
    """Let a workspace use a cluster. Raise Refusal when it does already, or the cluster has all that it may have."""
    hold(workspace.pk)
    cluster = _locked(cluster.pk)
    if cluster.bindings.count() >= MOST_WORKSPACES:
        raise Refusal(
            _("A cluster can be bound to at most %(most)s workspaces. Unbind one first.") % {"most": MOST_WORKSPACES}
        )
    try:
        with transaction.atomic():
            binding = ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    except IntegrityError as error:
        raise Refusal(_("The cluster is bound to this workspace already.")) from error
    record_binding(user, Event.Code.CLUSTER_BOUND, binding)
    return binding


@transaction.atomic
def unbind(user: User, binding: ClusterBinding) -> None:
    """Take a cluster from a workspace. Raise Refusal while jobs of the workspace are on it, or when somebody has done so already."""
    cluster = _locked(binding.cluster_id)
    if not cluster.bindings.filter(pk=binding.pk).exists():
        raise Refusal(_("This cluster is not bound to the workspace."))
    if reason := why_not_unbind(binding):
        raise Refusal(reason)
    record_binding(user, Event.Code.CLUSTER_UNBOUND, binding)
    binding.delete()


def why_not_unbind(binding: ClusterBinding) -> str:
    """Return why a cluster can't be unbound from a workspace now, for the user; "" when it can."""
    jobs = binding.cluster.jobs.filter(workspace=binding.workspace_id, deleted_at=None).count()
    if not jobs:
        return ""
    told = ngettext(
        "%(count)s job of %(workspace)s is on this cluster. Delete it first.",
        "%(count)s jobs of %(workspace)s are on this cluster. Delete them first.",
        jobs,
    )
    return told % {"count": jobs, "workspace": binding.workspace}


def record_binding(user: User, code: Event.Code, binding: ClusterBinding) -> None:
    """Put a binding or its end on the records of both, the cluster and the workspace."""
    for about in (binding.cluster.serial, binding.workspace.serial):
        record(user, about, code, cluster=binding.cluster.name, workspace=binding.workspace.name)


def names_of(endpoint: FlinkEndpoint) -> dict[str, str]:
    return {"version": endpoint.flink_version, "address": endpoint.rest_url}


def _locked(pk: int) -> Cluster:
    if now := Cluster.objects.select_for_update().filter(pk=pk).first():
        return now
    raise Refusal(_("This cluster has been deleted."))


def _has_all(row: Cluster | FlinkEndpoint, values: dict[str, Any]) -> bool:
    """Tell whether to set these fields would change nothing."""
    return all(getattr(row, name) == value for name, value in values.items())


def _saved(cluster: Cluster) -> Cluster:
    try:
        with transaction.atomic():
            cluster.save()
    except IntegrityError as error:
        raise Refusal(_("There is already a cluster with this name.")) from error
    return cluster


def _saved_endpoint(endpoint: FlinkEndpoint, fields: list[str] | None = None) -> FlinkEndpoint:
    """Save an endpoint; what the watcher writes into the row at the same time stays."""
    try:
        with transaction.atomic():
            if endpoint.is_default:
                endpoint.cluster.endpoints.exclude(pk=endpoint.pk).filter(is_default=True).update(is_default=False)
            endpoint.save(update_fields=fields)
    except IntegrityError as error:
        raise Refusal(_("The cluster has this Flink version already.")) from error
    return endpoint
