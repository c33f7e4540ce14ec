"""Who else runs jobs on the Flink of a run: its processes log what happens to all of them, in the same files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Q, QuerySet

from clusters.models import ClusterBinding, FlinkEndpoint
from jobs.masking import secrets_in
from jobs.models import Run, Version
from jobs.secrets import secret_values
from workspaces import clock
from workspaces.variables import hidden_values

# Version -> what stands in it; published versions never change.
_known: dict[int, frozenset[str]] = {}
MOST_KNOWN = 50_000
# What has ended stands in logs until Flink writes over them.
LOGS_KEEP = timedelta(days=30)


def is_shared(run: Run) -> bool:
    """Tell whether a workspace other than that of `run` may run jobs on its Flink, or ever has: logs keep what was before."""
    mine, here = run.job.workspace_id, _at_the_same_address(run.endpoint)
    bound = ClusterBinding.objects.filter(cluster__endpoints__in=here).exclude(workspace=mine)
    return bound.exists() or _submitted(here).exclude(job__workspace=mine).exists()


def is_among_others(run: Run, flink_job_ids: Sequence[str]) -> bool:
    """Tell whether one of these is a job of another workspace: its cluster may name the Flink of `run` by another address."""
    return Run.objects.filter(flink_job_id__in=flink_job_ids).exclude(job__workspace=run.job.workspace_id).exists()


def secrets_near(run: Run) -> set[str]:
    """Return what must not be read in the logs of the Flink of `run`: what is secret in it, and in all that runs there or did lately."""
    lately = Q(ended_at=None) | Q(ended_at__gt=clock.now() - LOGS_KEEP)
    there = _submitted(_at_the_same_address(run.endpoint)).filter(lately)
    beside = set(there.values_list("version", "job__workspace"))
    found = secret_values(run.version).union(
        *(hidden_values(one) for one in {workspace for _version, workspace in beside})
    )
    return found.union(*_secrets_in({version for version, _workspace in beside}))


def _at_the_same_address(endpoint: FlinkEndpoint) -> QuerySet[FlinkEndpoint]:
    """Return the endpoints that are this Flink: two clusters may name the same one."""
    address = endpoint.rest_url.rstrip("/")
    return FlinkEndpoint.objects.filter(Q(rest_url__iexact=address) | Q(rest_url__iexact=f"{address}/"))


def _submitted(here: QuerySet[FlinkEndpoint]) -> QuerySet[Run]:
    return Run.objects.filter(endpoint__in=here, submitted_at__isnull=False).order_by()


def _secrets_in(versions: set[int]) -> list[frozenset[str]]:
    if len(_known) > MOST_KNOWN:
        _known.clear()
    for one in Version.objects.filter(pk__in=versions - _known.keys()):
        _known[one.pk] = frozenset(secrets_in(one.sql, one.properties))
    return [_known[one] for one in versions]
