"""Every action of the API: its answer is as officially declared, it keeps to the caller's role, and does what the page does."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from api.table import ACTIONS
from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.models import Draft, Folder, Job
from tests.conftest import SQL, Console, make_job
from tests.fake_flink import FakeFlink
from tests.official import departures
from tests.program import Program
from workspaces.models import Event, Variable, Workspace

pytestmark = pytest.mark.django_db

OURS = {name for name, call in ACTIONS.items() if call}
CHANGING = {name for name, call in ACTIONS.items() if call and call.changes}
ARGS = json.dumps({"SqlCode": base64.b64encode(SQL.encode()).decode(), "CheckpointInterval": 30})
NOW = int(time.time())
THROWN = json.dumps({"root-exception": "java.sql.SQLException: Login denied for hush-of-the-past"})


@pytest.fixture
def program(alice: User) -> Program:
    return Program(alice)


@pytest.fixture
def requests(console: Console, root: User, workspace: Workspace, cluster: Cluster) -> dict[str, dict[str, Any]]:
    """A request for every action, that names things of alice's workspace, where a job runs and one is stopped."""
    console.start()
    console.click_snapshot()
    console.settle()
    idle = make_job(console.user, workspace, console.endpoint, "idle")
    folder = operations.create_folder(console.user, workspace, "nightly", None)
    empty = operations.create_folder(console.user, workspace, "empty", folder)
    spare = Workspace.objects.create(name="Spare")
    Variable.objects.create(workspace=workspace, name="topic", value="orders")
    running, space = console.job.serial, workspace.serial
    at = {"StartTimestamp": NOW - 3600, "EndTimestamp": NOW + 3600}
    log = {"StartTime": (NOW - 3600) * 1000, "EndTime": (NOW + 3600) * 1000}
    snapshot = console.snapshot
    path = {"SerialId": snapshot.serial, "SavepointPath": snapshot.location, "RecordType": 1}
    new = {"Name": "new", "JobType": 1, "ClusterType": 2, "ClusterId": cluster.serial, "WorkSpaceId": space}
    return {
        "CheckSavepoint": {"JobId": running, "WorkSpaceId": space, **path},
        "CopyJobs": {"JobItems": [{"SourceId": idle.serial, "TargetClusterId": cluster.serial}]},
        "CreateFolder": {"FolderName": "daily", "ParentId": "root", "WorkSpaceId": space},
        "CreateJob": new,
        "CreateJobConfig": {"JobId": idle.serial, "ProgramArgs": ARGS},
        "CreateVariable": {"Name": "password", "Value": "hush-hush", "Type": 2, "WorkSpaceId": space},
        "CreateWorkSpace": {"WorkSpaceName": "Made"},
        "DeleteFolders": {"FolderIds": [empty.serial]},
        "DeleteJobConfigs": {"JobId": idle.serial, "JobConfigVersions": [1]},
        "DeleteJobs": {"JobIds": [make_job(console.user, workspace, console.endpoint, "old").serial]},
        "DeleteWorkSpace": {"WorkSpaceId": spare.serial},
        "DescribeClusters": {"ClusterIds": [cluster.serial], "WorkSpaceId": space},
        "DescribeFolder": {"FolderId": folder.serial, "WorkSpaceId": space, "FolderType": 0},
        "DescribeJobConfigs": {"JobId": idle.serial},
        "DescribeJobDetail": {"JobSerialId": running, "Path": f"/jobs/{console.run.flink_job_id}"},
        "DescribeJobEvents": {"JobId": running, **at},
        "DescribeJobRuntimeInfo": {"JobId": running, "WorkSpaceId": space, "IncludeInfo": ["SubTasks", "JobManagers"]},
        "DescribeJobs": {"JobIds": [running, idle.serial], "ExtraResult": ["JobEventInfo"], "WorkSpaceId": space},
        "DescribeJobSavepoint": {"JobId": running, "Limit": 20, "Offset": 0},
        "DescribeJobSubmissionLog": {"JobId": running, **log},
        "DescribeTreeJobs": {"WorkSpaceId": space},
        "DescribeVariables": {"WorkSpaceId": space},
        "DescribeWorkSpaces": {"Filters": [{"Name": "WorkSpaceName", "Values": ["Trading"]}]},
        "DescribeWorkSpaceUsers": {"WorkSpaceId": space},
        "ModifyFolder": {"SourceFolderId": folder.serial, "FolderName": "weekly"},
        "ModifyJob": {"JobId": idle.serial, "Remark": "every night"},
        "ModifyWorkSpace": {"WorkSpaceId": space, "Description": "of the traders"},
        "RunJobs": {"RunJobDescriptions": [{"JobId": idle.serial, "RunType": 1}]},
        "StopJobs": {"StopJobDescriptions": [{"JobId": running, "StopType": 1}]},
        "TriggerJobSavepoint": {"JobId": running, "Description": "by a script"},
    }


