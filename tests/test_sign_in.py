"""Coming in and going: guessing is slowed down and tells nothing, sessions can't be planted or read, passwords can be changed."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from oceanus_console.models import FailedSignIn
from oceanus_console.sign_in import address_of
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"


def try_it(name: str, password: str = "wrong", address: str = HERE, **more: Any) -> Any:
    return Client().post("/login/", {"username": name, "password": password}, REMOTE_ADDR=address, **more)


def fail(name: str, times: int, address: str = HERE) -> list[int]:
    return [try_it(name, address=address).status_code for _time in range(times)]


def get_in(name: str, address: str = HERE) -> bool:
    return try_it(name, PASSWORD, address).status_code == 302


# --- whoever fails too often waits ---


def test_the_tenth_failure_is_the_last_for_now(alice: User) -> None:
    assert fail("alice", 10) == [200] * 9 + [429]
    answer = try_it("alice", PASSWORD)
    assert answer.status_code == 429
    assert "Too many failed sign-ins. Try again in 15 minutes." in answer.text
    assert "correct username and password" not in answer.text
    assert answer.headers["Retry-After"] == "900"
    assert "sessionid" not in answer.cookies


def test_it_tells_the_same_of_users_that_do_not_exist(alice: User) -> None:
    def pages(name: str) -> list[tuple[int, str]]:
        answers = [try_it(name) for _time in range(11)]
        return [(one.status_code, one.text.partition("<form")[2].replace(name, "X")) for one in answers]

    def without_tokens(found: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
        return [(status, [line for line in text.splitlines() if "csrf" not in line]) for status, text in found]

    assert without_tokens(pages("alice")) == without_tokens(pages("nobody"))


def test_others_and_the_same_user_elsewhere_are_not_locked_out(alice: User, bob: User) -> None:
    fail("alice", 12)
    assert get_in("bob")
    assert get_in("alice", ELSEWHERE)
    assert not get_in("alice")


def test_it_ends_by_itself_and_waiting_is_not_made_longer_by_trying(alice: User) -> None:
    fail("alice", 10)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14, seconds=30))
    answer = try_it("alice")
    assert "Try again in 1 minute." in answer.text
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert get_in("alice")


def test_another_browser_does_not_help(alice: User) -> None:
    for number in range(10):
        try_it("alice", HTTP_USER_AGENT=f"browser {number}")
    assert not get_in("alice")


def test_success_forgets_the_failures(alice: User) -> None:
    fail("alice", 9)
    assert get_in("alice")
    assert fail("alice", 9) == [200] * 9


def test_a_password_typed_is_never_kept(alice: User) -> None:
    try_it("alice", "my other secret")
    row = AccessAttempt.objects.values().get()
    assert not [value for value in row.values() if "my other secret" in str(value)]


def test_admin_or_command_let_him_try_again(alice: User, root: User, client: Client) -> None:
    fail("alice", 10)
    client.force_login(root)
    row = FailedSignIn.objects.get()
    assert "198.51.100.7" in client.get(reverse("admin:oceanus_console_failedsignin_changelist")).text
    assert client.post(reverse("admin:oceanus_console_failedsignin_add"), {}).status_code == 403
    change = reverse("admin:oceanus_console_failedsignin_change", args=[row.pk])
    assert client.post(change, {"username": "bob"}).status_code == 403
    client.post(reverse("admin:oceanus_console_failedsignin_delete", args=[row.pk]), {"post": "yes"})
    assert get_in("alice")
    fail("alice", 10)
    call_command("axes_reset_username", "alice", verbosity=0)
    assert get_in("alice")


# --- which address counts ---


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "198.51.100.7"),  # not told of a proxy: anybody may write that header
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the left one is the sender's invention
        (2, "1.1.1.1, 203.0.113.9, 192.0.2.1", "203.0.113.9"),
        (2, "203.0.113.9", "198.51.100.7"),  # it did not come through both
        (1, "", "198.51.100.7"),
        (1, "nonsense", "198.51.100.7"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_behind_proxies(settings: Any, proxies: int, forwarded: str, expected: str) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=HERE, headers={"X-Forwarded-For": forwarded})
    assert address_of(request) == expected


def test_over_a_unix_socket_there_is_no_address(alice: User) -> None:
    assert [try_it("alice", address="").status_code for _time in range(10)][-1] == 429
    assert try_it("alice", PASSWORD, "").status_code == 429


def test_an_invented_header_does_not_help(alice: User) -> None:
    for number in range(10):
        try_it("alice", headers={"X-Forwarded-For": f"192.0.2.{number}"})
    assert not get_in("alice")


# --- the administration has no door of its own ---


def test_the_administration_asks_at_the_same_form(client: Client, root: User) -> None:
    answer = client.get("/admin/jobs/job/?q=x", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=/admin/jobs/job/%3Fq%3Dx"
    assert client.post("/admin/login/", {"username": "root", "password": PASSWORD}).status_code == 405
    answer = client.post(
        answer.redirect_chain[-1][0], {"username": "root", "password": PASSWORD, "next": "/admin/jobs/job/?q=x"}
    )
    assert answer.headers["Location"] == "/admin/jobs/job/?q=x"


def test_whoever_is_not_staff_is_told_and_not_sent_in_circles(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/admin/", follow=True).status_code == 403


# --- sessions ---


def test_a_planted_session_is_not_the_one_after_signing_in(alice: User) -> None:
    client = Client()
    client.get("/login/")
    session = client.session
    session["planted"] = "by mallory"
    session.save()
    before = session.session_key
    client.post("/login/", {"username": "alice", "password": PASSWORD})
    assert client.session.session_key != before
    stolen = Client()
    stolen.cookies["sessionid"] = before
    assert stolen.get("/spaces/").status_code == 302


def test_signing_out_ends_the_session_for_good(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    key = client.session.session_key
    assert client.get("/logout/").status_code == 405
    assert client.get("/spaces/").status_code == 200
    client.post("/logout/")
    copied = Client()
    copied.cookies["sessionid"] = key
    assert copied.get("/spaces/").status_code == 302


def test_scripts_and_other_sites_do_not_get_the_cookies(alice: User) -> None:
    client = Client()
    client.get("/login/")
    client.post("/login/", {"username": "alice", "password": PASSWORD})
    client.post("/language/", {"language": "zh-hans"})
    assert {"sessionid", "csrftoken", "django_language"} <= set(client.cookies)
    for name in ("sessionid", "csrftoken", "django_language"):
        # A page may read the one that its own forms hold anyway.
        assert bool(client.cookies[name]["httponly"]) == (name != "csrftoken"), name
        assert client.cookies[name]["samesite"] == "Lax", name


# --- one's own password ---

NEW = "an even longer sentence"


def change(client: Client, old: str = PASSWORD, new: str = NEW, again: str = NEW) -> Any:
    return client.post("/password/", {"old_password": old, "new_password1": new, "new_password2": again})


def test_a_user_changes_his_password_and_is_signed_out_elsewhere(alice: User) -> None:
    here, elsewhere = Client(), Client()
    here.force_login(alice)
    elsewhere.force_login(alice)
    assert "/password/" in here.get("/spaces/").text
    assert here.get("/password/").status_code == 200
    assert change(here).status_code == 302
    assert "Your password is changed." in here.get("/spaces/").text
    assert elsewhere.get("/spaces/").status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)


@pytest.mark.parametrize(
    "form", [{"old": "wrong"}, {"again": "another"}, {"new": "12345678", "again": "12345678"}, {"new": "", "again": ""}]
)
def test_it_says_what_is_wrong(alice: User, form: dict[str, str]) -> None:
    client = Client()
    client.force_login(alice)
    answer = change(client, **form)
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
