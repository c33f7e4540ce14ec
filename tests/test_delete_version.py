"""Delete a version that never ran: what runs or ran stays (G7, G9), and no number is given twice."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs import operations
from jobs.models import Job, Operation
from tests.conftest import SQL, Console

pytestmark = pytest.mark.django_db


def publish(user: User, job: Job) -> int:
    return operations.publish_definition(user, job, {"sql": SQL}, "by a program").number


def test_it_deletes_and_is_on_record(alice: User, job: Job) -> None:
    assert publish(alice, job) == 2
    operations.delete_version(alice, job.versions.get(number=2))
    assert [one.number for one in job.versions.all()] == [1]
    assert Operation.objects.filter(job=job).latest("pk").params == {"version": 2, "note": "by a program"}
    assert publish(alice, job) == 3


def test_it_is_deleted_once_and_not_run_any_more(alice: User, job: Job) -> None:
    publish(alice, job)
    version = job.versions.get(number=2)
    operations.delete_version(alice, job.versions.get(number=2))
    for act in (lambda: operations.delete_version(alice, version), lambda: operations.run(alice, job, version)):
        with pytest.raises(operations.Refusal, match="Version 2 was deleted in the meantime"):
            act()
    assert Operation.objects.filter(job=job, action="delete-version").count() == 1


def test_it_says_why_not(console: Console) -> None:
    console.start()
    version = console.job.versions.get()
    with pytest.raises(operations.Refusal, match="Version 1 runs"):
        operations.delete_version(console.user, version)
    console.click_stop()
    console.settle()
    with pytest.raises(operations.Refusal, match="Version 1 has run"):
        operations.delete_version(console.user, version)
    assert console.job.versions.count() == 1


def test_a_version_is_compared_with_the_one_before_that_is_left(alice: User, job: Job, client: Client) -> None:
    for number in (2, 3):
        assert publish(alice, job) == number
    operations.delete_version(alice, job.versions.get(number=2))
    client.force_login(alice)
    page = client.get(f"/jobs/{job.serial}/versions/").text
    assert "?a=1&amp;b=3" in page
    assert client.get(f"/jobs/{job.serial}/versions/compare/?a=1&b=3").status_code == 200


def test_the_pages_do_without_the_deleted_ones(alice: User, job: Job, client: Client) -> None:
    for number in (2, 3):
        assert publish(alice, job) == number
    for number in (1, 2, 3):
        operations.delete_version(alice, job.versions.get(number=number))
        client.force_login(alice)
        for page in ("", "versions/", "versions/compare/", "run/", "copy/", "publish/", "draft/"):
            assert client.get(f"/jobs/{job.serial}/{page}").status_code == 200, (number, page)
        assert client.get(f"/spaces/{job.workspace.serial}/jobs/").status_code == 200


def test_the_page_deletes_what_never_ran(alice: User, job: Job, client: Client) -> None:
    publish(alice, job)
    client.force_login(alice)
    address = f"/jobs/{job.serial}/versions/2/delete/"
    assert f'href="{address}"' in client.get(f"/jobs/{job.serial}/versions/").text
    assert "by a program" in client.get(address).text
    assert client.post(address, follow=True).redirect_chain == [(f"/jobs/{job.serial}/versions/", 302)]
    assert [one.number for one in job.versions.all()] == [1]
    assert client.post(address).status_code == 404


def test_the_page_says_why_not(console: Console, client: Client) -> None:
    console.start()
    client.force_login(console.user)
    address = f"/jobs/{console.job.serial}/versions/1/delete/"
    assert address not in client.get(f"/jobs/{console.job.serial}/versions/").text
    answer = client.post(address)
    assert answer.status_code == 422
    assert "Version 1 runs, so it can&#x27;t be deleted." in answer.text
    assert console.job.versions.count() == 1


def test_the_page_says_why_not_before_it_is_asked(console: Console, client: Client) -> None:
    console.start()
    client.force_login(console.user)
    address = f"/jobs/{console.job.serial}/versions/1/delete/"

    def says_only(why: str) -> None:
        page = client.get(address)
        assert page.status_code == 200
        assert why in page.text
        assert "The version goes for good" not in page.text
        assert re.search(r"data-go disabled>\s*Delete the version", page.text)

    says_only("Version 1 runs, so it can&#x27;t be deleted.")
    console.click_stop()
    console.settle()
    says_only("Version 1 has run. The record tells of it, so it stays.")


def test_viewers_and_strangers_delete_none(vera: User, charlie: User, job: Job, client: Client) -> None:
    address = f"/jobs/{job.serial}/versions/1/delete/"
    for user, status in ((vera, 403), (charlie, 404)):
        client.force_login(user)
        assert client.post(address).status_code == status
        assert client.get(f"/jobs/{job.serial}/versions/").status_code == (200 if user == vera else 404)
    client.force_login(vera)
    assert address not in client.get(f"/jobs/{job.serial}/versions/").text
    assert job.versions.count() == 1
