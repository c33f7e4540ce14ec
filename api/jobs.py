"""Jobs: create, describe, change, copy, delete. Running and stopping are in operate.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import ApiError, Code
from api.in_one_go import in_one_go, naming, refuse_unless
from api.lookup import (
    cluster_of,
    folder_of,
    may,
    operable_job_of,
    operable_jobs_of,
    workspace_of,
    workspaces_of,
)
from api.shapes import Ignored, Many, Shape, Text, Whole, api_limit
from api.spelling import (
    FILTERS,
    LIMIT,
    MEMORY_OF_CU,
    OFFSET,
    bare_version,
    clock,
    exactly,
    filtered,
    length,
    page,
    partly,
    version_name,
)
from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.advice import explain
from jobs.folder_forms import RenameJobForm
from jobs.models import Job, Operation, Run, Version
from jobs.shown import shown
from jobs.states import API_CODES, Action, Outcome, Status
from workspaces.models import Workspace

SQL_JOB, JAR_JOB, PYTHON_JOB = 1, 2, 4
SHARED, DEDICATED = 1, 2
DRAFT_NUMBER = -1
EVENTS = "JobEventInfo"
TAG = Shape(TagKey=Text(), TagValue=Text())

CREATE_JOB = Shape(
    Name=Text(required=True),
    JobType=Whole(required=True, one_of=(SQL_JOB, JAR_JOB)),
    ClusterType=Whole(required=True, one_of=(SHARED, DEDICATED)),
    ClusterId=Text(),
    CuMem=Ignored(Whole(least=0), only=(MEMORY_OF_CU,)),
    Remark=Text(most=200),
    FolderId=Text(),
    FlinkVersion=Text(),
    WorkSpaceId=Text(),
    Tags=Ignored(Many(TAG), only=([],)),
    Description=Text(most=200),
    OpenJobDefaultAlarm=Ignored(Whole(), only=(0, -1)),
    Uid=Ignored(Whole()),
    JdkVersion=Ignored(Text()),
)
DESCRIBE_JOBS = Shape(
    JobIds=Many(Text(), most=100),
    Filters=FILTERS,
    Offset=OFFSET,
    Limit=LIMIT,
    WorkSpaceId=Text(),
    ExtraResult=Many(Text(one_of=(EVENTS,))),
    ConnectorOptions=Ignored(Text(), only=("",)),
)
MODIFY_JOB = Shape(
    JobId=Text(required=True),
    Name=Text(),
    Remark=Text(most=200),
    TargetFolderId=Text(),
    WorkSpaceId=Text(),
    Description=Text(most=200),
    ContinueAlarm=Ignored(Whole(), only=(0, -1)),
)
DELETE_JOBS = Shape(
    JobIds=Many(Text(), required=True, most=api_limit, code=Code.TOO_MANY_JOBS),
    WorkSpaceId=Text(),
    JobNames=Ignored(Many(Text())),
)


def create_job(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Create an empty SQL job on a cluster of the workspace, with the Flink version named or the cluster's default."""
    if asked["JobType"] != SQL_JOB:
        raise ApiError(Code.UNSUPPORTED_OPERATION, _("This console runs SQL jobs only."))
    if not asked.get("ClusterId"):
        raise ApiError(Code.MISSING_PARAMETER, _("The parameter %(name)s is missing."), name="ClusterId")
    workspace = workspace_of(caller, asked)
    may(caller, workspace)
    cluster = cluster_of(caller, asked["ClusterId"])
    name = job_name(asked["Name"], workspace)
    folder = folder_of(workspace, asked.get("FolderId", ""))
    description = asked.get("Description") or asked.get("Remark", "")
    endpoint = _endpoint_of(cluster, asked.get("FlinkVersion", ""))
    job = operations.create_job(caller.user, workspace, name, cluster, endpoint, folder, description)
    return {"JobId": job.serial}


