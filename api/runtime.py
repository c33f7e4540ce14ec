"""How a job runs on Flink: what Flink itself says of it, read only."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import ApiError, Code
from api.lookup import job_of
from api.shapes import Many, Shape, Text
from clusters.engine import EngineError, NotFound, Refused
from jobs.masking import MASK, is_secret, mask
from jobs.models import Job, Run
from jobs.secrets import secret_values

NOT_DEPLOYED = "(unassigned)"
TASK_MANAGERS, JOB_MANAGERS, SUBTASKS, GRAPH = "TaskManagers", "JobManagers", "SubTasks", "StreamGraph"

DESCRIBE_JOB_RUNTIME_INFO = Shape(
    JobId=Text(required=True),
    WorkSpaceId=Text(required=True),
    IncludeInfo=Many(Text(one_of=(TASK_MANAGERS, JOB_MANAGERS, SUBTASKS, GRAPH)), required=True, most=4),
)
DESCRIBE_JOB_DETAIL = Shape(Path=Text(most=500), JobSerialId=Text(), Method=Text())

ID, NAME = r"[0-9a-f]{32}", r"[\w.-]{1,100}"
VERTEX = rf"vertices/{ID}(/(accumulators|backpressure|flamegraph|metrics|taskmanagers|watermarks|subtasks(/times|/accumulators|/metrics|/\d+(/metrics)?)?))?"
# Below a job of one's own: what only looks, and never at another job.
OF_A_JOB = re.compile(
    rf"/jobs/(?P<job>{ID})"
    rf"(/(accumulators|config|exceptions|execution-result|metrics|plan|status|checkpoints(/config|/details/\d+(/subtasks/{ID})?)?|{VERTEX}))?"
)
QUERY = re.compile(rf"({NAME}=[\w.,:*-]{{0,300}})(&{NAME}=[\w.,:*-]{{0,300}}){{0,9}}")
OF_THE_CLUSTER = ("/overview", "/config")
ALL_JOBS = "/jobs/overview"


def describe_job_runtime_info(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell where a running job runs. Each value is the base64 of a JSON text."""
    job = job_of(caller, asked)
    run = job.current_run
    if run is None or run.ended_at:
        raise ApiError(Code.NOT_RUNNING, _("%(job)s does not run."), job=job.serial)
    with _answering():
        found = {key: _runtime(key, job, run) for key in asked["IncludeInfo"]}
    return {"JobRuntimeInfo": [{"Key": key, "Value": _packed(value)} for key, value in found.items()]}


def _runtime(key: str, job: Job, run: Run) -> Any:
    if key == JOB_MANAGERS:
        return [str(job.endpoint)]  # no address: not everybody who may look should know it
    if key == GRAPH:
        return json.loads(_seen(job, f"/jobs/{run.flink_job_id}/plan"))
    details = json.loads(_seen(job, f"/jobs/{run.flink_job_id}"))
    vertices = details.get("vertices", [])
    if key == SUBTASKS:
        return [
            {"TaskId": one["id"], "TaskDescription": one["name"], "SubTaskIndex": index}
            for one in vertices
            for index in range(one["parallelism"])
        ]
    places = [_seen(job, f"/jobs/{run.flink_job_id}/vertices/{one['id']}/taskmanagers") for one in vertices]
    found = {one["taskmanager-id"] for place in places for one in json.loads(place).get("taskmanagers", [])}
    return sorted(found - {NOT_DEPLOYED})


def _packed(value: object) -> str:
    return base64.b64encode(json.dumps(value, ensure_ascii=False).encode()).decode()


def describe_job_detail(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Let Flink itself answer a question about a job, in its own JSON, without the job's secrets.

    Path is one of Flink's that only look, about the runs of this job: `/jobs/<id of a run on Flink>` and below. Which these are
    tells `/jobs/overview`; of the cluster there are `/overview` and `/config`.
    """
    job = job_of(caller, asked, "JobSerialId")
    if asked.get("Method", "GET").upper() != "GET":
        raise ApiError(Code.UNSUPPORTED_OPERATION, _("Only GET is possible: Flink is operated through the console."))
    path = asked.get("Path", "")
    if not _is_allowed(job, path):
        raise ApiError(Code.BAD_PATH, _("This path is none of this job's that only look."))
    return {"Data": _seen(job, path)}


def _is_allowed(job: Job, path: str) -> bool:
    address, mark, query = path.partition("?")
    if mark and not QUERY.fullmatch(query):
        return False
    if address in (*OF_THE_CLUSTER, ALL_JOBS):
        return True
    found = OF_A_JOB.fullmatch(address)
    return found is not None and job.runs.filter(flink_job_id=found["job"]).exists()


def _seen(job: Job, path: str) -> str:
    """Return what Flink says, with the job's secrets masked. Raise ApiError."""
    with _answering():
        data = json.loads(job.endpoint.engine().look(path))
        if path.startswith(ALL_JOBS):
            own = set(job.runs.values_list("flink_job_id", flat=True))
            data = {"jobs": [one for one in data.get("jobs", []) if one.get("jid") in own]}
    return json.dumps(_without_secrets(data, _secrets_of(job, path)), ensure_ascii=False)


def _secrets_of(job: Job, path: str) -> set[str]:
    """Return what must not be read in the answer: Flink tells of a former run in the words of the version that it had."""
    named = OF_A_JOB.fullmatch(path.partition("?")[0])
    run = job.runs.select_related("version").filter(flink_job_id=named["job"]).first() if named else job.current_run
    version = run.version if run else job.versions.first()
    return secret_values(version) if version else set()


def _without_secrets(data: Any, secrets: set[str], key: str = "") -> Any:
    if isinstance(data, dict):
        return {name: _without_secrets(value, secrets, name) for name, value in data.items()}
    if isinstance(data, list):
        return [_without_secrets(one, secrets, key) for one in data]
    if not isinstance(data, str):
        return data
    return MASK if is_secret(key, data) else mask(data, secrets)


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what goes wrong between us and Flink into an ApiError."""
    try:
        yield
    except NotFound as error:
        raise ApiError(
            Code.RESOURCE_NOT_FOUND, _("Flink does not know this: %(reason)s"), reason=error.summary
        ) from error
    except Refused as error:
        raise ApiError(Code.FAILED_OPERATION, _("Flink refused: %(reason)s"), reason=error.summary) from error
    except EngineError as error:
        raise ApiError(Code.CLUSTER_AWAY, _("The cluster does not answer.")) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Something else answers there, or another shape of it.
        raise ApiError(Code.CLUSTER_AWAY, _("This was no answer of Flink.")) from error
