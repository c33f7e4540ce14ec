"""Run and stop jobs. As in the product, such a call answers at once; how it went is read with DescribeJobs."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import ApiError, Code
from api.in_one_go import in_one_go, naming, refuse_unless
from api.lookup import operable_jobs_of
from api.shapes import Flag, Ignored, Many, Shape, Text, Whole, api_limit
from clusters.flink import plain_path
from jobs import operations
from jobs.models import Job, Snapshot, Version
from jobs.states import Action, Status

START, RESUME = 1, 2
STOP, PAUSE = 1, 2

RUN_JOBS = Shape(
    RunJobDescriptions=Many(
        Shape(
            JobId=Text(required=True),
            RunType=Whole(required=True, one_of=(START, RESUME), code=Code.INVALID_RUN_TYPE),
            # Where the sources begin is said in the SQL of a job here.
            StartMode=Ignored(Text()),
            JobConfigVersion=Whole(least=0),
            SavepointPath=Text(),
            SavepointId=Text(),
            UseOldSystemConnector=Ignored(Flag()),
            CustomTimestamp=Ignored(Whole()),
            KafkaScanMode=Ignored(Text()),
        ),
        required=True,
        most=api_limit,
        code=Code.TOO_MANY_JOBS,
    ),
    WorkSpaceId=Text(),
)
STOP_JOBS = Shape(
    StopJobDescriptions=Many(
        Shape(
            JobId=Text(required=True),
            StopType=Whole(required=True, one_of=(STOP, PAUSE), code=Code.INVALID_STOP_TYPE),
        ),
        required=True,
        most=api_limit,
        code=Code.TOO_MANY_JOBS,
    ),
    WorkSpaceId=Text(),
)


@transaction.atomic
def run_jobs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Start jobs (RunType 1) or resume paused ones (RunType 2): all of them, or none. The error names the first in the way."""
    told = _by_job(asked["RunJobDescriptions"])
    for job in in_one_go(operable_jobs_of(caller, list(told), asked)):
        one = told[job.serial]
        refuse_unless(job, Action.RUN, _why_no_run(job))
        with naming(job, Code.FAILED_OPERATION):
            operations.run(caller.user, job, _version(job, one), _start(job, one))
    return {}


def _why_no_run(job: Job) -> Code:
    return Code.JOB_IS_BUSY if job.status == Status.RUNNING else Code.NO_PUBLISHED_VERSION


@transaction.atomic
def stop_jobs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Stop jobs without a snapshot (StopType 1), or pause them (StopType 2): a snapshot, then the end, then status 6.

    All of them, or none; the error names the first in the way.
    """
    told = _by_job(asked["StopJobDescriptions"])
    for job in in_one_go(operable_jobs_of(caller, list(told), asked)):
        is_pause = told[job.serial]["StopType"] == PAUSE
        refuse_unless(job, Action.STOP, Code.NOT_STOPPABLE)
        with naming(job, Code.NOT_STOPPABLE):
            operations.stop(caller.user, job, with_snapshot=is_pause, pause=is_pause)
    return {}


def _by_job(descriptions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return job id -> what to do with it. Raise ApiError for a job that is named twice."""
    told = {one["JobId"]: one for one in descriptions}
    if len(told) < len(descriptions):
        raise ApiError(Code.INVALID_PARAMETER_VALUE, _("A job is named twice."))
    return told


def _version(job: Job, one: dict[str, Any]) -> Version:
    """Return the version named, or the newest. Raise ApiError."""
    versions = job.versions.all()
    if number := one.get("JobConfigVersion"):
        if found := versions.filter(number=min(number, 2**31 - 1)).first():
            return found
        sentence = _("%(job)s has no version %(number)s.")
        raise ApiError(Code.NO_VERSION, sentence, job=job.serial, number=number)
    if newest := versions.first():
        return newest
    raise ApiError(Code.NO_PUBLISHED_VERSION, _("%(job)s has no published version."), job=job.serial)


def _start(job: Job, one: dict[str, Any]) -> Snapshot | None:
    """Return from which snapshot to run: the one named; else, of a paused job that is resumed, its pause's. Raise ApiError."""
    if one.get("SavepointId") or one.get("SavepointPath"):
        return _named_snapshot(job, one)
    if one["RunType"] == START:
        return None
    if job.status != Status.PAUSED:
        sentence = _("%(job)s is not paused, so it can't be resumed (RunType 2). Start it with RunType 1.")
        raise ApiError(Code.INVALID_RUN_TYPE, sentence, job=job.serial)
    if found := operations.snapshot_of_pause(job):
        return found
    sentence = _(
        "The snapshot that %(job)s was paused with is not there any more. Start it from another one, with RunType 1."
    )
    raise ApiError(Code.FAILED_OPERATION, sentence, job=job.serial)


def _named_snapshot(job: Job, one: dict[str, Any]) -> Snapshot:
    """Return a completed snapshot of the job by its id or where it lies: what is not in our book can't be started from."""
    usable = job.snapshots.filter(state=Snapshot.State.COMPLETED).order_by("-pk")
    if serial := one.get("SavepointId"):
        usable = usable.filter(serial=serial)
    path = plain_path(one.get("SavepointPath", ""))
    for snapshot in usable:
        if not path or plain_path(snapshot.location) == path:
            return snapshot
    sentence = _("%(job)s has no completed snapshot %(name)s.")
    told = (one.get("SavepointId") or one["SavepointPath"])[:300]
    raise ApiError(Code.RESOURCE_NOT_FOUND, sentence, job=job.serial, name=told)
