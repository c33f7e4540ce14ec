"""What happened to a job: its events, and the log of its starts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import ApiError, Code
from api.lookup import job_of
from api.shapes import Many, Shape, Text, Whole
from api.spelling import clock, milliseconds, seconds
from jobs.advice import explain
from jobs.event_sentences import sentence
from jobs.events import Event, Kind, Selection
from jobs.models import Operation, OperationStep
from jobs.states import Action

# Of the product's types of events 11 and 21 are public; the others here continue its tens.
TYPES = {
    Kind.STARTED: "1",
    Kind.STOPPED: "11",
    Kind.FINISHED: "11",
    Kind.START_CANCELLED: "12",
    Kind.STOP_FAILED: "13",
    Kind.FAILED: "21",
    Kind.START_FAILED: "21",
    Kind.RECOVERED: "22",
    Kind.RESTARTED: "23",
    Kind.UNREACHABLE: "24",
    Kind.SNAPSHOT_FAILED: "31",
    Kind.SNAPSHOT: "32",
    Kind.CREATED: "41",
    Kind.PUBLISHED: "42",
    Kind.SWITCHED: "43",
}
# So many runs of one time are named, the newest; a narrower time has the others.
MOST = 1000
LATEST_SECOND = 253_402_300_799  # the end of the year 9999
TIME = Whole(required=True, least=0, most=LATEST_SECOND, code=Code.INVALID_TIMES)
MILLISECOND = Whole(required=True, least=0, most=LATEST_SECOND * 1000, code=Code.INVALID_TIMES)

DESCRIBE_JOB_EVENTS = Shape(
    JobId=Text(required=True),
    StartTimestamp=TIME,
    EndTimestamp=TIME,
    Types=Many(Text(), most=50),
    RunningOrderIds=Many(Whole(least=0, most=2**31 - 1), most=100),
    WorkSpaceId=Text(),
    Limit=Whole(least=0, most=100, code=Code.INVALID_LIMIT),
    Offset=Whole(least=0),
)
DESCRIBE_JOB_SUBMISSION_LOG = Shape(
    JobId=Text(required=True),
    StartTime=MILLISECOND,
    EndTime=MILLISECOND,
    RunningOrderId=Whole(least=0, most=2**31 - 1),
    Keyword=Text(most=200),
    Cursor=Text(most=20),
    OrderType=Text(one_of=("", "asc", "desc")),
    Limit=Whole(least=1, most=100, code=Code.INVALID_LIMIT),
)


def describe_job_events(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell what happened to a job within a time, newest first, as the console's own page does."""
    job = job_of(caller, asked)
    since, until = _between(asked["StartTimestamp"], asked["EndTimestamp"])
    numbers, wanted = asked.get("RunningOrderIds") or [], asked.get("Types")
    kinds = [kind for kind, code in TYPES.items() if code in wanted] if wanted else list(Kind)
    runs = job.runs.filter(Q(started_at__range=(since, until)) | Q(ended_at__range=(since, until)))
    runs = runs.filter(number__in=numbers) if numbers else runs
    named = list(runs.order_by("-number").values_list("number", "version__number")[:MOST])
    selection = Selection(job, kinds, numbers, since, until)
    total = sum(selection.counts().values()) if kinds else 0
    offset, limit = asked.get("Offset", 0), asked.get("Limit", 20)
    events = selection.newest(limit, offset) if limit and offset < total else []
    return {
        "Events": [_told(one) for one in events],
        "RunningOrderIds": [] if numbers else [number for number, _version in named],
        "TotalCount": total,
        "Versions": [version for _number, version in named],
    }


def _told(event: Event) -> dict[str, Any]:
    told = explain(event.problem) if event.problem else None
    return {
        "Type": TYPES[event.kind],
        "Description": str(event.kind.label),
        "Timestamp": seconds(event.at),
        "RunningOrderId": event.run.number if event.run else 0,
        "Message": told.summary if told else sentence(event),
        "SolutionLink": "",
        "CauseAnalysis": told.cause if told else "",
        "Solution": told.advice if told else "",
    }


def describe_job_submission_log(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell step by step how runs were started: the record of the console, with Flink's words where there are any."""
    job = job_of(caller, asked)
    since, until = _between(asked["StartTime"] / 1000, asked["EndTime"] / 1000)
    starts = Operation.objects.filter(job=job, action=Action.RUN, created_at__range=(since, until))
    starts = starts.select_related("run").order_by("-pk")
    instances = [one for one in starts if one.run]
    number = asked.get("RunningOrderId")
    chosen = [one for one in instances if not number or (one.run and one.run.number == number)][:1]
    lines = _lines(chosen[0], asked) if chosen else []
    limit = asked.get("Limit", 100)
    shown = lines[:limit]
    return {
        "Cursor": str(shown[-1]["PkgLogId"]) if shown else asked.get("Cursor", ""),
        "ListOver": len(lines) <= limit,
        "JobRequestId": chosen[0].serial if chosen else "",
        "JobInstanceList": [_instance(one) for one in instances],
        "LogList": [one["Log"] for one in shown],
        "LogContentList": shown,
    }


def _instance(operation: Operation) -> dict[str, Any]:
    return {
        "RunningOrderId": operation.run.number if operation.run else 0,
        "JobInstanceStartTime": clock(operation.created_at),
        "StartingMillis": milliseconds(operation.created_at),
    }


def _lines(operation: Operation, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of one start after the cursor that hold the keyword."""
    backwards = asked.get("OrderType") == "desc"
    steps = operation.steps.order_by("-pk" if backwards else "pk")
    if cursor := asked.get("Cursor"):
        if not cursor.isdecimal() or len(cursor) > 18:
            raise ApiError(
                Code.INVALID_PARAMETER_VALUE, _("The parameter %(name)s is none that was given."), name="Cursor"
            )
        steps = steps.filter(**{"pk__lt" if backwards else "pk__gt": int(cursor)})
    keyword = asked.get("Keyword", "").lower()
    lines = [_line(operation, step) for step in steps]
    return [one for one in lines if keyword in one["Log"].lower()]


def _line(operation: Operation, step: OperationStep) -> dict[str, Any]:
    told = f"{step.get_step_display()}: {step.get_event_display()}"
    return {
        "Log": f"{clock(step.at)} [{operation.serial}] {told}" + (f" - {step.detail}" if step.detail else ""),
        "Time": milliseconds(step.at),
        "PkgId": operation.serial,
        "PkgLogId": step.pk,
        "ContainerName": "",
    }


def _between(since: float, until: float) -> tuple[datetime, datetime]:
    if since > until:
        raise ApiError(Code.INVALID_TIMES, _("The end is before the start."))
    return datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