def _endpoint_of(cluster: Cluster, version: str) -> FlinkEndpoint:
    """Return the Flink of this version, named in full (Flink-2.2.1) or as the product does (Flink-2.2). Raise ApiError."""
    wanted = bare_version(version)
    endpoints = list(cluster.endpoints.all())
    fitting = [one for one in endpoints if one.is_default] if not wanted else []
    fitting += [one for one in endpoints if one.flink_version == wanted]
    fitting += [one for one in endpoints if wanted and one.flink_version.startswith(wanted + ".")]
    if fitting:
        return fitting[0]
    sentence = _("The cluster %(cluster)s has no Flink %(version)s.")
    raise ApiError(Code.INVALID_PARAMETER_VALUE, sentence, cluster=cluster.name, version=wanted[:40])


def job_name(name: str, workspace: Workspace, but: Job | None = None) -> str:
    """Return a name that is fit and free. Raise ApiError with the official codes; what comes in between meets the act."""
    form = RenameJobForm({"name": name})
    if not form.is_valid():
        raise ApiError(Code.INVALID_JOB_NAME, " ".join(str(one) for one in form.errors["name"]))
    others = Job.objects.filter(workspace=workspace, deleted_at=None, name=form.cleaned_data["name"])
    if (others.exclude(pk=but.pk) if but else others).exists():
        raise ApiError(Code.TAKEN_JOB_NAME, _("There is already a job with this name in the workspace."))
    return str(form.cleaned_data["name"])


