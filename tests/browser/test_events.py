"""The events of a job: narrowed, followed while they happen, and left for what they are about, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from jobs import operations
from tests.browser.conftest import accessible
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


def test_a_night_is_read_narrowed_and_followed(signed_in: Page, base: str, console: Console, fake: FakeFlink) -> None:
    page = signed_in
    operations.switch_recovery(console.user, console.job, False)
    fake.fail_job(console.start().flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    page.goto(f"{base}/jobs/{console.job.serial}/")
    page.get_by_role("navigation", name="Parts of the job").get_by_role("link", name="Events").click()
    rows = page.locator(".timeline > li")
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text("Run #1 failed on Flink. Division by zero")
    expect(rows.first.locator(".event-kind")).to_have_text("Job failed")
    accessible(page)

    # What is folded out stays so when something new comes in, and what is new comes in by itself.
    rows.first.get_by_text("Cause and solution").click()
    expect(rows.first.locator(".explanation")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")
    console.start()
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("Run #2 of version 1 started without state.")
    expect(rows.nth(1).locator(".explanation")).to_be_visible()

    # The filters narrow it in place, and what comes in then is narrowed, too.
    page.get_by_label("Running instance").fill("2")
    page.get_by_label("Running instance").press("Enter")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"run=2"))
    page.get_by_label("Time").select_option("24h")
    expect(page).to_have_url(re.compile(r"range=24h.*run=2"))
    console.click_snapshot()
    console.settle()
    expect(rows).to_have_count(2)
    assert page.evaluate("window.isTheSamePage")
    page.get_by_role("navigation", name="Kinds of events").get_by_role("link", name="Snapshot created").click()
    expect(rows).to_have_count(1)
    expect(page.get_by_label("Running instance")).to_have_value("2")
    page.get_by_role("link", name="Clear").click()
    expect(rows).to_have_count(7)

    rows.first.get_by_role("link", name=console.snapshot.serial).click()
    expect(page.locator("tr:target")).to_contain_text(console.snapshot.serial)
