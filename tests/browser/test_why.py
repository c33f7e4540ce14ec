"""From the triangle to the reason, to what helps: in a real browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job
from jobs.operations.record import problem
from jobs.states import Status
from tests.browser.conftest import accessible
from tests.conftest import Console

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


def fail(job: Job, words: str, **values: Any) -> None:
    why = problem("flink", words, "java.lang.Exception: x\n\tat com.acme.Some.java", **values)
    Job.objects.filter(pk=job.pk).update(status=Status.FAILED, problem=why)


def test_the_triangle_leads_to_the_reason_and_to_what_helps(signed_in: Page, console: Console) -> None:
    page = signed_in
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fail(console.job, "IllegalStateException: Cannot map checkpoint/savepoint state for operator 90b")
    page.reload()
    page.hover(".problem-mark")
    tip = page.locator(".tip:popover-open")
    expect(tip.locator("time")).to_be_visible()
    tip.get_by_role("link", name="Details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Why this status?")).to_be_visible()
    expect(tip).to_have_count(0)
    accessible(page)
    dialog.get_by_role("button", name="Copy all of it").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert console.job.serial in copied
    assert "com.acme.Some.java" in copied
    dialog.get_by_role("link", name="Run, skipping state").click()
    expect(page.get_by_role("dialog").get_by_role("heading", name=re.compile("Run orders"))).to_be_visible()


def test_the_line_is_marked_and_the_field_is_ready(signed_in: Page, console: Console) -> None:
    page = signed_in
    fail(console.job, "Object 'x' not found", line=2)
    job = page.url.split("/spaces/")[0] + f"/jobs/{console.job.serial}/"
    page.goto(job)
    page.locator("#problem").get_by_role("link", name="Edit line 2").click()
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_text("2")
    expect(page.get_by_role("heading", name="No such table")).to_be_visible()
    page.goto(job + "draft/#id_parallelism")
    expect(page.locator("#id_parallelism")).to_be_focused()


def test_problems_appear_by_themselves(signed_in: Page, console: Console) -> None:
    page = signed_in
    page.get_by_role("link", name="Problems").click()
    expect(page.get_by_text("Nothing is wrong")).to_be_visible()
    accessible(page)
    fail(console.job, "ArithmeticException: / by zero")
    expect(page.get_by_role("heading", name="Division by zero (1 job)")).to_be_visible(timeout=15_000)
    accessible(page)
    page.get_by_role("link", name="Show in the list").click()
    expect(page.get_by_role("link", name="With this problem")).to_be_visible()
    expect(page.get_by_role("link", name="orders")).to_be_visible()
    accessible(page)
