"""Two programs ask for the same name at once, or one asks twice: the second is told that it is taken, in the code made for that."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from api.gate import ACTIONS
from jobs.models import Folder, Job
from tests.conftest import Console
from tests.program import Program
from tests.threads import in_thread, is_awaited
from tests.until import until
from workspaces.models import Variable, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

CODES = {
    "CreateJob": "InvalidParameterValue.JobNameExisted",
    "ModifyJob": "InvalidParameterValue.JobNameExisted",
    "CreateFolder": "InvalidParameter.DuplicatedFolderName",
    "ModifyFolder": "InvalidParameter.DuplicatedFolderName",
    "CreateVariable": "InvalidParameter.CreateVariableExists",
    "CreateWorkSpace": "InvalidParameter.DuplicatedSpaceName",
    "ModifyWorkSpace": "InvalidParameter.DuplicatedSpaceName",
}


@pytest.fixture
def requests(console: Console, workspace: Workspace) -> dict[str, dict[str, Any]]:
    space, cluster = workspace.serial, console.endpoint.cluster.serial
    folder = Folder.objects.create(workspace=workspace, name="other")
    new = {"Name": "taken", "JobType": 1, "ClusterType": 2, "ClusterId": cluster, "WorkSpaceId": space}
    return {
        "CreateJob": new,
        "ModifyJob": {"JobId": console.job.serial, "Name": "taken"},
        "CreateFolder": {"FolderName": "taken", "ParentId": "root", "WorkSpaceId": space},
        "ModifyFolder": {"SourceFolderId": folder.serial, "FolderName": "taken"},
        "CreateVariable": {"Name": "taken", "Value": "x", "Type": 1, "WorkSpaceId": space},
        "CreateWorkSpace": {"WorkSpaceName": "taken"},
        "ModifyWorkSpace": {"WorkSpaceId": space, "WorkSpaceName": "taken"},
    }


def take(action: str, console: Console, workspace: Workspace) -> None:
    """Give the name to something of the kind that the action is about."""
    job = console.job
    if action.endswith("Job"):
        Job.objects.create(workspace=workspace, name="taken", cluster=job.cluster, endpoint=job.endpoint)
    elif action.endswith("Folder"):
        Folder.objects.create(workspace=workspace, name="taken")
    elif action.endswith("Variable"):
        Variable.objects.create(workspace=workspace, name="taken", value="x")
    else:
        Workspace.objects.create(name="taken")


@pytest.mark.parametrize("action", CODES)
def test_a_name_that_is_taken_meanwhile(
    requests: dict[str, dict[str, Any]], console: Console, workspace: Workspace, root: User, action: str
) -> None:
    program, told = Program(root), []
    with transaction.atomic():
        take(action, console, workspace)
        other: threading.Thread = in_thread(lambda: told.append(program.call(action, requests[action])))
        until(is_awaited, "the second waits for what becomes of the first")
    other.join(30)
    again = Program(root).call(
        action, requests[action]
    )  # with another key: the same request is not taken twice in a second
    assert [one["Error"]["Code"] for one in (*told, again)] == [CODES[action]] * 2
    assert told[0]["Error"]["Message"] == again["Error"]["Message"]


def test_no_action_that_gives_names_is_left_out() -> None:
    assert {name for name, call in ACTIONS.items() if call and call.taken != "FailedOperation"} == set(CODES)