@pytest.mark.parametrize("action", sorted(OURS))
def test_its_answer_is_as_declared(requests: dict[str, dict[str, Any]], root: User, action: str) -> None:
    """Field by field: no name that the official clients don't know, none missing, each of its type."""
    response = Program(root, region="ap-guangzhou").call(action, requests[action])
    assert "Error" not in response, response
    assert departures(action, response) == []
    empty = [name for name, value in response.items() if value == []]
    assert not empty or empty == ["RunningSavepoint"], "the answer has something to compare"


def test_every_action_has_a_request_here(requests: dict[str, dict[str, Any]]) -> None:
    assert set(requests) == OURS


# Those that answer whatever is asked with what the caller sees, or that need no thing of somebody.
CHOICES = {"DescribeJobs", "DescribeClusters", "DescribeWorkSpaces"}


@pytest.mark.parametrize("action", sorted(OURS - CHOICES - {"CopyJobs", "CreateWorkSpace"}))
def test_what_is_foreign_or_unknown_is_not_found(
    requests: dict[str, dict[str, Any]], charlie: User, action: str
) -> None:
    assert Program(charlie).refused(action, requests[action]).startswith("ResourceNotFound")


@pytest.mark.parametrize("action", sorted(OURS - {"CreateWorkSpace", "DescribeWorkSpaces"}))
def test_what_is_in_another_workspace_than_the_one_named_is_not_found(
    requests: dict[str, dict[str, Any]], alice: User, action: str
) -> None:
    call = ACTIONS[action]
    assert call
    if "WorkSpaceId" not in call.takes.fields:
        return
    response = Program(alice).call(action, requests[action] | {"WorkSpaceId": "space-00000000"})
    if action == "CopyJobs":
        assert [one["Result"] for one in response["CopyJobsResults"]] == [-1]
    else:
        assert response["Error"]["Code"].startswith("ResourceNotFound")


def test_a_choice_among_foreign_things_is_empty(requests: dict[str, dict[str, Any]], charlie: User) -> None:
    program = Program(charlie)
    assert program.call("DescribeJobs", {"JobIds": requests["DescribeJobs"]["JobIds"]})["JobSet"] == []
    assert program.call("DescribeClusters", {})["ClusterSet"] == []
    assert program.call("DescribeWorkSpaces", requests["DescribeWorkSpaces"])["WorkSpaceSetItem"] == []
    copied = program.call("CopyJobs", requests["CopyJobs"])["CopyJobsResults"]
    assert [(one["Result"], one["TargetJobId"], one["JobName"]) for one in copied] == [(-1, "", "")]


@pytest.mark.parametrize("action", sorted(CHANGING - {"CopyJobs"}))
def test_a_viewer_changes_nothing(requests: dict[str, dict[str, Any]], vera: User, action: str) -> None:
    if action == "DeleteWorkSpace":
        requests[action] = {"WorkSpaceId": requests["ModifyWorkSpace"]["WorkSpaceId"]}
    assert Program(vera).refused(action, requests[action]) == "AuthFailure.UnauthorizedOperation"


@pytest.mark.parametrize("action", ["CreateWorkSpace", "ModifyWorkSpace"])
def test_workspaces_are_ruled_by_super_admins(requests: dict[str, dict[str, Any]], alice: User, action: str) -> None:
    assert Program(alice).refused(action, requests[action]) == "AuthFailure.UnauthorizedOperation"


@pytest.mark.parametrize("action", sorted(OURS - CHANGING))
def test_a_viewer_looks(requests: dict[str, dict[str, Any]], vera: User, action: str) -> None:
    assert "Error" not in Program(vera).call(action, requests[action])


# --- jobs ---


