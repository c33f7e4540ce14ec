"""The events of a job: what its life leaves behind in the timeline, how that filters and pages, and what it costs."""

from __future__ import annotations

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

from clusters import acts as clusters
from clusters.models import Outage
from jobs import operations
from jobs.events import Event, Kind, Selection
from jobs.models import Job, Operation, Restart, Run, Snapshot
from jobs.operations import reach
from jobs.states import Action
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink
from tests.program import Program

pytestmark = pytest.mark.django_db
BY_ZERO = "java.lang.ArithmeticException: / by zero"


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def events_of(job: Job) -> list[Event]:
    return Selection(job).newest(100)


def kinds_of(job: Job) -> list[str]:
    return [str(one.kind) for one in events_of(job)]


def let_recover(console: Console) -> None:
    """Let the time come at which the console runs the job again, and let it."""
    Job.objects.filter(pk=console.job.pk).update(recover_at=timezone.now() - timedelta(seconds=1))
    for pk in operations.due_recoveries():
        operations.recover(pk)
    console.settle()


def read(client: Client, job: Job, query: str = "") -> Any:
    answer = client.get(f"/jobs/{job.serial}/events/{query}")
    assert answer.status_code == 200
    return answer


def sentences_in(answer: Any) -> list[str]:
    return [one["sentence"] for one in answer.context["events"]]


def test_a_night_is_told_newest_first(signed_in: Client, console: Console, fake: FakeFlink) -> None:
    first = console.start()
    fake.fail_job(first.flink_job_id, BY_ZERO)
    console.watch()
    let_recover(console)
    console.click_stop()
    console.settle()
    kept = console.snapshot.serial
    console.click_run(snapshot=console.snapshot)
    console.settle()
    assert console.job.status == "running"
    answer = read(signed_in, console.job)
    assert sentences_in(answer) == [
        f"Run #3 of version 1 started from snapshot {kept}.",
        f"Run #2 was stopped with snapshot {kept}.",
        f"Snapshot {kept} was created when stopping run #2.",
        "The console ran it again by itself (attempt 1 of 3): run #2 of version 1 started without state.",
        "Run #1 failed on Flink.",
        "Run #1 of version 1 started without state.",
        "Version 1 was published: first",
        "The job was created.",
    ]
    shown = answer.context["events"]
    assert [str(one["by"] or "") for one in shown] == ["alice", "alice", "alice", "", "", "alice", "alice", "alice"]
    assert shown[3]["is_by_the_console"]
    failure = shown[4]
    assert failure["prospect"] == "The console planned to run it again by itself (attempt 1 of 3)."
    assert failure["explanation"].title == "Division by zero"
    for part in ("Cause and solution", "Division by zero", "What to do", "by the console", f"#{console.last.serial}"):
        assert part in answer.text


def test_a_start_that_flink_refuses_is_one_event(signed_in: Client, console: Console, fake: FakeFlink) -> None:
    fake.refuse_next_run(BY_ZERO)
    console.click_run()
    console.settle()
    assert kinds_of(console.job)[0] == Kind.START_FAILED
    assert kinds_of(console.job).count(Kind.START_FAILED) == 1
    answer = read(signed_in, console.job)
    assert sentences_in(answer)[0] == "Run #1 of version 1 did not start."
    assert answer.context["events"][0]["explanation"].title == "Division by zero"


def test_a_start_that_is_cancelled_names_who_did_it(
    signed_in: Client, console: Console, fake: FakeFlink, bob: User
) -> None:
    fake.hold_starts()
    console.click_run()
    console.perform()
    operations.cancel(bob, console.job)
    console.settle()
    newest = read(signed_in, console.job).context["events"][0]
    assert (newest["event"].kind, str(newest["by"])) == (Kind.START_CANCELLED, "bob")


def test_an_attempt_that_could_not_begin_is_told(signed_in: Client, console: Console, fake: FakeFlink) -> None:
    run = console.start()
    fake.fail_job(run.flink_job_id, BY_ZERO)
    console.watch()
    console.endpoint.cluster.bindings.all().delete()
    let_recover(console)
    answer = read(signed_in, console.job)
    assert sentences_in(answer)[:2] == [
        "The console could not run version 1 again by itself (attempt 1 of 3).",
        "Run #1 failed on Flink.",
    ]
    assert answer.context["events"][0]["explanation"]


