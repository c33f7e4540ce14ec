"""The one table of the API: every official action, and what stands behind it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api import clusters, configs, copies, folders, history, jobs, operate, runtime, snapshots, variables, workspaces
from api.caller import Caller
from api.errors import Code
from api.shapes import Shape

VERSION = "2019-04-22"

Act = Callable[[Caller, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """One action: what it takes, and what it does with that."""

    takes: Shape
    # Given the caller and the validated request, returns the answer's fields without RequestId. Raises ApiError or Refusal.
    act: Act
    # Whether it changes anything: then a request that somebody has recorded can't be sent a second time.
    changes: bool
    # The official limit of requests per second and user where it isn't that of all (OCEANUS_API_REQUESTS_PER_SECOND).
    per_second: int | None = None
    # The code for a Refusal of the act, and for one because a name was taken while the request was looked at.
    refused: Code = Code.FAILED_OPERATION
    taken: Code = Code.FAILED_OPERATION


# An official action that this console does not have.
NOT_HERE = None

# Named as the product names them, in its order.
ACTIONS: dict[str, Call | None] = {
    "CheckConnectorName": NOT_HERE,
    "CheckSavepoint": Call(snapshots.CHECK, snapshots.check_savepoint, changes=False),
    "CopyJobs": Call(copies.COPY_JOBS, copies.copy_jobs, changes=True),
    "CreateConnector": NOT_HERE,
    "CreateFolder": Call(folders.CREATE_FOLDER, folders.create_folder, changes=True, taken=Code.TAKEN_FOLDER_NAME),
    "CreateJob": Call(jobs.CREATE_JOB, jobs.create_job, changes=True, taken=Code.TAKEN_JOB_NAME),
    "CreateJobConfig": Call(
        configs.CREATE_JOB_CONFIG, configs.create_job_config, changes=True, refused=Code.BAD_SCRIPT
    ),
    "CreateMetaDatabase": NOT_HERE,
    "CreateMetaTable": NOT_HERE,
    "CreateOceanusCluster": NOT_HERE,
    "CreateResource": NOT_HERE,
    "CreateResourceConfig": NOT_HERE,
    "CreateVariable": Call(
        variables.CREATE_VARIABLE, variables.create_variable, changes=True, taken=Code.TAKEN_VARIABLE_NAME
    ),
    "CreateWorkSpace": Call(
        workspaces.CREATE_WORKSPACE, workspaces.create_workspace, changes=True, taken=Code.TAKEN_WORKSPACE_NAME
    ),
    "DeleteFolders": Call(folders.DELETE_FOLDERS, folders.delete_folders, changes=True),
    "DeleteJobConfigs": Call(
        configs.DELETE_JOB_CONFIGS, configs.delete_job_configs, changes=True, refused=Code.VERSION_IN_USE
    ),
    "DeleteJobs": Call(jobs.DELETE_JOBS, jobs.delete_jobs, changes=True),
    "DeleteOceanusCluster": NOT_HERE,
    "DeleteResourceConfigs": NOT_HERE,
    "DeleteResources": NOT_HERE,
    "DeleteTableConfig": NOT_HERE,
    "DeleteWorkSpace": Call(workspaces.DELETE_WORKSPACE, workspaces.delete_workspace, changes=True),
    "DescribeClusters": Call(clusters.DESCRIBE_CLUSTERS, clusters.describe_clusters, changes=False),
    "DescribeFolder": Call(folders.DESCRIBE_FOLDER, folders.describe_folder, changes=False),
    "DescribeJobConfigs": Call(configs.DESCRIBE_JOB_CONFIGS, configs.describe_job_configs, changes=False),
    "DescribeJobDetail": Call(runtime.DESCRIBE_JOB_DETAIL, runtime.describe_job_detail, changes=False, per_second=50),
    "DescribeJobEvents": Call(history.DESCRIBE_JOB_EVENTS, history.describe_job_events, changes=False),
    "DescribeJobRuntimeInfo": Call(runtime.DESCRIBE_JOB_RUNTIME_INFO, runtime.describe_job_runtime_info, changes=False),
    "DescribeJobs": Call(jobs.DESCRIBE_JOBS, jobs.describe_jobs, changes=False, per_second=30),
    "DescribeJobSavepoint": Call(snapshots.DESCRIBE, snapshots.describe_job_savepoint, changes=False),
    "DescribeJobSubmissionLog": Call(
        history.DESCRIBE_JOB_SUBMISSION_LOG, history.describe_job_submission_log, changes=False
    ),
    "DescribeResourceConfigs": NOT_HERE,
    "DescribeResourceRelatedJobs": NOT_HERE,
    "DescribeResources": NOT_HERE,
    "DescribeSystemResources": NOT_HERE,
    "DescribeTreeJobs": Call(folders.DESCRIBE_TREE_JOBS, folders.describe_tree_jobs, changes=False),
    "DescribeTreeResources": NOT_HERE,
    "DescribeVariables": Call(variables.DESCRIBE_VARIABLES, variables.describe_variables, changes=False),
    "DescribeWorkSpaces": Call(workspaces.DESCRIBE_WORKSPACES, workspaces.describe_workspaces, changes=False),
    "DescribeWorkSpaceUsers": Call(
        workspaces.DESCRIBE_WORKSPACE_USERS, workspaces.describe_workspace_users, changes=False
    ),
    "FetchSqlGatewayStatementResult": NOT_HERE,
    "GetMetaTable": NOT_HERE,
    "ModifyConnector": NOT_HERE,
    "ModifyFolder": Call(folders.MODIFY_FOLDER, folders.modify_folder, changes=True, taken=Code.TAKEN_FOLDER_NAME),
    "ModifyJob": Call(jobs.MODIFY_JOB, jobs.modify_job, changes=True, taken=Code.TAKEN_JOB_NAME),
    "ModifyMetaTable": NOT_HERE,
    "ModifyWorkSpace": Call(
        workspaces.MODIFY_WORKSPACE, workspaces.modify_workspace, changes=True, taken=Code.TAKEN_WORKSPACE_NAME
    ),
    "ParseConnector": NOT_HERE,
    "RenewOceanusCluster": NOT_HERE,
    "RunJobs": Call(operate.RUN_JOBS, operate.run_jobs, changes=True),
    "RunSqlGatewayStatement": NOT_HERE,
    "ScaleOceanusCluster": NOT_HERE,
    "StopJobs": Call(operate.STOP_JOBS, operate.stop_jobs, changes=True),
    "TriggerJobSavepoint": Call(snapshots.TRIGGER, snapshots.trigger_job_savepoint, changes=True),
}
