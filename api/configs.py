"""Job configurations: the published versions of a job, and its draft as number -1."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from api.caller import Caller
from api.errors import ApiError, Code
from api.jobs import DRAFT_NUMBER
from api.lookup import job_of, operable_job_of
from api.shapes import Flag, Ignored, Many, Number, Object, Shape, Text, Whole
from api.spelling import FILTERS, LIMIT, MEMORY_OF_CU, OFFSET, bare_version, clock, filtered, page, version_name
from jobs import operations
from jobs.forms import DraftForm
from jobs.models import Draft, Job, Version
from jobs.models.definition import NOTE_LENGTH
from jobs.secrets import masked_properties, masked_sql

# What the product has as fields and Flink as properties.
RETAINED, TIMEOUT = "execution.checkpointing.num-retained", "execution.checkpointing.timeout"
MAX_PARALLELISM = "pipeline.max-parallelism"
DEFAULT_RETAINED, DEFAULT_TIMEOUT_SECONDS, DEFAULT_MAX_PARALLELISM = 5, 600, 2048
ON, OFF = 1, -1
REFERENCE = Shape(ResourceId=Text(required=True), Version=Whole(required=True), Type=Whole(required=True))
LEVEL = Shape(Clazz=Text(required=True), Level=Text(required=True))

CREATE_JOB_CONFIG = Shape(
    JobId=Text(required=True),
    EntrypointClass=Text(),
    ProgramArgs=Text(),
    Remark=Text(most=NOTE_LENGTH),
    ResourceRefs=Ignored(Many(REFERENCE), only=([],)),
    DefaultParallelism=Whole(least=0),
    Properties=Many(Shape(Key=Text(required=True), Value=Text(required=True)), most=500),
    AutoDelete=Ignored(Whole()),
    COSBucket=Ignored(Text()),
    LogCollect=Ignored(Flag(), only=(False,)),
    JobManagerSpec=Number(least=0),
    TaskManagerSpec=Number(least=0),
    ClsLogsetId=Ignored(Text()),
    ClsTopicId=Ignored(Text()),
    LogCollectType=Ignored(Whole()),
    PythonVersion=Ignored(Text(), only=("",)),
    WorkSpaceId=Text(),
    LogLevel=Ignored(Text(), only=("", "INFO")),
    AutoRecover=Whole(one_of=(ON, OFF)),
    ClazzLevels=Ignored(Many(LEVEL), only=([],)),
    ExpertModeOn=Ignored(Flag(), only=(False,)),
    ExpertModeConfiguration=Ignored(Object()),
    TraceModeOn=Ignored(Flag(), only=(False,)),
    TraceModeConfiguration=Ignored(Object()),
    CheckpointRetainedNum=Whole(least=1, most=1000),
    JobGraph=Ignored(Object()),
    EsServerlessIndex=Ignored(Text(), only=("",)),
    EsServerlessSpace=Ignored(Text(), only=("",)),
    FlinkVersion=Text(),
    JobManagerCpu=Ignored(Number(), only=(0.0,)),
    JobManagerMem=Ignored(Number(), only=(0.0,)),
    JdkVersion=Ignored(Text()),
    TaskManagerCpu=Ignored(Number(), only=(0.0,)),
    TaskManagerMem=Ignored(Number(), only=(0.0,)),
    UseOldSystemConnector=Ignored(Whole()),
    ProgramArgsAfterGzip=Ignored(Text(), only=("",)),
    CheckpointTimeoutSecond=Whole(least=1, most=86_400),
    CheckpointIntervalSecond=Whole(least=1),
    VariableReplaceMode=Ignored(Whole(), only=(0, 1)),
    OperatorName=Ignored(Text()),
    ConfigScope=Ignored(Whole(), only=(0,)),
    StateCOSBucket=Ignored(Text()),
)
DESCRIBE_JOB_CONFIGS = Shape(
    JobId=Text(required=True),
    JobConfigVersions=Many(Whole(least=0, most=2**31 - 1), most=100),
    Offset=OFFSET,
    Limit=LIMIT,
    Filters=FILTERS,
    OnlyDraft=Flag(),
    WorkSpaceId=Text(),
)
DELETE_JOB_CONFIGS = Shape(
    JobId=Text(required=True),
    JobConfigVersions=Many(Whole(least=DRAFT_NUMBER, most=2**31 - 1), required=True, most=100),
    WorkSpaceId=Text(),
    ConfigScope=Ignored(Whole(), only=(0,)),
)


@transaction.atomic
def create_job_config(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Publish a definition as the next version. What somebody has saved as a draft and not published stays his draft."""
    job = operable_job_of(caller, asked)
    if asked.get("FlinkVersion") and not _is_of(job, asked["FlinkVersion"]):
        sentence = gettext_lazy("A job keeps the Flink version that it was created with: %(version)s.")
        raise ApiError(Code.UNSUPPORTED_OPERATION, sentence, version=job.endpoint.flink_version)
    if asked.get("EntrypointClass"):
        raise ApiError(Code.INVALID_ENTRYPOINT, gettext_lazy("A SQL job has no EntrypointClass."))
    values = _definition(job, asked)
    note = asked.get("Remark", "").strip() or _("Published through the API.")
    version = operations.publish_definition(caller.user, job, values, note)
    if "AutoRecover" in asked:
        operations.switch_recovery(caller.user, job, asked["AutoRecover"] == ON)
    return {"Version": version.number}


