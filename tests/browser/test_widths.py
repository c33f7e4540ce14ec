"""On narrow windows everything stays in sight or scrolls in a box of its own, however long the names are."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from clusters.models import Cluster
from jobs import operations
from jobs.models import Folder, Job
from jobs.states import Action
from jobs.tree import DEEPEST
from tests.conftest import SQL, Console, measured
from tests.fake_flink import FakeFlink
from tests.test_batch import Desk
from workspaces.models import Workspace

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]

NAME = "a-job-with-nearly-the-longest-name-that-there-is"
NOTE = "A note of a version that tells at some length what was changed in it, and why"
TALLEST_ROW = 100
# What is not to be seen, or stands beside the window where nothing scrolls.
OUT_OF_REACH = """() => [...document.querySelectorAll("main :is(h1:not(.sr), a, button, select, input, .draft-state)")].filter((one) => {
  const { width, right } = one.getBoundingClientRect();
  if (one.matches("h1, .draft-state") && width < 30) return true;
  if (right <= innerWidth) return false;
  for (let box = one; (box = box.parentElement); ) if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return false;
  return true;
}).map((one) => one.outerHTML.slice(0, 120))"""
# Of rows that are rows: on a phone some are cards, in which each value has a line.
HEIGHTS = """() => [...document.querySelectorAll('main table:not(.diff) tbody tr')]
    .filter((row) => getComputedStyle(row).display === 'table-row').map((row) => row.offsetHeight)"""


@pytest.fixture
def jobs(console: Console, alice: User, desk: Desk) -> list[Job]:
    """Jobs with long names, the first with two versions and a run; and alice may see the clusters."""
    User.objects.filter(pk=alice.pk).update(is_superuser=True, username=f"alice-{NAME}")
    Cluster.objects.update(name=f"{NAME}-2", is_under_maintenance=False)
    operations.save_draft(alice, console.job, 1, {"sql": SQL + "-- second"})
    operations.publish(alice, console.job, NOTE)
    console.start()
    measured(console.run)
    jobs = [console.job, *desk.jobs(3)]
    Job.objects.filter(pk=jobs[0].pk).update(name=NAME)
    return jobs


@pytest.fixture
def desk(alice: User, workspace: Workspace, console: Console) -> Desk:
    return Desk(alice, workspace, console.endpoint)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_no_page_is_wider_than_the_window(
    jobs: list[Job], desk: Desk, workspace: Workspace, signed_in: Page, base: str, language: str
) -> None:
    batch = desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    signed_in.set_extra_http_headers({"Accept-Language": language})
    job, space = f"/jobs/{jobs[0].serial}/", f"/spaces/{workspace.serial}/"
    ticked = "?" + "&".join(f"job={one.serial}" for one in jobs)
    addresses = [
        job + one
        for one in (
            "",
            "draft/",
            "versions/",
            "versions/compare/",
            "runs/",
            "events/",
            "operations/",
            "monitoring/",
            "logs/?process=",
            "run/",
        )
    ]
    addresses += [space + one for one in ("jobs/", "batches/", "operations/", "clusters/", "members/", "problems/")]
    addresses += [f"{space}batch/{act}/{ticked}" for act in ("run", "delete", "copy")]
    addresses += [f"/batches/{batch.serial}/", "/clusters/", f"/clusters/{desk.endpoint.cluster.serial}/"]
    for address in addresses:
        answer = signed_in.goto(base + address)
        assert answer is not None
        assert answer.ok, address
        for width in (390, 768, 1024):
            signed_in.set_viewport_size({"width": width, "height": 844})
            where = (address, width)
            assert signed_in.evaluate("document.documentElement.scrollWidth") <= width, where
            assert signed_in.evaluate(OUT_OF_REACH) == [], where
            assert max(signed_in.evaluate(HEIGHTS), default=0) <= TALLEST_ROW, where


def test_many_pages_of_jobs_fit_on_a_phone(desk: Desk, signed_in: Page) -> None:
    made = [Job(name=f"job-{number}", workspace=desk.workspace, cluster=desk.endpoint.cluster) for number in range(90)]
    for one in made:
        one.endpoint = desk.endpoint
    Job.objects.bulk_create(made)
    signed_in.set_viewport_size({"width": 390, "height": 844})
    signed_in.reload()
    expect(signed_in.get_by_role("navigation", name="Pages")).to_be_visible()
    assert signed_in.evaluate("document.documentElement.scrollWidth") <= 390


CUT_ACTS = """() => [...document.querySelectorAll("td.col-acts")].flatMap((cell) => [...cell.querySelectorAll(".acts > :is(a, button)")].filter(
  (one) => one.getBoundingClientRect().right > cell.getBoundingClientRect().right
).map((one) => one.textContent.trim()))"""


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_no_act_of_a_row_is_cut_off(desk: Desk, alice: User, console: Console, signed_in: Page, language: str) -> None:
    console.start()
    _stopped, started = desk.jobs(2)
    operations.run(alice, started, started.versions.get())
    signed_in.set_extra_http_headers({"Accept-Language": language})
    signed_in.reload()
    words = ["Develop Cancel More", "Develop Run More", "Develop Stop More"]
    if language != "en":
        words = ["开发调试 停止 更多", "开发调试 取消操作 更多", "开发调试 运行 更多"]
    rows = signed_in.locator("td.col-acts")
    expect(rows).to_have_count(3)
    assert sorted(" ".join(text.split()) for text in rows.all_inner_texts()) == words
    for width in (1280, 1366, 1440, 1500, 1600, 1800):
        signed_in.set_viewport_size({"width": width, "height": 844})
        assert signed_in.evaluate(CUT_ACTS) == [], width


@pytest.mark.parametrize("width", [390, 1280, 1600])
def test_every_level_of_the_folders_can_be_read(
    workspace: Workspace, alice: User, signed_in: Page, base: str, width: int
) -> None:
    folder: Folder | None = None
    for name in range(25):
        operations.create_folder(alice, workspace, f"a-folder-before-{name}", None)
    for level in range(DEEPEST):
        folder = operations.create_folder(alice, workspace, f"level-{level}-with-a-long-name", folder)
    assert folder is not None
    signed_in.set_viewport_size({"width": width, "height": 900})
    signed_in.goto(f"{base}/spaces/{workspace.serial}/jobs/?folder={folder.serial}")
    if width < 900:
        signed_in.get_by_role("button", name="Folders").click()
    expect(signed_in.locator("#folders [aria-current]")).to_be_in_viewport()
    for row in signed_in.locator(".branches .folder").all():
        name, count = row.locator(".cut").bounding_box(), row.locator(".folder-count").bounding_box()
        assert name is not None
        assert count is not None
        assert name["width"] >= 60
        assert name["x"] + name["width"] <= count["x"]
    assert signed_in.evaluate("document.documentElement.scrollWidth") <= width


def test_the_texts_of_charts_can_be_read_on_a_phone(
    console: Console, fake: FakeFlink, signed_in: Page, base: str
) -> None:
    run = console.start()
    flink_job = fake.jobs[run.flink_job_id]
    flink_job.metrics = {"Source: src": {"Source__src[1].numRecordsOutPerSecond": 12.5}}
    flink_job.add_checkpoint("file:///chk-1", "CHECKPOINT")
    measured(run)
    signed_in.set_viewport_size({"width": 390, "height": 844})
    signed_in.goto(f"{base}/jobs/{console.job.serial}/monitoring/")
    texts = signed_in.locator(".chart text")
    expect(texts.first).to_be_visible()
    assert min(one.bounding_box()["height"] for one in texts.all()) >= 9  # type: ignore[index]
    box = signed_in.locator(".chart-box").first
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
    assert box.evaluate("one => { one.scrollTo(-9999, 0); return one.scrollLeft; }") < 0, "it began at its newest end"


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_no_column_of_the_jobs_in_the_administration_is_cut_off(
    job: Job, alice: User, signed_in: Page, base: str, language: str
) -> None:
    Job.objects.update(name=f"{job.name}_2026-11-27_09_32_12", status="unpublished")
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    signed_in.set_extra_http_headers({"Accept-Language": language})
    signed_in.set_viewport_size({"width": 1440, "height": 900})
    signed_in.goto(f"{base}/admin/jobs/job/")
    assert signed_in.locator(".results").evaluate("box => box.scrollWidth <= box.clientWidth")


def test_the_gaps_in_a_box_that_is_empty_yet_are_even(job: Job, alice: User, signed_in: Page, base: str) -> None:
    new = operations.create_job(alice, job.workspace, "new", job.cluster, job.endpoint)
    signed_in.goto(f"{base}/jobs/{new.serial}/")
    gaps = """() => {
        const [icon, head, text] = ["svg", "h2", "p"].map((name) => document.querySelector(`.empty > ${name}`).getBoundingClientRect());
        return [head.top - icon.bottom, text.top - head.bottom];
    }"""
    above, below = signed_in.evaluate(gaps)
    assert above == below
