"""What comes after an operation was asked for, or has ended: a look in a moment, and the next step of its batch."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import FlinkEndpoint
from jobs import operations, tasks
from jobs.models import Batch, BatchItem, Job, Operation
from jobs.operations.record import Lock, alone, claim_follow_up
from jobs.states import Action
from tests.conftest import Console
from tests.fake_flink import FakeFlink
from tests.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

OVERVIEW = ("GET", "/jobs/overview")


def looks(fake: FakeFlink) -> int:
    return sum(one.path == OVERVIEW[1] for one in fake.requests)


def test_one_look_is_enough_for_all_who_asked_for_it(console: Console, fake: FakeFlink, sent) -> None:
    console.start()
    console.click_stop(with_snapshot=False)
    console.perform()
    assert ("jobs.watch", console.endpoint.pk, True) in sent
    console.watch()
    assert console.job.status == "stopped"
    before = looks(fake)
    operations.watch(console.endpoint.pk, follows_up=True)
    assert looks(fake) == before, "somebody has looked since"
    operations.watch(console.endpoint.pk)
    assert looks(fake) == before + 1, "who is sent by the tick looks in any case"


def test_who_comes_while_somebody_looks_is_not_forgotten(console: Console, fake: FakeFlink, sent) -> None:
    console.start()
    endpoint = FlinkEndpoint.objects.filter(pk=console.endpoint.pk)
    slow = fake.fault(OVERVIEW, "delay")
    looking = in_thread(lambda: operations.watch(console.endpoint.pk))
    slow.wait()
    endpoint.update(follow_up_at=timezone.now())
    sent.clear()
    operations.watch(console.endpoint.pk, follows_up=True)
    assert sent == []
    slow.release()
    looking.join()
    assert sent == [("jobs.watch", console.endpoint.pk)]


def test_a_look_because_of_an_operation_saves_the_next_one_of_the_tick(console: Console, fake: FakeFlink) -> None:
    console.start()
    endpoint = FlinkEndpoint.objects.filter(pk=console.endpoint.pk)
    endpoint.update(look_at=timezone.now() - timedelta(seconds=1))
    operations.watch(console.endpoint.pk)
    assert tasks.due_endpoints(timezone.now()) == [console.endpoint.pk], "nobody waits: the tick has its own pace"
    fake.hold_savepoints()
    console.click_stop()
    console.perform()
    endpoint.update(look_at=timezone.now() - timedelta(seconds=1))
    operations.watch(console.endpoint.pk)
    now = timezone.now()
    assert tasks.due_endpoints(now) == []
    assert tasks.due_endpoints(now + timedelta(seconds=1)) == [console.endpoint.pk]


def test_a_flink_that_is_slow_to_tell_is_not_asked_all_the_time(console: Console) -> None:
    console.start()
    for least, passed, pause in ((0.0, 0.0, 0.06), (3.0, 0.0, 3.0), (3.0, 1.0, 2.0), (3.0, 10.0, 0.0)):
        FlinkEndpoint.objects.update(follow_up_at=None)
        before = timezone.now()
        at = claim_follow_up(console.endpoint, [console.last], least=least, passed=passed)
        assert at is not None
        assert at == FlinkEndpoint.objects.get().follow_up_at
        assert pause <= (at - before).total_seconds() < pause + 1


def test_who_looks_follows_up_himself(console: Console, fake: FakeFlink, sent) -> None:
    console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    before = looks(fake)
    fake.on(OVERVIEW, lambda _asked: fake.release_cancels() if looks(fake) > before + 2 else None, times=None)
    sent.clear()
    tasks.watch(console.endpoint.pk)
    assert console.job.status == "stopped"
    assert looks(fake) > before + 2
    assert sent == [], "no message is needed for it"


def test_he_does_not_look_on_for_ever(console: Console, fake: FakeFlink, sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LOOKS_ON_SECONDS", 0.3)
    console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    sent.clear()
    tasks.watch(console.endpoint.pk)
    assert sent == [("jobs.watch", console.endpoint.pk, True)]
    assert console.last.outcome == ""


def test_so_many_look_on_at_a_time_that_threads_are_left_for_what_is_asked_for(
    console: Console, fake: FakeFlink, sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LOOKING_ON", threading.BoundedSemaphore(1))
    console.start()
    fake.hold_cancels()
    console.click_stop(with_snapshot=False)
    console.perform()
    with tasks.LOOKING_ON:
        before = looks(fake)
        sent.clear()
        tasks.watch(console.endpoint.pk)
        assert looks(fake) == before + 1
        assert sent == [("jobs.watch", console.endpoint.pk, True)]
    fake.release_cancels()
    tasks.watch(console.endpoint.pk, True)
    assert console.job.status == "stopped"


def test_a_batch_that_fails_holds_up_neither_the_others_nor_the_look(console: Console, fake: FakeFlink, sent) -> None:
    console.start()
    batch = batch_of(console)
    tasks.advance(batch.pk)
    tasks.perform(console.last.pk)
    FlinkEndpoint.objects.update(capacity_seen_at=None)

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "UPDATE jobs_batchitem" in sql:
            raise DatabaseError("no")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        tasks.watch(console.endpoint.pk)
    assert console.job.status == "stopped"
    assert FlinkEndpoint.objects.get().capacity_seen_at, "the look was not left half done"
    tasks.advance(batch.pk)
    assert batch.items.get().state == BatchItem.State.SUCCEEDED


def batch_of(console: Console) -> Batch:
    return operations.request_batch(
        console.user, console.job.workspace, Action.STOP, Job.objects.filter(pk=console.job.pk), {"with_snapshot": ""}
    )


def test_who_ends_the_operations_of_a_batch_carries_it_on(console: Console, sent) -> None:
    console.start()
    batch = batch_of(console)
    sent.clear()
    tasks.advance(batch.pk)
    tasks.perform(console.last.pk)
    tasks.watch(console.endpoint.pk)
    assert ("jobs.advance", batch.pk) not in sent, "no message is needed for it"
    assert Operation.objects.get(pk=console.last.pk).outcome == "succeeded"
    assert batch.items.get().state == BatchItem.State.SUCCEEDED
    batch.refresh_from_db()
    assert batch.ended_at is not None


def test_a_batch_that_somebody_has_in_hand_is_looked_at_once_more(console: Console, sent) -> None:
    console.start()
    batch = batch_of(console)
    tasks.advance(batch.pk)
    tasks.perform(console.last.pk)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with alone(Lock.BATCH, batch.pk) as mine:
            assert mine
            held.set()
            done.wait(30)

    holding = in_thread(hold)
    assert held.wait(30)
    sent.clear()
    assert operations.advance(batch.pk) is False
    tasks.watch(console.endpoint.pk)
    assert ("jobs.advance", batch.pk) in sent
    done.set()
    holding.join()
    tasks.advance(batch.pk)
    assert batch.items.get().state == BatchItem.State.SUCCEEDED


def test_each_batch_is_offered_now_and_then(console: Console, sent) -> None:
    batches = {batch_of(console).pk for _n in range(4)}
    sent.clear()
    offered: list[set[int]] = []
    real = timezone.now()
    for second in range(tasks.OFFER_BATCH_SECONDS):
        tasks.offer_batches(real + timedelta(seconds=second))
        offered.append({pk for task, pk in sent if task == "jobs.advance"})
        sent.clear()
    assert set().union(*offered) == batches
    assert sum(map(len, offered)) == len(batches), "each once"


def test_many_that_wait_keep_no_other_batch_from_its_turn(console: Console, sent) -> None:
    same = {"workspace": console.job.workspace, "action": Action.RUN, "requested_by": console.user, "total": 1}
    batches = Batch.objects.bulk_create(Batch(**same) for _n in range(200))
    last = batches[-1].pk
    sent.clear()
    its_turn = timezone.now().replace(microsecond=0)
    while int(its_turn.timestamp()) % tasks.OFFER_BATCH_SECONDS != last % tasks.OFFER_BATCH_SECONDS:
        its_turn += timedelta(seconds=1)
    for _turn in range(60):
        with CaptureQueriesContext(connection) as asked:
            tasks.offer_batches(its_turn)
        assert len(asked) == 1
    assert ("jobs.advance", last) in sent
    assert len(sent) == 60 * tasks.BATCHES_A_TICK


def test_of_many_open_batches_the_database_gives_no_more_than_a_tick_offers(console: Console) -> None:
    same = {"workspace": console.job.workspace, "action": Action.RUN, "requested_by": console.user, "total": 1}
    of_turn = {one.pk for one in Batch.objects.bulk_create(Batch(**same) for _n in range(200)) if one.pk % 3 == 1}
    chosen = operations.due_batches(1, 3, 20)
    assert len(set(chosen)) == 20
    assert set(chosen) <= of_turn
    assert set(operations.due_batches(1, 3, 200)) == of_turn
