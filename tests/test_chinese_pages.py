"""The pages in Chinese: what a person reads on them holds no English but names and Flink's words."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils.translation import override
from django.utils.translation.reloader import translation_file_changed

from clusters.models import Cluster
from jobs import operations
from jobs.models import Job
from jobs.states import Action
from oceanus_console.messages import catalogue_path
from tests.conftest import SQL, Console, make_job, measured
from tests.fake_flink import FakeFlink
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

# As browsers in China ask.
CHINESE = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}

# Words that stay as they are. What is all in capitals is SQL, a unit or an abbreviation, and no matter.
LATIN = {
    *{"oceanus", "console", "english"},
    *{
        "apache",
        "flink",
        "jobmanager",
        "taskmanager",
        "slot",
        "checkpoint",
        "source",
        "sink",
        "connector",
        "format",
        "kubernetes",
    },
    *{"allow", "non", "restored", "state"},  # an option of Flink
    *{"kafka", "broker", "topic", "key", "value", "divisor"},
    # The names that the tests give.
    *{"alice", "bob", "vera", "root", "trading", "elsewhere", "orders", "cluster", "first"},
}
# Whole pieces that are no words: ids, addresses, numbers with a unit, versions, what Flink says of an error.
NO_WORDS = re.compile(
    r"\b\w+Exception: .*|\b(cql|space|svp|op|cluster|folder|batch)-[a-z0-9]+\b|\b[0-9a-f]{32}\b|\b\w+://\S+|\b\d[\d.:]*(d|s|KB|MB|GB)\b|\bv\d+\b"
)
WORD = re.compile(r"[A-Za-z][A-Za-z’']+")
# What Django's own Chinese lacks in its admin.
DJANGOS_OWN = {"Model name", "Add link", "Change or view list link", "Search", "True", "False"}
# Not text of ours: programs, SQL, ids and Flink's own words (class "mono", traces), what is marked as another language.
HIDDEN_TAGS = {"script", "style", "svg", "code", "pre", "textarea", "time"}
HIDDEN_CLASSES = {"mono", "trace"}
SPOKEN = {"title", "aria-label", "placeholder", "alt"}
EMPTY_TAGS = {"meta", "link", "input", "br", "hr", "img", "col", "source"}


class Reader(HTMLParser):
    """Collect what a person reads or hears of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._hidden: list[bool] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        hides = (
            tag in HIDDEN_TAGS
            or bool(HIDDEN_CLASSES & set(values.get("class", "").split()))
            or values.get("lang") == "en"
        )
        is_hidden = hides or (bool(self._hidden) and self._hidden[-1])
        if not is_hidden:
            self.texts += [text for name, text in values.items() if name in SPOKEN or name.startswith("data-text")]
        if tag not in EMPTY_TAGS:
            self._hidden.append(is_hidden)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY_TAGS and self._hidden:
            self._hidden.pop()

    def handle_data(self, data: str) -> None:
        if not (self._hidden and self._hidden[-1]):
            self.texts.append(data)


