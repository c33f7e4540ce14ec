"""Flinks that accept connections and never answer: they take few of a worker's threads, so that nobody waits for them elsewhere."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from threading import BoundedSemaphore
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from clusters import flink
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job, Operation
from jobs.operations import reach, silence
from jobs.states import Action
from tests.conftest import make_job
from tests.fake_flink import FakeFlink
from tests.threads import in_thread
from tests.until import until
from tests.worker import running_worker
from workspaces.models import Workspace

ANYTHING = ("*", ".*")
CANCEL = ("PATCH", "/jobs/.*")


@pytest.fixture
def stops(alice: User, workspace: Workspace, endpoint: FlinkEndpoint, fake: FakeFlink) -> list[Operation]:
    """Twenty stops that are asked for, of jobs that run."""
    return stops_at(alice, workspace, endpoint, fake, 20)


def stops_at(user: User, workspace: Workspace, endpoint: FlinkEndpoint, fake: FakeFlink, count: int) -> list[Operation]:
    fake.slots_total = 2 * count
    Cluster.objects.filter(pk=endpoint.cluster_id).update(total_cu=100)
    jobs = [make_job(user, workspace, endpoint, f"job-{endpoint.pk}-{number}") for number in range(count)]
    operations.perform(*[operations.run(user, job, job.versions.get()).pk for job in jobs])
    operations.watch(endpoint.pk)
    return [operations.stop(user, job, with_snapshot=False) for job in jobs]


def silent(endpoint: FlinkEndpoint) -> None:
    FlinkEndpoint.objects.filter(pk=endpoint.pk).update(
        unreachable_since=timezone.now(), unreachable_reason="timed out"
    )


@pytest.mark.django_db
def test_a_set_is_not_asked_for_to_its_end(stops: list[Operation], fake: FakeFlink) -> None:
    fake.fault(CANCEL, "reset_before", times=None)
    operations.perform(*[one.pk for one in stops])
    assert fake.seen(*CANCEL) <= 10, "several at a time, and no more when none of those was answered"
    fake.clear_faults()
    operations.perform(*[one.pk for one in stops])
    operations.watch(stops[0].job.endpoint_id)
    assert {job.status for job in Job.objects.all()} == {"stopped"}


@pytest.mark.django_db
def test_what_is_to_be_asked_for_again_comes_together(stops: list[Operation], fake: FakeFlink, sent: Any) -> None:
    fake.fault(CANCEL, "reset_before", times=None)
    sent.clear()
    operations.perform(*[one.pk for one in stops])
    assert len(sent) <= 3
    assert {task for task, *_pks in sent} == {"jobs.perform"}
    assert {pk for _task, *pks in sent for pk in pks} == {one.pk for one in stops}


@pytest.mark.django_db(transaction=True)
def test_one_at_a_time_asks_where_it_was_silent(
    stops: list[Operation], endpoint: FlinkEndpoint, fake: FakeFlink
) -> None:
    silent(endpoint)
    hanging = fake.fault(CANCEL, "delay")
    asking = in_thread(lambda: operations.perform(stops[0].pk))
    hanging.wait()
    second = stops[1]
    operations.perform(second.pk)
    assert fake.seen(*CANCEL) == 1
    second.refresh_from_db()
    assert second.look_at
    assert second.look_at > timezone.now()
    assert [(one.event, one.detail) for one in second.steps.order_by("-pk")[:1]] == [("unreachable", "timed out")]
    Operation.objects.filter(pk=second.pk).update(look_at=timezone.now() + timedelta(minutes=1))
    hanging.release()
    asking.join()
    operations.watch(endpoint.pk)
    second.refresh_from_db()
    assert second.look_at <= timezone.now(), "it answers: the next tick offers what has waited"


@pytest.mark.django_db(transaction=True)
def test_what_needs_no_answer_does_not_wait_for_one(
    alice: User, job: Job, stops: list[Operation], endpoint: FlinkEndpoint, fake: FakeFlink
) -> None:
    starting = operations.run(alice, job, job.versions.get())
    silent(endpoint)
    Operation.objects.filter(pk=stops[1].pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    operations.cancel(alice, job)
    hanging = fake.fault(CANCEL, "delay")
    asking = in_thread(lambda: operations.perform(stops[0].pk))
    hanging.wait()
    operations.perform(starting.pk, stops[1].pk)
    hanging.release()
    asking.join()
    starting.refresh_from_db()
    stops[1].refresh_from_db()
    assert (starting.outcome, stops[1].outcome) == ("cancelled", "failed")
    assert stops[1].problem
    assert stops[1].problem.code == "cluster-unreachable"


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> BoundedSemaphore:
    """So many threads wait for other Flinks that this one has a moment; `release` lets one go."""
    monkeypatch.setattr(silence, "BRIEF_SECONDS", 0.1)
    threads = BoundedSemaphore(1)
    threads.acquire()
    monkeypatch.setattr(silence.Threads, "patient", threads)
    return threads


@pytest.mark.django_db
def test_who_had_a_moment_to_answer_is_silent_after_another_look(
    endpoint: FlinkEndpoint, fake: FakeFlink, crowd: BoundedSemaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flink, "LOOK_SECONDS", 0.2)
    fake.fault(ANYTHING, "hang", times=None)
    operations.watch(endpoint.pk)
    endpoint.refresh_from_db()
    assert (endpoint.unreachable_since, endpoint.failed_looks) == (None, 1)
    crowd.release()
    operations.watch(endpoint.pk)
    endpoint.refresh_from_db()
    assert endpoint.unreachable_since


@pytest.mark.django_db
def test_what_had_a_moment_at_a_former_address_tells_nothing_of_the_new_one(endpoint: FlinkEndpoint) -> None:
    FlinkEndpoint.objects.update(rest_url="http://127.0.0.1:1")
    reach.suspect(endpoint)
    assert not FlinkEndpoint.objects.get(pk=endpoint.pk).failed_looks


@pytest.mark.django_db
def test_who_needs_longer_than_a_moment_is_never_called_silent(
    stops: list[Operation], endpoint: FlinkEndpoint, fake: FakeFlink, crowd: BoundedSemaphore
) -> None:
    Operation.objects.filter(ended_at=None).update(look_at=timezone.now() + timedelta(minutes=1))
    fake.fault(ANYTHING, "hang")
    operations.watch(endpoint.pk)
    crowd.release()
    operations.watch(endpoint.pk)
    endpoint.refresh_from_db()
    assert (endpoint.unreachable_since, endpoint.failed_looks) == (None, 0)
    assert not endpoint.outages.exists()
    assert not Operation.objects.filter(ended_at=None, look_at__gt=timezone.now()).exists(), "what waited is offered"


@pytest.mark.django_db(transaction=True)
def test_a_batch_over_several_flinks_is_asked_for_at_each_apart(
    alice: User, workspace: Workspace, hung: list[FlinkEndpoint], sent: Any
) -> None:
    jobs = [
        make_job(alice, workspace, endpoint, f"new-{endpoint.pk}-{number}") for number in range(3) for endpoint in hung
    ]
    sent.clear()
    batch = operations.request_batch(
        alice, workspace, Action.RUN, Job.objects.filter(pk__in=[job.pk for job in jobs]), {"start": "none"}
    )
    operations.advance(batch.pk)
    sets = [pks for task, *pks in sent if task == "jobs.perform"]
    assert len(sets) == len(hung)
    assert all(len({Operation.objects.get(pk=pk).job.endpoint_id for pk in pks}) == 1 for pks in sets)
    assert {pk for pks in sets for pk in pks} == set(batch.items.values_list("operation", flat=True))


@pytest.fixture
def hung(alice: User, workspace: Workspace) -> Iterator[list[FlinkEndpoint]]:
    """Flinks that hang, with more than a worker's threads could wait for."""
    with ExitStack() as closing:
        endpoints = []
        for number in range(6):
            fake = closing.enter_context(FakeFlink())
            cluster = Cluster.objects.create(name=f"hung-{number}", snapshot_directory="file:///nowhere")
            ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
            endpoint = FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=fake.url)
            stops_at(alice, workspace, endpoint, fake, 3)
            fake.fault(ANYTHING, "hang", times=None)
            silent(endpoint)
            endpoints.append(endpoint)
        yield endpoints


