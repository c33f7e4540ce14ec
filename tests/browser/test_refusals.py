"""What the page says when the console does not do what was asked: the true reason, where the user looks, and nothing that he typed is lost."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from jobs import operations
from jobs.models import Draft, Job
from tests.browser.conftest import accessible
from tests.browser.test_console import type_sql
from tests.conftest import PASSWORD
from tests.until import until
from workspaces.models import Member, Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # Of pytest-playwright's own fixtures.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]
TYPED = "-- two hours of work"


@pytest.fixture
def draft(job: Job, signed_in: Page, live_server: Any) -> Page:
    """The page of the draft, with something typed that is not saved."""
    signed_in.goto(f"{live_server.url}/jobs/{job.serial}/draft/")
    type_sql(signed_in, TYPED)
    return signed_in


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def sign_out(page: Page, url: str) -> Page:
    """Sign out in another tab; return it."""
    elsewhere = page.context.new_page()
    elsewhere.goto(url)
    elsewhere.get_by_role("button", name="alice").click()
    elsewhere.get_by_role("button", name="Sign out").click()
    return elsewhere


def sign_in(page: Page) -> None:
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/**")


def test_who_signs_out_elsewhere_and_in_again_saves_what_he_typed(draft: Page, job: Job, live_server: Any) -> None:
    asked: list[str] = []
    draft.on("dialog", lambda dialog: asked.append(dialog.type))
    sign_out(draft, live_server.url)
    save(draft)
    told = draft.get_by_role("alert")
    expect(told).to_contain_text("You are signed out. What you have typed is still here")
    accessible(draft)
    with draft.context.expect_page() as opened:
        told.get_by_role("link", name="Sign in").click()
    sign_in(opened.value)
    expect(told).to_have_count(0, timeout=8000)  # the page asks for what is new, and gets it again
    save(draft)
    until(lambda: Draft.objects.get(job=job).sql == TYPED, "it is saved")
    expect(draft.locator("[data-unsaved]")).to_be_hidden()
    assert asked == []


def test_who_signed_in_anew_while_the_page_was_hidden_can_save(
    draft: Page, job: Job, live_server: Any, alice: User
) -> None:
    """The page has noticed nothing, and its form has the token from before."""
    draft.route("**/poll/**", lambda route: route.abort())
    elsewhere = sign_out(draft, live_server.url)
    sign_in(elsewhere)
    save(draft)
    until(lambda: Draft.objects.get(job=job).sql == TYPED, "it is saved")


def test_without_anything_typed_it_goes_to_the_sign_in_page(job: Job, signed_in: Page) -> None:
    signed_in.context.clear_cookies()
    signed_in.wait_for_url("**/login/**", timeout=8000)


def test_a_job_that_was_deleted_elsewhere_is_said_to_be_gone(draft: Page, job: Job, alice: User) -> None:
    asked: list[str] = []
    draft.on("request", lambda request: asked.append(request.url) if "/poll/" in request.url else None)
    operations.delete(alice, job)
    save(draft)
    expect(draft.get_by_role("alert")).to_contain_text("not there any more: it was deleted")
    until(lambda: draft.evaluate("isOver"), "it has asked, and asks no more")
    asked.clear()
    draft.wait_for_timeout(3000)
    assert asked == []
    expect(draft.get_by_role("alert")).to_have_count(1)


def test_who_may_no_more_is_told_in_the_dialog(job: Job, signed_in: Page, alice: User) -> None:
    signed_in.get_by_role("row", name="orders").get_by_role("link", name="Run", exact=True).click()
    dialog = signed_in.get_by_role("dialog")
    button = dialog.get_by_role("button", name="Run", exact=True)
    expect(button).to_be_visible()
    Member.objects.filter(user=alice).update(role=Role.VIEWER)
    button.click()
    expect(dialog.get_by_role("alert")).to_contain_text("You may not do this, or not any more")
    accessible(signed_in)


def test_what_is_too_large_is_said_to_be(draft: Page, job: Job) -> None:
    type_sql(draft, "-- " + "x" * 3_000_000)
    save(draft)
    expect(draft.get_by_role("alert")).to_contain_text("This is too large", timeout=20_000)


def test_what_is_too_large_has_a_page_of_its_own(client: Client, job: Job, alice: User) -> None:
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/draft/", {"sql": "x" * 3_000_000, "do": "save"})
    assert (answer.status_code, "This is too large" in answer.text) == (413, True)


def test_offline_nothing_is_promised(draft: Page, job: Job) -> None:
    draft.context.set_offline(True)
    save(draft)
    expect(draft.get_by_role("alert")).to_contain_text(
        "The console cannot be reached. What you have typed is still here"
    )
    draft.context.set_offline(False)
    expect(draft.get_by_role("alert")).to_have_count(0, timeout=8000)
    save(draft)
    until(lambda: Draft.objects.get(job=job).sql == TYPED, "it is saved")


def test_a_secret_that_was_typed_stays_in_the_dialog_though_it_is_not_sent_back(
    job: Job, signed_in: Page, live_server: Any
) -> None:
    signed_in.goto(f"{live_server.url}/spaces/{job.workspace.serial}/variables/")
    signed_in.get_by_role("link", name="New variable").first.click()
    dialog = signed_in.locator("dialog[open]")
    dialog.get_by_label("Name").fill("1a")
    dialog.get_by_label("Value", exact=True).fill("barley")
    dialog.get_by_label("Hide the value").check()
    dialog.get_by_role("button", name="Create variable").click()
    expect(dialog.locator(".error")).to_be_visible()
    dialog.get_by_label("Name").fill("password")
    dialog.get_by_role("button", name="Create variable").click()
    expect(signed_in.get_by_text("The variable password was created.").first).to_be_visible()
    assert job.workspace.variables.get(name="password").clear_value() == "barley"