def job_of(program: Program, serial: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = program.call("DescribeJobs", {"JobIds": [serial]})["JobSet"]
    return found[0]


def test_a_job_is_created_configured_and_ready(program: Program, cluster: Cluster, endpoint: FlinkEndpoint) -> None:
    new = {"Name": "orders", "JobType": 1, "ClusterType": 2, "ClusterId": cluster.serial, "Remark": "of the shop"}
    serial = program.call("CreateJob", new)["JobId"]
    assert (job_of(program, serial)["Status"], job_of(program, serial)["PublishedJobConfigVersion"]) == (1, -1)
    config = {"DefaultParallelism": 2, "TaskManagerSpec": 0.5, "Remark": "the first", "CheckpointRetainedNum": 7}
    properties = [{"Key": "table.exec.mini-batch.enabled", "Value": "true"}]
    asked = {"JobId": serial, "ProgramArgs": ARGS, "Properties": properties, **config}
    assert program.call("CreateJobConfig", asked)["Version"] == 1
    told = job_of(program, serial)
    assert (told["Status"], told["StatusDesc"], told["LatestJobConfigVersion"]) == (5, "stopped", 1)
    assert (told["Remark"], told["FlinkVersion"]) == ("of the shop", "Flink-2.2.1")
    version = Job.objects.get(serial=serial).versions.get()
    assert (version.sql, version.note, version.parallelism) == (SQL, "the first", 2)
    assert (version.checkpoint_interval_seconds, version.taskmanager_spec) == (30, Decimal("0.5"))
    assert version.properties == {
        "table.exec.mini-batch.enabled": "true",
        "execution.checkpointing.num-retained": "7",
    }
    described = program.call("DescribeJobConfigs", {"JobId": serial})["JobConfigSet"][0]
    assert json.loads(described["ProgramArgs"])["SqlCode"] == SQL
    assert (described["CheckpointRetainedNum"], described["TaskManagerSpec"]) == (7, 0.5)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"JobType": 2}, "UnsupportedOperation"),
        ({"Name": "with space"}, "InvalidParameterValue.JobName"),
        ({"Name": "orders"}, "InvalidParameterValue.JobNameExisted"),
        ({"CuMem": 8}, "UnsupportedOperation"),
        ({"FlinkVersion": "Flink-1.11"}, "InvalidParameterValue"),
        ({"FolderId": "folder-00000000"}, "ResourceNotFound"),
        ({"ClusterId": "cluster-00000000"}, "ResourceNotFound.ClusterId"),
        ({"ClusterId": ""}, "MissingParameter"),
    ],
)
def test_a_wrong_job_is_not_created(
    program: Program, job: Job, cluster: Cluster, wrong: dict[str, Any], code: str
) -> None:
    new = {"Name": "new", "JobType": 1, "ClusterType": 2, "ClusterId": cluster.serial}
    assert program.refused("CreateJob", new | wrong) == code
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ProgramArgs": "SELECT 1"}, "InvalidParameterValue"),
        ({"ProgramArgs": '{"SqlCode": "***"}'}, "InvalidParameterValue"),
        ({"ProgramArgs": "[]"}, "InvalidParameterValue"),
        ({"ProgramArgs": ARGS.replace(": 30}", ": 1e999}")}, "InvalidParameterValue"),
        ({"ProgramArgs": ARGS.replace(": 30}", ": NaN}")}, "InvalidParameterValue"),
        ({"ProgramArgs": ARGS.replace(": 30}", ": " + "9" * 5000 + "}")}, "InvalidParameterValue"),
        ({"ProgramArgs": ARGS.replace(": 30}", ": [1]}")}, "InvalidParameterValue"),
        ({"ProgramArgs": json.dumps({"SqlCode": base64.b64encode(b"CREATE").decode()})}, "FailedOperation.GrammarCheckFailure"),
        ({"Properties": [{"Key": "env.java.opts", "Value": "-X"}]}, "InvalidParameter.UnsupportedFlinkConf"),
        ({"Properties": [{"Key": "a", "Value": "b\nenv.java.opts: x"}]}, "InvalidParameter.UnsupportedFlinkConf"),
        # Each of these would have become another property, or none.
        ({"Properties": [{"Key": "a", "Value": "b\u2028c: d"}]}, "InvalidParameter.UnsupportedFlinkConf"),
        ({"Properties": [{"Key": "a:b", "Value": "c"}]}, "InvalidParameter.UnsupportedFlinkConf"),
        ({"Properties": [{"Key": "#a", "Value": "b"}]}, "InvalidParameter.UnsupportedFlinkConf"),
        ({"ProgramArgs": json.dumps({"SqlCode": base64.b64encode(b"a" * 200_001).decode()})}, "InvalidParameterValue"),
        ({"DefaultParallelism": 100_000}, "InvalidParameterValue"),
        ({"JobManagerSpec": 0.3}, "InvalidParameterValue"),
        ({"LogCollect": True}, "UnsupportedOperation"),
        ({"EntrypointClass": "com.example.Main"}, "InvalidParameterValue.JobTypeCombineWithEntrypointClass"),
        ({"FlinkVersion": "Flink-1.11"}, "UnsupportedOperation"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_not_published(program: Program, job: Job, wrong: dict[str, Any], code: str) -> None:
    assert program.refused("CreateJobConfig", {"JobId": job.serial, "ProgramArgs": ARGS} | wrong) == code
    assert job.versions.count() == 1


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 10, "-1", "1e9", "a few"])
def test_a_property_that_is_no_sensible_number_is_described_as_absent(program: Program, job: Job, digits: str) -> None:
    names = ("pipeline.max-parallelism", "execution.checkpointing.num-retained", "execution.checkpointing.timeout")
    properties = [{"Key": name, "Value": digits} for name in names]
    program.call("CreateJobConfig", {"JobId": job.serial, "ProgramArgs": ARGS, "Properties": properties})
    told = program.call("DescribeJobConfigs", {"JobId": job.serial})["JobConfigSet"][0]
    numbers = ("MaxParallelism", "CheckpointRetainedNum", "CheckpointTimeoutSecond")
    assert [told[name] for name in numbers] == [2048, 5, 600]
    assert {one["Key"]: one["Value"] for one in told["Properties"]} == dict.fromkeys(names, digits)


