"""Operations taken from step to step, and ended: many by one statement, and only those that still stand where they were read."""

import copy

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import operations
from jobs.models import Operation, Problem, Snapshot
from jobs.operations.ending import Ending, close_runs, end_all
from jobs.operations.follow import ask_triggers, complete_all
from jobs.operations.record import Event
from jobs.operations.steps import move_all
from jobs.states import Outcome, RunEnd, Step
from tests.conftest import Console, make_job
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db


@pytest.fixture
def consoles(console: Console) -> list[Console]:
    """Three jobs, each with a run that nobody has begun to submit."""
    job, user, endpoint = console.job, console.user, console.endpoint
    more = [make_job(user, job.workspace, endpoint, f"another-{number}") for number in range(2)]
    all_of_them = [console, *(Console(one, user, endpoint) for one in more)]
    for one in all_of_them:
        one.click_run()
    return all_of_them


def lines(operation: Operation) -> list[tuple[str, str, str]]:
    return list(operation.steps.values_list("step", "event", "detail"))


def test_only_those_are_taken_on_that_stand_where_they_were_read(consoles: list[Console]) -> None:
    read = [one.last for one in consoles]
    newer = copy.copy(read[0])
    assert move_all([newer], Step.WITHDRAWING) == 1
    operations.perform(read[1].pk)
    operations.watch(consoles[1].endpoint.pk)
    over = consoles[1].last
    assert over.ended_at
    before = [(lines(one), Operation.objects.get(pk=one.pk).step) for one in read[:2]]
    changed = [one.job.changed_at for one in consoles]
    assert move_all(read, Step.STARTING, Event.ADOPTED, "seen there") == 1
    assert [(lines(one), Operation.objects.get(pk=one.pk).step) for one in read[:2]] == before
    assert [one.job.changed_at for one in consoles[:2]] == changed[:2], "no page is told of what has not happened"
    assert [one.step for one in read] == ["submitting", "submitting", "starting"]
    assert consoles[2].job.step == consoles[2].last.step == "starting"
    assert lines(read[2])[-1] == ("starting", "adopted", "seen there")
    assert consoles[2].job.changed_at > changed[2]


def test_what_has_ended_in_the_step_in_which_it_was_read_is_taken_nowhere(consoles: list[Console]) -> None:
    """A worker asks Flink, and meanwhile another one gives the operation up."""
    console = consoles[0]
    read = console.last
    assert end_all([Ending(console.last, Outcome.FAILED, run_end=RunEnd.NEVER_STARTED)]) == 1
    told = lines(read)
    assert move_all([read], Step.STARTING, Event.ACCEPTED) == 0
    assert (console.last.step, console.job.step, console.job.action) == ("submitting", "", "")
    assert lines(read) == told


def test_the_first_end_counts(consoles: list[Console]) -> None:
    read = [one.last for one in consoles]
    first, *_others = read
    assert end_all([Ending(first, Outcome.CANCELLED, run_end=RunEnd.NEVER_STARTED)]) == 1
    told = lines(first)
    assert told[-1] == ("submitting", "ended", "cancelled")
    late = Problem.objects.create(code="end-too-slow")
    endings = [Ending(one, Outcome.FAILED, late, RunEnd.FAILED, Event.TOO_LATE, "at last") for one in read]
    assert end_all(endings) == 2
    assert lines(first) == told
    assert consoles[0].run.end == "never-started"
    assert consoles[0].job.problem is None
    for one in consoles[1:]:
        assert [line[1:] for line in lines(one.last)[-2:]] == [("too-late", "at last"), ("ended", "failed")]
        assert (one.last.outcome, one.last.problem, one.last.look_at) == ("failed", late, None)
        assert (one.run.end, one.run.problem) == ("failed", late)
        assert (one.job.status, one.job.action, one.job.step, one.job.problem) == ("failed", "", "", late)


def test_a_run_ends_once(console: Console) -> None:
    run = console.start()
    assert close_runs([run.pk], RunEnd.STOPPED, None) == 1
    ended_at = console.run.ended_at
    assert close_runs([run.pk], RunEnd.FAILED, None) == 0
    assert (console.run.end, console.run.ended_at) == ("stopped", ended_at)


def test_what_broke_is_planned_only_if_this_is_its_end(consoles: list[Console]) -> None:
    console = consoles[0]
    operations.perform(console.last.pk)
    operations.watch(console.endpoint.pk)
    assert console.job.status == "running"
    operations.switch_recovery(console.user, console.job, True)
    console.click_snapshot()
    read = console.last
    broken = Ending(read, Outcome.FAILED, None, RunEnd.FAILED)
    assert end_all([broken]) == 1
    due = console.job.recover_at
    assert due is not None
    planned = Problem.objects.count()
    assert end_all([broken]) == 0
    assert (console.job.recover_at, Problem.objects.count()) == (due, planned)


@pytest.mark.parametrize("how", ["move", "end"])
def test_many_take_as_many_statements_as_one(consoles: list[Console], how: str) -> None:
    read = [one.last for one in consoles]

    def count(some: list[Operation]) -> int:
        with CaptureQueriesContext(connection) as queries:
            if how == "move":
                move_all(some, Step.WITHDRAWING, Event.HOPELESS)
            else:
                end_all([Ending(one, Outcome.CANCELLED, run_end=RunEnd.NEVER_STARTED) for one in some])
        return len(queries)

    assert count(read[:1]) == count(read[1:])


def test_snapshots_are_completed_together_and_once(consoles: list[Console], fake: FakeFlink) -> None:
    for one in consoles:
        operations.perform(one.last.pk)
    operations.watch(consoles[0].endpoint.pk)
    for one in consoles:
        one.click_snapshot()
        one.perform()
    snapshots = list(Snapshot.objects.order_by("pk"))
    answers = ask_triggers(snapshots, consoles[0].endpoint.engine())
    known = snapshots[0]
    Snapshot.objects.filter(pk=known.pk).update(
        state="completed", location="file:///elsewhere", ended_at=known.created_at
    )
    with CaptureQueriesContext(connection) as queries:
        complete_all(snapshots, answers)
    assert len(queries) == 1
    assert known.state == "creating", "it was not this one who completed it"
    known.refresh_from_db()
    assert known.location == "file:///elsewhere"
    for one in snapshots[1:]:
        assert one.state == "completed"
        assert f"/{one.serial}/" in one.location
        row = Snapshot.objects.get(pk=one.pk)
        assert (row.location, row.size_bytes, row.ended_at) == (one.location, one.size_bytes, one.ended_at)