def _is_of(job: Job, name: str) -> bool:
    return f"{job.endpoint.flink_version}.".startswith(f"{bare_version(name)}.")


def _definition(job: Job, asked: dict[str, Any]) -> dict[str, object]:
    """Return the definition by field name, as the form of the editor takes it. Raise ApiError."""
    args = _program_args(asked.get("ProgramArgs", ""))
    specs = {"jobmanager_spec": "JobManagerSpec", "taskmanager_spec": "TaskManagerSpec"}
    sent = {
        "sql": args["SqlCode"],
        "revision": 0,
        "parallelism": asked.get("DefaultParallelism", 1),
        "checkpoint_interval_seconds": asked.get("CheckpointIntervalSecond") or args["CheckpointInterval"],
        "properties": _lines(_properties(asked)),
    } | {field: f"{asked.get(name, 1):g}" for field, name in specs.items()}
    form = DraftForm(sent, job=job, instance=Draft(job=job))
    if not form.is_valid():
        raise _as_error(form)
    for field, name in specs.items():
        # On a cluster without fine-grained resources the form has no such field: 1 CU it is.
        if field not in form.fields and asked.get(name, 1) != 1:
            sentence = gettext_lazy("%(name)s must be 1: the cluster has no fine-grained resources.")
            raise ApiError(Code.INVALID_PARAMETER_VALUE, sentence, name=name)
    return form.values()


def _program_args(text: str) -> dict[str, Any]:
    """Return the script and its checkpoint interval from `{"SqlCode": "<base64>", "CheckpointInterval": 60}`. Raise ApiError."""
    try:
        args = json.loads(text)
        code = base64.b64decode(args["SqlCode"], validate=True).decode()
        interval = int(args.get("CheckpointInterval") or Draft._meta.get_field("checkpoint_interval_seconds").default)
    # An OverflowError is of 1e999, which JSON takes for a number.
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, binascii.Error) as error:
        sentence = gettext_lazy(
            'ProgramArgs of a SQL job is a JSON text: {"SqlCode": "<base64 of the script>", "CheckpointInterval": 60}.'
        )
        raise ApiError(Code.INVALID_PARAMETER_VALUE, sentence) from error
    return {"SqlCode": code, "CheckpointInterval": interval}


def _properties(asked: dict[str, Any]) -> dict[str, str]:
    """Return the advanced properties; those that the product has as fields are no less set by them."""
    found: dict[str, str] = {}
    for one in asked.get("Properties", []):
        key, value = one["Key"].strip(), one["Value"].strip()
        if not key or not value or key in found or len(f"{key}{value}".splitlines()) > 1:
            sentence = gettext_lazy("The property %(name)s is empty, set twice, or more than one line.")
            raise ApiError(Code.BAD_PROPERTIES, sentence, name=key[:100])
        if ":" in key or key.startswith("#"):  # in the lines of the form it would be another one, or a comment
            sentence = gettext_lazy(
                "%(name)s can't be the name of a property: it has a colon, or a # at its beginning."
            )
            raise ApiError(Code.BAD_PROPERTIES, sentence, name=key[:100])
        found[key] = value
    if "CheckpointRetainedNum" in asked:
        found.setdefault(RETAINED, str(asked["CheckpointRetainedNum"]))
    if "CheckpointTimeoutSecond" in asked:
        found.setdefault(TIMEOUT, f"{asked['CheckpointTimeoutSecond']} s")
    return found


def _lines(properties: dict[str, str]) -> str:
    return "\n".join(f"{key}: {value}" for key, value in properties.items())


