"""Snapshots, which the API calls savepoints."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import Code
from api.in_one_go import naming, refuse_unless
from api.lookup import job_of, not_found, operable_job_of
from api.shapes import Many, Shape, Text, Whole
from api.spelling import length, page, seconds, version_name
from clusters.flink import plain_path
from jobs import operations
from jobs.models import Snapshot
from jobs.operations.restore import refuse_if_gone
from jobs.states import Action

State, Source = Snapshot.State, Snapshot.Source
TRIGGERED, CHECKPOINT, AT_STOP = 1, 2, 3
RECORD_TYPES = {Source.MANUAL: TRIGGERED, Source.FOUND: TRIGGERED, Source.CHECKPOINT: CHECKPOINT, Source.STOP: AT_STOP}
# Of the product: 1 active, 2 expired, 3 in progress, 4 failed.
STATUS = {State.COMPLETED: 1, State.GONE: 2, State.CREATING: 3, State.FAILED: 4}
USABLE, UNUSABLE = 1, 2

TRIGGER = Shape(JobId=Text(required=True), Description=Text(most=200), WorkSpaceId=Text())
DESCRIBE = Shape(
    JobId=Text(required=True),
    Limit=Whole(required=True, least=0, most=100, code=Code.INVALID_LIMIT),
    Offset=Whole(required=True, least=0),
    WorkSpaceId=Text(),
    RecordTypes=Many(Whole(one_of=(TRIGGERED, CHECKPOINT, AT_STOP)), most=3),
)
CHECK = Shape(
    JobId=Text(required=True),
    SerialId=Text(required=True),
    RecordType=Whole(required=True, one_of=(TRIGGERED, CHECKPOINT, AT_STOP)),
    SavepointPath=Text(required=True),
    WorkSpaceId=Text(required=True),
)


def trigger_job_savepoint(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Ask for a snapshot of a running job. It is under way when this answers; DescribeJobSavepoint tells how it went."""
    job = operable_job_of(caller, asked)
    refuse_unless(job, Action.SNAPSHOT, Code.NOT_RUNNING)
    with naming(job, Code.NOT_RUNNING):
        operation = operations.snapshot(caller.user, job, asked.get("Description", ""))
    serial = operation.snapshot.serial if operation.snapshot else ""
    return {"SavepointTrigger": True, "ErrorMsg": "", "FinalSavepointPath": "", "SavepointId": serial}


def describe_job_savepoint(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell of a job's snapshots, newest first; those that are being created stand apart."""
    job = job_of(caller, asked)
    rows = job.snapshots.select_related("run__version", "run__endpoint").order_by("-created_at", "-pk")
    rows = rows.defer("run__version__sql", "run__version__properties")
    if types := asked.get("RecordTypes"):
        rows = rows.filter(source__in=[source for source, kind in RECORD_TYPES.items() if kind in types])
    settled = rows.exclude(state=State.CREATING)
    running = list(rows.filter(state=State.CREATING))
    return {
        "TotalNumber": settled.count(),
        "Savepoint": [_described(one) for one in page(settled, asked)],
        "RunningSavepoint": [_described(one) for one in running],
        "RunningTotalNumber": len(running),
    }


def _described(snapshot: Snapshot) -> dict[str, Any]:
    is_there = snapshot.state == State.COMPLETED
    return {
        "Id": snapshot.pk,
        "VersionId": snapshot.run.version.number,
        "Status": STATUS[State(snapshot.state)],
        "CreateTime": seconds(snapshot.created_at),
        "UpdateTime": seconds(snapshot.ended_at or snapshot.created_at),
        "Path": snapshot.location,
        "Size": snapshot.size_bytes or 0,
        "RecordType": RECORD_TYPES[Source(snapshot.source)],
        "JobRuntimeId": snapshot.run.number,
        "Description": snapshot.description,
        "Timeout": settings.STEP_DEADLINE_SECONDS["snapshotting"] * 1000,
        "SerialId": snapshot.serial,
        "TimeConsuming": length(snapshot.ended_at - snapshot.created_at if snapshot.ended_at else None),
        "PathStatus": USABLE if is_there else UNUSABLE,
        "FlinkVersion": version_name(snapshot.run.endpoint.flink_version),
    }


def check_savepoint(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a job could be started from a snapshot now: ours, of this kind, at this place, and really there."""
    job = job_of(caller, asked)
    found = job.snapshots.filter(serial=asked["SerialId"]).first()
    if found is None:
        raise not_found(_("There is no snapshot %(name)s."), Code.RESOURCE_NOT_FOUND, asked["SerialId"])
    fits = (
        RECORD_TYPES[Source(found.source)] == asked["RecordType"]
        and plain_path(found.location) == plain_path(asked["SavepointPath"])
        and found.state == State.COMPLETED
    )
    return {"SerialId": found.serial, "SavepointStatus": USABLE if fits and _is_there(found) else UNUSABLE}


def _is_there(snapshot: Snapshot) -> bool:
    try:
        refuse_if_gone(snapshot)
    except operations.Refusal:
        return False
    return True