def test_an_unpublished_draft_of_somebody_stays(program: Program, job: Job, bob: User) -> None:
    asked = {"JobId": job.serial, "ProgramArgs": ARGS}
    program.call("CreateJobConfig", asked)
    draft = Draft.objects.get(job=job)
    assert draft.checkpoint_interval_seconds == 30, "it was as published, so it follows"
    operations.save_draft(bob, job, draft.revision, {"sql": SQL + "-- bob is at work\n"})
    assert program.call("CreateJobConfig", asked | {"DefaultParallelism": 3})["Version"] == 3
    assert Draft.objects.get(job=job).sql.endswith("-- bob is at work\n")
    only = program.call("DescribeJobConfigs", {"JobId": job.serial, "OnlyDraft": True})["JobConfigSet"]
    assert [(one["Version"], one["CreatorUin"]) for one in only] == [(-1, "bob")]


def test_a_version_that_ran_stays_and_one_that_did_not_goes(program: Program, console: Console) -> None:
    console.start()
    serial = console.job.serial
    for note in ("second", "third"):
        program.call("CreateJobConfig", {"JobId": serial, "ProgramArgs": ARGS, "Remark": note})
    delete: Callable[[list[int]], str] = lambda numbers: program.refused(  # noqa: E731
        "DeleteJobConfigs", {"JobId": serial, "JobConfigVersions": numbers}
    )
    assert delete([1, 2]) == "FailedOperation.JobConfigOnPublish"
    assert delete([-1]) == "FailedOperation.DraftConfigCanNotDelete"
    assert delete([9]) == "ResourceNotFound.JobConfig"
    assert console.job.versions.count() == 3
    program.call("DeleteJobConfigs", {"JobId": serial, "JobConfigVersions": [2, 3]})
    told = job_of(program, serial)
    assert (told["LatestJobConfigVersion"], told["LatestValidJobConfigVersion"]) == (3, 1)
    assert program.call("CreateJobConfig", {"JobId": serial, "ProgramArgs": ARGS})["Version"] == 4


def test_jobs_are_found_by_filters(program: Program, console: Console, workspace: Workspace) -> None:
    console.start()
    make_job(console.user, workspace, console.endpoint, "orders-night")

    def names(*filters: tuple[str, list[str]], **more: Any) -> list[str]:
        asked = {"Filters": [{"Name": name, "Values": values} for name, values in filters]} | more
        return [one["Name"] for one in program.call("DescribeJobs", asked)["JobSet"]]

    assert names() == ["orders-night", "orders"]
    assert names(("Name", ["night"])) == ["orders-night"]
    assert names(("Status", ["4"])) == ["orders"]
    assert names(("ClusterName", ["cluster"]), ("Status", ["5", "-1"])) == ["orders-night"]
    assert names(Limit=1, Offset=1) == ["orders"]
    assert program.call("DescribeJobs", {"Limit": 0})["TotalCount"] == 2
    for wrong in ({"Filters": [{"Name": "Owner", "Values": ["x"]}]}, {"JobIds": ["cql-1"], "Filters": [{"Name": "Name", "Values": ["x"]}]}):  # fmt: skip
        assert program.refused("DescribeJobs", wrong).startswith("InvalidParameterValue")
    assert program.refused("DescribeJobs", {"Limit": 101}) == "InvalidParameterValue.InvalidLimit"