@pytest.mark.django_db(transaction=True)
def test_elsewhere_all_goes_on(alice: User, job: Job, endpoint: FlinkEndpoint, hung: list[FlinkEndpoint]) -> None:
    with running_worker():
        until(lambda: FlinkEndpoint.objects.get(pk=endpoint.pk).seen_at, "it is looked at", 20)
        for _turn in range(3):
            operation = operations.run(alice, job, job.versions.get())
            until(lambda pk=operation.pk: Operation.objects.get(pk=pk).ended_at, "the job runs", 10)
            operation = operations.stop(alice, job, with_snapshot=False)
            until(lambda pk=operation.pk: Operation.objects.get(pk=pk).ended_at, "the job is stopped", 10)


@pytest.mark.django_db(transaction=True)
def test_flinks_that_begin_to_hang_together_hold_up_nobody(job: Job, endpoint: FlinkEndpoint) -> None:
    with ExitStack() as closing:
        for number in range(9):
            fake = closing.enter_context(FakeFlink())
            fake.fault(ANYTHING, "hang", times=None)
            cluster = Cluster.objects.create(name=f"hanging-{number}", snapshot_directory="file:///nowhere")
            FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=fake.url)
        closing.enter_context(running_worker())
        for _look in range(3):
            began = timezone.now()
            until(lambda began=began: FlinkEndpoint.objects.filter(pk=endpoint.pk, seen_at__gt=began), "it is seen", 10)
