"""Sessions that come with their users, and polls that are answered before all else: nobody gets in who must not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models import F
from django.test import Client
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs.models import Job
from oceanus_console.sessions import _guesses
from workspaces.models import Member


@pytest.fixture
def poll(client: Client, alice: User, job: Job) -> Callable[[], Any]:
    """Alice's open list, which shows all as it is; the process has seen her session."""
    Job.objects.update(changed_at=F("changed_at") - timedelta(minutes=1))
    client.force_login(alice)
    url = f"/spaces/{job.workspace.serial}/jobs/"
    seen = client.get(url).context["seen"]
    return lambda: client.get(url + "poll/", {"seen": seen, "row": job.serial})


def test_nothing_new_takes_one_query(poll: Any, django_assert_num_queries: Any) -> None:
    for _time in range(2):
        with django_assert_num_queries(1):
            answer = poll()
        assert (answer.status_code, answer.content) == (204, b"")
        assert "Set-Cookie" not in answer.headers


def test_whom_the_process_has_not_seen_takes_two_more(poll: Any, django_assert_num_queries: Any) -> None:
    _guesses.clear()
    with django_assert_num_queries(3):
        assert poll().status_code == 204


SHUT: dict[str, tuple[Callable[[], Any], int]] = {
    "signed out": (lambda: Session.objects.all().delete(), 302),
    "session over": (lambda: Session.objects.update(expire_date=timezone.now()), 302),
    "deactivated": (lambda: User.objects.update(is_active=False), 302),
    "other password": (lambda: User.objects.update(password="argon2$other"), 302),
    "no member any more": (lambda: Member.objects.all().delete(), 404),
}


@pytest.mark.parametrize("how", SHUT)
def test_who_must_not_see_it_does_not(poll: Any, how: str) -> None:
    assert poll().status_code == 204
    change, status = SHUT[how]
    change()
    assert poll().status_code == status
    assert poll().status_code == status


def test_a_deleted_user_is_out(client: Client, alice: User) -> None:
    client.force_login(alice)
    client.get("/spaces/")
    client.get("/spaces/")
    Member.objects.all().delete()
    alice.delete()
    assert client.get("/spaces/").status_code == 302


def test_a_wrong_guess_is_only_slower(poll: Any, client: Client, alice: User, charlie: User, job: Job) -> None:
    key = client.cookies["sessionid"].value
    for guess in ((charlie.pk, False), (charlie.pk, True), (alice.pk, True), (10**9, False)):
        _guesses.set(key, guess)
        assert poll().status_code == 204
        _guesses.set(key, guess)
        assert client.get(f"/spaces/{job.workspace.serial}/jobs/").context["user"] == alice
    client.force_login(charlie)
    key = client.cookies["sessionid"].value
    for guess in ((alice.pk, False), (alice.pk, True), (charlie.pk, True)):
        _guesses.set(key, guess)
        assert poll().status_code == 404


def test_who_has_become_super_admin_sees_all(client: Client, charlie: User, job: Job) -> None:
    client.force_login(charlie)
    url = f"/spaces/{job.workspace.serial}/jobs/"
    assert [client.get(url).status_code for _time in range(2)] == [404, 404]
    User.objects.filter(pk=charlie.pk).update(is_superuser=True)
    assert client.get(url).status_code == 200
    User.objects.filter(pk=charlie.pk).update(is_superuser=False)
    assert client.get(url).status_code == 404


def test_every_change_breaks_the_silence(poll: Any, job: Job) -> None:
    assert poll().status_code == 204
    Job.objects.filter(pk=job.pk).update(changed_at=timezone.now())
    assert poll().status_code == 200


def test_what_is_new_comes_without_what_only_pages_need(poll: Any, job: Job, django_assert_num_queries: Any) -> None:
    Job.objects.filter(pk=job.pk).update(changed_at=timezone.now())
    with django_assert_num_queries(4):  # session with marks, workspace, counts, rows
        answer = poll()
    assert f'id="status-{job.serial}"' in answer.text
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert not answer.cookies


def test_what_is_new_comes_in_the_language_of_whoever_asks(poll: Any, client: Client, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(changed_at=timezone.now())
    for language, words in (("zh-hans", ">删除<"), ("en", ">Delete<"), ("zh-hans", ">删除<")):
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        assert words in poll().text


def test_an_outage_breaks_the_silence(poll: Any) -> None:
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    assert poll().status_code == 200


def test_a_change_that_may_still_come_in_is_waited_for(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    url = f"/spaces/{job.workspace.serial}/jobs/"
    seen = client.get(url).context["seen"]
    assert client.get(url + "poll/", {"seen": seen, "row": job.serial}).status_code == 200


@pytest.mark.parametrize("seen", ["", "nan-0", "inf-0", "-1", "9" * 400, "\0", "²-0", "1-0"])
def test_nonsense_is_not_taken_for_the_truth(poll: Any, client: Client, job: Job, seen: str) -> None:
    assert client.get(f"/spaces/{job.workspace.serial}/jobs/poll/", {"seen": seen}).status_code == 200


def test_only_reading_is_answered(poll: Any, client: Client, job: Job) -> None:
    assert client.post(f"/spaces/{job.workspace.serial}/jobs/poll/").status_code == 405


def test_a_host_that_is_not_ours_is_refused(poll: Any, client: Client, job: Job) -> None:
    assert poll().status_code == 204
    url = f"/spaces/{job.workspace.serial}/jobs/poll/"
    assert client.get(url, headers={"host": "evil.example"}).status_code == 400
    assert client.get(url).status_code == 200