def modify_job(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Rename a job, describe it, or move it: one of these per call, as the product has it."""
    kinds = [name in asked for name in ("Name", "TargetFolderId")] + ["Remark" in asked or "Description" in asked]
    if sum(kinds) != 1:
        sentence = _("Change one thing per call: Name, TargetFolderId, or Remark (Description).")
        raise ApiError(Code.UNSUPPORTED_COMPOSITE, sentence)
    job = operable_job_of(caller, asked)
    if "Name" in asked:
        operations.rename_job(caller.user, job, job_name(asked["Name"], job.workspace, job))
    elif "TargetFolderId" in asked:
        operations.move_job(caller.user, job, folder_of(job.workspace, asked["TargetFolderId"]))
    else:
        operations.describe_job(caller.user, job, asked.get("Description") or asked.get("Remark", ""))
    return {}


@transaction.atomic
def delete_jobs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Delete jobs: all of them, or none; the error names the first that can't be deleted."""
    for job in in_one_go(operable_jobs_of(caller, asked["JobIds"], asked)):
        refuse_unless(job, Action.DELETE, Code.NOT_DELETABLE)
        with naming(job, Code.NOT_DELETABLE):
            operations.delete(caller.user, job)
    return {}


# --- describing ---


def _with_status(rows: QuerySet[Job], values: list[str]) -> QuerySet[Job]:
    names = {str(code): status for status, code in API_CODES.items()}
    return rows.filter(status__in=[names.get(value, value) for value in values])


JOB_FILTERS = {
    "Name": partly("name"),
    "Status": _with_status,
    "ClusterId": exactly("cluster__serial"),
    "JobId": exactly("serial"),
    "ClusterName": partly("cluster__name"),
}


def describe_jobs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell of jobs, newest first. JobIds is a choice as Filters are: what the caller does not see is not in the set."""
    if asked.get("JobIds") and asked.get("Filters"):
        raise ApiError(Code.UNSUPPORTED_COMPOSITE, _("Name JobIds or Filters, not both."))
    rows = Job.objects.visible_to(caller.user)
    if asked.get("WorkSpaceId"):
        rows = rows.filter(workspace__in=workspaces_of(caller, asked))
    if serials := asked.get("JobIds"):
        rows = rows.filter(serial__in=serials)
    rows = filtered(rows, asked, JOB_FILTERS)
    with_events = EVENTS in asked.get("ExtraResult", [])
    # What a page tells is brought along for its own rows only, not for all before them.
    paged = Job.objects.filter(pk__in=page(rows.order_by("-created_at", "-pk"), asked).values("pk"))
    described = _with_figures(paged.for_rows(), with_events).order_by("-created_at", "-pk")
    return {"TotalCount": rows.count(), "JobSet": [_described(job, caller, with_events) for job in described]}


def _with_figures(rows: QuerySet[Job], with_events: bool) -> QuerySet[Any]:
    """Bring along, in the same query, how long the jobs have run, their newest version, and (if asked) their failures."""
    runs = Run.objects.filter(job=OuterRef("pk")).exclude(started_at=None).order_by().values("job")
    ran = ExpressionWrapper(Coalesce(F("ended_at"), Now()) - F("started_at"), output_field=DurationField())
    versions = Version.objects.filter(job=OuterRef("pk")).order_by().values("job")
    rows = rows.annotate(
        ran=Subquery(runs.annotate(n=Sum(ran)).values("n")),
        newest=Subquery(versions.annotate(n=Max("number")).values("n")),
        by=F("created_by__username"),
    )
    if not with_events:
        return rows
    failures = Operation.objects.filter(job=OuterRef("pk"), outcome=Outcome.FAILED).order_by().values("job")
    return rows.annotate(failures=Coalesce(Subquery(failures.annotate(n=Count("pk")).values("n")), 0))


def status_code(job: Job) -> int:
    return API_CODES[Status(job.status)]


def published_number(job: Job) -> int:
    """Return the version that runs or ran last; of a job that never ran its latest; -1 when there is none."""
    return job.current_run.version.number if job.current_run else job.last_version_number or DRAFT_NUMBER


def _status_word(job: Job) -> str:
    """Return the status in a word for programs, which says more than the code where Flink does.

    The code stays 4 while Flink restarts a job, as in the product; the word is then "restarting". Of a cluster that does not
    answer the last known status is told, with the time since when that is.
    """
    run = job.current_run
    word = str(job.status)
    if job.status == Status.RUNNING and run and not run.ended_at and not run.is_up:
        word = "restarting"
    since = job.endpoint.unreachable_since
    if since and shown(job).is_of_flink:
        return f"{word} (unreachable since {clock(since)})"
    return word


def _described(job: Any, caller: Caller, with_events: bool) -> dict[str, Any]:
    run, live = job.current_run, bool(job.live_run)
    cu = float(run.cu) if live else 0.0
    told = {
        "JobId": job.serial,
        "Region": caller.region,
        "Zone": "",
        "AppId": 0,
        "OwnerUin": job.by or "",
        "CreatorUin": job.by or "",
        "Name": job.name,
        "JobType": SQL_JOB,
        "Status": status_code(job),
        "StatusDesc": _status_word(job),
        "ProgressDesc": shown(job).progress,
        "LastOpResult": explain(job.problem).cause if job.problem else "",
        "Remark": job.description,
        "Description": job.description,
        "RunningCuNum": int(cu),
        "RunningCu": cu,
        "RunningCpu": cu,
        "RunningMem": cu * MEMORY_OF_CU,
        "CuMem": MEMORY_OF_CU,
        "WebUIUrl": job.endpoint.browser_url,
        "FlinkVersion": version_name(job.endpoint.flink_version),
        "Tags": [],
        "ScalingType": 0,
        "OpenJobDefaultAlarm": 0,
    }
    events = {"EventInfo": {"ErrorEventTotal": job.failures}} if with_events else {}
    return told | _times(job, run, live) | _place(job) | _versions(job) | events


def _times(job: Any, run: Run | None, live: bool) -> dict[str, Any]:
    started: datetime | None = run.started_at if run else None
    return {
        "CreateTime": clock(job.created_at),
        "UpdateTime": clock(job.updated_at),
        "StartTime": clock(started),
        "StopTime": clock(run.ended_at if run else None),
        "TotalRunMillis": length(job.ran),
        "CurrentRunMillis": length(timezone.now() - started) if started and live else 0,
    }


def _place(job: Job) -> dict[str, Any]:
    return {
        "ClusterId": job.cluster.serial,
        "ClusterName": job.cluster.name,
        "ClusterStatus": -1 if job.endpoint.unreachable_since else 2,
        "SchedulerType": DEDICATED,
        "WorkSpaceId": job.workspace.serial,
        "WorkSpaceName": job.workspace.name,
    }


def _versions(job: Any) -> dict[str, int]:
    return {
        "LatestJobConfigVersion": job.last_version_number,
        "LatestValidJobConfigVersion": job.newest or 0,
        "PublishedJobConfigVersion": published_number(job),
    }
