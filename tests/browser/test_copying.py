"""What is said to be copied is in the clipboard, also over plain HTTP, where browsers give pages none."""

import re

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


@pytest.mark.parametrize("place", ["", "why/"])
def test_over_plain_http_it_is_copied_too(job: Job, signed_in: Page, base: str, place: str) -> None:
    signed_in.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    signed_in.goto(f"{base}/jobs/{job.serial}/")
    if place:
        signed_in.get_by_role("link", name="Why").click()
    button = signed_in.locator("#dialog [data-copy]" if place else "#job-head [data-copy]")
    text = button.get_attribute("data-copy")
    assert text
    button.click()
    expect(button).to_have_class(re.compile("copied"))
    expect(button).to_be_focused()
    signed_in.goto(f"{base}/spaces/{job.workspace.serial}/jobs/new/")
    signed_in.evaluate("document.querySelector('main').append(document.createElement('textarea'))")
    pasted = signed_in.locator("main > textarea")
    pasted.press("Control+V")
    assert pasted.input_value() == text.replace("\r\n", "\n")
