"""A dialog whose address is opened by itself: a page with one form, which tells what is wrong with it."""

from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job
from tests.browser.conftest import accessible
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from workspaces.models import Workspace

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


def test_the_error_stands_at_the_field_that_was_filled_in(
    job: Job, workspace: Workspace, signed_in: Page, base: str
) -> None:
    signed_in.goto(f"{base}/spaces/{workspace.serial}/jobs/new/")
    main = signed_in.get_by_role("main")
    main.get_by_label("Name").fill("<<")
    main.get_by_role("button", name="Create job").click()
    expect(main.locator(".field.wrong .error")).to_contain_text("Use 1 to 49 characters")
    expect(signed_in.get_by_role("dialog")).to_have_count(0)
    expect(signed_in.locator("#id_name")).to_have_count(1)
    expect(signed_in.locator("#id_name")).to_have_value("<<")
    accessible(signed_in)
    main.get_by_label("Name").fill("payments")
    main.get_by_role("button", name="Create job").dblclick()
    expect(signed_in.get_by_role("status")).to_contain_text("The job was created")
    assert Job.objects.filter(name="payments").count() == 1


def test_a_new_key_is_shown_without_an_error(signed_in: Page, base: str) -> None:
    said: list[str] = []
    signed_in.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    signed_in.goto(f"{base}/access-keys/new/")
    signed_in.get_by_role("button", name="Make the key").click()
    expect(signed_in.get_by_role("main")).to_contain_text("The access key is made")
    assert said == []


def test_an_act_leads_to_its_job(console: Console, signed_in: Page, base: str) -> None:
    signed_in.goto(f"{base}/jobs/{console.job.serial}/run/")
    signed_in.get_by_role("main").get_by_role("button", name="Run", exact=True).click()
    expect(signed_in).to_have_url(f"{base}/jobs/{console.job.serial}/")
    expect(signed_in.locator("#job-head")).to_contain_text("Operating")


def test_what_follows_a_publication_goes_on_by_itself_and_stays_one_page(
    console: Console, signed_in: Page, base: str
) -> None:
    console.click_run()
    signed_in.goto(f"{base}/jobs/{console.job.serial}/next/1/")
    main = signed_in.get_by_role("main")
    expect(main).to_contain_text("Another operation is under way")
    console.settle()
    expect(main).to_contain_text("Stop it first")
    main.get_by_role("button", name="Stop the running version").click()
    expect(main).to_contain_text("goes on when it has fully stopped")
    expect(signed_in.get_by_role("dialog")).to_have_count(0)
    console.settle()
    main.get_by_role("link", name="Run version 1").click()
    expect(signed_in).to_have_url(f"{base}/jobs/{console.job.serial}/run/?version=1")
    expect(main.get_by_label("From the latest snapshot")).to_be_checked()


def test_headings_skip_no_level(console: Console, fake: FakeFlink, signed_in: Page, base: str) -> None:
    console.start()
    fake.fail_job(console.run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    for address in ("", "run/", "copy/", "why/"):
        signed_in.goto(f"{base}/jobs/{console.job.serial}/{address}")
        levels = [
            int(one.evaluate("one => one.tagName.slice(1)")) for one in signed_in.locator("main :is(h1,h2,h3,h4)").all()
        ]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert max(b - a for a, b in pairwise(levels)) <= 1, (address, levels)
