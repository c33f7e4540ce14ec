"""The page of problems: what is wrong in a workspace, grouped by its cause, whatever the number of jobs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs.models import Job, Problem, Run
from jobs.operations.record import problem, update_job
from jobs.problem_groups import groups_of
from jobs.states import RunEnd, Status
from tests.conftest import Console, make_job
from tests.test_unrecorded import start_unrecorded
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(alice: User, workspace: Workspace, endpoint: FlinkEndpoint) -> list[Job]:
    """Fifteen jobs of the workspace, none of them with a problem."""
    first = make_job(alice, workspace, endpoint, "job-00")
    rest = [
        Job(workspace=workspace, name=f"job-{number:02}", cluster=first.cluster, endpoint=endpoint, status="stopped")
        for number in range(1, 15)
    ]
    return [first, *Job.objects.bulk_create(rest)]


def fail(jobs: list[Job], summary: str, trace: str = "") -> None:
    for job in jobs:
        update_job(job.pk, status=Status.FAILED, problem=problem("flink", summary, trace))


def lose(endpoint: FlinkEndpoint) -> None:
    since = timezone.now() - timedelta(minutes=4)
    FlinkEndpoint.objects.filter(pk=endpoint.pk).update(unreachable_since=since, unreachable_reason="refused")


def page(client: Client, workspace: Workspace, **query: str) -> Any:
    return client.get(f"/spaces/{workspace.serial}/problems/", query)


def test_what_is_wrong_with_the_most_jobs_comes_first(many: list[Job], workspace: Workspace) -> None:
    fail(many[:2], "NumberFormatException: For input string: 'x'")
    fail(many[2:14], "ArithmeticException: / by zero")
    zero, cast = groups_of(workspace)
    assert (zero.explanation.title, zero.count, zero.more) == ("Division by zero", 12, 2)
    assert [job["name"] for job in zero.jobs] == [f"job-{number:02}" for number in range(2, 12)]
    assert (cast.explanation.title, cast.count, cast.more) == ("A value can't be converted", 2, 0)
    assert zero.since < zero.latest


def test_the_latest_is_told_where_it_came_later_than_the_first(
    rf: RequestFactory, many: list[Job], workspace: Workspace
) -> None:
    fail(many[:2], "ArithmeticException: / by zero")
    (group,) = groups_of(workspace)
    at, request = timezone.now().replace(microsecond=0), rf.get("/")
    for late, is_told in ((timedelta(milliseconds=900), False), (timedelta(seconds=1), True)):
        shown = replace(group, since=at, latest=at + late)
        told = render_to_string("jobs/_problems.html", {"groups": [shown], "workspace": workspace}, request)
        assert ("latest" in told) is is_told


def test_unknown_errors_are_the_same_when_flink_says_the_same(many: list[Job], workspace: Workspace) -> None:
    fail(many[:3], "SomethingException: nobody knows\nbut it has two lines")
    fail(many[3:5], "OtherException: nobody knows this either")
    assert [(group.count, group.explanation.cause.split(":")[0]) for group in groups_of(workspace)] == [
        (3, "SomethingException"),
        (2, "OtherException"),
    ]


def test_an_endpoint_out_of_reach_is_one_problem_of_all_that_run_there(
    client: Client, vera: User, console: Console, many: list[Job], workspace: Workspace
) -> None:
    console.start()
    lose(console.endpoint)
    client.force_login(vera)
    (group,) = groups_of(workspace)
    assert (group.count, group.is_unreachable) == (1, True)
    assert [job["name"] for job in group.jobs] == ["orders"]
    assert "refused" in page(client, workspace).text
    assert group.since == FlinkEndpoint.objects.get(pk=console.endpoint.pk).unreachable_since
    # The jobs that don't run lack nothing, and the one that does is not counted twice.
    fail([console.job], "ArithmeticException: / by zero")
    assert [one.count for one in groups_of(workspace)] == [1]


def test_two_flinks_are_two_groups(many: list[Job], workspace: Workspace, endpoint: FlinkEndpoint) -> None:
    other = FlinkEndpoint.objects.create(
        cluster=endpoint.cluster, flink_version="1.20.5", rest_url="http://other:8081", is_default=False
    )
    fail(many[:4], "ArithmeticException: / by zero")
    Job.objects.filter(pk=many[0].pk).update(endpoint=other)
    assert [(group.endpoint, group.count) for group in groups_of(workspace)] == [(endpoint, 3), (other, 1)]


def test_the_page_shows_them_with_a_way_to_the_list(
    client: Client, vera: User, many: list[Job], workspace: Workspace
) -> None:
    fail(many[:12], "ArithmeticException: / by zero", trace="at Secret.java")
    client.force_login(vera)
    body = page(client, workspace).text
    for part in (
        "Division by zero (12 jobs)",
        "NULLIF",
        "cluster-a",
        f"/jobs/{many[0].serial}/",
        "Show all 12 jobs in",
    ):
        assert part in body
    assert "Secret.java" not in body
    (group,) = groups_of(workspace)
    listed = client.get(f"/spaces/{workspace.serial}/jobs/", {"problem": group.key, "size": "100"})
    assert [job.serial for job in listed.context["page"]] == [job.serial for job in reversed(many[:12])]
    assert f'value="{group.key}"' in client.get(f"/spaces/{workspace.serial}/jobs/", {"problem": group.key}).text


@pytest.mark.parametrize("nonsense", ["x", "1", ":", "::", "\0", "9999999999999:flink:x", "1:flink:\0x", "²:a:b"])
def test_a_list_of_nonsense_is_empty(client: Client, vera: User, job: Job, nonsense: str) -> None:
    client.force_login(vera)
    listed = client.get(f"/spaces/{job.workspace.serial}/jobs/", {"problem": nonsense})
    assert list(listed.context["page"]) == []


def test_the_list_links_to_the_problems(client: Client, vera: User, many: list[Job], workspace: Workspace) -> None:
    client.force_login(vera)
    address = f"/spaces/{workspace.serial}/problems/"
    words = "3 jobs with a problem"
    assert words not in client.get(f"/spaces/{workspace.serial}/jobs/").text
    fail(many[:3], "ArithmeticException: / by zero")
    body = client.get(f"/spaces/{workspace.serial}/jobs/").text
    assert words in body
    assert address in body
    listed = client.get(f"/spaces/{workspace.serial}/jobs/", {"problem": "any"})
    assert {job.serial for job in listed.context["page"]} == {job.serial for job in many[:3]}


def test_all_that_match_are_those_of_the_problem(
    client: Client, alice: User, many: list[Job], workspace: Workspace
) -> None:
    fail(many[:3], "ArithmeticException: / by zero")
    client.force_login(alice)
    (group,) = groups_of(workspace)
    asked = client.get(f"/spaces/{workspace.serial}/batch/run/", {"all": "1", "problem": group.key})
    assert set(asked.context["form"].initial["jobs"].split(",")) == {job.serial for job in many[:3]}


def test_nothing_is_wrong(client: Client, vera: User, job: Job) -> None:
    client.force_login(vera)
    assert "Nothing is wrong" in page(client, job.workspace).text


def test_it_polls_and_answers_only_what_is_new(
    client: Client, vera: User, many: list[Job], workspace: Workspace
) -> None:
    client.force_login(vera)
    seen = page(client, workspace).context["seen"]
    address = f"/spaces/{workspace.serial}/problems/?seen={seen}"
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
    fail(many[:1], "ArithmeticException: / by zero")
    answer = client.get(address, headers={"HX-Request": "true"})
    assert "Division by zero (1 job)" in answer.text
    assert "<html" not in answer.text


def test_its_queries_are_as_many_for_a_thousand_jobs(
    client: Client, vera: User, many: list[Job], workspace: Workspace, django_assert_num_queries: Any
) -> None:
    client.force_login(vera)
    fail(many[:1], "ArithmeticException: / by zero")
    page(client, workspace)

    def cost() -> int:
        with django_assert_num_queries(COST) as seen:
            page(client, workspace)
        return len(seen)

    assert cost() == COST
    problems = Problem.objects.bulk_create(
        Problem(code="flink", summary=f"E{n % 30}: x", trace="x" * 5000, values={"known": "Flink reports an error"})
        for n in range(1000)
    )
    model = many[0]
    Job.objects.bulk_create(
        Job(workspace=workspace, name=f"mass-{n}", cluster=model.cluster, endpoint=model.endpoint, problem=why)
        for n, why in enumerate(problems)
    )
    assert cost() == COST
    assert len(groups_of(workspace)) == 31


# Session, user, workspace, role, groups, endpoints, problems, jobs, what Flink restarts again and again; the frame's own workspaces.
COST = 10


def test_it_is_hidden_from_other_workspaces_and_rejects_post(client: Client, charlie: User, job: Job) -> None:
    client.force_login(charlie)
    assert page(client, job.workspace).status_code == 404
    assert client.post(f"/spaces/{job.workspace.serial}/problems/").status_code in (404, 405)


def test_a_job_that_ended_by_itself_lacks_nothing(console: Console, workspace: Workspace) -> None:
    console.start()
    Run.objects.update(end=RunEnd.FINISHED, ended_at=timezone.now())
    lose(console.endpoint)
    assert groups_of(workspace) == []


def test_a_second_run_on_flink_is_seen_in_the_list_and_here(
    console: Console, workspace: Workspace, client: Client
) -> None:
    console.start()
    client.force_login(console.user)
    lists = f"/spaces/{workspace.serial}/jobs/"
    assert "runs twice on Flink" not in client.get(lists).text
    seen = page(client, workspace).context["seen"]
    second = start_unrecorded(console)
    console.watch()
    assert f'href="/jobs/{console.job.serial}/#second">runs twice on Flink' in client.get(lists).text
    answer = client.get(f"/spaces/{workspace.serial}/problems/", {"seen": seen}, headers={"HX-Request": "true"}).text
    assert "Two runs of one job on Flink (1 job)" in answer
    assert second in answer
    [group] = groups_of(workspace)
    assert console.job.name in client.get(lists, {"problem": group.key}).text
    assert "runs twice on Flink" in client.get(f"/jobs/{console.job.serial}/versions/").text
    console.click_stop()
    console.settle()
    assert groups_of(workspace) == []  # it is taken over, and runs alone
