"""The list of jobs: what it shows, to whom, how it filters, and what it costs."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs.models import Job, Problem, Run
from jobs.operations.record import problem
from jobs.states import Status
from tests.conftest import Console, make_job
from tests.until import until
from workspaces.models import Workspace


@pytest.fixture
def url(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/jobs/"


def make_rows(job: Job, count: int) -> None:
    """Add jobs that run and have a problem, the dearest rows there are."""
    version = job.versions.get()
    for n in range(count):
        why = problem("flink", "/ by zero")
        one = Job.objects.create(
            workspace=job.workspace, name=f"job-{n:03}", cluster=job.cluster, endpoint=job.endpoint, problem=why
        )
        run = Run.objects.create(
            job=one, number=1, version=version, endpoint=job.endpoint, cu=2, started_at=timezone.now()
        )
        Job.objects.filter(pk=one.pk).update(status=Status.RUNNING, current_run=run, last_version_number=3)


def settle_changes(workspace: Workspace) -> None:
    """Let all changes lie further back than a commit may come late."""
    Job.objects.filter(workspace=workspace).update(changed_at=F("changed_at") - timedelta(minutes=1))


HAS_CHANGED = "The list has changed: show it anew"


def asked_by(page: Any) -> str:
    """Return the address that an open list asks for what is new."""
    found = re.search(r'id="live"[^>]*hx-get="([^"]*)"', page if isinstance(page, str) else page.text)
    assert found
    return html.unescape(found[1])


def names_in(answer: Any) -> list[str]:
    return [job.name for job in answer.context["page"]]


def test_it_shows_a_job(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    body = client.get(url).text
    for part in ("orders", job.serial, "Stopped", "cluster-a", "2.2.1", "v1", "Develop"):
        assert part in body


def test_without_a_cluster_it_leads_to_what_is_needed_first(
    client: Client, alice: User, root: User, workspace: Workspace, url: str
) -> None:
    def primary(user: User) -> list[str]:
        client.force_login(user)
        return re.findall(r'class="button primary" href="([^"]+)"', client.get(url).text)

    assert primary(alice) == []
    assert "A super admin binds one to this workspace." in client.get(url).text
    assert primary(root) == ["/clusters/"]
    ClusterBinding.objects.create(
        workspace=workspace, cluster=Cluster.objects.create(name="a", snapshot_directory="file:///s")
    )
    assert primary(alice) == [f"/spaces/{workspace.serial}/jobs/new/"] * 2


def test_the_dialog_of_a_new_job_offers_nothing_without_a_cluster(
    client: Client, alice: User, workspace: Workspace, url: str
) -> None:
    client.force_login(alice)
    create = '<button class="primary" data-go {}>'
    assert create.format("disabled") in client.get(f"{url}new/").text
    ClusterBinding.objects.create(
        workspace=workspace, cluster=(cluster := Cluster.objects.create(name="a", snapshot_directory="file:///s"))
    )
    FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url="http://127.0.0.1:9")
    assert create.format("") in client.get(f"{url}new/").text


@pytest.mark.parametrize("rows", [20, 100])
def test_its_queries_do_not_grow_with_the_rows(
    client: Client, alice: User, job: Job, url: str, rows: int, django_assert_num_queries: Any
) -> None:
    make_rows(job, rows)
    settle_changes(job.workspace)
    client.force_login(alice)
    # The first time the process meets the session, and counts; the session comes with its user from then on.
    for query, first, again in (
        ({}, 7, 5),
        ({"q": "job"}, 5, 4),
        ({"q": "nothing"}, 4, 3),
        ({"status": "running"}, 5, 5),
    ):
        for queries in (first, again):
            with django_assert_num_queries(queries):
                answer = client.get(url, {"size": 100, **query})
        assert len(answer.context["page"].object_list) == (
            0 if query == {"q": "nothing"} else min(100, rows + (not query))
        )


def test_it_searches_by_name_and_by_id(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str
) -> None:
    other = make_job(alice, job.workspace, endpoint, "payments")
    client.force_login(alice)
    assert names_in(client.get(url, {"q": "PAY"})) == ["payments"]
    assert names_in(client.get(url, {"q": other.serial})) == ["payments"]
    assert "No job matches" in client.get(url, {"q": "nothing"}).text


def test_it_filters_by_status(client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str) -> None:
    failed = make_job(alice, job.workspace, endpoint, "payments")
    Job.objects.filter(pk=failed.pk).update(status=Status.FAILED)
    client.force_login(alice)
    assert names_in(client.get(url, {"status": "failed"})) == ["payments"]


def test_it_sorts(client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str) -> None:
    make_job(alice, job.workspace, endpoint, "payments")
    client.force_login(alice)
    assert names_in(client.get(url, {"sort": "name"})) == ["orders", "payments"]
    answer = client.get(url, {"sort": "-name"})
    assert names_in(answer) == ["payments", "orders"]
    assert 'aria-sort="descending"' in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"page": "abc"},
        {"page": "-1"},
        {"page": "9" * 40},
        {"sort": "evil"},
        {"sort": "--name"},
        {"size": "1000000"},
        {"size": "²"},
        {"status": "\0"},
        {"q": "a\0b"},
        {"q": "%_'\""},
        {"q": "x" * 5000},
    ],
)
def test_it_survives_nonsense(client: Client, alice: User, job: Job, url: str, query: dict[str, str]) -> None:
    client.force_login(alice)
    assert client.get(url, query).status_code == 200
    assert client.get(url + "poll/", {**query, "seen": "x", "row": "\0"}).status_code == 200


def test_a_viewer_sees_no_acts(client: Client, vera: User, job: Job, url: str) -> None:
    client.force_login(vera)
    body = client.get(url).text
    assert "orders" in body
    assert "New job" not in body
    assert "/run/" not in body


def test_it_is_hidden_from_other_workspaces(client: Client, charlie: User, job: Job, url: str) -> None:
    client.force_login(charlie)
    assert client.get(url).status_code == 404
    assert client.get(url + "poll/").status_code == 404
    assert client.get(url + "new/").status_code == 404


def test_a_restarting_job_is_not_called_running(client: Client, console: Console, alice: User, url: str) -> None:
    run = console.start()
    client.force_login(alice)
    assert '<span class="word">Running</span>' in client.get(url).text
    Run.objects.filter(pk=run.pk).update(tasks_up=1, tasks_total=4)
    body = client.get(url).text
    assert '<span class="word">Restarting</span>' in body
    assert "1 of 4 tasks run" in body
    assert '<span class="word">Running</span>' not in body


def test_a_live_job_out_of_reach_says_since_when(client: Client, console: Console, alice: User, url: str) -> None:
    console.start()
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    client.force_login(alice)
    assert "unreachable since" in client.get(url).text


def test_a_problem_is_told_beside_the_status(client: Client, alice: User, job: Job, url: str) -> None:
    why = Problem.objects.create(code="flink", summary="java.lang.ArithmeticException: / by zero")
    Job.objects.filter(pk=job.pk).update(status=Status.FAILED, problem=why)
    client.force_login(alice)
    body = client.get(url).text
    assert "Division by zero" in body
    assert "What to do" in body


def test_the_poll_is_silent_and_cheap_when_nothing_is_new(
    client: Client, alice: User, job: Job, url: str, django_assert_num_queries: Any
) -> None:
    settle_changes(job.workspace)
    client.force_login(alice)
    seen = client.get(url).context["seen"]
    with django_assert_num_queries(1):
        answer = client.get(url + "poll/", {"seen": seen, "row": job.serial})
    assert answer.status_code == 204
    assert not answer.templates


@pytest.mark.parametrize("rows", [20, 100])
def test_the_queries_of_a_poll_with_changes_do_not_grow_with_the_rows(
    client: Client, alice: User, job: Job, url: str, rows: int, django_assert_num_queries: Any
) -> None:
    make_rows(job, rows)
    client.force_login(alice)
    shown = client.get(url, {"size": 100}).context
    Job.objects.update(changed_at=timezone.now())
    with django_assert_num_queries(4):
        answer = client.get(url + "poll/", {"seen": shown["seen"], "row": shown["rows"]})
    assert answer.text.count('id="status-') == len(shown["rows"])


def test_the_poll_brings_the_cells_that_changed(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str
) -> None:
    other = make_job(alice, job.workspace, endpoint, "payments")
    settle_changes(job.workspace)
    Job.objects.filter(pk=job.pk).update(changed_at=F("changed_at") - timedelta(minutes=1))
    client.force_login(alice)
    seen = client.get(url).context["seen"]
    Job.objects.filter(pk=other.pk).update(status=Status.FAILED, changed_at=timezone.now())
    body = client.get(url + "poll/", {"seen": seen, "row": [job.serial, other.serial]}).text
    assert f'id="status-{other.serial}" hx-swap-oob="true"' in body
    assert f"status-{job.serial}" not in body
    assert 'id="summary" hx-swap-oob="true"' in body
    assert "<tr" not in body


def test_many_who_look_at_the_same_list_share_an_answer(
    client: Client, console: Console, alice: User, bob: User, vera: User, url: str
) -> None:
    address = url + "poll/?seen=0-0&row=" + console.job.serial
    answers, queries = {}, {}
    for user in (alice, bob, vera):
        client.force_login(user)
        with CaptureQueriesContext(connection) as asked:
            answers[user.username] = client.get(address).text
        queries[user.username] = len(asked)
    assert queries["bob"] == queries["alice"] - 2  # neither cells nor counts
    assert answers["alice"] == answers["bob"] != answers["vera"]
    assert 'href="/jobs/' + console.job.serial + '/run/"' not in answers["vera"]
    # What changes is there a moment later.
    console.click_run()
    client.force_login(bob)
    until(lambda: "Operating" in client.get(address).text, "the change is told")


def test_who_knows_more_than_the_others_were_told_gets_an_answer_of_his_own(
    client: Client, console: Console, alice: User, url: str
) -> None:
    client.force_login(alice)
    address = url + "poll/?row=" + console.job.serial
    client.get(address + "&seen=0-0")
    console.click_run()
    assert "Operating" in client.get(f"{address}&seen={timezone.now().timestamp()}-0").text


@pytest.mark.parametrize("mark", ["", "x", "nan-0", "inf-0", "-1-0", "1e400-0", "0-0", "9" * 30, "٣-0"])
def test_a_page_that_says_nonsense_of_what_it_shows_gets_everything(
    client: Client, alice: User, job: Job, url: str, mark: str
) -> None:
    client.force_login(alice)
    answer = client.get(url + "poll/", {"seen": mark, "row": job.serial})
    assert f'id="status-{job.serial}"' in answer.text


def test_the_poll_tells_that_a_cluster_went_away(client: Client, console: Console, alice: User, url: str) -> None:
    console.start()
    settle_changes(console.job.workspace)
    client.force_login(alice)
    seen = client.get(url).context["seen"]
    FlinkEndpoint.objects.update(unreachable_since=timezone.now())
    body = client.get(url + "poll/", {"seen": seen, "row": console.job.serial}).text
    assert "unreachable since" in body


def test_the_poll_tells_that_a_job_is_gone(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    seen = client.get(url).context["seen"]
    Job.objects.filter(pk=job.pk).update(deleted_at=timezone.now(), changed_at=timezone.now())
    body = client.get(url + "poll/", {"seen": seen, "row": job.serial}).text
    assert "Deleted" in body


def test_search_answers_the_part_of_the_page(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    body = client.get(url, {"q": "ord"}, headers={"HX-Request": "true", "HX-Target": "listing"}).text
    assert "<html" not in body
    assert 'id="listing"' in body


def test_it_creates_a_job(client: Client, alice: User, cluster: Cluster, endpoint: FlinkEndpoint, url: str) -> None:
    client.force_login(alice)
    answer = client.post(url + "new/", {"name": "风控_v1.2", "endpoint": endpoint.pk})
    made = Job.objects.get()
    assert (made.name, made.cluster, made.created_by) == ("风控_v1.2", cluster, alice)
    assert answer.headers["Location"] == f"/jobs/{made.serial}/draft/"


@pytest.mark.parametrize("name", ["", "a b", "x" * 50, "a\0b", "ａ", "a/b"])
def test_it_refuses_bad_names(client: Client, alice: User, endpoint: FlinkEndpoint, url: str, name: str) -> None:
    client.force_login(alice)
    answer = client.post(url + "new/", {"name": name, "endpoint": endpoint.pk})
    assert answer.status_code == 422
    assert not Job.objects.exists()


def test_a_form_without_anything_says_what_it_lacks(
    client: Client, alice: User, endpoint: FlinkEndpoint, url: str
) -> None:
    client.force_login(alice)
    answer = client.post(f"{url}new/")
    assert (answer.status_code, answer.text.count("This field is required.")) == (422, 2)


def test_it_refuses_a_name_that_is_taken(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    answer = client.post(url + "new/", {"name": job.name, "endpoint": job.endpoint_id})
    assert answer.status_code == 422
    assert "There is already a job with this name" in answer.text


def test_a_viewer_may_not_create(client: Client, vera: User, endpoint: FlinkEndpoint, url: str) -> None:
    client.force_login(vera)
    assert client.post(url + "new/", {"name": "a", "endpoint": endpoint.pk}).status_code == 403


def test_the_size_of_a_page_is_offered_where_it_makes_a_difference(
    client: Client, alice: User, job: Job, url: str
) -> None:
    client.force_login(alice)
    make_rows(job, 19)
    assert "Per page" not in client.get(url).text
    Job.objects.create(workspace=job.workspace, name="one-more", cluster=job.cluster, endpoint=job.endpoint)
    assert "Per page" in client.get(url).text
    assert "Per page" in client.get(url, {"size": 100}).text, "who chose more can go back to less"


@pytest.mark.parametrize("search", ["", "job"])
def test_an_open_list_says_that_there_are_other_jobs_by_now(
    client: Client, alice: User, job: Job, url: str, search: str
) -> None:
    client.force_login(alice)
    make_rows(job, 1)
    whole, narrow = ({"q": search, "status": status} for status in ("", "running"))
    asks = [asked_by(client.get(url, shown)) for shown in (whole, narrow)]
    assert not any(HAS_CHANGED in client.get(ask).text for ask in asks)
    Job.objects.filter(name="job-000").update(status=Status.FAILED, changed_at=timezone.now())
    until(lambda: HAS_CHANGED in client.get(asks[1]).text, "it is told that one runs no longer")
    assert HAS_CHANGED not in client.get(asks[0]).text
    make_job(alice, job.workspace, job.endpoint, "job-new")
    until(lambda: HAS_CHANGED in client.get(asks[0]).text, "it is told that one was created")
    answer = client.get(asks[0]).text
    assert HAS_CHANGED in client.get(asked_by(answer)).text, "until it is shown anew"
    anew = re.search(r'class="stale" href="([^"]*)"', answer)
    assert anew
    answer = client.get(url + html.unescape(anew[1]))
    assert "job-new" in names_in(answer)
    assert HAS_CHANGED not in client.get(asked_by(answer)).text
