"""Describe a job: in any state, on record, and told where one looks for it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs import operations
from jobs.models import Job, Operation
from tests.conftest import Console

pytestmark = pytest.mark.django_db


def test_it_describes_also_what_runs_and_is_on_record(console: Console, client: Client) -> None:
    console.start()
    client.force_login(console.user)
    page = f"/jobs/{console.job.serial}/"
    assert f'href="{page}describe/"' in client.get(page).text
    assert client.post(f"{page}describe/", {"description": "Orders of the day"}).headers["Location"] == page
    assert "Orders of the day" in client.get(page).text
    assert "Orders of the day</textarea>" in client.get(f"{page}describe/").text
    assert Operation.objects.filter(job=console.job, action="describe").get().params == {
        "description": "Orders of the day"
    }
    client.post(f"{page}describe/", {"description": ""})
    assert console.job.description == ""


def test_what_is_too_long_is_said_and_not_lost(alice: User, job: Job, client: Client) -> None:
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/describe/", {"description": "x" * 201})
    assert answer.status_code == 422
    assert "at most 200 characters" in answer.text
    assert "x" * 201 in answer.text
    assert Job.objects.get(pk=job.pk).description == ""


def test_viewers_and_strangers_do_not(vera: User, charlie: User, job: Job, client: Client) -> None:
    for user, status in ((vera, 403), (charlie, 404)):
        client.force_login(user)
        assert client.post(f"/jobs/{job.serial}/describe/", {"description": "mine"}).status_code == status
    assert Job.objects.get(pk=job.pk).description == ""


def test_a_deleted_job_is_described_by_nobody(alice: User, job: Job) -> None:
    operations.delete(alice, job)
    with pytest.raises(operations.Refusal, match="deleted"):
        operations.describe_job(alice, job, "too late")
