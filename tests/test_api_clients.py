"""The official clients, unmodified, drive a job through its whole life on the real Flink: only their endpoint is set."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.contrib.auth.models import User
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.oceanus.v20190422 import models
from tencentcloud.oceanus.v20190422.oceanus_client import OceanusClient

from api.keys import make_key
from clusters.models import FlinkEndpoint
from jobs.models import Job, Run
from tests.until import until
from workspaces.models import Workspace

pytestmark = [pytest.mark.flink, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

SQL = """CREATE TABLE numbers (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');
CREATE TABLE results (n INT) WITH ('connector' = 'blackhole');
INSERT INTO results SELECT n FROM numbers;
"""
NODE = Path(__file__).parent / "node"
OPERATING, RUNNING, STOPPED, PAUSED = 3, 4, 5, 6


class Failed(Exception):
    """Say what the client made of an error: the code and the message."""


class ApiClient(Protocol):
    def call(self, action: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the response as the client gives it. Raise Failed."""

    def wait(self, serial: str, status: int) -> None:
        """Wait until DescribeJobs tells that a job has this status."""


class Polling:
    def call(self, action: str, params: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def wait(self, serial: str, status: int) -> None:
        def told() -> bool:
            return bool(self.call("DescribeJobs", {"JobIds": [serial]})["JobSet"][0]["Status"] == status)

        until(told, f"status {status}", seconds=120, every=0.5)


class PythonSdk(Polling):
    def __init__(self, endpoint: str, secret_id: str, secret_key: str) -> None:
        http = HttpProfile(protocol="http", endpoint=endpoint)
        profile = ClientProfile(httpProfile=http, language="en-US")
        self.client = OceanusClient(Credential(secret_id, secret_key), "ap-guangzhou", profile)

    def call(self, action: str, params: dict[str, Any]) -> dict[str, Any]:
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(params))
        try:
            answer = getattr(self.client, action)(request)
        except TencentCloudSDKException as error:
            raise Failed(f"{error.code}: {error.message}") from error
        told: dict[str, Any] = json.loads(answer.to_json_string())
        return told


class Tccli:
    def __init__(self, endpoint: str, secret_id: str, secret_key: str, home: Path) -> None:
        self.endpoint = endpoint
        self.environment = without_proxy() | {
            "HOME": str(home),
            "TENCENTCLOUD_SECRET_ID": secret_id,
            "TENCENTCLOUD_SECRET_KEY": secret_key,
            "TENCENTCLOUD_REGION": "ap-guangzhou",
        }

    def call(self, action: str, params: dict[str, Any]) -> dict[str, Any]:
        return self._run(action, params)

    def wait(self, serial: str, status: int) -> None:
        waiter = {"expr": "JobSet[0].Status", "to": status, "timeout": 120, "interval": 1}
        self._run("DescribeJobs", {"JobIds": [serial]}, "--waiter", str(waiter))

    def _run(self, action: str, params: dict[str, Any], *more: str) -> dict[str, Any]:
        words = [Path(sys.executable).with_name("tccli"), "oceanus", action]
        for name, value in params.items():
            words += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        told = ran([*words, "--endpoint", f"http://{self.endpoint}", *more], self.environment)
        # With a waiter every look is printed; the last is the answer.
        answer: dict[str, Any] = json.loads("{" + told.rpartition("\n{")[2] if "\n{" in told else told)
        return answer


class NodeSdk(Polling):
    def __init__(self, endpoint: str, secret_id: str, secret_key: str) -> None:
        self.environment = without_proxy() | {
            "NODE_PATH": str(node_modules()),
            "ENDPOINT": endpoint,
            "SECRET_ID": secret_id,
            "SECRET_KEY": secret_key,
        }

    def call(self, action: str, params: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(ran(["node", NODE / "call.js", action], self.environment, json.dumps(params)))
        return told


def ran(words: list[Any], environment: dict[str, str], sent: str = "") -> str:
    done = subprocess.run(words, env=environment, input=sent, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        raise Failed(done.stderr + done.stdout)
    return done.stdout.strip()


def without_proxy() -> dict[str, str]:
    """The clients send to localhost through a proxy, too, if there is one."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def node_modules() -> Path:
    """Return where the Node client is installed, outside the repository; install it there if need be."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("Node and npm are not installed.")
    digest = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oceanus-console" / f"node-{digest}"
    modules = home / "node_modules"
    if not (modules / ".package-lock.json").exists():
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NODE / name, home / name)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=home, check=True, capture_output=True, timeout=600)
    return modules


@pytest.fixture
def api(request: pytest.FixtureRequest, live_server: Any, alice: User, tmp_path: Path) -> ApiClient:
    key, secret = make_key(alice, "a script")
    endpoint = live_server.url.removeprefix("http://")
    made: dict[str, Callable[[], ApiClient]] = {
        "python": lambda: PythonSdk(endpoint, key.secret_id, secret),
        "tccli": lambda: Tccli(endpoint, key.secret_id, secret, tmp_path),
        "node": lambda: NodeSdk(endpoint, key.secret_id, secret),
    }
    return made[request.param]()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("api", ["python", "tccli", "node"], indirect=True)
def test_a_job_lives_its_whole_life(api: ApiClient, real: FlinkEndpoint, workspace: Workspace) -> None:
    cluster = real.cluster.serial
    new = {"Name": "numbers", "JobType": 1, "ClusterType": 2, "ClusterId": cluster, "WorkSpaceId": workspace.serial}
    serial = api.call("CreateJob", new)["JobId"]
    with pytest.raises(Failed, match=r"InvalidParameterValue\.JobNameExisted"):
        api.call("CreateJob", new | {"Remark": "once more"})

    args = {"SqlCode": base64.b64encode(SQL.encode()).decode(), "CheckpointInterval": 5}
    config = {"JobId": serial, "ProgramArgs": json.dumps(args), "DefaultParallelism": 1, "Remark": "第一版"}
    assert api.call("CreateJobConfig", config)["Version"] == 1

    api.call("RunJobs", {"RunJobDescriptions": [{"JobId": serial, "RunType": 1}]})
    assert told(api, serial)["Status"] in (OPERATING, RUNNING)
    api.wait(serial, RUNNING)
    running = told(api, serial)
    assert (running["StatusDesc"], running["RunningCu"], running["LastOpResult"]) == ("running", 2, "")

    snapshot = api.call("TriggerJobSavepoint", {"JobId": serial, "Description": "before the release"})["SavepointId"]
    wait_for_snapshot(api, serial, snapshot)
    look_at_flink(api, serial, workspace.serial)

    api.call("StopJobs", {"StopJobDescriptions": [{"JobId": serial, "StopType": 2}]})
    api.wait(serial, PAUSED)
    of_stop = {"JobId": serial, "Limit": 10, "Offset": 0, "RecordTypes": [3]}
    [kept] = api.call("DescribeJobSavepoint", of_stop)["Savepoint"]
    api.call("RunJobs", {"RunJobDescriptions": [{"JobId": serial, "RunType": 2}]})
    api.wait(serial, RUNNING)
    assert Run.objects.get(job__serial=serial, number=2).restored_from.serial == kept["SerialId"]  # type: ignore[union-attr]

    items = [{"SourceId": serial, "TargetClusterId": cluster}, {"SourceId": "cql-00000000", "TargetClusterId": cluster}]
    copied = api.call("CopyJobs", {"JobItems": items})
    assert (copied["SuccessCount"], copied["FailCount"]) == (1, 1)
    copy = copied["CopyJobsResults"][0]["TargetJobId"]

    with pytest.raises(Failed, match=r"ResourceUnavailable\.NotAllowedToBeDeleted"):
        api.call("DeleteJobs", {"JobIds": [copy, serial]})
    api.call("StopJobs", {"StopJobDescriptions": [{"JobId": serial, "StopType": 1}]})
    api.wait(serial, STOPPED)
    api.call("DeleteJobs", {"JobIds": [serial, copy]})
    assert api.call("DescribeJobs", {"JobIds": [serial, copy]})["TotalCount"] == 0
    assert Job.objects.filter(deleted_at=None).count() == 0


def told(api: ApiClient, serial: str) -> dict[str, Any]:
    [job] = api.call("DescribeJobs", {"JobIds": [serial]})["JobSet"]
    found: dict[str, Any] = job
    return found


def wait_for_snapshot(api: ApiClient, serial: str, snapshot: str) -> None:
    asked = {"JobId": serial, "Limit": 10, "Offset": 0}

    def is_there() -> bool:
        found = api.call("DescribeJobSavepoint", asked)["Savepoint"]
        return (snapshot, 1) in [(one["SerialId"], one["Status"]) for one in found]

    until(is_there, "the snapshot is complete", every=0.5)
    until(lambda: told(api, serial)["ProgressDesc"] == "", "the operation has ended", every=0.5)


def look_at_flink(api: ApiClient, serial: str, workspace: str) -> None:
    """Reach Flink through the API: its own answers, and where the job runs."""
    overview = json.loads(api.call("DescribeJobDetail", {"JobSerialId": serial, "Path": "/jobs/overview"})["Data"])
    assert [one["state"] for one in overview["jobs"]] == ["RUNNING"]
    include = ["TaskManagers", "SubTasks", "StreamGraph", "JobManagers"]
    asked = {"JobId": serial, "WorkSpaceId": workspace, "IncludeInfo": include}
    info = {
        one["Key"]: json.loads(base64.b64decode(one["Value"]))
        for one in api.call("DescribeJobRuntimeInfo", asked)["JobRuntimeInfo"]
    }
    assert len(info["TaskManagers"]) == 1
    assert info["SubTasks"][0]["SubTaskIndex"] == 0
    assert "Source: numbers" in info["SubTasks"][0]["TaskDescription"]
    assert info["StreamGraph"]["plan"]["nodes"]
