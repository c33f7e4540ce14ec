"""What only a browser shows of the pages in Chinese: what the style sheets write."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from jobs import operations
from jobs.models import Job
from jobs.states import Action

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


@pytest.mark.parametrize(("language", "colon"), [("en", '": "'), ("zh-hans", '"："')])
def test_a_colon_of_the_language_stands_after_the_name_of_a_parameter(
    job: Job, alice: User, signed_in: Page, base: str, language: str, colon: str
) -> None:
    operations.request_batch(alice, job.workspace, Action.PUBLISH, Job.objects.all(), {"note": "all"})
    signed_in.set_extra_http_headers({"Accept-Language": language})
    for address in (f"/spaces/{job.workspace.serial}/operations/", f"/jobs/{job.serial}/operations/"):
        signed_in.goto(base + address)
        name = signed_in.locator(".params dt").first
        assert name.evaluate("one => getComputedStyle(one, '::after').content") == colon
