"""Fill the database with workspaces full of jobs, through COPY: rows as the console itself would have written them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.utils import timezone
from psycopg import sql

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs.models import Draft, Folder, Job, Problem, Run, Version
from jobs.states import RunEnd, Status
from workspaces.models import Member, Role, Workspace

WORDS = ("orders", "payments", "clicks", "refunds", "sessions", "alerts", "invoices", "stock", "prices", "devices")
FOLDERS = 20
SCRIPT = """CREATE TABLE src (id INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');
CREATE TABLE snk (id INT) WITH ('connector' = 'blackhole');
INSERT INTO snk SELECT id FROM src;
"""


@dataclass
class Space:
    """A workspace, its cluster's Flink, its folders, and how many jobs it holds."""

    workspace: Workspace
    endpoint: FlinkEndpoint
    folders: list[Folder]
    user: User
    count: int = 0


def new_space(name: str, user: User) -> Space:
    workspace = Workspace.objects.create(name=name)
    Member.objects.create(workspace=workspace, user=user, role=Role.DEVELOPER)
    cluster = Cluster.objects.create(name=f"{name} cluster", snapshot_directory="file:///nowhere", total_cu=999_999)
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    endpoint = FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url="http://127.0.0.1:1")
    folders = [Folder.objects.create(workspace=workspace, name=f"folder-{n:02}") for n in range(FOLDERS)]
    return Space(workspace, endpoint, folders, user)


TABLES: tuple[Any, ...] = (Problem, Job, Version, Draft, Run)


@transaction.atomic
def fill(space: Space, count: int) -> None:
    """Let the space have so many jobs: of ten, six run, one has failed with a problem, three are stopped."""
    numbers = range(space.count, count)
    # A job, its version, its run and its problem have the same number: one that none of them has yet.
    taken = [table.objects.aggregate(last=models.Max("pk"))["last"] or 0 for table in TABLES]
    first = max(taken) + 1 - space.count
    long_ago = timezone.now() - timedelta(days=1)
    pour(Problem, ({"id": first + n, "code": "flink", "summary": "/ by zero", "values": {"known": "Division by zero"},
                    "created_at": long_ago} for n in numbers if n % 10 == 6))  # fmt: skip
    pour(Job, (_job(space, n, first + n, long_ago) for n in numbers))
    for model, more in ((Version, {"number": 1, "note": "first"}), (Draft, {"revision": 1})):
        pour(model, ({"id": first + n, "job_id": first + n, "sql": SCRIPT, **more} for n in numbers))
    pour(Run, (_run(space, n, first + n, long_ago) for n in numbers if n % 10 <= 6))
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table._meta.db_table, first + count])
    space.count = count


def _job(space: Space, n: int, pk: int, long_ago: Any) -> dict[str, Any]:
    status = Status.RUNNING if n % 10 < 6 else Status.FAILED if n % 10 == 6 else Status.STOPPED
    return {
        "id": pk,
        "serial": f"cql-{pk:08}",
        "workspace_id": space.workspace.pk,
        "folder_id": space.folders[n % FOLDERS].pk,
        "name": f"{WORDS[n // 10 % 10]}-{n:07}",
        "cluster_id": space.endpoint.cluster_id,
        "endpoint_id": space.endpoint.pk,
        "status": status,
        "problem_id": pk if n % 10 == 6 else None,
        "current_run_id": pk if n % 10 <= 6 else None,
        "last_version_number": 1,
        "last_run_number": 1,
        "created_by_id": space.user.pk,
        # What was changed together lies apart in the table, as it would after years.
        "updated_at": long_ago + timedelta(seconds=n * 7919 % 80_000, microseconds=n),
        "changed_at": long_ago + timedelta(seconds=n * 7919 % 80_000, microseconds=n),
    }


def _run(space: Space, n: int, pk: int, long_ago: Any) -> dict[str, Any]:
    ended = {"ended_at": long_ago, "end": RunEnd.FAILED} if n % 10 == 6 else {}
    return {
        "id": pk,
        "job_id": pk,
        "number": 1,
        "version_id": pk,
        "endpoint_id": space.endpoint.pk,
        "flink_job_id": f"{pk:032x}",
        "cu": 2,
        "started_at": long_ago,
        "flink_state": "RUNNING",
        "tasks_up": 2,
        "tasks_total": 2,
        **ended,
    }


def pour(model: type[models.Model], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows (column -> value) in one COPY; what a row leaves out gets the field's default, and times the present."""
    fields = model._meta.concrete_fields
    now = timezone.now()
    default = {f.column: now if getattr(f, "auto_now_add", False) or getattr(f, "auto_now", False) else f.get_default()
               for f in fields if f.column not in ("serial", "flink_job_id")}  # fmt: skip
    columns = sql.SQL(", ").join([sql.Identifier(str(f.column)) for f in fields])
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(model._meta.db_table), columns)
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for row in rows:
            values = default | row
            copy.write_row([f.get_db_prep_save(values[f.column], connection) for f in fields])


def settle() -> None:
    """Let PostgreSQL learn what is in its tables, as it would by itself after a while."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
