"""The dialog "Why this status?": one rule for every status, agreeing with what is shown, and all that a ticket needs."""

import re
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from clusters.models import Cluster, FlinkEndpoint
from jobs.models import Job, Run
from jobs.operations.record import problem
from jobs.shown import shown
from jobs.states import Action, RunEnd, Status, Step, status_after
from jobs.why import RULES, reason
from tests.conftest import Console

NO_RUN = object()
ENDS = [NO_RUN, "", *RunEnd]
SIGHTS = [("", 0, 0), ("CREATED", 0, 2), ("RUNNING", 1, 2), ("RUNNING", 2, 2), ("RESTARTING", 0, 2)]
# What the rule of the true state can lead to, besides the moments between two looks.
SETTLED = {(status_after(end), end) for end in RunEnd} | {
    (Status.STOPPED, NO_RUN),
    *((Status.FAILED, end) for end in ("", RunEnd.CANCELLED, RunEnd.NEVER_STARTED)),
}


def job_that(status: Status, end: Any, sight: tuple[str, int, int], is_missing: bool, is_unreachable: bool) -> Job:
    """Return a job as the list would read it; nothing is stored."""
    now = timezone.now()
    endpoint = FlinkEndpoint(cluster=Cluster(name="a"), flink_version="2.2.1")
    endpoint.unreachable_since = now if is_unreachable else None
    job = Job(name="orders", status=status, endpoint=endpoint, action=Action.RUN if status == "operating" else "")
    job.step = Step.STARTING if job.action else ""
    if end is not NO_RUN:
        state, up, total = sight
        run = Run(job=job, end=end, ended_at=now if end else None, flink_state=state, tasks_up=up, tasks_total=total)
        run.missing_since = now if is_missing else None
        job.current_run = run
    return job


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_rule_that_agrees_with_what_is_shown(status: Status) -> None:
    for end, sight, is_missing, is_unreachable in product(ENDS, SIGHTS, (False, True), (False, True)):
        job = job_that(status, end, sight, is_missing, is_unreachable)
        found, seen = reason(job), shown(job)
        told = (status, end, sight, is_missing, found.rule.name)
        assert found.rule.shape in (seen.shape, ""), told
        assert found.sentence, told
        assert "%(" not in found.sentence, told
        assert any("does not answer" in remark for remark in found.remarks) == (is_unreachable and seen.is_of_flink)
        if (status, end) in SETTLED or status not in (Status.RUNNING, Status.STOPPED, Status.FAILED):
            assert found.rule.name != "recorded", told


def test_every_rule_is_needed_and_no_two_have_one_name() -> None:
    names = {
        reason(job_that(status, end, sight, is_missing, False)).rule.name
        for status, end, sight, is_missing in product(Status, ENDS, SIGHTS, (False, True))
    }
    assert names == {rule.name for rule in RULES}
    assert len(names) == len(RULES)


def test_it_names_what_flink_said() -> None:
    assert reason(job_that(Status.RUNNING, "", ("RUNNING", 2, 2), False, False)).sentence == (
        "Flink says RUNNING and 2 of 2 tasks run, so the job is shown as running."
    )
    assert "RUNNING and 1 of 2 tasks" in reason(job_that(Status.RUNNING, "", ("RUNNING", 1, 2), False, False)).sentence


def test_the_console_tells_when_it_will_act_by_itself_or_is_at_work() -> None:
    job = job_that(Status.FAILED, RunEnd.FAILED, SIGHTS[3], False, False)
    job.recover_at = timezone.now()
    assert len(reason(job).remarks) == 1
    job = job_that(Status.RUNNING, "", SIGHTS[3], False, False)
    job.action = Action.SNAPSHOT
    assert "Create snapshot" in reason(job).remarks[0]


@pytest.mark.django_db
def test_the_dialog_shows_the_rule_the_facts_and_the_operation(client: Client, alice: User, console: Console) -> None:
    run = console.start()
    client.force_login(alice)
    body = client.get(f"/jobs/{console.job.serial}/why/", headers={"HX-Request": "true"}).text
    parts = ["so the job is shown as running", run.flink_job_id, console.endpoint.rest_url, console.last.serial]
    for part in [*parts, "Flink accepted", "Last answer"]:
        assert part in body
    assert "<html" not in body
    assert "<html" in client.get(f"/jobs/{console.job.serial}/why/").text