def test_a_job_that_restarts_is_4_and_says_so(program: Program, console: Console, fake: FakeFlink) -> None:
    run = console.start()
    assert job_of(program, console.job.serial)["StatusDesc"] == "running"
    fake.set_state(run.flink_job_id, "RESTARTING", 0)
    console.watch()
    told = job_of(program, console.job.serial)
    assert (told["Status"], told["StatusDesc"]) == (4, "restarting")
    FlinkEndpoint.objects.update(unreachable_since="2026-01-02T03:04:05Z")
    assert job_of(program, console.job.serial)["StatusDesc"] == "restarting (unreachable since 2026-01-02 03:04:05)"


def test_one_thing_of_a_job_changes_per_call(program: Program, job: Job, workspace: Workspace, alice: User) -> None:
    folder = operations.create_folder(alice, workspace, "nightly", None)
    program.call("ModifyJob", {"JobId": job.serial, "Name": "renamed"})
    program.call("ModifyJob", {"JobId": job.serial, "TargetFolderId": folder.serial})
    program.call("ModifyJob", {"JobId": job.serial, "Description": "described"})
    job.refresh_from_db()
    assert (job.name, job.folder, job.description) == ("renamed", folder, "described")
    assert program.refused("ModifyJob", {"JobId": job.serial, "Name": "a", "Remark": "b"}) == "InvalidParameterValue.UnSupportedComposite"  # fmt: skip
    program.call("ModifyFolder", {"SourceJobIds": [job.serial], "TargetFolderId": "root"})
    job.refresh_from_db()
    assert job.folder is None


def test_copies_have_an_outcome_each(program: Program, job: Job, cluster: Cluster) -> None:
    items = [
        {"SourceId": job.serial, "TargetClusterId": cluster.serial, "TargetName": "copy"},
        {"SourceId": "cql-00000000", "TargetClusterId": cluster.serial},
        {"SourceId": job.serial, "TargetClusterId": cluster.serial, "TargetName": "copy"},
    ]
    told = program.call("CopyJobs", {"JobItems": items})
    assert (told["SuccessCount"], told["FailCount"]) == (1, 2)
    assert [one["Result"] for one in told["CopyJobsResults"]] == [0, -1, -1]
    assert job_of(program, told["CopyJobsResults"][0]["TargetJobId"])["Name"] == "copy"
    assert "cql-00000000" in told["CopyJobsResults"][1]["Message"]


@pytest.mark.parametrize("jobs", [2, 30])
def test_a_list_takes_the_same_number_of_queries_however_long(
    alice: User, program: Program, job: Job, workspace: Workspace, endpoint: FlinkEndpoint, jobs: int
) -> None:
    Job.objects.bulk_create(
        Job(workspace=workspace, name=f"job-{number}", cluster=job.cluster, endpoint=endpoint, created_by=alice)
        for number in range(jobs)
    )
    counts = {}
    for action in ("DescribeJobs", "DescribeTreeJobs", "DescribeClusters", "DescribeWorkSpaces"):
        call = ACTIONS[action]
        assert call
        with CaptureQueriesContext(
            connection,
        ) as asked:
            program.call(action, {})
        tables = [one for one in asked if "jobs_" in one["sql"] or "clusters_" in one["sql"]]
        counts[action] = len(tables)
    assert counts == {"DescribeJobs": 2, "DescribeTreeJobs": 2, "DescribeClusters": 4, "DescribeWorkSpaces": 3}


def test_the_tree_shows_folders_and_jobs(program: Program, job: Job, workspace: Workspace, alice: User) -> None:
    folder = operations.create_folder(alice, workspace, "nightly", None)
    operations.move_job(alice, job, operations.create_folder(alice, workspace, "eu", folder))
    tree = program.call("DescribeTreeJobs", {})
    assert (tree["Id"], tree["ParentId"], tree["JobSet"]) == ("root", "", [])
    assert [one["Name"] for one in tree["Children"][0]["Children"][0]["JobSet"]] == ["orders"]
    flat = program.call("DescribeTreeJobs", {"FlatMode": 1})
    assert [(one["JobId"], one["FolderPath"]) for one in flat["JobSet"]] == [(job.serial, "nightly/eu")]
    program_of = {"FolderIds": [folder.serial, folder.children.get().serial]}
    assert program.refused("DeleteFolders", program_of) == "FailedOperation"
    assert Folder.objects.count() == 2, "all or none"
    operations.move_job(alice, job, None)
    # Another text, for the same one within a second would be the same signature again.
    assert "Error" not in program.call("DeleteFolders", {"FolderIds": program_of["FolderIds"][::-1]})
    assert not Folder.objects.exists()
    assert program.refused("CreateFolder", {"FolderName": "dependencies", "ParentId": "root", "FolderType": 1}) == "UnsupportedOperation"  # fmt: skip


