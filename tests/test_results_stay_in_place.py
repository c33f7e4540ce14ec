"""The preview of results: whatever path a script names and wherever links lead, only files of the job's own workspace are read."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs import operations
from jobs.models import Job
from jobs.preview import directory_of, newest_results
from workspaces.models import Workspace

SECRET = "not for you"


@pytest.fixture
def data(workspace: Workspace, tmp_path: Path, settings: Any) -> Path:
    """The directory of the job's workspace."""
    settings.DATA_DIRECTORY = tmp_path / "data"
    data = directory_of(workspace)
    (data / "out").mkdir(parents=True)
    (data / "out" / "part-1").write_text("mine")
    for elsewhere in (tmp_path / "outside", settings.DATA_DIRECTORY / "space-of-others"):
        elsewhere.mkdir()
        (elsewhere / "part-0").write_text(SECRET)
    return data


def shown(user: User, job: Job, path: str) -> list[str]:
    table = f"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '{path}'); INSERT INTO t SELECT 1;"
    operations.save_draft(user, job, 1, {"sql": table})
    operations.publish(user, job, "second")
    return [line for one in newest_results(Job.objects.get(pk=job.pk)) for line in one.lines]


def test_what_lies_below_is_shown(job: Job, alice: User, data: Path) -> None:
    assert shown(alice, job, f"file://{data}/out") == ["mine"]


@pytest.mark.parametrize(
    "path",
    [
        "{data}/../../outside",
        "file://{data}/out/../../../outside",
        "{data}/%2e%2e/%2e%2e/outside",
        "/etc",
        "{data}/..",
        "{data}/../space-of-others",
    ],
)
def test_no_path_leads_out(job: Job, alice: User, data: Path, path: str) -> None:
    assert shown(alice, job, path.format(data=data)) == []


def test_no_link_leads_out(job: Job, alice: User, data: Path) -> None:
    outside = data.parents[1] / "outside"
    (data / "out" / "file-link").symlink_to(outside / "part-0")
    (data / "out" / "directory-link").symlink_to(outside)
    assert shown(alice, job, f"{data}/out") == ["mine"]


def test_a_linked_directory_is_not_the_one_that_is_named(job: Job, alice: User, data: Path) -> None:
    (data / "elsewhere").symlink_to(data.parents[1] / "outside")
    assert shown(alice, job, f"{data}/elsewhere") == []