def english_in(page: str) -> list[str]:
    """Return the texts of a page that hold an English word, or a space after a Chinese stop, as English sentences are joined."""
    found = []
    for text in Reader(page).texts:
        words = WORD.findall(NO_WORDS.sub(" ", text))
        if {word.lower() for word in words if not word.isupper()} - LATIN or re.search(
            r"[。！？]\s+[\u4e00-\u9fff]", text
        ):
            found.append(" ".join(text.split()))
    return found


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Have the catalogue compiled and loaded; what this process read before is forgotten."""
    call_command("compile_messages")
    translation_file_changed(None, catalogue_path().with_suffix(".mo"))


@pytest.fixture(autouse=True)
def language_as_before() -> Iterator[None]:
    """Leave the language of this process as it was: a request to the test client leaves its own behind."""
    with override("en"):
        yield


def read(client: Client, address: str) -> str:
    answer = client.get(address, headers=CHINESE)
    assert answer.status_code == 200, address
    page = answer.content.decode()
    assert '<html lang="zh-hans"' in page
    return page


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pages_of(job: Job) -> list[str]:
    names = [
        *("job", "draft", "versions", "compare", "snapshots", "runs", "events", "operations", "monitoring", "logs")
    ]
    return [reverse("jobs", args=[job.workspace.serial]), *(reverse(name, args=[job.serial]) for name in names)]


def dialogs_of(job: Job) -> list[str]:
    names = ["publish", "run", "stop", "snapshot", "cancel", "copy", "move", "rename", "describe", "delete"]
    return [reverse("new-job", args=[job.workspace.serial]), *(reverse(name, args=[job.serial]) for name in names)]


def assert_chinese(client: Client, *addresses: str) -> None:
    for address in addresses:
        assert english_in(read(client, address)) == [], address


def test_the_reader_finds_english() -> None:
    page = '<p title="Try it">中文 <b>Flink UI</b></p><p>Not yet</p><pre>left out</pre><button lang="en">English text</button>'
    assert english_in(page) == ["Try it", "Not yet"]


@pytest.mark.parametrize("language", ["zh-hans", "zh-CN", "zh"])
def test_the_browser_decides_the_language(client: Client, db: None, language: str) -> None:
    page = client.get(reverse("login"), headers={"accept-language": language}).content.decode()
    assert "登录" in page


def test_signing_in(client: Client) -> None:
    assert_chinese(client, reverse("login"))


def test_pages_of_a_workspace_without_jobs(alice: User, workspace: Workspace) -> None:
    assert_chinese(
        signed_in(alice), reverse("jobs", args=[workspace.serial]), reverse("new-job", args=[workspace.serial])
    )


def test_a_search_without_result(alice: User, job: Job) -> None:
    assert_chinese(signed_in(alice), reverse("jobs", args=[job.workspace.serial]) + "?q=zzz")


def test_pages_of_somebody_without_a_workspace(root: User) -> None:
    assert_chinese(signed_in(root), reverse("home"))


def test_pages_of_a_job_without_a_draft(alice: User, workspace: Workspace, console: Console) -> None:
    endpoint = console.endpoint
    job = operations.create_job(alice, workspace, "空作业", endpoint.cluster, endpoint)
    assert_chinese(signed_in(alice), *pages_of(job), *dialogs_of(job))


def test_pages_of_a_job_that_never_ran(alice: User, job: Job) -> None:
    operations.save_draft(alice, job, 1, {"sql": f"{SQL} -- later"})
    names = ("version", "restore-version", "delete-version")
    of_a_version = [reverse(name, args=[job.serial, 1]) for name in names]
    assert_chinese(signed_in(alice), *pages_of(job), *dialogs_of(job), *of_a_version)


def test_pages_of_a_running_job_with_history(alice: User, console: Console) -> None:
    console.start()
    operations.snapshot(alice, console.job, "发布前")
    console.settle()
    console.click_stop()
    console.settle()
    operations.run(alice, console.job, console.job.versions.get(number=1), console.snapshot)
    console.settle()
    assert console.job.status == "running"
    measured(console.run)
    operations.publish(alice, console.job, "第二版")
    job = console.job
    after = [reverse("version", args=[job.serial, 2]), reverse("next-step", args=[job.serial, 2])]
    as_tables = reverse("monitoring", args=[job.serial]) + "?as=table"
    logs = reverse("logs", args=[job.serial])
    of_processes = [f"{logs}?process={one}" for one in ("running", "startup", "taskmanager:gone", "jobmanager&q=x")]
    assert_chinese(signed_in(alice), *pages_of(job), *dialogs_of(job), *after, as_tables, *of_processes)


def test_pages_of_a_stopped_job_with_snapshots(alice: User, console: Console) -> None:
    console.start()
    console.click_stop()
    console.settle()
    assert_chinese(signed_in(alice), *pages_of(console.job), *dialogs_of(console.job))


def test_pages_of_an_old_cluster(alice: User, console: Console) -> None:
    Cluster.objects.update(supports_snapshot_choice=False, supports_fine_grained=False)
    assert_chinese(signed_in(alice), *pages_of(console.job), *dialogs_of(console.job))


def test_pages_while_an_operation_is_under_way(alice: User, console: Console, fake: FakeFlink) -> None:
    fake.hold_starts()
    console.click_run()
    console.settle(looks=2)
    assert console.job.status == "operating"
    next_step = reverse("next-step", args=[console.job.serial, 1])
    assert_chinese(signed_in(alice), *pages_of(console.job), *dialogs_of(console.job), next_step)


def test_pages_of_a_job_that_failed(alice: User, console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, "java.lang.ArithmeticException: / by zero")
    console.watch()
    console.watch()
    job = console.job
    assert job.status == "failed"
    page = read(signed_in(alice), reverse("job", args=[job.serial]))
    assert "除数为零" in page
    assert "操作建议" in page
    assert_chinese(signed_in(alice), *pages_of(job), *dialogs_of(job))


def test_pages_of_a_viewer(vera: User, console: Console) -> None:
    console.start()
    assert_chinese(signed_in(vera), *pages_of(console.job), reverse("version", args=[console.job.serial, 1]))


@pytest.mark.parametrize("missing", ["/jobs/cql-00000000/", "/spaces/space-00000000/jobs/"])
def test_what_does_not_exist(alice: User, missing: str) -> None:
    answer = signed_in(alice).get(missing, headers=CHINESE)
    assert answer.status_code == 404
    assert english_in(answer.content.decode()) == []


@pytest.mark.parametrize("place", ["run", "all-clusters"])
def test_what_is_forbidden(vera: User, job: Job, place: str) -> None:
    address = reverse(place, args=[job.serial] if place == "run" else [])
    answer = signed_in(vera).get(address, headers=CHINESE)
    assert answer.status_code == 403
    assert english_in(answer.content.decode()) == []


def test_forms_that_are_wrong(alice: User, job: Job) -> None:
    client = signed_in(alice)
    wrong = {
        reverse("new-job", args=[job.workspace.serial]): {"name": "不 行"},
        reverse("publish", args=[job.serial]): {"note": ""},
        reverse("run", args=[job.serial]): {"version": "1", "start": "chosen"},
        reverse("draft", args=[job.serial]): {
            "do": "save",
            "sql": "",
            "revision": "1",
            "parallelism": "0",
            "properties": "x",
        },
    }
    for address, values in wrong.items():
        answer = client.post(address, values, headers=CHINESE)
        assert english_in(answer.content.decode()) == [], address


def test_a_draft_that_somebody_else_saved(bob: User, job: Job) -> None:
    values = {
        "do": "save",
        "sql": "SELECT 1",
        "revision": "0",
        "parallelism": "1",
        "checkpoint_interval_seconds": "60",
        "jobmanager_spec": "1",
        "taskmanager_spec": "1",
    }
    page = signed_in(bob).post(reverse("draft", args=[job.serial]), values, headers=CHINESE).content.decode()
    assert "草稿已被他人更新" in page
    assert english_in(page) == []


def test_what_an_act_answers_and_what_the_page_polls(alice: User, console: Console) -> None:
    client, job = signed_in(alice), console.job
    htmx = CHINESE | {"hx-request": "true"}
    clicks = [
        ("publish", {"note": "第二版"}),
        ("run", {"version": "1", "start": "none"}),
        ("snapshot", {"description": "发布前"}),
        ("stop", {"with_snapshot": "on"}),
        ("delete", {}),
    ]
    for act, values in clicks:
        answer = client.post(reverse(act, args=[job.serial]), values, headers=htmx)
        assert answer.status_code in (200, 204)
        assert english_in(answer.content.decode()) == [], act
        for poll in (reverse("poll-jobs", args=[job.workspace.serial]), reverse("poll-job", args=[job.serial])):
            if act != "delete":
                assert english_in(client.get(poll, headers=htmx).content.decode()) == [], (act, poll)
        if act not in ("publish", "delete"):
            console.settle()


def test_the_administration(root: User, console: Console) -> None:
    console.start()
    models = ["workspaces_workspace", "clusters_cluster", "jobs_job", "jobs_operation", "jobs_folder"]
    addresses = [reverse(f"admin:{model}_changelist") for model in models]
    addresses += [
        reverse("admin:index"),
        reverse("admin:workspaces_workspace_change", args=[console.job.workspace_id]),
    ]
    client = signed_in(root)
    for address in addresses:
        assert set(english_in(read(client, address))) <= DJANGOS_OWN, address


def test_pages_of_workspaces_and_clusters(root: User, alice: User, console: Console) -> None:
    console.start()
    workspace, cluster = console.job.workspace, console.job.cluster
    of_a_workspace = [reverse(name, args=[workspace.serial]) for name in ("members", "clusters", "records")]
    assert_chinese(signed_in(alice), reverse("workspaces"), *of_a_workspace)
    of_rulers = [reverse("all-clusters"), reverse("cluster", args=[cluster.serial])]
    assert_chinese(signed_in(root), reverse("workspaces"), *of_a_workspace, *of_rulers)


def test_dialogs_of_workspaces_and_clusters(root: User, alice: User, console: Console) -> None:
    workspace, cluster = console.job.workspace, console.job.cluster
    member, binding = workspace.members.get(user=alice), cluster.bindings.get()
    dialogs = [
        *(reverse(name) for name in ("new-workspace", "new-cluster")),
        *(reverse(name, args=[workspace.serial]) for name in ("add-member", "edit-workspace", "delete-workspace")),
        *(reverse(name, args=[workspace.serial, member.pk]) for name in ("change-role", "remove-member")),
        *(reverse(f"{name}-cluster", args=[cluster.serial]) for name in ("edit", "delete", "bind")),
        reverse("unbind-cluster", args=[cluster.serial, binding.pk]),
        reverse("add-endpoint", args=[cluster.serial]),
        *(reverse(f"{name}-endpoint", args=[cluster.serial, console.endpoint.pk]) for name in ("edit", "remove")),
    ]
    client = signed_in(root)
    for address in dialogs:
        answer = client.get(address, headers=CHINESE | {"hx-request": "true"})
        assert answer.status_code == 200, address
        assert english_in(answer.content.decode()) == [], address


def test_what_is_deleted_is_called_by_what_it_is(root: User, console: Console) -> None:
    client, job = signed_in(root), console.job
    for name, title in (
        ("delete-cluster", "删除集群 cluster-a"),
        ("delete-workspace", "删除工作空间 Trading"),
        ("delete", "删除作业 orders"),
    ):
        about = {"delete-cluster": job.cluster, "delete-workspace": job.workspace, "delete": job}[name]
        assert title in read(client, reverse(name, args=[about.serial])), name


def test_what_is_no_flink(root: User, console: Console, fake: FakeFlink) -> None:
    """A proxy answers at the address, or something else does."""
    fake.fault(("GET", "/.*"), "html", times=None, status=404)
    cluster = console.job.cluster
    test = reverse("test-endpoint", args=[cluster.serial, console.endpoint.pk])
    answer = signed_in(root).post(test, headers=CHINESE | {"hx-request": "true"}).content.decode()
    assert "HTTP 404，不是 Flink 的响应" in answer
    assert "&lt;" not in answer
    console.watch()
    assert "不是 Flink 的响应" in read(signed_in(root), reverse("cluster", args=[cluster.serial]))


def test_folders(alice: User, workspace: Workspace, console: Console) -> None:
    folder = operations.create_folder(alice, workspace, "目录", None)
    client = signed_in(alice)
    listing = reverse("jobs", args=[workspace.serial])
    names = ("rename-folder", "move-folder", "delete-folder")
    dialogs = [reverse(name, args=[folder.serial]) for name in names]
    assert_chinese(client, listing, f"{listing}?folder={folder.serial}", *dialogs)
    assert_chinese(client, reverse("new-folder", args=[workspace.serial]))


@pytest.mark.parametrize("action", ["publish", "run", "stop", "copy", "move", "delete"])
def test_the_dialog_of_a_batch(alice: User, workspace: Workspace, console: Console, action: str) -> None:
    idle = make_job(alice, workspace, console.endpoint, "orders-2")
    console.start()
    address = reverse("new-batch", args=[workspace.serial, action])
    ticked = f"?job={console.job.serial}&job={idle.serial}"
    assert_chinese(signed_in(alice), address, address + ticked)


def test_pages_of_a_batch(alice: User, workspace: Workspace, console: Console) -> None:
    client, job = signed_in(alice), console.job
    assert_chinese(client, reverse("batches", args=[workspace.serial]))
    batch = operations.request_batch(alice, workspace, Action.RUN, Job.objects.filter(pk=job.pk), {"start": "none"})
    page = reverse("batch", args=[batch.serial])
    assert_chinese(client, page, reverse("batches", args=[workspace.serial]))
    for _round in range(12):
        operations.advance(batch.pk)
        console.settle()
    batch.refresh_from_db()
    assert batch.ended_at
    assert_chinese(client, page, f"{page}?state=failed", reverse("batches", args=[workspace.serial]))


def test_a_second_job_of_the_same_name_is_refused(
    alice: User, workspace: Workspace, job: Job, console: Console
) -> None:
    values = {"name": job.name, "endpoint": str(console.endpoint.pk)}
    answer = signed_in(alice).post(reverse("new-job", args=[workspace.serial]), values, headers=CHINESE)
    assert "该工作空间中已存在同名作业" in answer.content.decode()