def test_the_tree_is_told_however_deep_it_is(program: Program, job: Job, workspace: Workspace, alice: User) -> None:
    folder = None
    for level in range(1, 301):
        folder = Folder.objects.create(workspace=workspace, name=f"f{level}", parent=folder)
    operations.move_job(alice, job, folder)
    node, levels = program.call("DescribeTreeJobs", {}), 0
    while len(node["Children"]) == 1:
        node, levels = node["Children"][0], levels + 1
    assert (levels, node["Name"]) == (10, "f10")
    deeper = node["Children"]
    assert [one["Name"] for one in deeper] == [f"f{level}" for level in range(11, 301)]
    assert [one["ParentId"] for one in deeper] == [node["Id"], *(one["Id"] for one in deeper[:-1])]
    assert [one["Name"] for one in deeper[-1]["JobSet"]] == ["orders"]


def test_a_folder_is_renamed_and_moved_in_one_call(program: Program, alice: User, workspace: Workspace) -> None:
    a, b = (operations.create_folder(alice, workspace, name, None) for name in "ab")
    inner = operations.create_folder(alice, workspace, "inner", a)
    operations.create_folder(alice, workspace, "inner", b)
    asked = {"SourceFolderId": inner.serial, "TargetFolderId": b.serial}
    assert program.refused("ModifyFolder", asked) == "InvalidParameter.DuplicatedFolderName"
    assert "Error" not in program.call("ModifyFolder", asked | {"FolderName": "moved"})
    assert "Error" not in program.call("ModifyFolder", {"SourceFolderId": inner.serial, "FolderName": "renamed"})
    inner.refresh_from_db()
    assert (inner.name, inner.parent) == ("renamed", b)
    told = [str(one) for one in Event.objects.filter(about=workspace.serial, code__startswith="folder-")[:2]]
    assert told == [
        "The folder b/moved was renamed to renamed.",
        "The folder a/inner was moved; its path is now b/moved.",
    ]


def test_a_deletion_of_several_is_all_or_none(program: Program, console: Console, workspace: Workspace) -> None:
    console.start()
    other = make_job(console.user, workspace, console.endpoint, "other")
    asked = {"JobIds": [other.serial, console.job.serial]}
    answer = program.call("DeleteJobs", asked)["Error"]
    assert answer["Code"] == "ResourceUnavailable.NotAllowedToBeDeleted"
    assert console.job.serial in answer["Message"]
    assert Job.objects.filter(deleted_at=None).count() == 2
    program.call("DeleteJobs", {"JobIds": [other.serial]})
    assert Job.objects.get(pk=other.pk).deleted_at


# --- snapshots, history, Flink ---


def test_a_snapshot_is_triggered_told_and_checked(program: Program, console: Console, workspace: Workspace) -> None:
    serial = console.job.serial
    assert program.refused("TriggerJobSavepoint", {"JobId": serial}) == "ResourceUnavailable.NoRunningJobInstancesFoundForJobId"  # fmt: skip
    console.start()
    snapshot = program.call("TriggerJobSavepoint", {"JobId": serial, "Description": "before"})["SavepointId"]
    asked = {"JobId": serial, "Limit": 10, "Offset": 0}
    told = program.call("DescribeJobSavepoint", asked)
    assert [(one["SerialId"], one["Status"]) for one in told["RunningSavepoint"]] == [(snapshot, 3)]
    console.settle()
    told = program.call("DescribeJobSavepoint", asked | {"RecordTypes": [1]})
    assert [(one["Status"], one["PathStatus"], one["Description"]) for one in told["Savepoint"]] == [(1, 1, "before")]
    assert program.call("DescribeJobSavepoint", asked | {"RecordTypes": [3]})["Savepoint"] == []
    path = told["Savepoint"][0]["Path"]
    check = {
        "JobId": serial,
        "SerialId": snapshot,
        "RecordType": 1,
        "SavepointPath": path,
        "WorkSpaceId": workspace.serial,
    }
    assert program.call("CheckSavepoint", check)["SavepointStatus"] == 1
    assert program.call("CheckSavepoint", check | {"SavepointPath": path + "x"})["SavepointStatus"] == 2
    assert program.call("CheckSavepoint", check | {"RecordType": 3})["SavepointStatus"] == 2


