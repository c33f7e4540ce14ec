"""The logs of a job: the end of what its Flink's processes write, bounded, searched, without secrets, for its own workspace only."""

import gzip
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from clusters import flink, flink_logs
from clusters.engine import Missing, NotFound, Unanswered
from clusters.flink import FlinkEngine
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from clusters.process_logs import LOG, STDOUT, Log
from jobs import flink_logs as reading
from jobs import look_into_logs
from jobs.flink_logs import End, Wish
from jobs.models import Run
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink
from tests.until import until
from workspaces import variables
from workspaces.models import Workspace

HTMX = {"HX-Request": "true", "HX-Target": "logs"}
AT = "2026-01-01 10:00:00,000"
TRACE = f"{AT} ERROR x.Task [] - failed\njava.lang.IllegalStateException: broken pipe\n\tat a.B.c(B.java:1)\n"


def info(text: str) -> str:
    return f"{AT} INFO  x.Main [] - {text}\n"


@pytest.fixture
def running(console: Console, fake: FakeFlink) -> Run:
    fake.taskmanagers = 2
    fake.logs["fake-tm-1"] = {
        "log": (info("tm one") + TRACE + info("later")).encode(),
        "stdout": b"+I[1]\n",
        "tm.log.1": b"old\n",
    }
    fake.logs["fake-tm-0"] = {"log": info("tm zero").encode()}
    fake.logs[""] = {"log": info("jm says").encode(), "jobmanager.log": b"listed\n"}
    run = console.start()
    fake.jobs[run.flink_job_id].runs_on = ["fake-tm-1"]
    return run


@pytest.fixture
def address(console: Console) -> str:
    return f"/jobs/{console.job.serial}/logs/"


def read(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query, headers=HTMX)
    assert answer.status_code == 200
    return answer.text


# --- the page ---


