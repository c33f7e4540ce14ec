"""The console in a real browser, over the fake Flink: what only JavaScript can get wrong."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone
from playwright.sync_api import Page, expect

from jobs.models import Draft, Job, Problem
from jobs.operations import save_draft
from jobs.states import Status
from tests.browser.conftest import accessible
from tests.conftest import SQL, Console, measured
from tests.until import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # Of pytest-playwright's own fixtures.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


def type_sql(page: Page, sql: str) -> None:
    page.evaluate("sql => ace.edit(document.querySelector('.ace-box')).setValue(sql, -1)", sql)


def test_a_line_that_is_wrong_is_in_sight_beside_what_is_told_of_it(
    job: Job, signed_in: Page, live_server: Any
) -> None:
    signed_in.set_viewport_size({"width": 1440, "height": 900})
    signed_in.goto(f"{live_server.url}/jobs/{job.serial}/draft/")
    type_sql(signed_in, "SELECT 1;\n" * 20 + "SELECT 'oops;")
    assert signed_in.evaluate("document.documentElement.scrollHeight <= innerHeight")
    signed_in.get_by_role("button", name="Check").click()
    expect(signed_in.locator("#draft-result")).to_contain_text("Line 21")
    middle = """() => {
        const [line, box] = [".error-line", ".ace-box"].map((name) => document.querySelector(name).getBoundingClientRect());
        return line.top > box.top + 40 && line.bottom < box.bottom - 40;
    }"""
    signed_in.wait_for_function(middle)


def test_run_from_the_list_swaps_the_cell_and_returns_the_focus(job: Job, signed_in: Page) -> None:
    run = signed_in.get_by_role("row", name="orders").get_by_role("link", name="Run", exact=True)
    run.click()
    dialog = signed_in.get_by_role("dialog")
    expect(dialog).to_contain_text("This job has no snapshot yet")
    accessible(signed_in)
    signed_in.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(run).to_be_focused()
    run.click()
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(signed_in.locator(f"#status-{job.serial}")).to_contain_text("Operating")
    expect(signed_in.get_by_role("status")).to_contain_text("is being started")


def test_the_list_follows_without_a_reload(console: Console, signed_in: Page) -> None:
    cell = signed_in.locator(f"#status-{console.job.serial}")
    expect(cell).to_contain_text("Stopped")
    console.start()
    expect(cell).to_contain_text("Running", timeout=8000)
    expect(signed_in.get_by_role("row", name="orders").get_by_role("link", name="Stop", exact=True)).to_be_visible()


def test_a_menu_survives_the_poll(console: Console, signed_in: Page) -> None:
    signed_in.get_by_role("row", name="orders").get_by_role("button", name="More").click()
    delete = signed_in.get_by_role("link", name="Delete")
    expect(delete).to_be_visible()
    Job.objects.filter(pk=console.job.pk).update(last_run_number=0)
    signed_in.wait_for_timeout(4500)
    expect(delete).to_be_visible()


@pytest.mark.parametrize("tab", ["", "draft/"])
def test_a_menu_stays_open_while_its_job_changes(console: Console, signed_in: Page, live_server: Any, tab: str) -> None:
    run = console.start()
    signed_in.goto(f"{live_server.url}/jobs/{console.job.serial}/{tab}")
    signed_in.locator("#job-head").get_by_role("button", name="More").click()
    delete = signed_in.get_by_role("link", name="Delete")
    expect(delete).to_be_visible()
    for tasks in (1, 0):
        run.__class__.objects.filter(pk=run.pk).update(tasks_up=tasks)
        Job.objects.filter(pk=console.job.pk).update(changed_at=timezone.now())
        expect(signed_in.locator("#job-head")).to_contain_text(f"{tasks} of 2", timeout=8000)
        expect(delete).to_be_visible()


def test_search_by_keyboard(job: Job, signed_in: Page) -> None:
    signed_in.keyboard.press("/")
    signed_in.keyboard.type("nothing like it")
    expect(signed_in.locator("#listing")).to_contain_text("No job matches")
    expect(signed_in).to_have_url(re.compile("q=nothing"))
    expect(signed_in.locator("#search")).to_be_focused()


def test_a_job_is_found_from_any_page(job: Job, signed_in: Page, live_server: Any) -> None:
    signed_in.goto(f"{live_server.url}/jobs/{job.serial}/versions/")
    signed_in.keyboard.press("Control+k")
    expect(signed_in.locator("#find")).to_be_focused()
    signed_in.keyboard.type(job.serial)
    signed_in.keyboard.press("Enter")
    expect(signed_in).to_have_url(re.compile(rf"/jobs/\?q={job.serial}"))
    expect(signed_in.get_by_role("row", name=job.name)).to_be_visible()


def test_going_back_to_a_search_shows_the_page(job: Job, signed_in: Page) -> None:
    """What htmx got for that address was kept by the browser, and is only a part."""
    signed_in.locator("#search").fill("orders")
    signed_in.wait_for_url("**q=orders**")
    signed_in.get_by_role("link", name="orders").click()
    signed_in.wait_for_url(f"**/jobs/{job.serial}/")
    signed_in.go_back()
    expect(signed_in.locator("#search")).to_have_value("orders")
    expect(signed_in.get_by_role("heading", name="Jobs")).to_be_visible()


def test_the_problem_is_told_on_hover_and_on_focus(console: Console, signed_in: Page) -> None:
    console.start()
    with_problem(console)
    signed_in.reload()
    mark = signed_in.get_by_role("button", name="What went wrong").first
    mark.hover()
    expect(signed_in.get_by_role("tooltip").first).to_contain_text("Division by zero")
    signed_in.mouse.move(0, 0)
    expect(signed_in.get_by_role("tooltip").first).to_be_hidden()
    mark.focus()
    expect(signed_in.get_by_role("tooltip").first).to_be_visible()


def with_problem(console: Console) -> None:
    why = Problem.objects.create(code="flink", summary="java.lang.ArithmeticException: / by zero")
    Job.objects.filter(pk=console.job.pk).update(status=Status.FAILED, problem=why)


def test_the_editor_saves_warns_and_marks_the_line(job: Job, signed_in: Page, live_server: Any) -> None:
    signed_in.goto(f"{live_server.url}/jobs/{job.serial}/draft/")
    expect(signed_in.locator(".ace_keyword").first).to_be_visible()
    accessible(signed_in)
    type_sql(signed_in, "SELECT 1;\nSELECT 'oops;")
    expect(signed_in.get_by_text("not saved", exact=True)).to_be_visible()
    signed_in.get_by_role("button", name="Check").click()
    expect(signed_in.locator(".error-line")).to_have_count(1)
    expect(signed_in.locator("#draft-result")).to_contain_text("never closed")
    type_sql(signed_in, SQL + "-- of the browser")
    expect(signed_in.locator(".error-line")).to_have_count(0)
    warned = []
    signed_in.once("dialog", lambda box: (warned.append(box.type), box.dismiss()))
    signed_in.get_by_role("link", name="Overview").click()
    assert warned == ["beforeunload"]
    signed_in.keyboard.press("Control+s")
    expect(signed_in.get_by_text("not saved", exact=True)).to_be_hidden()
    assert Draft.objects.get(job=job).sql.endswith("-- of the browser")
    signed_in.get_by_role("link", name="Overview").click()
    expect(signed_in).to_have_url(f"{live_server.url}/jobs/{job.serial}/")


def test_two_people_edit(job: Job, bob: User, signed_in: Page, live_server: Any) -> None:
    signed_in.goto(f"{live_server.url}/jobs/{job.serial}/draft/")
    save_draft(bob, job, 1, {"sql": "-- of bob"})
    type_sql(signed_in, "-- of alice")
    signed_in.get_by_role("button", name="Save", exact=True).click()
    dialog = signed_in.get_by_role("dialog")
    expect(dialog).to_contain_text("bob")
    accessible(signed_in)
    dialog.get_by_role("button", name="Go on editing mine").click()
    assert signed_in.evaluate("ace.edit(document.querySelector('.ace-box')).getValue()") == "-- of alice"
    signed_in.get_by_role("button", name="Save", exact=True).click()
    dialog.get_by_role("button", name="Save mine over theirs").click()
    expect(signed_in.get_by_text("not saved", exact=True)).to_be_hidden()
    assert Draft.objects.get(job=job).sql == "-- of alice"


def test_publish_while_a_version_runs(console: Console, signed_in: Page, live_server: Any) -> None:
    console.start()
    signed_in.goto(f"{live_server.url}/jobs/{console.job.serial}/draft/")
    type_sql(signed_in, SQL + "-- second")
    signed_in.get_by_role("button", name="Publish draft").click()
    dialog = signed_in.get_by_role("dialog")
    dialog.get_by_label("Version note").fill("The second one")
    dialog.get_by_role("button", name="Publish version 2").click()
    expect(dialog).to_contain_text("Version 1 is running. Stop it first")
    expect(dialog.get_by_label("Create a snapshot when stopping")).to_be_checked()
    accessible(signed_in)
    dialog.get_by_role("button", name="Stop the running version").click()
    expect(dialog).to_contain_text("goes on when it has fully stopped")
    console.settle()
    dialog.get_by_role("link", name="Run version 2").click()
    expect(dialog.get_by_label("From the latest snapshot")).to_be_checked()
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(signed_in.locator("#job-head")).to_contain_text("Operating")
    console.settle()
    assert console.run.version.number == 2
    assert console.run.restored_from == console.snapshot


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(console: Console, signed_in: Page, live_server: Any, scheme: Any) -> None:
    console.start()
    measured(console.run)
    console.click_stop()
    console.settle()
    with_problem(console)
    signed_in.emulate_media(color_scheme=scheme)
    job, space = f"/jobs/{console.job.serial}/", f"/spaces/{console.job.workspace.serial}/"
    tabs = (
        "",
        "draft/",
        "versions/",
        "versions/1/",
        "versions/compare/",
        "snapshots/",
        "runs/",
        "operations/",
        "monitoring/",
        "logs/?process=running",
        "logs/?process=startup",
    )
    dialogs = ("publish/", "run/", "stop/", "snapshot/", "cancel/", "delete/", "copy/", "move/", "rename/", "describe/")
    places = ("jobs/", "jobs/new/", "folders/new/", "batches/", "operations/", "clusters/", "members/")
    addresses = [*(job + one for one in tabs + dialogs), *(space + one for one in places), "/spaces/"]
    for address in addresses:
        answer = signed_in.goto(live_server.url + address)
        assert answer is not None
        assert answer.ok, (address, answer.status)
        accessible(signed_in)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signing_in_is_accessible(page: Page, live_server: Any, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{live_server.url}/login/")
    accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_access_keys_are_accessible(signed_in: Page, live_server: Any, scheme: Any) -> None:
    signed_in.emulate_media(color_scheme=scheme)
    signed_in.goto(f"{live_server.url}/access-keys/")
    accessible(signed_in)


def test_a_list_that_is_slow_to_come_shows_skeletons(job: Job, signed_in: Page) -> None:
    held: list[Any] = []
    signed_in.route(re.compile(r"/jobs/\?.*q="), lambda route: held.append(route))
    signed_in.locator("#search").fill("ord")
    expect(signed_in.locator("#listing.htmx-request")).to_be_visible()
    opacity = "() => getComputedStyle(document.querySelector('#listing tbody td'), '::after').opacity"
    until(lambda: float(signed_in.evaluate(opacity)) > 0.5, "the skeleton", seconds=5)
    held[0].continue_()
    expect(signed_in.locator("#listing.htmx-request")).to_have_count(0)
    expect(signed_in.get_by_role("row", name="orders")).to_be_visible()


def test_what_takes_its_time_is_seen_to_be_under_way(job: Job, signed_in: Page) -> None:
    held: list[Any] = []
    signed_in.route("**/run/", lambda route: held.append(route))
    signed_in.get_by_role("row", name="orders").get_by_role("link", name="Run", exact=True).click()
    bar = "one => { const { content, opacity } = getComputedStyle(document.querySelector(one), '::after'); return content !== 'none' && opacity === '1'; }"
    until(lambda: signed_in.evaluate(bar, "body"), "the bar", seconds=5)
    held.pop().continue_()
    dialog = signed_in.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert not signed_in.evaluate(bar, "body")
    dialog.get_by_role("button", name="Run", exact=True).click()
    until(lambda: signed_in.evaluate(bar, "#dialog"), "the bar over the dialog", seconds=5)
    held.pop().continue_()
    expect(dialog).to_be_hidden()


def test_the_appearance_is_remembered(job: Job, signed_in: Page) -> None:
    signed_in.get_by_role("button", name="Appearance").click()
    signed_in.get_by_role("button", name="Dark").click()
    expect(signed_in.locator("html")).to_have_attribute("data-theme", "dark")
    signed_in.reload()
    expect(signed_in.locator("html")).to_have_attribute("data-theme", "dark")


def test_at_1280_and_below_nothing_scrolls_sideways(job: Job, signed_in: Page) -> None:
    for width in (1920, 1280, 800, 400):
        signed_in.set_viewport_size({"width": width, "height": 800})
        assert signed_in.evaluate("document.documentElement.scrollWidth <= innerWidth")
    signed_in.get_by_role("button", name="Main menu").click()
    expect(signed_in.get_by_role("navigation", name="Main menu")).to_be_visible()


def test_what_is_said_to_screen_readers_is_the_status_and_only_when_it_changes(
    console: Console, signed_in: Page, base: str
) -> None:
    signed_in.goto(f"{base}/jobs/{console.job.serial}/")
    said = signed_in.locator("#said")
    signed_in.evaluate(
        """() => {
            window.told = [];
            const said = document.getElementById("said");
            new MutationObserver(() => window.told.push(said.textContent)).observe(said, { childList: true });
        }"""
    )
    expect(said).to_have_attribute("aria-live", "polite")
    expect(said).to_be_empty()
    console.click_run()
    expect(said).to_have_text("Status: Operating")
    console.perform()  # another step, the same status
    expect(signed_in.locator("#job-head")).to_contain_text("waiting until all tasks run")
    console.settle()
    expect(said).to_have_text("Status: Running")
    Job.objects.update(changed_at=Now())  # the head is sent again, and says the same
    with signed_in.expect_response(lambda answer: "/poll/" in answer.url and answer.status == 200):
        pass
    assert signed_in.evaluate("window.told") == ["Status: Operating", "Status: Running"]