def test_starts_ends_and_failures_are_events(program: Program, console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    asked = {"JobId": console.job.serial, "StartTimestamp": NOW - 3600, "EndTimestamp": NOW + 3600}
    told = program.call("DescribeJobEvents", asked)
    assert {one["Type"] for one in told["Events"]} >= {"21"}
    failure = next(one for one in told["Events"] if one["Type"] == "21")
    assert "by zero" in failure["Message"]
    assert failure["CauseAnalysis"]
    assert (failure["RunningOrderId"], told["RunningOrderIds"]) == (1, [1])
    assert program.call("DescribeJobEvents", asked | {"Types": ["11"]})["Events"] == []
    assert program.refused("DescribeJobEvents", asked | {"EndTimestamp": 5}) == "InvalidParameterValue.Timestamp"


def test_the_log_of_a_start_goes_on_from_its_cursor(program: Program, console: Console) -> None:
    console.start()
    asked = {"JobId": console.job.serial, "StartTime": (NOW - 3600) * 1000, "EndTime": (NOW + 3600) * 1000, "Limit": 2}
    first = program.call("DescribeJobSubmissionLog", asked)
    assert (len(first["LogContentList"]), first["ListOver"]) == (2, False)
    rest = program.call("DescribeJobSubmissionLog", asked | {"Cursor": first["Cursor"], "Limit": 100})
    assert rest["ListOver"]
    assert rest["LogContentList"][0]["PkgLogId"] > first["LogContentList"][-1]["PkgLogId"]
    backwards = program.call("DescribeJobSubmissionLog", asked | {"OrderType": "desc", "Limit": 100})
    assert [one["Log"] for one in backwards["LogContentList"]] == [*rest["LogList"][::-1], *first["LogList"][::-1]]
    assert program.call("DescribeJobSubmissionLog", asked | {"Keyword": "nothing like it"})["LogList"] == []
    assert program.refused("DescribeJobSubmissionLog", asked | {"Cursor": "x"}) == "InvalidParameterValue"
    assert program.refused("DescribeJobSubmissionLog", asked | {"Cursor": "9" * 5000}) == "InvalidParameterValue"


def test_flink_answers_about_ones_own_job_only(
    program: Program, console: Console, workspace: Workspace, fake: FakeFlink
) -> None:
    run = console.start()
    other = make_job(console.user, workspace, console.endpoint, "other")
    look: Callable[[str], dict[str, Any]] = lambda path: program.call(  # noqa: E731
        "DescribeJobDetail", {"JobSerialId": console.job.serial, "Path": path}
    )
    assert json.loads(look("/overview")["Data"])["flink-version"] == "2.2.1"
    assert json.loads(look(f"/jobs/{run.flink_job_id}/exceptions?maxExceptions=3")["Data"])
    assert [one["jid"] for one in json.loads(look("/jobs/overview")["Data"])["jobs"]] == [run.flink_job_id]
    foreign = program.call("DescribeJobDetail", {"JobSerialId": other.serial, "Path": f"/jobs/{run.flink_job_id}"})
    assert foreign["Error"]["Code"] == "InvalidParameter.JobDetailUriNotValidCode"
    assert json.loads(program.call("DescribeJobDetail", {"JobSerialId": other.serial, "Path": "/jobs/overview"})["Data"]) == {"jobs": []}  # fmt: skip
    for path in (
        "", "/jars", "/jobs", "/jobmanager/config", "/jobmanager/logs", "/taskmanagers", "//overview", "/overview/../jars",
        f"/jobs/{run.flink_job_id}/stop", f"/jobs/{run.flink_job_id}/yarn-cancel", f"/jobs/{run.flink_job_id}/../../jars",
        f"/jobs/{run.flink_job_id}?mode=cancel#x", f"/jobs/{run.flink_job_id}/savepoints/1", f"/jobs/{'0' * 32}", "/overview\n",
        f"/jobs/{run.flink_job_id}/config?a=b c", "/overview?x=\r\nHost: y",
    ):  # fmt: skip
        assert look(path)["Error"]["Code"] == "InvalidParameter.JobDetailUriNotValidCode", path
    before = len(fake.requests)
    asked = {"JobSerialId": console.job.serial, "Path": "/overview", "Method": "PATCH"}
    assert program.refused("DescribeJobDetail", asked) == "UnsupportedOperation"
    assert len(fake.requests) == before
    fake.stop()
    assert look("/overview")["Error"]["Code"] == "ResourceUnavailable.Cluster"


@pytest.mark.parametrize(
    "body", ["[]", "null", '{"jobs": 1, "vertices": [{}]}', '{"jobs": [1], "vertices": 1}', "<html>"]
)
def test_what_is_no_answer_of_flink_is_told_as_that(
    console: Console, fake: FakeFlink, program: Program, workspace: Workspace, body: str
) -> None:
    console.start()
    fake.fault(("GET", "/jobs/.*"), "status", None, status=200, body=body)
    runtime = {"JobId": console.job.serial, "WorkSpaceId": workspace.serial, "IncludeInfo": ["SubTasks"]}
    detail = {"JobSerialId": console.job.serial, "Path": "/jobs/overview"}
    assert program.refused("DescribeJobRuntimeInfo", runtime) == "ResourceUnavailable.Cluster"
    assert program.refused("DescribeJobDetail", detail) == "ResourceUnavailable.Cluster"


def test_no_secret_leaves_with_flinks_answer(
    alice: User, console: Console, program: Program, workspace: Workspace
) -> None:
    secret = {"Name": "password", "Value": "hush-hush-hush", "Type": 2}
    assert program.call("CreateVariable", secret)["VariableId"].startswith("var-")
    assert program.refused("CreateVariable", secret | {"Remark": "again"}) == "InvalidParameter.CreateVariableExists"
    assert program.refused("CreateVariable", secret | {"Name": "1"}) == "InvalidParameterValue.VariableName"
    told = program.call("DescribeVariables", {})["VariableSet"]
    assert [(one["Name"], one["Value"], one["Type"]) for one in told] == [("password", "", 2)]
    run = console.start()
    fake = {"JobSerialId": console.job.serial, "Path": f"/jobs/{run.flink_job_id}"}
    Job.objects.filter(pk=console.job.pk).update(name="hush-hush-hush")
    assert "hush-hush-hush" not in program.call("DescribeJobDetail", fake)["Data"]


def test_no_secret_of_a_former_version_leaves_with_flinks_answer(vera: User, console: Console, fake: FakeFlink) -> None:
    with_password = SQL.replace("'blackhole'", "'blackhole', 'password' = 'hush-of-the-past'")
    operations.save_draft(console.user, console.job, 1, {"sql": with_password})
    operations.publish(console.user, console.job, "with a password")
    console.click_run(version=2)
    console.settle()
    former = console.run
    console.click_stop(with_snapshot=False)
    console.settle()
    console.start()
    fake.fault(("GET", f"/jobs/{former.flink_job_id}/exceptions"), "status", None, status=200, body=THROWN)
    path = f"/jobs/{former.flink_job_id}/exceptions?maxExceptions=3"
    told = Program(vera).call("DescribeJobDetail", {"JobSerialId": console.job.serial, "Path": path})["Data"]
    assert json.loads(told) == {"root-exception": "java.sql.SQLException: Login denied for ******"}


def test_workspaces_are_found_by_their_whole_name_or_a_part(root: User, workspace: Workspace) -> None:
    program = Program(root)
    Workspace.objects.create(name="Trading floor")

    def names(name: str, value: str) -> list[str]:
        told = program.call("DescribeWorkSpaces", {"Filters": [{"Name": name, "Values": [value]}], "OrderType": 2})
        return [one["WorkSpaceName"] for one in told["WorkSpaceSetItem"]]

    assert names("WorkSpaceName", "Trading") == ["Trading"]
    assert names("ItemSpaceName", "rading") == ["Trading", "Trading floor"]
    assert program.refused("CreateWorkSpace", {"WorkSpaceName": "Trading"}) == "InvalidParameter.DuplicatedSpaceName"
    assert program.refused("CreateWorkSpace", {"WorkSpaceName": ""}) == "InvalidParameter.InvalidItemSpaceName"
    serial = program.call("CreateWorkSpace", {"WorkSpaceName": "New"})["WorkSpaceId"]
    assert program.call("DeleteWorkSpace", {"WorkSpaceId": serial})["Delete"] is True
