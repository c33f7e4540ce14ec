"""On a phone: what is shown is in sight, and what is in the bar at the top can be told apart."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job
from jobs.states import Action
from tests.browser.conftest import accessible
from tests.conftest import Console
from workspaces.models import Workspace

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


@pytest.fixture
def phone(signed_in: Page) -> Page:
    signed_in.set_viewport_size({"width": 390, "height": 844})
    return signed_in


@pytest.mark.parametrize("tab", ["", "versions/", "runs/", "events/", "operations/", "monitoring/", "logs/"])
def test_the_tab_that_is_shown_is_in_sight(job: Job, phone: Page, base: str, tab: str) -> None:
    phone.goto(f"{base}/jobs/{job.serial}/{tab}")
    expect(phone.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=0.9)
    assert phone.evaluate("scrollY") == 0


def test_a_long_name_of_a_workspace_leaves_the_rest_of_the_bar_alone(workspace: Workspace, phone: Page) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(name="All the streams of the shops")
    phone.reload()
    user = phone.get_by_role("button", name="alice")
    assert box(user)["width"] >= box(user.locator(".avatar"))["width"] + box(user.locator("svg"))["width"]
    assert box(user.locator(".avatar"))["width"] == 24
    assert box(phone.locator(".switch"))["width"] >= 120
    user.click()
    expect(phone.locator("#user-menu").get_by_text("alice")).to_be_visible()


def box(one: Any) -> dict[str, float]:
    found: dict[str, float] | None = one.bounding_box()
    assert found
    return found


def test_a_job_is_found_from_every_page(job: Job, phone: Page, base: str) -> None:
    phone.goto(f"{base}/jobs/{job.serial}/runs/")
    field = phone.get_by_role("searchbox", name="Find a job in this workspace")
    expect(field).to_be_hidden()
    phone.get_by_role("button", name="Find a job").click()
    expect(field).to_be_in_viewport(ratio=1)
    expect(field).to_be_focused()
    accessible(phone)
    phone.keyboard.press("Escape")
    expect(field).to_be_hidden()
    phone.keyboard.press("Control+k")
    expect(field).to_be_focused()
    field.fill("orders")
    field.press("Enter")
    expect(phone).to_have_url(re.compile(r"/jobs/\?q=orders$"))


def test_the_outcomes_of_a_batch_are_in_sight(job: Job, alice: User, phone: Page, base: str) -> None:
    batch = operations.request_batch(alice, job.workspace, Action.STOP, Job.objects.all(), {"with_snapshot": False})
    phone.goto(f"{base}/batches/{batch.serial}/")
    expect(phone.locator("table.items tbody .col-why")).to_be_hidden()
    operations.advance(batch.pk)
    phone.goto(f"{base}/batches/{batch.serial}/")
    for name in ("job", "outcome", "why", "where"):
        cell = box(phone.locator(f"table.items tbody .col-{name}"))
        assert 0 <= cell["x"] < cell["x"] + cell["width"] <= box(phone.locator(".items-box"))["width"] + 12


def test_what_becomes_of_a_copy_is_in_sight(job: Job, workspace: Workspace, phone: Page, base: str) -> None:
    old = Cluster.objects.create(name="old", snapshot_directory="file:///tmp/old", supports_fine_grained=False)
    ClusterBinding.objects.create(cluster=old, workspace=workspace)
    FlinkEndpoint.objects.create(cluster=old, flink_version="1.20.5", rest_url="http://127.0.0.1:9")
    phone.goto(f"{base}/spaces/{workspace.serial}/batch/copy/?job={job.serial}")
    phone.get_by_label("Target cluster").select_option("old")
    expect(phone.locator(".plan-table")).to_contain_text("1.20.5")
    assert phone.locator(".plan-table").evaluate("one => one.scrollWidth <= one.clientWidth")


def test_no_button_opens_a_menu_that_is_not_there(phone: Page, base: str) -> None:
    button = phone.get_by_role("button", name="Main menu")
    button.click()
    expect(phone.get_by_role("navigation", name="Main menu")).to_be_in_viewport()
    phone.goto(f"{base}/nothing/")
    expect(phone.get_by_role("heading", name="There is nothing here")).to_be_visible()
    expect(button).to_be_hidden()


def test_the_acts_of_the_batch_menu_stand_in_one_line_also_where_nothing_is_ticked(job: Job, phone: Page) -> None:
    phone.get_by_role("button", name="Batch operations").click()
    icons = phone.locator("#batch-menu svg")
    expect(icons).to_have_count(7)
    assert len({round(box(icon)["x"]) for icon in icons.all()}) == 1


@pytest.mark.parametrize(("width", "language"), [(390, "en"), (390, "zh-CN"), (1024, "en")])
def test_all_that_can_be_done_to_a_job_is_in_sight(console: Console, phone: Page, width: int, language: str) -> None:
    console.start()
    phone.set_viewport_size({"width": width, "height": 844})
    phone.set_extra_http_headers({"Accept-Language": language})
    phone.reload()
    serial = console.job.serial
    more = phone.locator(f"[popovertarget=more-{serial}]")
    expect(more).to_be_in_viewport(ratio=1)
    assert box(more)["height"] >= 44
    on_top = "(one) => { const box = one.getBoundingClientRect(); return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === one }"
    assert more.evaluate(on_top)
    phone.locator(".table-box").evaluate("(one) => { one.scrollLeft = 200 }")
    expect(more).to_be_in_viewport(ratio=1)
    assert more.evaluate(on_top), "what was scrolled goes beneath it"
    more.click()
    menu = phone.locator(f"#more-{serial}")
    for act in ("draft", "stop", "snapshot", "copy", "rename"):
        expect(menu.locator(f'a[href="/jobs/{serial}/{act}/"]')).to_be_in_viewport(ratio=1)
    menu.locator(f'a[href="/jobs/{serial}/stop/"]').click()
    expect(phone.get_by_role("dialog")).to_be_visible()


def test_where_the_acts_stand_in_the_row_the_menu_does_not_say_them_twice(job: Job, phone: Page) -> None:
    phone.set_viewport_size({"width": 1440, "height": 844})
    phone.locator(f"[popovertarget=more-{job.serial}]").click()
    expect(phone.locator(f"#more-{job.serial}").get_by_text("Rename")).to_be_visible()
    expect(phone.locator(f"#more-{job.serial} .when-narrow")).to_be_hidden()


def test_a_snapshot_is_run_from_without_scrolling_to_its_end(console: Console, phone: Page, base: str) -> None:
    console.start()
    console.click_stop()
    console.settle()
    phone.goto(f"{base}/jobs/{console.job.serial}/snapshots/")
    run = phone.get_by_role("link", name="Run from it")
    expect(run).to_be_in_viewport(ratio=1)
    run.click()
    expect(phone.get_by_role("dialog")).to_be_visible()
    expect(phone.get_by_role("radio", name="From a snapshot that I choose")).to_be_checked()
    expect(phone.locator(f"#choose-{console.snapshot.serial}")).to_be_checked()


@pytest.mark.parametrize("place", ["versions/", "runs/", "snapshots/", "records"])
def test_a_table_of_what_was_done_needs_no_scrolling_sideways(
    console: Console, phone: Page, base: str, place: str
) -> None:
    console.start()
    console.click_stop(with_snapshot=True)
    console.settle()
    where = (
        f"spaces/{console.job.workspace.serial}/operations/"
        if place == "records"
        else f"jobs/{console.job.serial}/{place}"
    )
    phone.goto(f"{base}/{where}")
    table = phone.locator("table.cards")
    expect(table.locator("tbody tr").first).to_be_visible()
    assert table.locator("xpath=..").evaluate("box => box.scrollWidth <= box.clientWidth")
    labels = table.locator("td[data-label]").evaluate_all("cells => cells.map(cell => cell.dataset.label)")
    assert labels
    assert all(labels)
    overlaps = (
        "cells => cells.filter(cell => cell.scrollHeight > cell.clientHeight + 1).map(cell => cell.dataset.label)"
    )
    assert table.locator("td[data-label]").evaluate_all(overlaps) == []