def _as_error(form: DraftForm) -> ApiError:
    told = " ".join(f"{name}: {message}" for name, errors in form.errors.items() for message in errors)
    return ApiError(Code.BAD_PROPERTIES if "properties" in form.errors else Code.INVALID_PARAMETER_VALUE, told)


def describe_job_configs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell of the versions of a job, newest first; with OnlyDraft of its draft. Secrets in them are masked."""
    job = job_of(caller, asked)
    if asked.get("OnlyDraft"):
        drafts = list(Draft.objects.filter(job=job).select_related("job__endpoint", "saved_by"))
        return {"TotalCount": len(drafts), "JobConfigSet": [_described_draft(one) for one in drafts]}
    rows = job.versions.select_related("job__endpoint", "published_by").order_by("-number")
    if numbers := asked.get("JobConfigVersions"):
        rows = rows.filter(number__in=numbers)
    rows = filtered(rows, asked, {})
    return {"TotalCount": rows.count(), "JobConfigSet": [_described_version(one) for one in page(rows, asked)]}


def _described_version(version: Version) -> dict[str, Any]:
    at = clock(version.published_at)
    return _described(version) | {
        "Remark": version.note,
        "CreateTime": at,
        "UpdateTime": at,
        "Version": version.number,
        "CreatorUin": version.published_by.get_username() if version.published_by else "",
    }


def _described_draft(draft: Draft) -> dict[str, Any]:
    at = clock(draft.saved_at)
    return _described(draft) | {
        "Remark": "",
        "CreateTime": at,
        "UpdateTime": at,
        "Version": DRAFT_NUMBER,
        "CreatorUin": draft.saved_by.get_username() if draft.saved_by else "",
    }


def _described(definition: Draft | Version) -> dict[str, Any]:
    job, properties = definition.job, masked_properties(definition)
    args = {"CheckpointInterval": definition.checkpoint_interval_seconds, "SqlCode": masked_sql(definition)}
    sizes = {"JobManager": float(definition.jobmanager_spec), "TaskManager": float(definition.taskmanager_spec)}
    told = {
        "JobId": job.serial,
        "EntrypointClass": "",
        # As in the product's own samples, the script comes back as it is.
        "ProgramArgs": json.dumps(args, ensure_ascii=False),
        "DefaultParallelism": definition.parallelism,
        "Properties": [{"Key": key, "Value": value} for key, value in properties.items()],
        "ResourceRefDetails": [],
        "COSBucket": "",
        "LogCollect": 0,
        "MaxParallelism": _number(properties.get(MAX_PARALLELISM), DEFAULT_MAX_PARALLELISM),
        "ClsLogsetId": "",
        "ClsTopicId": "",
        "PythonVersion": "",
        "AutoRecover": ON if job.auto_recovery else OFF,
        "LogLevel": "INFO",
        "ClazzLevels": [],
        "ExpertModeOn": False,
        "TraceModeOn": False,
        "TraceModeConfiguration": {},
        "CheckpointRetainedNum": _number(properties.get(RETAINED), DEFAULT_RETAINED),
        "CheckpointTimeoutSecond": _number(properties.get(TIMEOUT), DEFAULT_TIMEOUT_SECONDS),
        "CheckpointIntervalSecond": definition.checkpoint_interval_seconds,
        "FlinkVersion": version_name(job.endpoint.flink_version),
        "VariableReplaceMode": 1,
        "IsLocked": 0,
    }
    for name, cu in sizes.items():
        told |= {f"{name}Spec": cu, f"{name}Cpu": cu, f"{name}Mem": cu * MEMORY_OF_CU}
    return told


def _number(text: str | None, default: int) -> int:
    """Return the number of a property such as "600 s"; the default where it is none, absurd, or in another unit."""
    number, _space, unit = (text or "").partition(" ")
    return int(number) if number.isdecimal() and len(number) < 10 and unit in ("", "s") else default


@transaction.atomic
def delete_job_configs(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Delete versions: all of them, or none. A version that ran stays, for the record tells of it."""
    job = operable_job_of(caller, asked)
    numbers = sorted(set(asked["JobConfigVersions"]))
    if DRAFT_NUMBER in numbers:
        raise ApiError(Code.DRAFT_STAYS, gettext_lazy("The draft can't be deleted."))
    found = {one.number: one for one in job.versions.filter(number__in=numbers)}
    for number in numbers:
        if number not in found:
            sentence = gettext_lazy("%(job)s has no version %(number)s.")
            raise ApiError(Code.NO_VERSION, sentence, job=job.serial, number=number)
        operations.delete_version(caller.user, found[number])
    return {}