def test_the_page_is_there_at_once_and_asks_for_the_log_then(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    client.force_login(console.user)
    asked = len(fake.requests)
    page = client.get(address).text
    assert f'href="{address}" aria-current="page"' in page
    assert 'hx-trigger="load"' in page
    assert len(fake.requests) == asked
    part = read(client, address)
    assert "<html" not in part
    assert "tm one" in part


def test_what_runs_the_job_is_shown_first(console: Console, running: Run, client: Client, address: str) -> None:
    client.force_login(console.user)
    page = read(client, address)
    assert 'value="taskmanager:fake-tm-1" selected>' in page
    assert page.index("fake-tm-1 · runs this job · 127.0.0.1:1") < page.index("TaskManager fake-tm-0")
    assert "all of it: 5 lines" in page
    assert '<span class="log-error">java.lang.IllegalStateException: broken pipe</span>' in page
    assert "tm.log.1 · 4\xa0bytes" in page


def test_every_process_and_file_can_be_chosen(console: Console, running: Run, client: Client, address: str) -> None:
    client.force_login(console.user)
    assert "jm says" in read(client, address, process="jobmanager")
    assert "tm zero" in read(client, address, process="taskmanager:fake-tm-0")
    one = {"process": "taskmanager:fake-tm-1", "of": "taskmanager:fake-tm-1"}
    assert "+I[1]" in read(client, address, **one, file="stdout")
    assert ">old<" in read(client, address, **one, file="file:tm.log.1")
    # Chosen for another process, file counts for nothing.
    assert "jm says" in read(client, address, process="jobmanager", of=one["of"], file="file:tm.log.1")
    # The same without JavaScript, as a page.
    page = client.get(address, {"process": "jobmanager"}).text
    assert "<html" in page
    assert "jm says" in page


def test_without_a_taskmanager_of_its_own_the_jobmanager_is_shown(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    fake.forget_job(running.flink_job_id)
    client.force_login(console.user)
    assert "jm says" in read(client, address)


@pytest.mark.parametrize("name", ["file:../conf/config.yaml", "file:nope", "file:log", "file:"])
def test_only_what_flink_lists_is_asked_for(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str, name: str
) -> None:
    client.force_login(console.user)
    before = len(fake.requests)
    for part in ("", "lines/"):
        assert "There is no such file any more" in read(client, address + part, process="jobmanager", file=name)
        no = read(client, address + part, process="taskmanager:../../jars", file=name)
        assert "The cluster has no such TaskManager any more" in no
    asked = {one.path for one in fake.requests[before:] if not one.path.startswith("/jobs/")}
    assert asked <= {"/jobs", "/taskmanagers", "/jobmanager/logs"}


def test_what_flink_does_not_have_is_told(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    client.force_login(console.user)
    for process in ("jobmanager", "taskmanager:fake-tm-0"):
        assert "Flink has no such file" in read(client, address, process=process, file="stdout")
    fake.logs[""]["stdout"] = b""
    assert "the file is empty" in read(client, address, process="jobmanager", file="stdout")
    assert "There is no log to download." not in read(client, address, process="jobmanager", file="stdout")


def test_text_is_text(console: Console, running: Run, fake: FakeFlink, client: Client, address: str) -> None:
    fake.logs[""]["log"] = b"<script>alert(1)</script> \xff\x00 end\r\n"
    client.force_login(console.user)
    page = read(client, address, process="jobmanager", q="<script>")
    assert "<mark>&lt;script&gt;</mark>alert(1)" in page
    assert "\x00" not in page


# --- searching ---


def test_what_is_no_text_is_told_and_not_given_as_text(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    archive = gzip.compress(random.Random(1).randbytes(100_000))
    fake.logs[""] |= {"old.log.gz": archive, "gbk.log": (info("作业") * 10).encode("gbk")}
    client.force_login(console.user)
    page = read(client, address, process="jobmanager", file="file:old.log.gz")
    assert "is no text" in page
    assert "\ufffd" not in page
    assert "the file is empty" not in page
    answer = client.get(f"{address}download/", {"process": "jobmanager", "file": "file:old.log.gz"})
    assert answer.status_code == 302
    assert "x.Main" in read(client, address, process="jobmanager", file="file:gbk.log")


def test_colours_are_left_out(console: Console, running: Run, fake: FakeFlink, client: Client, address: str) -> None:
    coloured = f"{AT} \x1b[31mERROR\x1b[0;39m x.Main [] - \x1b[1mbro\x1b[mken\n"
    fake.logs[""]["log"] = coloured.encode()
    client.force_login(console.user)
    page = read(client, address, process="jobmanager", level="ERROR")
    assert f'class="log-error">{AT} ERROR x.Main [] - broken</span>' in page


def test_words_and_levels(console: Console, running: Run, client: Client, address: str) -> None:
    client.force_login(console.user)
    page = read(client, address, q="PIPE failed")
    assert "broken <mark>pipe</mark>" in page  # in the trace below the line
    assert "3 lines found" in page
    assert "tm one" not in page
    page = read(client, address, q="nowhere | later")
    assert "1 line found" in page
    assert "nothing found" in read(client, address, q="pipe later")
    page = read(client, address, q="connection failed | from RUNNING to FAILED")
    assert "nothing found" in page
    assert f'value="{running.flink_job_id}"' in page  # among what is suggested
    page = read(client, address, level="ERROR")
    assert "3 lines found" in page
    assert 'value="ERROR" selected' in page


def end_of(*pieces: bytes, wish: Wish = Wish(), most: int = 1000, secrets: tuple[str, ...] = ()) -> End:  # noqa: B008
    end = End()
    end.read(Log(None, iter(pieces)), wish, most, secrets)
    return end


def test_lines_come_whole_however_they_are_sent() -> None:
    text = (info("one") + TRACE + info("zwei Ümlaut")).encode()
    for size in (1, 7, 64, 1000):
        end = end_of(*(text[at : at + size] for at in range(0, len(text), size)))
        assert [one.split(" - ")[-1] for one in end.records][::2] == ["one", "zwei Ümlaut"]
        assert end.records[1] == TRACE.rstrip("\n")


def test_of_a_large_log_only_the_end_is_kept() -> None:
    end = end_of(*(info(f"number {n}").encode() for n in range(1000)), most=500)
    assert end.is_cut
    assert len("".join(end.records)) < 1000
    assert end.records[-1].endswith("number 999")
    assert [line.pieces[0][0][-3:] for line in end.lines(2, Wish())] == ["998", "999"]


def test_the_whole_log_is_searched_not_only_its_end() -> None:
    pieces = [info("the needle").encode(), *(info(f"hay {n}").encode() for n in range(1000))]
    end = end_of(*pieces, wish=Wish.of("needle", ""), most=500)
    assert [one.endswith("the needle") for one in end.records] == [True]


def test_a_line_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    end = end_of(*([b"x" * 50_000] * 10), b"\n", b"next\n")
    first, last = end.lines(10, Wish())
    assert len(first.pieces[0][0]) == reading.LINE_SHOWN + 1
    assert last.pieces == [("next", False)]
    assert len(end.records[0]) <= reading.LONGEST_LINE


def test_more_than_the_console_reads_is_told(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 1000)
    fake.logs[""]["log"] = info("much").encode() * 100
    client.force_login(console.user)
    page = read(client, address, process="jobmanager")
    assert "Flink sends a file only as a whole" in page
    assert "much" not in page
    # Without being told how much it is, it stops there.
    end = end_of(*([info("much").encode()] * 100))
    assert end.is_too_large
    assert end.bytes_read < 1100


# --- secrets ---


def test_no_secret_is_told_nor_found(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    variables.create(console.user, console.job.workspace, "key", "s3cret-word", is_hidden=True)
    said = info("login with s3cret-word") + info("jdbc:x://h/d?password=hunter22&a=b")
    fake.logs[""]["log"] = said.encode()
    client.force_login(console.user)
    page = read(client, address, process="jobmanager")
    assert "login with ******" in page
    assert "password=******&amp;a=b" in page
    for search in ("s3cret", "hunter22", "s3cret-word"):
        page = read(client, address, process="jobmanager", q=search)
        assert "nothing found" in page
        assert "login with" not in page
        download = client.get(f"{address}download/", {"process": "jobmanager"})
        assert search not in download.text


def test_what_is_secret_in_a_job_beside_it_is_hidden_too(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    sql = console.job.versions.get().sql.replace("'blackhole'", "'blackhole', 'password' = 'of-the-other-one'")
    other = Console(
        make_job(console.user, console.job.workspace, console.endpoint, "other", sql=sql),
        console.user,
        console.endpoint,
    )
    other.start()
    fake.logs[""]["log"] = info("login with of-the-other-one").encode()
    client.force_login(console.user)
    assert "login with ******" in read(client, address, process="jobmanager")


def test_no_alternative_finds_out_a_secret(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    variables.create(console.user, console.job.workspace, "key", "s3cret-word", is_hidden=True)
    fake.logs[""]["log"] = (info("login with s3cret-word") + info("jdbc:x://h/d?password=hunter22&a=b")).encode()
    client.force_login(console.user)
    for guess, hidden in (("password=h", "password=******"), ("with s3c", "******"), ("hunter", "=*")):
        for wrong_or_right in (guess, "zzz"):
            page = read(client, address, process="jobmanager", q=f"{wrong_or_right} | {hidden}")
            assert "nothing found" in page, (wrong_or_right, hidden)
    assert "</mark> with ******" in read(client, address, process="jobmanager", q="s3cret | login")


def test_what_was_secret_in_a_job_that_is_over_stays_hidden(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    sql = console.job.versions.get().sql.replace("'blackhole'", "'blackhole', 'password' = 'of-the-other-one'")
    job = make_job(console.user, console.job.workspace, console.endpoint, "other", sql=sql)
    other = Console(job, console.user, console.endpoint)
    other.start()
    other.click_stop()
    other.settle()
    fake.logs[""]["log"] = info("login with of-the-other-one").encode()
    client.force_login(console.user)
    assert "login with ******" in read(client, address, process="jobmanager")


def test_a_quote_that_is_never_closed_hides_its_record_only() -> None:
    end = end_of((info('password="abc def') + info("and on")).encode())
    assert "abc" not in end.records[0]
    assert end.records[1].endswith("and on")


# --- who may look ---


@pytest.fixture
def elsewhere(charlie: User) -> Workspace:
    return Workspace.objects.get(name="Elsewhere")


def hidden(client: Client, address: str) -> bool:
    found = set()
    for query in ({}, {"process": "jobmanager"}, {"process": "taskmanager:fake-tm-1"}):
        page = read(client, address, **query)
        assert ("Only super admins may read these" in page) == ("tm one" not in page and "jm says" not in page)
        again = client.get(f"{address}lines/", query, headers=HTMX)
        file = client.get(f"{address}download/", query)
        found |= {"Only super admins" in page, "INFO" not in again.text, file.status_code == 302}
    assert len(found) == 1
    return found.pop()


def test_logs_of_a_flink_with_jobs_of_others_are_for_super_admins(
    console: Console, running: Run, client: Client, address: str, elsewhere: Workspace, root: User
) -> None:
    client.force_login(console.user)
    assert not hidden(client, address)
    bound = ClusterBinding.objects.create(cluster=console.endpoint.cluster, workspace=elsewhere)
    assert hidden(client, address)
    page = read(client, address)
    assert "How the job was last started" in page  # that is its own
    client.force_login(root)
    assert not hidden(client, address)
    bound.delete()
    client.force_login(console.user)
    assert not hidden(client, address)


def test_a_super_admin_reads_no_secret_of_any_workspace(
    console: Console,
    running: Run,
    fake: FakeFlink,
    client: Client,
    address: str,
    elsewhere: Workspace,
    charlie: User,
    root: User,
) -> None:
    ClusterBinding.objects.create(cluster=console.endpoint.cluster, workspace=elsewhere)
    variables.create(charlie, elsewhere, "key", "their-word", is_hidden=True)
    Console(make_job(charlie, elsewhere, console.endpoint, "theirs"), charlie, console.endpoint).start()
    fake.logs[""]["log"] = info("login with their-word").encode()
    client.force_login(root)
    assert "login with ******" in read(client, address, process="jobmanager")


def test_so_are_those_where_jobs_of_others_have_run(
    console: Console, running: Run, client: Client, address: str, elsewhere: Workspace, charlie: User
) -> None:
    bound = ClusterBinding.objects.create(cluster=console.endpoint.cluster, workspace=elsewhere)
    other = Console(make_job(charlie, elsewhere, console.endpoint, "theirs"), charlie, console.endpoint)
    other.start()
    other.click_stop()
    other.settle()
    bound.delete()
    client.force_login(console.user)
    assert hidden(client, address)


def test_and_those_of_one_flink_under_two_names(
    console: Console, running: Run, client: Client, address: str, elsewhere: Workspace
) -> None:
    twin = Cluster.objects.create(name="twin", snapshot_directory="file:///x")
    FlinkEndpoint.objects.create(cluster=twin, flink_version="2.2.1", rest_url=f"{console.endpoint.rest_url}/")
    client.force_login(console.user)
    assert not hidden(client, address)
    ClusterBinding.objects.create(cluster=twin, workspace=elsewhere)
    assert hidden(client, address)


def test_and_those_of_one_flink_under_two_addresses(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str, charlie: User, root: User
) -> None:
    url = console.endpoint.rest_url.replace("127.0.0.1", "localhost")
    assert url != console.endpoint.rest_url
    twin = Cluster.objects.create(name="twin", snapshot_directory="file:///x")
    endpoint = FlinkEndpoint.objects.create(cluster=twin, flink_version="2.2.1", rest_url=url)
    elsewhere = Workspace.objects.get(name="Elsewhere")
    ClusterBinding.objects.create(cluster=twin, workspace=elsewhere)
    client.force_login(console.user)
    assert "tm one" in read(client, address)
    Console(make_job(charlie, elsewhere, endpoint, "theirs"), charlie, endpoint).start()
    for part in ("", "lines/"):
        page = client.get(address + part, {"process": "jobmanager"}, headers=HTMX).text
        assert "under another address" in page
        assert "jm says" not in page
    assert client.get(f"{address}download/", {"process": "jobmanager"}).status_code == 302
    client.force_login(root)
    assert "tm one" in read(client, address)


def test_to_whom_it_is_shown(
    console: Console, running: Run, vera: User, charlie: User, client: Client, address: str
) -> None:
    for user, status in ((vera, 200), (charlie, 404)):
        client.force_login(user)
        for part in ("", "lines/?process=jobmanager", "download/?process=jobmanager"):
            assert client.get(address + part).status_code == status, part
            assert client.post(address + part).status_code == 405


# --- when there is nothing to read ---


def test_a_job_that_never_ran(console: Console, fake: FakeFlink, client: Client, address: str) -> None:
    client.force_login(console.user)
    assert "This job has not run yet." in read(client, address)
    assert client.get(f"{address}lines/", headers=HTMX).status_code == 204
    assert client.get(f"{address}download/").status_code == 302
    assert not fake.requests


def test_a_start_that_failed_is_shown_as_the_startup_log(
    console: Console, fake: FakeFlink, client: Client, address: str
) -> None:
    fake.refuse_next_run("java.lang.ClassNotFoundException: com.acme.F")
    console.click_run()
    console.settle()
    client.force_login(console.user)
    page = read(client, address)
    assert "com.acme.F" in page
    assert "Flink refused" in page
    assert 'value="startup" selected' in page


def test_a_run_that_is_over_still_has_its_logs(console: Console, running: Run, client: Client, address: str) -> None:
    console.click_stop()
    console.settle()
    client.force_login(console.user)
    page = read(client, address)
    assert "tm one" in page
    assert "· ran this job" in page


def test_a_flink_that_is_known_to_be_away_is_not_asked(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    asked = len(fake.requests)
    client.force_login(console.user)
    assert "The cluster can&#x27;t be reached. As soon as it answers" in read(client, address)
    assert len(fake.requests) == asked


@pytest.mark.parametrize("damage", ["html", "drop_answer", "garbage", "status"])
def test_what_is_no_answer_is_told(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str, damage: Any
) -> None:
    client.force_login(console.user)
    for place in (r"/taskmanagers", r"/jobmanager/logs", r"/jobmanager/log"):
        fake.fault(("GET", place), damage, times=2, status=503 if damage == "status" else 0)
        page = read(client, address, process="jobmanager")
        told = (
            "The log could not be read:",
            "INFO",
        )  # a log is a text: a page from a proxy in its place looks like one
        assert any(one in page for one in told) or place == "/jobmanager/log"
        fake.clear_faults()
    fake.stop()
    assert "The connection was refused" in read(client, address)


def test_half_a_log_is_not_called_its_end(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    fake.logs[""]["log"] = info("half").encode() * 100
    fake.fault(("GET", "/jobmanager/log"), "truncated")
    client.force_login(console.user)
    page = read(client, address, process="jobmanager")
    assert "What stands here is not the end of the log." in page
    assert "half" in page


def test_only_some_read_at_a_time(
    console: Console, running: Run, client: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_into_logs, "WAITS_SECONDS", 0.01)
    client.force_login(console.user)
    with all_turns():
        assert "Other logs are being read at this moment." in read(client, address)
    assert "tm one" in read(client, address)


@contextmanager
def all_turns() -> Iterator[None]:
    with ExitStack() as all_of_them:
        for _turn in range(look_into_logs.AT_A_TIME):
            all_of_them.enter_context(look_into_logs._turn())
        yield


def test_only_some_wait_for_their_turn(
    console: Console, running: Run, client: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_into_logs, "WAITS_SECONDS", 60)
    client.force_login(console.user)
    with all_turns(), ThreadPoolExecutor(look_into_logs.WAITING) as pool:
        waiting = [pool.submit(wait_for_a_turn) for _one in range(look_into_logs.WAITING)]
        until(lambda: look_into_logs._places._value == 0, "all places are taken")
        assert "Other logs are being read at this moment." in read(client, address)
        for _turn in range(look_into_logs.AT_A_TIME):
            look_into_logs._turns.release()
        assert all(one.result() for one in waiting)
        for _turn in range(look_into_logs.AT_A_TIME):
            look_into_logs._turns.acquire()


def wait_for_a_turn() -> bool:
    with look_into_logs._turn():
        return True


# --- following and downloading ---


def test_a_page_follows_only_when_it_is_told_to(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    client.force_login(console.user)
    assert 'hx-trigger="every' not in read(client, address)
    page = read(client, address, follow="on")
    assert 'hx-trigger="every 5s"' in page
    query = {"process": "taskmanager:fake-tm-1", "of": "taskmanager:fake-tm-1", "file": "log", "follow": "on"}
    assert "process=taskmanager%3Afake-tm-1" in page
    asked = len(fake.requests)
    again = client.get(f"{address}lines/", query, headers={"HX-Request": "true"})
    assert "tm one" in again.text
    assert '<pre id="log-text"' in again.text
    assert "<form" not in again.text
    assert [one.path for one in fake.requests[asked:]] == ["/jobs", "/taskmanagers", "/taskmanagers/fake-tm-1/log"]
    # A page that came while Flink was away does not know yet what runs the job.
    for process in ("", "running"):
        assert "tm one" in client.get(f"{address}lines/", {"process": process}, headers={"HX-Request": "true"}).text


def test_what_was_read_stays_when_flink_goes_away(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    client.force_login(console.user)
    fake.stop()
    again = client.get(f"{address}lines/", {"process": "jobmanager"}, headers={"HX-Request": "true"})
    assert again.headers["HX-Reswap"] == "none"
    assert 'id="log-status" hx-swap-oob="true"' in again.text
    assert "The connection was refused" in again.text


def test_a_download_has_more_of_the_end(
    console: Console, running: Run, fake: FakeFlink, client: Client, address: str
) -> None:
    fake.logs[""]["log"] = "".join(info(f"line {n}") for n in range(2000)).encode()
    client.force_login(console.user)
    assert "the last 500 lines" in read(client, address, process="jobmanager")
    file = client.get(f"{address}download/", {"process": "jobmanager"})
    assert file.headers["Content-Disposition"] == f'attachment; filename="{console.job.serial}-jobmanager-log.txt"'
    assert file.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert len(file.text.splitlines()) == 2000
    few = client.get(f"{address}download/", {"process": "jobmanager", "q": "1999"})
    assert few.text == info("line 1999")
    fake.fault(("GET", "/jobmanager/log"), "truncated")  # half of it would pass for the whole
    assert client.get(f"{address}download/", {"process": "jobmanager"}).status_code == 302
    gone = client.get(f"{address}download/", {"process": "taskmanager:gone", "q": "x"}, follow=True)
    assert "The cluster has no such TaskManager any more" in gone.text


# --- the driver ---


def test_processes_and_files_of_the_driver(running: Run, fake: FakeFlink, tmp_path: Path) -> None:
    logs = FlinkEngine(fake.url, tmp_path).logs
    assert [(one.id, one.host) for one in logs.taskmanagers()] == [
        ("fake-tm-0", "127.0.0.1:1"),
        ("fake-tm-1", "127.0.0.1:1"),
    ]
    assert logs.taskmanagers_of(running.flink_job_id) == ["fake-tm-1"]
    with pytest.raises(NotFound):
        logs.taskmanagers_of("0" * 32)
    with pytest.raises(Missing):
        logs.files("gone")
    for process in ("", "fake-tm-0", "gone"):
        with pytest.raises(Missing), logs.read(process, "nope", is_listed=True):
            pass


def test_a_log_that_drips_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, running: Run, fake: FakeFlink, tmp_path: Path
) -> None:
    monkeypatch.setattr(flink_logs, "LOG_SECONDS", 0.1)
    fake.fault(("GET", "/jobmanager/log"), "hang")
    with pytest.raises(Unanswered), FlinkEngine(fake.url, tmp_path).logs.read("", LOG, is_listed=False):
        pass
    fake.release()


def test_nobody_waits_long_for_a_flink_that_hangs(
    monkeypatch: pytest.MonkeyPatch, fake: FakeFlink, tmp_path: Path
) -> None:
    monkeypatch.setattr(flink, "LOG_SECONDS", 0.1)
    fake.fault(("GET", "/taskmanagers"), "hang", times=None)
    began = time.monotonic()
    with pytest.raises(Unanswered):
        FlinkEngine(fake.url, tmp_path).logs.taskmanagers()
    assert time.monotonic() - began < flink.LOOK_SECONDS
    fake.release()


def test_nor_for_one_that_takes_its_time_with_each_task(
    monkeypatch: pytest.MonkeyPatch, running: Run, fake: FakeFlink, tmp_path: Path
) -> None:
    monkeypatch.setattr(flink_logs, "LOG_SECONDS", 0)
    assert FlinkEngine(fake.url, tmp_path).logs.taskmanagers_of(running.flink_job_id) == []
    assert not fake.seen("GET", f"/jobs/{running.flink_job_id}/vertices/.*")


def test_a_length_that_is_no_number_of_bytes_counts_for_nothing(tmp_path: Path) -> None:
    class OddFlink(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "9" * 5000)
            self.end_headers()
            self.wfile.write(b"text")

    with HTTPServer(("127.0.0.1", 0), OddFlink) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.handle_request)
        url = f"http://127.0.0.1:{server.server_port}"
        with FlinkEngine(url, tmp_path).logs.read("", LOG, is_listed=False) as log:
            assert log.size_bytes is None
            assert b"".join(log.pieces) == b"text"


@pytest.mark.flink
def test_the_real_flink_gives_its_logs(alice: User, workspace: Workspace, real: FlinkEndpoint, client: Client) -> None:
    job = make_job(alice, workspace, real, "logged")
    console = Console(job, alice, real)
    console.click_run()

    def is_up() -> bool:
        console.settle(1)
        return console.job.status == "running"

    until(is_up, "the job runs")
    logs = real.logs()
    assert set(logs.taskmanagers_of(console.run.flink_job_id)) <= {one.id for one in logs.taskmanagers()}
    client.force_login(alice)
    address = f"/jobs/{job.serial}/logs/"
    page = read(client, address)
    assert "· runs this job ·" in page
    assert console.run.flink_job_id in read(client, address, process="jobmanager", q=console.run.flink_job_id)
    listed = logs.files("")[0].name
    assert listed in read(client, address, process="jobmanager", file=f"file:{listed}")
    for process in ("", logs.taskmanagers()[0].id):
        with logs.read(process, STDOUT, is_listed=False) as log:
            assert len(b"".join(log.pieces)) == log.size_bytes
        for name in ("nope", "../conf/config.yaml"):
            with pytest.raises(Missing), logs.read(process, name, is_listed=True):
                pass
    with pytest.raises(Missing):
        logs.files("nope")
    console.click_stop(with_snapshot=False)

    def is_over() -> bool:
        console.settle(1)
        return bool(console.run.ended_at)

    until(is_over, "the job has ended")
