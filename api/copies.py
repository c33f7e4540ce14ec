"""Copies of jobs, each with its own outcome."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import ApiError, Code
from api.jobs import SQL_JOB, job_name
from api.lookup import cluster_of, folder_of, operable_jobs_of
from api.shapes import Ignored, Many, Shape, Text, Whole, api_limit
from clusters.models import Cluster
from jobs import operations
from jobs.models import Job

COPY_JOBS = Shape(
    JobItems=Many(
        Shape(
            SourceId=Text(required=True),
            TargetClusterId=Text(required=True),
            SourceName=Ignored(Text()),
            TargetName=Text(),
            TargetFolderId=Text(),
            JobType=Ignored(Whole()),
        ),
        required=True,
        most=api_limit,
        code=Code.TOO_MANY_JOBS,
    ),
    WorkSpaceId=Text(),
    TargetWorkspaceId=Text(),
)


def copy_jobs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Copy jobs, each on its own: what can't be copied is a result with its reason, never the end of the others."""
    results = [_copied(caller, item, asked) for item in asked["JobItems"]]
    failed = sum(one["Result"] != 0 for one in results)
    return {"SuccessCount": len(results) - failed, "FailCount": failed, "CopyJobsResults": results}


def _copied(caller: Caller, item: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    result = {
        "JobId": item["SourceId"],
        "JobName": "",
        "TargetJobName": item.get("TargetName", ""),
        "TargetJobId": "",
        "Message": "",
        "Result": -1,
        "ClusterName": "",
        "ClusterId": item["TargetClusterId"],
        "JobType": SQL_JOB,
    }
    try:
        job = operable_jobs_of(caller, [item["SourceId"]], asked)[0]
        result["JobName"] = job.name
        cluster = cluster_of(caller, item["TargetClusterId"])
        result["ClusterName"] = cluster.name
        new = _copy(caller, job, cluster, item, asked)
    except (ApiError, operations.Refusal) as no:
        return result | {"Message": no.message}
    return result | {"TargetJobName": new.name, "TargetJobId": new.serial, "Result": 0}


def _copy(caller: Caller, job: Job, cluster: Cluster, item: dict[str, Any], asked: dict[str, Any]) -> Job:
    if asked.get("TargetWorkspaceId") not in (None, "", job.workspace.serial):
        raise ApiError(Code.UNSUPPORTED_OPERATION, _("A copy stays in the workspace of its source."))
    wanted = item.get("TargetName")
    name = job_name(wanted, job.workspace) if wanted else operations.name_of_copy(job, timezone.localtime())
    # Without a folder named, the copy lies beside its source.
    folder = folder_of(job.workspace, item["TargetFolderId"]) if item.get("TargetFolderId") else job.folder
    return operations.copy(caller.user, job, cluster, name, folder)[0]
