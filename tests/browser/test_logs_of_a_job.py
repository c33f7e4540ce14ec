"""The tab of logs in a real browser: it comes by itself, is searched, follows, wraps, and stays where it was scrolled to."""

import re

import pytest
from playwright.sync_api import Page, expect

from jobs import look_into_logs
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.until import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]

AT = "2026-01-01 10:00:00,000"


def lines(first: int, last: int) -> bytes:
    long = "and so on " * 40
    return "".join(f"{AT} INFO  x.Main [] - line {n} {long}\n" for n in range(first, last)).encode()


@pytest.fixture
def log(console: Console, fake: FakeFlink, signed_in: Page, base: str) -> Page:
    console.start()
    fake.logs["fake-tm-0"]["log"] = lines(0, 600)
    fake.logs[""]["log"] = f"{AT} WARN  x.Main [] - of the JobManager\n".encode()
    signed_in.goto(f"{base}/jobs/{console.job.serial}/")
    signed_in.get_by_role("link", name="Logs").click()
    return signed_in


def test_it_comes_by_itself_and_is_searched(log: Page) -> None:
    expect(log.locator("#log-text")).to_contain_text("line 599")
    box = log.get_by_role("group", name="Log", exact=True)
    assert abs(box.evaluate("one => one.scrollTop")) < 1  # its end is seen
    assert box.evaluate("one => one.scrollHeight > one.clientHeight")
    search = log.get_by_label("Keywords")
    search.fill("LINE 7")
    search.press("Enter")
    expect(log.locator("mark").first).to_have_text(re.compile("line", re.IGNORECASE))
    expect(log.locator(".log-summary")).to_contain_text("lines found in")
    expect(search).to_be_focused()
    log.reload()
    expect(search).to_have_value("LINE 7")
    expect(log.locator("mark").first).to_be_visible()


def test_another_process_is_chosen(log: Page) -> None:
    log.get_by_label("Log of").select_option("jobmanager")
    expect(log.locator(".log-warn")).to_have_text(f"{AT} WARN  x.Main [] - of the JobManager")
    log.get_by_label("Log of").select_option("startup")
    expect(log.locator("#logs")).to_contain_text("Flink accepted")
    log.get_by_label("Log of").select_option(label="TaskManager that runs this job")
    expect(log.locator("#log-text")).to_contain_text("line 599")


def test_it_follows_and_stays_where_it_was_scrolled_to(
    log: Page, fake: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_into_logs, "FOLLOWED_EVERY_SECONDS", 1)
    asked = fake.seen("GET", "/taskmanagers/fake-tm-0/log")
    log.get_by_label("Wrap lines").uncheck()
    log.get_by_label("Refresh by itself").check()
    expect(log.locator(".log-summary")).to_contain_text("read again every 1 s")
    expect(log.get_by_label("Wrap lines")).not_to_be_checked()  # a switch of the page alone
    box = log.get_by_role("group", name="Log", exact=True)
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
    fake.logs["fake-tm-0"]["log"] += lines(600, 602)
    expect(log.locator("#log-text")).to_contain_text("line 601")
    box.evaluate("one => one.scrollTo(0, -500)")
    until(lambda: fake.seen("GET", "/taskmanagers/fake-tm-0/log") > asked + 3, "it was read again")
    assert box.evaluate("one => one.scrollTop") == -500
    fake.stop()
    expect(log.locator("#log-status")).to_contain_text("The log could not be read")
    expect(log.locator("#log-text")).to_contain_text("line 601")  # what was read stays


def test_nothing_is_asked_again_unless_it_is_wanted(log: Page, fake: FakeFlink) -> None:
    expect(log.locator("#log-text")).to_contain_text("line 599")
    asked = fake.seen("GET", "/taskmanagers/fake-tm-0/log")
    log.wait_for_timeout(1500)
    assert fake.seen("GET", "/taskmanagers/fake-tm-0/log") == asked
    log.get_by_role("button", name="Refresh").click()
    until(lambda: fake.seen("GET", "/taskmanagers/fake-tm-0/log") == asked + 1, "it was read again")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_all_that_narrows_it_stands_in_one_line(log: Page, language: str) -> None:
    log.set_extra_http_headers({"Accept-Language": language})
    log.set_viewport_size({"width": 1440, "height": 900})
    log.reload()
    log.locator("#log-process").select_option("jobmanager")
    expect(log.locator(".log-warn")).to_be_visible()
    controls = log.locator(".logs .filters :is(select, [type=search], .filters-end button)")
    middles = controls.evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect()).map((box) => box.y + box.height / 2)"
    )
    assert len(middles) == 5
    assert max(middles) - min(middles) < 12
