"""The product page 作业操作, sentence by sentence, in Chinese, in a real browser, on the real Flink."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs.models import Job
from tests.conftest import make_job
from tests.fake_flink import FakeFlink
from workspaces.models import Workspace

pytestmark = [pytest.mark.flink, pytest.mark.browser, pytest.mark.django_db(transaction=True),
              pytest.mark.filterwarnings("ignore::pytest.PytestRemovedIn10Warning")]  # fmt: skip

SQL = """CREATE TABLE numbers (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');
CREATE TABLE results (n INT) WITH ('connector' = 'blackhole');
INSERT INTO results SELECT n FROM numbers;
"""
SOON, LATER = 15_000, 90_000


@pytest.fixture
def page_in_chinese(page: Page, live_server: Any, alice: User, workspace: Workspace) -> Page:
    client = Client()
    client.force_login(alice)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    page.context.add_cookies([cookie])  # type: ignore[list-item]
    page.set_extra_http_headers({"Accept-Language": "zh-CN"})
    page.set_default_timeout(SOON)
    page.goto(f"{live_server.url}/spaces/{workspace.serial}/jobs/")
    return page


def row(page: Page, name: str) -> Any:
    return page.locator("table tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


def dialog(page: Page) -> Any:
    return page.locator("#dialog[open]")


def choose(page: Page, name: str, act: str) -> None:
    """作业管理 > 操作 > 更多 > the act."""
    row(page, name).get_by_role("button", name="更多").click()
    page.locator("[popover]:popover-open").get_by_text(act, exact=True).click()


@pytest.fixture
def orders(alice: User, workspace: Workspace, real: FlinkEndpoint) -> Job:
    return make_job(alice, workspace, real, "orders", sql=SQL)


def test_publish_run_stop_and_run_from_the_snapshot(page_in_chinese: Page, orders: Job, worker: None) -> None:
    page = page_in_chinese
    page.reload()
    # 运行: in the list, 更多 > 运行; 操作中, then 运行中.
    choose(page, "orders", "运行")
    expect(dialog(page)).to_contain_text("不要删除或扩容 Topic")
    expect(dialog(page).locator("input[value=latest]")).to_be_disabled()  # 对于没有历史快照的作业，无法使用历史快照运行
    dialog(page).locator("button[data-go]").click()
    expect(row(page, "orders")).to_contain_text("操作中", timeout=SOON)
    expect(row(page, "orders")).to_contain_text("运行中", timeout=LATER)

    # 发布: 保存, then 发布草稿; the version number is automatic, 版本说明 is required.
    row(page, "orders").get_by_role("link", name="orders").click()
    page.get_by_role("link", name="开发调试").first.click()
    editor = page.locator(".ace_editor")
    expect(editor).to_be_visible()
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("-- second version")
    page.get_by_role("button", name="保存", exact=True).click()
    page.get_by_role("button", name="发布草稿").or_(page.get_by_role("link", name="发布草稿")).first.click()
    expect(dialog(page)).to_contain_text("v2")
    dialog(page).get_by_label("版本说明").fill("第二个版本")
    dialog(page).locator("button[data-go]").click()

    # There is a running job: stop it first, with a snapshot; wait until it has fully stopped; then run the new version.
    box = dialog(page).get_by_label("停止时创建快照")
    expect(box).to_be_visible()
    box.check()
    dialog(page).locator("button[data-go]").click()
    expect(dialog(page).get_by_role("link", name="运行版本 2")).to_be_visible(timeout=LATER)
    dialog(page).get_by_role("link", name="运行版本 2").click()
    expect(dialog(page).locator("input[value=latest]")).to_be_checked()
    dialog(page).locator("button[data-go]").click()
    expect(dialog(page)).to_have_count(0)
    expect(page.locator("#job-head")).to_contain_text("运行中", timeout=LATER)
    run = Job.objects.get(pk=orders.pk).current_run
    assert run is not None
    assert (run.version.number, run.restored_from.source) == (2, "stop")

    # 创建副本: detail page, top right; target folder, target cluster, name; the result names the new job as a link.
    page.locator("#job-head").get_by_role("button", name="更多").click()
    page.locator("[popover]:popover-open").get_by_text("创建副本", exact=True).click()
    for label in ("目标目录", "目标集群", "副本名称"):
        expect(dialog(page).get_by_label(label)).to_be_visible()
    dialog(page).get_by_label("副本名称").fill("orders-copy")
    dialog(page).locator("button[data-go]").click()
    dialog(page).get_by_role("link", name="orders-copy").click()
    expect(page).to_have_url(re.compile(Job.objects.get(name="orders-copy").serial))
    expect(page.locator("main")).to_contain_text("停止")


def test_many_jobs_at_once(
    page_in_chinese: Page, alice: User, workspace: Workspace, real: FlinkEndpoint, worker: None
) -> None:
    page = page_in_chinese
    jobs = [make_job(alice, workspace, real, f"job-{number}", sql=SQL) for number in range(3)]
    page.reload()
    # 批量操作 at the left of the list, tick, 批量运行.
    tick(page, jobs)
    batch(page, "批量运行")
    for job in jobs:
        expect(row(page, job.name)).to_contain_text("运行中", timeout=LATER)
    # 批量停止 with a snapshot: the result tells the outcome of each.
    tick(page, jobs)
    batch(page, "批量停止", check="停止时创建快照")
    for job in jobs:
        expect(row(page, job.name)).to_contain_text("停止", timeout=LATER)
        assert job.snapshots.get(source="stop").state == "completed"
    # 批量创建副本: the target cluster only; the folder stays, the name gets a suffix.
    tick(page, jobs[:2])
    page.get_by_role("button", name="批量操作").first.click()
    page.locator("[popover]:popover-open").get_by_text("批量创建副本", exact=True).click()
    expect(dialog(page).get_by_label("目标集群")).to_be_visible()
    assert dialog(page).get_by_label("目标目录").count() == 0
    dialog(page).locator("button[data-go]").click()
    expect(dialog(page)).to_contain_text("2 / 2", timeout=LATER)
    assert Job.objects.filter(name__startswith="job-0_20").count() == 1
    assert Job.objects.filter(name__startswith="job-1_20").count() == 1


def tick(page: Page, jobs: list[Job]) -> None:
    for job in jobs:
        row(page, job.name).get_by_role("checkbox").check()


def batch(page: Page, act: str, check: str = "") -> None:
    page.get_by_role("button", name="批量操作").first.click()
    page.locator("[popover]:popover-open").get_by_text(act, exact=True).click()
    if check:
        dialog(page).get_by_label(check).check()
    dialog(page).locator("button[data-go]").click()
    expect(dialog(page)).to_contain_text(re.compile(r"(\d) / \1"), timeout=LATER)
    page.keyboard.press("Escape")
    page.reload()


def test_the_status_falls_back_to_the_true_one(
    page_in_chinese: Page, alice: User, workspace: Workspace, fake: FakeFlink, real: FlinkEndpoint, worker: None
) -> None:
    """回退到作业的实际状态: what died while it was being stopped is shown as it is; what still runs is shown as running."""
    cluster = Cluster.objects.create(name="fake", snapshot_directory="file:///tmp/nowhere")
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    endpoint = FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=fake.url)
    page = page_in_chinese
    jobs = [make_job(alice, workspace, endpoint, name) for name in ("dies", "lives")]
    page.reload()
    tick(page, jobs)
    batch(page, "批量运行")
    fake.hold_savepoints()
    choose(page, "dies", "停止")
    dialog(page).get_by_label("停止时创建快照").check()
    dialog(page).locator("button[data-go]").click()
    expect(row(page, "dies")).to_contain_text("操作中")
    run = Job.objects.get(name="dies").current_run
    assert run is not None
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    fake.release_savepoints()
    expect(row(page, "dies")).to_contain_text("故障", timeout=LATER)
    fake.fail_next_savepoint("java.io.IOException: Failed to create savepoint directory at file:/tmp/nowhere")
    choose(page, "lives", "停止")
    dialog(page).get_by_label("停止时创建快照").check()
    dialog(page).locator("button[data-go]").click()
    mark = row(page, "lives").locator("[aria-describedby], .problem, [data-tip]").first
    expect(row(page, "lives")).to_contain_text("运行中", timeout=LATER)
    expect(mark).to_be_attached(timeout=LATER)
    job = Job.objects.select_related("problem").get(name="lives")
    assert job.problem is not None
    assert "Failed to create savepoint directory" in job.problem.summary
