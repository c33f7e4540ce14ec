"""What is shown in place of a secret must not become its value: whoever takes over a masked text is told, and nothing is lost."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import translation

from jobs import operations
from jobs.advice import explain
from jobs.batch_forms import PublishBatch
from jobs.masking import MASK, first_masked
from jobs.models import Job
from jobs.operations.plan import plan
from tests.conftest import SQL, Console
from tests.program import Program
from tests.test_secrets import PLACES

pytestmark = pytest.mark.django_db

WITH_PASSWORD = SQL.replace("'blackhole'", "'blackhole',\n 'password' = 'hush-hush-hush'")
MASKED: dict[str, tuple[str, dict[str, str], tuple[str, int]]] = {
    "an option": (SQL.replace("'blackhole'", f"'blackhole', 'user' = '{MASK}'"), {}, ("user", 2)),
    "an option below": (WITH_PASSWORD.replace("hush-hush-hush", MASK), {}, ("password", 3)),
    "an address": (SQL.replace("'blackhole'", f"'blackhole', 'url' = 'jdbc:mysql://me:{MASK}@host/db'"), {}, ("mysql://me", 2)),
    "within an option": (SQL.replace("'blackhole'", f"'blackhole', 'x' = 'a=1;password=\"{MASK}\"'"), {}, ("password", 2)),
    "a setting": (f"SET 'fs.s3a.access.key' = '{MASK}';\n{SQL}", {}, ("fs.s3a.access.key", 1)),
    "a property": (SQL, {"s3.secret-key": MASK}, ("s3.secret-key", 0)),
    "within a property": (SQL, {"env.java.opts.all": f"-Dpassword={MASK}"}, ("password", 0)),
}  # fmt: skip


def request(job: Job, sql: str, properties: dict[str, str]) -> dict[str, Any]:
    args = {"SqlCode": base64.b64encode(sql.encode()).decode()}
    listed = [{"Key": key, "Value": value} for key, value in properties.items()]
    return {"JobId": job.serial, "ProgramArgs": json.dumps(args), "Properties": listed}


@pytest.mark.parametrize("place", MASKED)
def test_it_is_not_published_and_its_place_is_told(console: Console, alice: User, place: str) -> None:
    sql, properties, (name, line) = MASKED[place]
    job = console.job
    assert first_masked(sql, properties) == (name, line)
    operations.save_draft(alice, job, 1, {"sql": sql, "properties": properties})
    with pytest.raises(operations.Refusal, match="not the secret itself") as refused:
        operations.publish(alice, job, "taken over")
    assert name in refused.value.message
    assert not line or f"Line {line}:" in refused.value.message
    assert job.versions.count() == 1
    (shown,) = plan(job.workspace, PublishBatch.action, Job.objects.all(), [job.serial], "", None).lines
    assert "not the secret itself" in str(shown.why_not)
    problem = operations.check(job, {"sql": sql, "properties": properties})
    assert problem
    assert problem.code == ("masked" if line else "masked-in-property")
    with translation.override("zh-hans"):
        assert name in explain(problem).cause


def test_a_program_does_not_write_back_what_it_read(alice: User, console: Console) -> None:
    program, job = Program(alice), console.job
    version = program.call("CreateJobConfig", request(job, WITH_PASSWORD, {}))["Version"]
    (read,) = program.call("DescribeJobConfigs", {"JobId": job.serial, "JobConfigVersions": [version]})["JobConfigSet"]
    shown = json.loads(read["ProgramArgs"])["SqlCode"]
    assert "hush" not in shown
    told = program.call("CreateJobConfig", request(job, shown, {}))["Error"]
    assert told["Code"] == "FailedOperation.GrammarCheckFailure"
    assert told["Message"].startswith("Line 3: ****** stands at password.")
    assert job.versions.count() == version
    assert "hush-hush-hush" in job.draft.sql


@pytest.mark.parametrize("place", [one for one in PLACES if one != "a hidden variable"])
def test_secrets_themselves_are_published(console: Console, alice: User, place: str) -> None:
    sql, properties = PLACES[place]("s3cret * ** value")
    operations.save_draft(alice, console.job, 1, {"sql": sql, "properties": properties})
    assert operations.publish(alice, console.job, "second").number == 2


def test_stars_elsewhere_are_stars(console: Console, alice: User) -> None:
    sql = SQL.replace("FROM src", f"FROM src WHERE CAST(n AS STRING) <> '{MASK}' -- password={MASK}\n")
    assert sql != SQL
    operations.save_draft(alice, console.job, 1, {"sql": sql, "properties": {"a.b": f"x {MASK}"}})
    assert operations.publish(alice, console.job, "second").number == 2
