"""Every call of every operation loses its answer once, before or after it was carried out; the result is the same (G2-G5)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from clusters.flink import connect
from jobs import operations
from jobs.models import Operation
from tests.conftest import SQL, Console
from tests.fake_flink import FakeFlink
from workspaces import variables

pytestmark = pytest.mark.django_db

CALLS = {
    "run": [
        ("GET", r"/overview"),
        ("GET", r"/jars"),
        ("POST", r"/jars/upload"),
        ("POST", r"/jars/[^/]*/run"),
        ("GET", r"/jobs/overview"),
    ],
    "stop-with-snapshot": [
        ("POST", r"/jobs/[^/]*/stop"),
        ("GET", r"/jobs/[^/]*/savepoints/.*"),
        ("GET", r"/jobs/overview"),
    ],
    "stop": [("PATCH", r"/jobs/.*"), ("GET", r"/jobs/overview")],
    "snapshot": [
        ("POST", r"/jobs/[^/]*/savepoints"),
        ("GET", r"/jobs/[^/]*/savepoints/.*"),
        ("GET", r"/jobs/overview"),
    ],
    "run-from-snapshot": [("POST", r"/jars/[^/]*/run"), ("GET", r"/jobs/[^/]*/checkpoints")],
}
DAMAGES = ["reset_before", "drop_answer", "html", "garbage", "truncated"]
CASES = [(act, call, damage) for act, calls in CALLS.items() for call in calls for damage in DAMAGES]


@pytest.mark.parametrize(
    ("act", "call", "damage"), CASES, ids=lambda one: "-".join(one) if isinstance(one, tuple) else one
)
def test_a_lost_answer_changes_nothing(
    console: Console, fake: FakeFlink, act: str, call: tuple[str, str], damage: str
) -> None:
    prepare(console, act)
    # Looking is repeated at once by the driver, so it has to be lost twice to be noticed.
    fake.fault(call, damage, times=2 if call[0] == "GET" else 1)
    click(console, act)
    console.settle()
    check(console, fake, act)


@pytest.mark.parametrize("act", ["run", "stop-with-snapshot", "stop", "snapshot", "run-from-snapshot"])
@pytest.mark.parametrize(("status", "carried_out"), [(500, True), (500, False), (503, True), (503, False)])
def test_an_answer_of_a_proxy_is_no_answer_of_flink(
    console: Console, fake: FakeFlink, act: str, status: int, carried_out: bool
) -> None:
    prepare(console, act)
    fake.fault(("*", r"/(jars/[^/]*/run|jobs/[^/]*(/stop|/savepoints)?)"), "status",
               status=status, body="<h1>Bad gateway</h1>", carried_out=carried_out)  # fmt: skip
    click(console, act)
    console.settle()
    check(console, fake, act)


def prepare(console: Console, act: str) -> None:
    if act == "run":
        return
    console.start()
    if act == "run-from-snapshot":
        console.click_stop()
        console.settle()


def click(console: Console, act: str) -> Operation:
    if act == "run":
        return console.click_run()
    if act == "run-from-snapshot":
        return console.click_run(snapshot=console.snapshot)
    return console.click_snapshot() if act == "snapshot" else console.click_stop(act == "stop-with-snapshot")


def check(console: Console, fake: FakeFlink, act: str) -> None:
    assert console.last.outcome == "succeeded", list(console.last.steps.values_list("step", "event", "detail"))
    runs = list(console.job.runs.order_by("number"))
    for run in runs:
        assert len(fake.submissions(run.flink_job_id)) == 1
    assert set(fake.jobs) == {run.flink_job_id for run in runs}
    state = fake.jobs[runs[-1].flink_job_id].state
    assert (state == "RUNNING") == (console.job.status == "running")
    assert console.job.status == ("stopped" if act.startswith("stop") else "running")
    if act in ("stop-with-snapshot", "snapshot"):
        assert console.snapshot.state == "completed"
        assert console.job.snapshots.count() == 1


def gone_when_asked_for_jars(fake: FakeFlink) -> None:
    """Let it go away in the middle of a submission: before that is sent, so it surely does not arrive."""
    fake.on(("GET", r"/jars"), lambda _request: fake.stop())


def give_up(console: Console) -> None:
    Operation.objects.filter(pk=console.last.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    console.perform()
    assert (console.last.outcome, console.job.problem.code) == ("failed", "cluster-unreachable")


def test_what_surely_never_arrived_keeps_nobody_from_running_the_job_again(console: Console, fake: FakeFlink) -> None:
    gone_when_asked_for_jars(fake)
    console.click_run()
    console.perform()
    assert console.last.steps.filter(event="asked").exists()
    give_up(console)
    assert console.run.end == "never-started"
    assert console.click_run()


def test_what_may_have_arrived_before_is_not_forgotten(console: Console, fake: FakeFlink) -> None:
    """A first request is lost, and another worker, who has sent none to this Flink yet, finds it gone."""
    fake.fault(("POST", r"/jars/[^/]*/run"), "reset_before")
    console.click_run()
    console.perform()
    connect.cache_clear()
    gone_when_asked_for_jars(fake)
    console.perform()
    assert list(console.last.steps.values_list("event", flat=True)).count("asked") == 2
    give_up(console)
    assert not console.run.end, "the first request may still be on its way"
    with pytest.raises(operations.Refusal, match="not yet known"):
        console.click_run()


def test_a_variable_that_is_gone_tells_nothing_of_a_run_that_may_have_arrived(
    console: Console, fake: FakeFlink, alice: User
) -> None:
    data = variables.create(alice, console.job.workspace, "data", "1", is_hidden=False)
    operations.save_draft(alice, console.job, console.job.draft.revision, {"sql": SQL.replace("'1'", "'${data}'")})
    operations.publish(alice, console.job, "with a variable")
    fake.fault(("POST", r"/jars/[^/]*/run"), "reset_before")
    console.click_run(version=2)
    console.perform()
    variables.delete(alice, data)
    console.perform()
    assert (console.last.outcome, console.run.end) == ("failed", "")
    console.watch()
    assert console.run.end == "never-started", "Flink says that it does not know it"


def test_a_snapshot_that_may_be_on_its_way_is_not_given_up_with_its_operation(
    console: Console, fake: FakeFlink
) -> None:
    console.start()
    fake.fault(("POST", r"/jobs/[^/]*/savepoints"), "drop_answer")
    console.click_snapshot()
    console.perform()
    fake.stop()
    give_up(console)
    assert console.snapshot.state == "creating"
    fake.start()
    console.watch()
    assert console.snapshot.state == "completed"


def test_what_arrives_during_a_look_is_not_taken_for_never_started(console: Console, fake: FakeFlink) -> None:
    fake.fault(("POST", r"/jars/[^/]*/run"), "reset_before")
    console.click_run()
    console.perform()
    fake.stop()
    give_up(console)
    fake.start()
    engine, submission = console.endpoint.engine(), operations.submission_of(console.run)
    fake.on(("GET", r"/jobs/overview"), lambda _request: engine.submit(submission), when="after")
    console.watch()
    assert not console.run.end, "the look had not seen it, and Flink knows it by now"
    console.watch()
    assert (console.run.end, console.job.status) == ("", "running")
    assert len(fake.submissions()) == 1
