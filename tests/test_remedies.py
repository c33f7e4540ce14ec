"""What helps with a problem is one click away: for those who may operate, as far as it is allowed now."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.known_errors import FLINK, OWN
from jobs.models import Job, Problem
from jobs.operations.record import problem
from jobs.remedies import remedies
from jobs.states import Status
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db

NO_PLACE = "IllegalStateException: Cannot map checkpoint/savepoint state for operator 90b"


def broken(job: Job, words: str, **values: Any) -> Job:
    Job.objects.filter(pk=job.pk).update(status=Status.FAILED, problem=problem("flink", words, **values))
    return Job.objects.select_related("problem", "workspace").get(pk=job.pk)


def labels(job: Job) -> list[str]:
    assert job.problem
    return [one.label for one in remedies(job, job.problem)]


def test_an_entry_names_what_helps(job: Job) -> None:
    assert labels(broken(job, NO_PLACE)) == ["Run, skipping state that does not fit", "Open the snapshots"]
    assert labels(broken(job, "NoResourceAvailableException")) == [
        "Run again",
        "Change the parallelism",
        "Open the clusters",
    ]


def test_a_known_line_comes_first(job: Job) -> None:
    job = broken(job, "Object 'x' not found", line=2)
    assert labels(job) == ["Edit line 2"]
    assert job.problem
    assert remedies(job, job.problem)[0].url == f"/jobs/{job.serial}/draft/?line=2"


def test_a_wrong_property_is_named_and_its_field_is_led_to(job: Job) -> None:
    job = broken(job, "Could not parse value 'lots' for key 'a.b'.\nNumberFormatException: lots")
    assert job.problem
    assert job.problem.values["key"] == "a.b"
    (only,) = remedies(job, job.problem)
    assert (only.label, only.url) == ("Change the advanced properties", f"/jobs/{job.serial}/draft/#id_properties")


def test_what_is_not_allowed_now_is_not_offered(console: Console) -> None:
    console.start()
    job = console.job
    job.problem = problem("flink", "Not all required tasks are currently running.")
    assert labels(job) == ["Create a snapshot", "Stop without a snapshot"]
    job.problem = problem("flink", NO_PLACE)
    assert labels(job) == ["Open the snapshots"]


def test_every_button_leads_to_a_page(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    for status in (Status.FAILED, Status.RUNNING):
        Job.objects.filter(pk=job.pk).update(status=status)
        job = Job.objects.select_related("workspace").get(pk=job.pk)
        problems = [Problem(code="flink", values={"known": entry.title, "line": 3}) for entry in FLINK]
        problems += [Problem(code=code) for code in OWN]
        addresses = {one.url for why in problems for one in remedies(job, why)}
        assert len(addresses) > 5
        assert [address for address in addresses if client.get(address).status_code != 200] == []


@pytest.mark.parametrize("place", ["", "why/"])
def test_only_who_may_operate_sees_them(client: Client, alice: User, vera: User, job: Job, place: str) -> None:
    broken(job, NO_PLACE)
    address, button = f"/jobs/{job.serial}/{place}", "start=latest&amp;allow=1"
    client.force_login(vera)
    assert button not in client.get(address).text
    client.force_login(alice)
    assert button in client.get(address).text
    listed = client.get(f"/spaces/{job.workspace.serial}/jobs/").text
    assert button in listed


def test_only_the_problem_of_now_has_buttons(client: Client, alice: User, console: Console, fake: FakeFlink) -> None:
    fake.refuse_next_run(f"java.lang.{NO_PLACE}")
    console.click_run()
    console.settle()
    client.force_login(alice)
    address = f"/jobs/{console.job.serial}/operations/"
    assert "allow=1" in client.get(address).text
    console.start()
    body = client.get(address).text
    assert "has no place for" in body
    assert "allow=1" not in body


def test_the_run_dialog_begins_as_the_button_says(client: Client, alice: User, console: Console) -> None:
    console.start()
    console.click_stop()
    console.settle()
    client.force_login(alice)
    address = f"/jobs/{console.job.serial}/run/"

    def start(query: str) -> tuple[object, object]:
        form = client.get(address + query).context["form"]
        return form["start"].value(), form["allow_non_restored_state"].value()

    has_points = bool(client.get(address).context["form"].points)
    latest = "latest" if has_points else "none"
    assert start("") == (latest, False)
    assert start("?start=none") == ("none", False)
    assert start("?start=latest&allow=1") == (latest, True)
    assert start("?start=nonsense&allow=x") == (latest, False)


def test_the_stop_dialog_begins_as_the_button_says(client: Client, alice: User, console: Console) -> None:
    console.start()
    client.force_login(alice)
    address = f"/jobs/{console.job.serial}/stop/"
    assert client.get(address).context["form"]["with_snapshot"].value() is True
    assert client.get(address + "?snapshot=0").context["form"]["with_snapshot"].value() is False


def test_the_editor_marks_the_line(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    address = f"/jobs/{job.serial}/draft/"
    assert "data-error-line" not in client.get(address + "?line=2").text
    broken(job, "Object 'x' not found", line=2)
    body = client.get(address + "?line=2").text
    assert 'data-error-line="2"' in body
    assert "No such table" in body
    assert "data-error-line" not in client.get(address + "?line=" + "9" * 30).text
    assert "data-error-line" not in client.get(address).text


def test_a_refused_start_knows_its_line(console: Console, fake: FakeFlink) -> None:
    fake.refuse_next_run("ValidationException: From line 3, column 1 to line 3, column 4: Object 'x' not found")
    console.click_run()
    console.settle()
    assert console.job.problem is not None
    assert console.job.problem.values["line"] == 3