def test_a_job_that_ends_vanishes_or_is_cancelled_by_others(
    signed_in: Client, console: Console, fake: FakeFlink, settings: Any
) -> None:
    settings.LOST_AFTER_SECONDS = settings.LOST_AFTER_WITHOUT_HA_SECONDS = 0
    operations.switch_recovery(console.user, console.job, False)
    fake.finish_job(console.start().flink_job_id)
    console.watch()
    fake.set_state(console.start().flink_job_id, "CANCELED", 0)
    console.watch()
    fake.forget_job(console.start().flink_job_id)
    console.watch()
    console.watch()
    assert console.run.end == "lost"
    assert [one for one in sentences_in(read(signed_in, console.job)) if "started" not in one] == [
        "Run #3 vanished: Flink does not know it any more.",
        "Run #2 was cancelled on Flink itself, not through the console.",
        "Run #1 worked off all its input and ended by itself.",
        "Auto recovery was switched off.",
        "Version 1 was published: first",
        "The job was created.",
    ]


def test_a_snapshot_that_fails_is_one_event_and_the_job_runs_on(
    signed_in: Client, console: Console, fake: FakeFlink
) -> None:
    console.start()
    fake.fail_next_savepoint("java.io.IOException: disk is full")
    console.click_snapshot()
    console.settle()
    fake.fail_next_savepoint("java.io.IOException: disk is full")
    console.click_stop()
    console.settle()
    console.click_snapshot()
    console.settle()
    good, of_stop, manual = Snapshot.objects.filter(job=console.job).order_by("-pk")
    answer = read(signed_in, console.job)
    assert sentences_in(answer)[:4] == [
        f"Snapshot {good.serial} of run #1 was created.",
        f"Snapshot {of_stop.serial}, to be created when stopping run #1, failed.",
        f"Snapshot {manual.serial} of run #1 failed.",
        "Run #1 of version 1 started without state.",
    ]
    assert answer.context["events"][1]["explanation"]


