"""The preview of results: whatever path a script names and wherever links lead, only files below the data directory are read."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs import operations
from jobs.models import Job
from jobs.preview import newest_results

SECRET = "not for you"


@pytest.fixture
def data(tmp_path: Path, settings: Any) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "part-0").write_text(SECRET)
    settings.DATA_DIRECTORY = tmp_path / "data"
    (settings.DATA_DIRECTORY / "out").mkdir(parents=True)
    (settings.DATA_DIRECTORY / "out" / "part-1").write_text("mine")
    return settings.DATA_DIRECTORY


def shown(user: User, job: Job, path: str) -> list[str]:
    table = f"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '{path}'); INSERT INTO t SELECT 1;"
    operations.save_draft(user, job, 1, {"sql": table})
    operations.publish(user, job, "second")
    return [line for one in newest_results(Job.objects.get(pk=job.pk)) for line in one.lines]


def test_what_lies_below_is_shown(job: Job, alice: User, data: Path) -> None:
    assert shown(alice, job, f"file://{data}/out") == ["mine"]


@pytest.mark.parametrize(
    "path", ["{data}/../outside", "file://{data}/out/../../outside", "{data}/%2e%2e/outside", "/etc"]
)
def test_no_path_leads_out(job: Job, alice: User, data: Path, path: str) -> None:
    assert shown(alice, job, path.format(data=data)) == []


def test_no_link_leads_out(job: Job, alice: User, data: Path) -> None:
    outside = data.parent / "outside"
    (data / "out" / "file-link").symlink_to(outside / "part-0")
    (data / "out" / "directory-link").symlink_to(outside)
    assert shown(alice, job, f"{data}/out") == ["mine"]


def test_a_linked_directory_is_not_the_one_that_is_named(job: Job, alice: User, data: Path) -> None:
    (data / "elsewhere").symlink_to(data.parent / "outside")
    assert shown(alice, job, f"{data}/elsewhere") == []
