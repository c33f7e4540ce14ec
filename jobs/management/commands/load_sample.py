"""Make the first users, the embedded cluster and a workspace with jobs to try; safe to run at every start."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from workspaces.models import Member, Role, Workspace

FLINK_VERSION = "2.2.1"
SQL_DIRECTORY = settings.BASE_DIR / "sample"


class Command(BaseCommand):
    help = "Make the users of the credentials file, the embedded cluster and a sample workspace."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--flink-url", required=True, help="REST address of the embedded JobManager")
        parser.add_argument("--credentials", required=True, type=Path, help="the credentials.json of this home")

    @transaction.atomic
    def handle(self, *args: Any, flink_url: str, credentials: Path, **options: Any) -> None:
        cluster = embedded_cluster(flink_url)
        for one in json.loads(credentials.read_text())["users"]:
            make_user(one["username"], one["password"], one["role"] == "super admin")
        if not Workspace.objects.exists():
            make_workspace(cluster, User.objects.get(username="developer"))


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
    FlinkEndpoint.objects.update_or_create(
        cluster=cluster,
        flink_version=FLINK_VERSION,
        defaults={"rest_url": flink_url, "look_at": timezone.now(), "unreachable_since": None, "failed_looks": 0},
    )
    return cluster


def make_user(username: str, password: str, is_super_admin: bool) -> None:
    user, created = User.objects.get_or_create(
        username=username, defaults={"is_superuser": is_super_admin, "is_staff": is_super_admin}
    )
    if created:
        user.set_password(password)
        user.save()


def make_workspace(cluster: Cluster, developer: User) -> None:
    workspace = Workspace.objects.create(name="Default", description="Made at the first start, with jobs to try")
    Member.objects.create(workspace=workspace, user=developer, role=Role.DEVELOPER)
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    make_job(developer, workspace, cluster, "city-temperatures", {"checkpoint_interval_seconds": 10}, "First version")
    no_restart = {"properties": {"restart-strategy.type": "none"}}
    make_job(developer, workspace, cluster, "fails-with-zero", no_restart, "Divides by zero at the fifth row")
    make_job(developer, workspace, cluster, "draft-with-error", {}, None)


def make_job(user: User, workspace: Workspace, cluster: Cluster, name: str, values: dict[str, Any], note: str | None) -> Job:
    """Make a sample job from sample/<name>.sql; published with `note`, else left as a draft."""
    endpoint = cluster.endpoints.get(is_default=True)
    job = operations.create_job(user, workspace, name, cluster, endpoint)
    sql = (SQL_DIRECTORY / f"{name}.sql").read_text().replace("${data}", settings.DATA_DIRECTORY.as_uri())
    operations.save_draft(user, job, 0, {"sql": sql, **values})
    if note:
        operations.publish(user, job, note)
    return job