def test_a_stop_that_was_given_up_is_told(signed_in: Client, console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    Operation.objects.filter(ended_at=None).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.watch()
    assert sentences_in(read(signed_in, console.job))[0] == "Stopping run #1 failed."


def test_a_job_that_fails_while_it_is_stopped_is_one_event(
    signed_in: Client, console: Console, fake: FakeFlink
) -> None:
    run = console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    fake.fail_job(run.flink_job_id, BY_ZERO)
    console.settle()
    assert sentences_in(read(signed_in, console.job))[:2] == [
        "Run #1 failed on Flink.",
        "Run #1 of version 1 started without state.",
    ]


def test_the_checkpoint_that_moves_on_is_no_event(console: Console) -> None:
    run = console.start()
    before = kinds_of(console.job)
    Snapshot.objects.create(
        job=console.job,
        run=run,
        source="checkpoint",
        state="completed",
        location="file:///c/1",
        ended_at=timezone.now(),
    )
    assert kinds_of(console.job) == before


def test_it_narrows_to_a_kind_to_a_run_and_to_a_time(signed_in: Client, console: Console, fake: FakeFlink) -> None:
    operations.switch_recovery(console.user, console.job, False)
    fake.fail_job(console.start().flink_job_id, BY_ZERO)
    console.watch()
    console.start()
    Run.objects.filter(number=1).update(
        started_at=F("started_at") - timedelta(days=8), ended_at=F("ended_at") - timedelta(days=2)
    )
    answer = read(signed_in, console.job)
    assert [str(one["label"]) for one in answer.context["chips"]] == [
        *("All events", "Problems only", "Job failed", "Started"),
        *("Version published", "Auto recovery switched", "Job created"),
    ]
    assert [one["count"] for one in answer.context["chips"]] == [5, 1, 1, 1, 1, 1, 1]
    assert sentences_in(read(signed_in, console.job, "?kind=problems")) == ["Run #1 failed on Flink."]
    assert sentences_in(read(signed_in, console.job, "?kind=problems&range=24h")) == []
    assert len(sentences_in(read(signed_in, console.job, "?run=1"))) == 1
    assert len(sentences_in(read(signed_in, console.job, "?run=1&range=30d"))) == 2
    assert len(sentences_in(read(signed_in, console.job, "?kind=started&range=all"))) == 2
    assert "No event matches" in read(signed_in, console.job, "?run=-5").text
    none = read(signed_in, console.job, "?kind=snapshot&run=2")
    assert "No event matches" in none.text
    assert f'href="/jobs/{console.job.serial}/events/"' in none.text, "the filters can be reset"
    assert "Show all events" in none.text


@pytest.mark.parametrize(
    "query",
    [
        "?kind=x&run=x&range=x&before=x",
        "?before=9-nowhere-1",
        f"?run={'9' * 17}",
        "?before=9999999999999999-end-1",
        "?kind=%00&before=%00",
    ],
)
def test_nonsense_in_the_address_is_taken_for_not_said(signed_in: Client, job: Job, query: str) -> None:
    assert sentences_in(read(signed_in, job, query)) == ["Version 1 was published: first", "The job was created."]


def make_night(job: Job, count: int) -> None:
    """Give a job so many runs that failed, each with a start, a snapshot that failed and its operation."""
    job = Job.objects.get(pk=job.pk)
    version, now = job.versions.get(number=1), timezone.now()
    problem = operations.record.problem("flink", BY_ZERO)
    times = {n: now - timedelta(minutes=count - n) for n in range(count)}
    runs = Run.objects.bulk_create(
        Run(
            job=job, number=job.last_run_number + n + 1, version=version, endpoint=job.endpoint, cu=2,
            started_at=at, ended_at=at, end="failed", problem=problem,
        )
        for n, at in times.items()
    )  # fmt: skip
    Snapshot.objects.bulk_create(
        Snapshot(
            job=job, run=one, source="manual", state="failed", ended_at=one.ended_at, problem=problem, directory="d"
        )
        for one in runs
    )
    Operation.objects.bulk_create(
        Operation(job=job, run=one, action=Action.RUN, step="done", outcome="succeeded", ended_at=one.started_at)
        for one in runs
    )
    Job.objects.filter(pk=job.pk).update(last_run_number=F("last_run_number") + count)


def test_pages_follow_one_another_without_gap_or_repetition(signed_in: Client, job: Job) -> None:
    make_night(job, 40)
    told, query = [], "?range=all"
    while query:
        answer = read(signed_in, job, query)
        told += [str(one["event"].place) for one in answer.context["events"]]
        assert (answer.context["newest"] == "") == (query == "?range=all")
        query = answer.context["older"]
    assert told == [str(one.place) for one in Selection(job).newest(1000)]
    assert len(told) == len(set(told)) == 3 * 40 + 2


def test_it_costs_as_many_statements_with_many_runs_as_with_few(signed_in: Client, job: Job) -> None:
    make_night(job, 10)
    read(signed_in, job)  # some parts are kept from then on
    with CaptureQueriesContext(connection) as few:
        read(signed_in, job)
    make_night(job, 200)
    with CaptureQueriesContext(connection) as many:
        answer = read(signed_in, job)
    assert len(answer.context["events"]) == 30
    assert len(many) == len(few) <= 12


def test_whether_a_job_was_there_in_an_outage_is_not_asked_of_all_its_runs(job: Job) -> None:
    make_night(job, 1000)
    Run.objects.update(created_at=F("started_at"))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_run")
    now = timezone.now()
    for hours in (1, 2, 400):
        at = now - timedelta(hours=hours)
        Outage.objects.create(endpoint=job.endpoint, began_at=at, ended_at=at + timedelta(minutes=5))
    outages = Selection(job)._read_from("outage")
    assert "Index Scan Backward using jobs_run_by_time" in outages.explain()
    # One run a minute fails at once: the last one that began before an outage was over was there if it began in it.
    assert {one.of_run: one.at for one in outages} == {
        runs.number: one.began_at
        for one in Outage.objects.all()
        if (runs := job.runs.filter(created_at__range=(one.began_at, one.ended_at)).first())
    }


def test_the_api_tells_the_same(alice: User, console: Console, fake: FakeFlink) -> None:
    fake.fail_job(console.start().flink_job_id, BY_ZERO)
    console.watch()
    let_recover(console)
    console.click_stop()
    console.settle()
    asked = {"JobId": console.job.serial, "StartTimestamp": 0, "EndTimestamp": 9_999_999_999}
    program = Program(alice)
    told = program.call("DescribeJobEvents", asked)
    events = events_of(console.job)
    assert [one["Timestamp"] for one in told["Events"]] == [int(one.at.timestamp()) for one in events]
    assert [one["Description"] for one in told["Events"]] == [str(one.kind.label) for one in events]
    assert told["TotalCount"] == len(events)
    assert [one["Type"] for one in told["Events"]] == ["11", "32", "22", "21", "1", "42", "41"]
    failures = program.call("DescribeJobEvents", asked | {"Types": ["21"]})
    assert [one["Description"] for one in failures["Events"]] == ["Job failed"]
    second = program.call("DescribeJobEvents", asked | {"Offset": 1, "Limit": 2})
    assert second["Events"] == told["Events"][1:3]
    assert second["TotalCount"] == len(events)
    for none in ({"Limit": 0}, {"Offset": 2**63 - 1}, {"Types": ["99"]}):
        assert program.call("DescribeJobEvents", asked | none)["Events"] == []


def test_an_open_page_gets_what_is_new(signed_in: Client, console: Console) -> None:
    page = read(signed_in, console.job, "?kind=started")
    console.start()
    told = signed_in.get(
        f"/jobs/{console.job.serial}/poll/", {"seen": page.context["seen"], "tab": "events", "kind": "started"}
    )
    assert 'id="tab" hx-swap-oob="true"' in told.text
    assert "Run #1 of version 1 started without state." in told.text
    assert "was published: first" not in told.text


def test_its_links_lead_to_the_page_that_shows_the_row(signed_in: Client, console: Console) -> None:
    make_night(console.job, 50)
    run = Run.objects.get(job=console.job, number=5)
    snapshot, operation = run.snapshots.get(), run.operations.get()
    text = read(signed_in, console.job, "?run=5").text
    for tab, key, row in [
        ("runs", "5", "run-5"),
        ("snapshots", snapshot.serial, snapshot.serial),
        ("operations", operation.serial, operation.serial),
    ]:
        address = f"/jobs/{console.job.serial}/{tab}/?show={key}"
        assert f'href="{address}#{row}"' in text
        assert f'id="{row}"' in signed_in.get(address).text
        assert f'id="{row}"' not in signed_in.get(f"{address}&page=1").text
        assert signed_in.get(f"/jobs/{console.job.serial}/{tab}/?show=%00").status_code == 200


def test_the_events_of_others_are_not_shown(client: Client, charlie: User, vera: User, console: Console) -> None:
    make_night(make_job(console.user, console.job.workspace, console.endpoint, "other"), 3)
    client.force_login(vera)
    assert len(sentences_in(read(client, console.job))) == 2
    client.force_login(charlie)
    assert client.get(f"/jobs/{console.job.serial}/events/").status_code == 404


def test_restarts_by_flink_itself_are_one_event_an_hour(
    signed_in: Client, console: Console, fake: FakeFlink, bob: User
) -> None:
    run = console.start()
    for _time in range(2):
        fake.fail_job(run.flink_job_id, BY_ZERO, state="RESTARTING")
        console.watch()
        console.watch()
        fake.set_state(run.flink_job_id, "RUNNING")
        console.watch()
    Restart.objects.update(hour=F("hour") - timedelta(hours=1))
    fake.set_state(run.flink_job_id, "RUNNING", tasks_up=0)
    console.watch()
    answer = read(signed_in, console.job)
    assert sentences_in(answer)[:3] == [
        "Flink restarted run #1 by itself.",
        "Flink restarted run #1 by itself, 2 times within the hour.",
        "Run #1 of version 1 started without state.",
    ]
    assert f'href="/jobs/{console.job.serial}/#exceptions"' in answer.text
    assert len(sentences_in(read(signed_in, console.job, "?run=1&kind=restarted"))) == 2
    overview = signed_in.get(f"/jobs/{console.job.serial}/").text
    assert f'<a href="/jobs/{console.job.serial}/events/?run=1&amp;kind=restarted">seen 3 times</a>' in overview


def test_a_job_that_restarts_again_and_again_says_so_also_between_two_restarts(
    signed_in: Client, console: Console, fake: FakeFlink
) -> None:
    run = console.start()
    of_list, of_job = f"/spaces/{console.job.workspace.serial}/jobs/", f"/jobs/{console.job.serial}/"
    said = f'<a href="{of_job}events/?kind=restarted">restarts often</a> <time'

    def is_told() -> bool:
        told = {said in signed_in.get(page).text for page in (of_list, of_job)}
        assert len(told) == 1, "list and page say the same"
        reason = signed_in.get(f"{of_job}why/").text
        assert ("Flink restarts the job again and again" in reason) == (said in signed_in.get(of_job).text)
        return told == {True}

    for _time in range(3):
        assert not is_told()
        fake.set_state(run.flink_job_id, "RUNNING", tasks_up=0)
        console.watch()
        fake.set_state(run.flink_job_id, "RUNNING")
        console.watch()
    assert console.job.status == "running"
    assert is_told()
    problems = signed_in.get(f"/spaces/{console.job.workspace.serial}/problems/").text
    assert "Flink restarts the job again and again" in problems
    (key,) = re.findall(r"problem=([^&\"]*restarts-often[^&\"]*)", problems)
    assert said in signed_in.get(f"{of_list}?problem={key}").text
    seen = Restart.objects.get()
    Restart.objects.update(last_at=F("last_at") - timedelta(minutes=16))
    assert not is_told(), "it has calmed down"
    Restart.objects.update(last_at=seen.last_at)
    console.click_stop(False)
    assert said not in signed_in.get(of_list).text, "what is being done to it comes first"
    console.settle()
    assert not is_told()


def test_a_start_and_a_stop_are_no_restarts(console: Console, fake: FakeFlink) -> None:
    fake.hold_starts("RESTARTING")
    console.click_run()
    console.perform()
    console.watch()
    fake.release_starts()
    console.settle()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    console.watch()
    fake.release_cancels()
    console.settle()
    assert console.job.status == "stopped"
    assert not Restart.objects.exists()


def test_a_flink_that_was_silent_is_told_to_the_jobs_that_ran_there(
    signed_in: Client, console: Console, fake: FakeFlink
) -> None:
    other = make_job(console.user, console.job.workspace, console.endpoint, "other")
    console.start()
    fake.stop()
    console.watch()
    console.watch()
    during = read(signed_in, console.job)
    assert sentences_in(during)[0] == "The Flink of the job does not answer."
    assert "What happened to the job there since then is not known yet." in during.text
    fake.start()
    console.watch()
    after = read(signed_in, console.job)
    assert sentences_in(after)[0] == "The Flink of the job did not answer; then it was back."
    assert "is not known yet" not in after.text
    fake.stop()
    console.watch()
    fake.start()
    console.watch()
    answer = read(signed_in, console.job, "?run=1")
    assert "2 times with little between" in sentences_in(answer)[0]
    assert [one.run for one in events_of(console.job) if one.kind == Kind.UNREACHABLE] == [console.run]
    assert "Answers again since" in answer.text
    Outage.objects.update(ended_at=F("ended_at") - reach.SAME_OUTAGE)
    Run.objects.update(created_at=F("created_at") - reach.SAME_OUTAGE)
    fake.stop()
    console.watch()
    assert kinds_of(console.job).count(Kind.UNREACHABLE) == 2
    assert Kind.UNREACHABLE not in kinds_of(other), "nothing of it ran there"


def test_an_outage_ends_with_the_address_that_was_silent(root: User, console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.stop()
    console.watch()
    assert Outage.objects.filter(ended_at=None).exists()
    endpoint = console.endpoint
    values = {"flink_version": "2.2.1", "rest_url": "http://127.0.0.1:9", "dashboard_url": "", "is_default": True}
    clusters.change_endpoint(root, endpoint, values)
    assert not Outage.objects.filter(ended_at=None).exists()


def test_noting_that_nothing_is_new_costs_nothing(console: Console, fake: FakeFlink) -> None:
    console.start()
    console.watch()
    with CaptureQueriesContext(connection) as asked:
        console.watch()
    assert not [one["sql"] for one in asked if "jobs_restart" in one["sql"] or "clusters_outage" in one["sql"]]
