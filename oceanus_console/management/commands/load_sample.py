"""Make the first users, the clusters on this machine and a workspace with jobs to try; safe to run at every start."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from api.keys import take_key
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from jobs.preview import directory_of
from workspaces import variables
from workspaces.models import Member, Role, Workspace

FLINK_VERSION = "2.2.1"
SQL_DIRECTORY = settings.BASE_DIR / "sample"
WORKSPACE = "Default"
FURTHER_CU = Decimal(8)  # a further Flink is small (oceanus_console/embedded.py)
REMOVED = "This Flink was removed with ./oceanus flink remove; it comes back with ./oceanus flink add."


class Command(BaseCommand):
    help = "Make the users of the credentials file, the clusters on this machine and a sample workspace."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--flink-url", required=True, help="REST address of the embedded JobManager")
        parser.add_argument("--credentials", required=True, type=Path, help="the credentials.json of this home")
        parser.add_argument(
            "--extra-flink", metavar="VERSION=URL", action="append", default=[], help="a further Flink that runs"
        )
        parser.add_argument(
            "--removed-flink", metavar="VERSION", action="append", default=[], help="one that runs no more"
        )

    @transaction.atomic
    def handle(
        self,
        *args: Any,
        flink_url: str,
        credentials: Path,
        extra_flink: list[str],
        removed_flink: list[str],
        **options: Any,
    ) -> None:
        cluster = embedded_cluster(flink_url)
        given = json.loads(credentials.read_text())
        for one in given["users"]:
            make_user(one["username"], one["password"], one["role"] == "super admin")
        rulers = [one["username"] for one in given["users"] if one["role"] == "super admin"]
        for one in given.get("keys", []):
            take_key(
                User.objects.get(username=rulers[0]), one["secret_id"], one["secret_key"], "Made at the first start"
            )
        if not Workspace.objects.exists():
            make_workspace(cluster, User.objects.get(username="developer"))
        for version, _equals, url in (one.partition("=") for one in extra_flink):
            further_cluster(version, url)
        for version in removed_flink:
            close_cluster(version)


def embedded_cluster(flink_url: str) -> Cluster:
    """Return the row of the embedded cluster; its address is new at each start."""
    cluster, _created = Cluster.objects.get_or_create(
        is_embedded=True,
        defaults={
            "name": "embedded",
            "description": "Flink on this machine",
            "snapshot_directory": (settings.HOME / "snapshots").as_uri(),
        },
    )
    set_address(cluster, FLINK_VERSION, flink_url)
    return cluster


def further_cluster(version: str, url: str) -> Cluster:
    """Return the cluster of a further Flink on this machine; when it is new, the sample workspace may use it."""
    cluster, created = Cluster.objects.get_or_create(
        name=f"flink-{version}",
        defaults={
            "description": f"Flink {version} on this machine",
            "snapshot_directory": (settings.HOME / "snapshots").as_uri(),
            "total_cu": FURTHER_CU,
        },
    )
    set_address(cluster, version, url)
    if created:
        for workspace in Workspace.objects.filter(name=WORKSPACE):
            ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    # A maintenance that somebody else has begun is none of ours.
    Cluster.objects.filter(pk=cluster.pk, maintenance_reason=REMOVED).update(
        is_under_maintenance=False, maintenance_reason=""
    )
    return cluster


def close_cluster(version: str) -> None:
    """Let nothing be started on a Flink that does not run any more; its jobs stay."""
    Cluster.objects.filter(name=f"flink-{version}", is_under_maintenance=False).update(
        is_under_maintenance=True, maintenance_reason=REMOVED
    )


def set_address(cluster: Cluster, version: str, url: str) -> None:
    """Note where Flink is now, and have the watcher look at once."""
    endpoint, _is_new = FlinkEndpoint.objects.update_or_create(
        cluster=cluster,
        flink_version=version,
        defaults={"rest_url": url, "look_at": timezone.now(), "unreachable_since": None, "failed_looks": 0},
    )
    endpoint.end_outage()


def make_user(username: str, password: str, is_super_admin: bool) -> None:
    user, created = User.objects.get_or_create(
        username=username, defaults={"is_superuser": is_super_admin, "is_staff": is_super_admin}
    )
    if created:
        user.set_password(password)
        user.save()


def make_workspace(cluster: Cluster, developer: User) -> None:
    workspace = Workspace.objects.create(name=WORKSPACE, description="Made at the first start, with jobs to try")
    Member.objects.create(workspace=workspace, user=developer, role=Role.DEVELOPER)
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    for name, directory, told in (
        ("data", settings.DATA_DIRECTORY, "Where the sample jobs read"),
        ("results", directory_of(workspace), "Where they write: what is here is shown on their pages"),
    ):
        variables.create(developer, workspace, name, directory.as_uri(), is_hidden=False, description=told)
    make_job(developer, workspace, cluster, "city-temperatures", {"checkpoint_interval_seconds": 10}, "First version")
    no_restart = {"properties": {"restart-strategy.type": "none"}}
    failing = make_job(developer, workspace, cluster, "fails-with-zero", no_restart, "Divides by zero at the fifth row")
    # So that its failure stays to be looked at.
    operations.switch_recovery(developer, failing, on=False)
    make_job(developer, workspace, cluster, "draft-with-error", {}, None)


def make_job(
    user: User, workspace: Workspace, cluster: Cluster, name: str, values: dict[str, Any], note: str | None
) -> Job:
    """Make a sample job from sample/<name>.sql; published with `note`, else left as a draft."""
    endpoint = cluster.endpoints.get(is_default=True)
    job = operations.create_job(user, workspace, name, cluster, endpoint)
    sql = (SQL_DIRECTORY / f"{name}.sql").read_text()
    operations.save_draft(user, job, 0, {"sql": sql, **values})
    if note:
        operations.publish(user, job, note)
    return job
