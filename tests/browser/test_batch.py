"""Many jobs at once in a real browser, carried by a real worker over the fake Flink."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Batch, Job
from jobs.states import Action
from tests.browser.conftest import accessible
from tests.conftest import make_job
from tests.test_batch import Desk
from tests.worker import running_worker
from workspaces.models import Workspace

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


@pytest.fixture
def jobs(alice: User, workspace: Workspace, endpoint: FlinkEndpoint) -> list[Job]:
    """25 jobs, so that the first page does not hold all; the list shows the newest, job-24, first."""
    return [make_job(alice, workspace, endpoint, f"job-{number:02}") for number in range(25)]


@pytest.fixture
def worker(jobs: list[Job]) -> Iterator[None]:
    with running_worker():
        yield


def tick(page: Page, name: str, **options: Any) -> None:
    page.get_by_label(f"Tick {name}").click(**options)


def ask(page: Page, act: str) -> Locator:
    """Choose from the batch menu; return the dialog."""
    page.get_by_role("button", name="Batch operations").click()
    page.locator("#batch-menu").get_by_role("button", name=act, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_stop_with_snapshots_and_start_again_from_them(worker: None, jobs: list[Job], signed_in: Page) -> None:
    tick(signed_in, "job-24")
    tick(signed_in, "job-20", modifiers=["Shift"])
    expect(signed_in.locator("#ticked")).to_contain_text("5 selected")
    dialog = ask(signed_in, "Batch run")
    expect(dialog).to_contain_text("without state")
    accessible(signed_in)
    dialog.get_by_role("button", name="Run 5 jobs").click()
    expect(dialog).to_contain_text("5 / 5", timeout=60_000)
    accessible(signed_in)
    signed_in.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(signed_in.locator("#ticked")).to_be_hidden()

    tick(signed_in, "job-24")
    tick(signed_in, "job-19", modifiers=["Shift"])
    dialog = ask(signed_in, "Batch stop")
    expect(dialog).to_contain_text("1 of 6 jobs can't take this")
    expect(dialog.get_by_label("Create a snapshot when stopping")).to_be_checked()
    accessible(signed_in)
    dialog.get_by_role("button", name="Stop 5 jobs").click()
    expect(dialog).to_contain_text("6 / 6", timeout=60_000)
    expect(dialog).to_contain_text("Only a running job can be stopped.")
    dialog.get_by_role("link", name="Open the page of this batch").click()
    expect(signed_in.locator("h1")).to_contain_text("Stop: 6 jobs")
    accessible(signed_in)
    signed_in.get_by_role("link", name=re.compile("Not possible")).click()
    expect(signed_in.locator("table.items tbody tr")).to_have_count(1)
    signed_in.get_by_role("button", name=re.compile("Start again from the snapshots")).click()
    expect(signed_in.locator("h1")).to_contain_text("Run: 5 jobs")
    expect(signed_in.locator("#batch-count")).to_contain_text("5 / 5", timeout=60_000)
    assert all(job.runs.latest("number").restored_from for job in jobs[20:])
    expect(signed_in.locator("#batch-live")).not_to_have_attribute("hx-get", re.compile("."))


def test_a_page_follows_its_batch_and_offers_to_retry(worker: None, jobs: list[Job], signed_in: Page) -> None:
    tick(signed_in, "job-24")
    dialog = ask(signed_in, "Batch delete")
    expect(dialog).to_contain_text("These jobs go for good")
    dialog.get_by_role("button", name="Delete 1 job").click()
    expect(dialog).to_contain_text("1 / 1", timeout=30_000)
    signed_in.keyboard.press("Escape")
    expect(signed_in.get_by_label("Tick job-24")).to_have_count(0)
    expect(signed_in.locator("#count-root")).to_have_text("24")


def test_ticks_by_page_by_range_and_all_that_match(jobs: list[Job], signed_in: Page) -> None:
    bar, page_box = signed_in.locator("#ticked"), signed_in.get_by_label("Tick all on this page")
    expect(bar).to_be_hidden()
    page_box.click()
    expect(bar).to_contain_text("20 selected")
    accessible(signed_in)
    tick(signed_in, "job-24")
    expect(bar).to_contain_text("19 selected")
    assert page_box.evaluate("box => box.indeterminate")
    expect(bar.get_by_role("button", name="Select all 25 that match")).to_be_hidden()
    page_box.click()
    bar.get_by_role("button", name="Select all 25 that match").click()
    expect(bar).to_contain_text("All 25 that match are selected")
    dialog = ask(signed_in, "Batch move")
    expect(dialog.get_by_role("button", name="Move 25 jobs")).to_be_visible()
    accessible(signed_in)
    signed_in.keyboard.press("Escape")
    expect(signed_in.get_by_role("button", name="Batch operations")).to_be_focused()
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_be_hidden()
    assert not page_box.is_checked()


def test_the_order_of_ticking_is_the_order_of_the_batch(jobs: list[Job], signed_in: Page) -> None:
    for name in ("job-21", "job-24", "job-22"):
        tick(signed_in, name)
    dialog = ask(signed_in, "Batch run")
    expect(dialog.locator("tbody th")).to_have_text(["job-21", "job-24", "job-22"])
    signed_in.get_by_label("Without state").click()
    dialog.get_by_role("button", name="Run 3 jobs").click()
    expect(dialog).to_contain_text("0 / 3")
    assert [item.job.name for item in Batch.objects.get().items.all()] == ["job-21", "job-24", "job-22"]


def test_ticks_survive_the_poll_and_acts_that_no_job_can_take_are_off(jobs: list[Job], signed_in: Page) -> None:
    tick(signed_in, "job-24")
    for button, is_on in (("Batch stop", False), ("Batch run", True)):
        signed_in.get_by_role("button", name="Batch operations").click()
        item = signed_in.locator("#batch-menu").get_by_role("button", name=button)
        assert item.is_enabled() == is_on
        signed_in.keyboard.press("Escape")
    Job.objects.filter(pk=jobs[24].pk).update(status="failed")
    operations.rename_job(jobs[0].created_by, jobs[23], "renamed")  # type: ignore[arg-type]
    expect(signed_in.locator(f"#status-{jobs[24].serial}")).to_contain_text("Failed", timeout=8000)
    expect(signed_in.get_by_label("Tick job-24")).to_be_checked()


def test_the_dialog_shows_what_another_cluster_changes(jobs: list[Job], workspace: Workspace, signed_in: Page) -> None:
    other = Cluster.objects.create(name="older", supports_fine_grained=False, snapshot_directory="file:///s")
    FlinkEndpoint.objects.create(cluster=other, flink_version="1.20.5", rest_url="http://nowhere.invalid")
    ClusterBinding.objects.create(cluster=other, workspace=workspace)
    tick(signed_in, "job-24")
    dialog = ask(signed_in, "Batch copy")
    expect(dialog).to_contain_text("copied unchanged")
    dialog.get_by_label("Target cluster").select_option(label="older")
    expect(dialog).to_contain_text("Flink version 2.2.1 becomes 1.20.5")
    expect(dialog.get_by_role("button", name="Create 1 copy")).to_be_enabled()
    signed_in.keyboard.press("Escape")
    row = signed_in.get_by_role("row", name="job-23")
    row.get_by_role("button", name="More").click()
    signed_in.get_by_role("link", name="Create copy").click()
    expect(dialog).to_contain_text("Nothing will be changed")
    dialog.get_by_label("Target cluster").select_option(label="older")
    expect(dialog).to_contain_text("Flink version 2.2.1 becomes 1.20.5")
    accessible(signed_in)
    dialog.get_by_label("Name of the copy").fill("the-copy")
    dialog.get_by_role("button", name="Create copy").click()
    dialog.get_by_role("link", name="the-copy").click()
    expect(signed_in.locator("h1")).to_have_text("the-copy")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_folders_by_keyboard(jobs: list[Job], workspace: Workspace, alice: User, signed_in: Page, scheme: Any) -> None:
    top = operations.create_folder(alice, workspace, "top", None)
    below = operations.create_folder(alice, workspace, "below", top)
    operations.move_job(alice, jobs[0], below)
    signed_in.emulate_media(color_scheme=scheme)
    signed_in.reload()
    signed_in.get_by_label("Folders in top").focus()
    signed_in.keyboard.press("Enter")
    signed_in.get_by_role("link", name="below").click()
    expect(signed_in.locator("tbody tr")).to_have_count(1)
    expect(signed_in.get_by_role("link", name="below")).to_have_attribute("aria-current", "true")
    accessible(signed_in)
    more = signed_in.get_by_role("button", name="More for below")
    signed_in.get_by_role("link", name="below").focus()
    signed_in.keyboard.press("Tab")
    expect(more).to_be_focused()
    signed_in.keyboard.press("Enter")
    signed_in.locator(":popover-open").get_by_role("link", name="Delete").click()
    dialog = signed_in.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete folder").click()
    expect(dialog).to_contain_text("The folder is not empty")
    accessible(signed_in)
    signed_in.keyboard.press("Escape")
    # The menu of another folder is made when its button is come to.
    signed_in.locator("#folders").get_by_role("link", name="top").focus()
    signed_in.keyboard.press("Tab")
    expect(signed_in.get_by_role("button", name="More for top")).to_be_focused()
    signed_in.keyboard.press("Enter")
    expect(signed_in.locator("#folders :popover-open")).to_be_visible()
    for _entry in range(2):
        signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("Enter")
    expect(dialog.get_by_label("Folder name")).to_have_value("top")
    signed_in.keyboard.press("Escape")
    expect(signed_in.get_by_role("button", name="More for top")).to_be_focused()
    signed_in.set_viewport_size({"width": 800, "height": 800})
    expect(signed_in.locator("#folders")).to_be_hidden()
    signed_in.get_by_role("button", name="Folders").click()
    expect(signed_in.locator("#folders")).to_be_visible()


def test_the_end_of_a_dialog_takes_no_focus_from_who_has_gone_on(jobs: list[Job], signed_in: Page) -> None:
    """The browser tells of the end a frame later, or seconds later on a busy machine: keys may have been pressed by then."""
    signed_in.get_by_role("link", name="New job").click()
    expect(signed_in.get_by_role("dialog").get_by_label("Job name")).to_be_focused()
    gone_on = """async () => {
        const dialog = document.getElementById("dialog");
        const told = new Promise((done) => dialog.addEventListener("close", done));
        dialog.close();
        document.getElementById("search").focus();
        await told;
    }"""
    signed_in.evaluate(gone_on)
    expect(signed_in.locator("#search")).to_be_focused()
    expect(signed_in.locator("#dialog")).to_be_empty()
    signed_in.get_by_role("link", name="New job").click()
    expect(signed_in.get_by_role("dialog")).to_be_visible()
    signed_in.keyboard.press("Escape")
    expect(signed_in.get_by_role("link", name="New job")).to_be_focused()


def test_the_pages_of_batches_are_accessible_and_print(
    jobs: list[Job], workspace: Workspace, alice: User, endpoint: FlinkEndpoint, signed_in: Page, live_server: Any
) -> None:
    desk = Desk(alice, workspace, endpoint)
    batch = desk.settle(desk.batch(Action.STOP, jobs, with_snapshot=True))
    for scheme in ("light", "dark"):
        signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for address in (f"/batches/{batch.serial}/", f"/spaces/{workspace.serial}/batches/"):
            signed_in.goto(live_server.url + address)
            accessible(signed_in)
    signed_in.goto(f"{live_server.url}/batches/{batch.serial}/")
    signed_in.set_viewport_size({"width": 680, "height": 960})  # A4 without its margins, at 96 dots an inch
    signed_in.emulate_media(media="print")
    expect(signed_in.locator(".sidebar")).to_be_hidden()
    assert signed_in.evaluate("document.documentElement.scrollWidth <= innerWidth")