@pytest.mark.django_db
def test_what_is_copied_is_plain_text_with_all_ids(
    client: Client, alice: User, console: Console, settings: Any
) -> None:
    settings.SUPPORT_URL = "https://support.example/ask"
    run = console.start()
    why = problem("flink", "ArithmeticException: / by zero & <so on>", "at Some.java")
    Run.objects.filter(pk=run.pk).update(end=RunEnd.FAILED, ended_at=timezone.now())
    Job.objects.update(status=Status.FAILED, problem=why)
    client.force_login(alice)
    answer = client.get(f"/jobs/{console.job.serial}/why/")
    report = answer.context["report"]
    for part in (console.job.serial, run.flink_job_id, console.last.serial, "Division by zero", "at Some.java", " UTC"):
        assert part in report
    assert "/ by zero & <so on>" in report
    assert not re.search(r"<\w+>|\{[%{]|&amp;", report.replace("<so on>", ""))
    assert "data-copy=" in answer.text
    assert "https://support.example/ask" in answer.text
    assert "Full trace" in answer.text


@pytest.mark.django_db
def test_what_is_copied_is_written_as_chinese_is(client: Client, alice: User, console: Console) -> None:
    run = console.start()
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(missing_since=now)
    FlinkEndpoint.objects.update(unreachable_since=now, unreachable_reason="refused")
    client.force_login(alice)
    report = client.get(f"/jobs/{console.job.serial}/why/", headers={"Accept-Language": "zh-CN"}).context["report"]
    assert "状态：" in report
    assert "，消失于 " in report
    ours = [line for line in report.splitlines() if re.search(r"[\u4e00-\u9fff]", line)]
    assert len(ours) > 6
    for line in ours:
        assert not re.search(r"[\u4e00-\u9fff][:,]|[:,] [\u4e00-\u9fff]", line), line


@pytest.mark.django_db
def test_a_viewer_is_told_no_address(client: Client, vera: User, console: Console) -> None:
    console.start()
    now = timezone.now() - timedelta(minutes=3)
    reason = f"{console.endpoint.rest_url} refused"
    FlinkEndpoint.objects.update(unreachable_since=now, unreachable_reason=reason)
    client.force_login(vera)
    body = client.get(f"/jobs/{console.job.serial}/why/").text
    assert "does not answer at the moment" in body
    assert console.endpoint.rest_url not in body


@pytest.mark.django_db
def test_a_job_that_never_ran_has_a_reason(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    body = client.get(f"/jobs/{job.serial}/why/").text
    assert "never been run" in body
    head = client.get(f"/jobs/{job.serial}/").text
    assert f'hx-get="/jobs/{job.serial}/why/"' in head


@pytest.mark.django_db
def test_the_triangle_leads_to_it_with_the_time(client: Client, vera: User, job: Job) -> None:
    why = problem("flink", "ArithmeticException: / by zero")
    Job.objects.update(problem=why)
    client.force_login(vera)
    body = client.get(f"/spaces/{job.workspace.serial}/jobs/").text
    tip = body[body.index('role="tooltip"') :].split("</div>")[0]
    assert why.created_at.isoformat() in tip
    assert f'hx-get="/jobs/{job.serial}/why/"' in tip
    assert "/run/" not in tip


@pytest.mark.django_db
def test_it_costs_few_queries(
    client: Client, alice: User, console: Console, django_assert_max_num_queries: Any
) -> None:
    console.start()
    client.force_login(alice)
    with django_assert_max_num_queries(10):
        client.get(f"/jobs/{console.job.serial}/why/")


@pytest.mark.django_db
def test_it_is_hidden_from_other_workspaces_and_rejects_post(
    client: Client, alice: User, charlie: User, job: Job
) -> None:
    client.force_login(charlie)
    assert client.get(f"/jobs/{job.serial}/why/").status_code == 404
    client.force_login(alice)
    assert client.post(f"/jobs/{job.serial}/why/").status_code == 405
