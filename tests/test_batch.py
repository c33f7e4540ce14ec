"""Batch: one act on many jobs, a result per job; one bad item never holds up the rest."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.models import Batch, BatchItem, Job, Operation
from jobs.operations.opening import lock_jobs
from jobs.states import Action
from tests.conftest import SQL, make_job, make_user
from tests.fake_flink import FakeFlink
from tests.threads import in_thread
from workspaces.models import Member, Role, Workspace

pytestmark = pytest.mark.django_db


class Desk:
    """A workspace with jobs, and worker and watcher by hand."""

    def __init__(self, user: User, workspace: Workspace, endpoint: FlinkEndpoint) -> None:
        self.user, self.workspace, self.endpoint = user, workspace, endpoint

    def jobs(self, count: int) -> list[Job]:
        return [make_job(self.user, self.workspace, self.endpoint, f"job-{number}") for number in range(count)]

    def batch(self, action: Action, jobs: list[Job], key: uuid.UUID | None = None, **params: object) -> Batch:
        ids = [job.pk for job in jobs]
        queryset = Job.objects.filter(pk__in=ids)
        return operations.request_batch(self.user, self.workspace, action, queryset, params, key, order=ids)

    def settle(self, batch: Batch, rounds: int = 60) -> Batch:
        for _round in range(rounds):
            operations.advance(batch.pk)
            batch.refresh_from_db()
            if batch.ended_at:
                return batch
            for pk in Operation.objects.filter(ended_at=None).values_list("pk", flat=True):
                operations.perform(pk)
            operations.watch(self.endpoint.pk)
        raise AssertionError(f"The batch has not ended: {batch.counts()}")


@pytest.fixture
def desk(alice, workspace, endpoint) -> Desk:
    return Desk(alice, workspace, endpoint)


def states(batch: Batch) -> list[str]:
    return list(batch.items.values_list("state", flat=True))


def test_it_runs_and_stops_many(desk: Desk, fake: FakeFlink) -> None:
    jobs = desk.jobs(5)
    desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    assert set(Job.objects.values_list("status", flat=True)) == {"running"}
    batch = desk.settle(desk.batch(Action.STOP, jobs, with_snapshot=True))
    assert states(batch) == ["succeeded"] * 5
    assert all(item.operation.snapshot.state == "completed" for item in batch.items.all())
    assert len(fake.submissions()) == 5


def test_a_job_that_can_not_take_the_act_is_an_item_with_its_reason(desk: Desk) -> None:
    jobs = desk.jobs(3)
    desk.settle(desk.batch(Action.RUN, jobs[:1], start="none"))
    batch = desk.settle(desk.batch(Action.STOP, jobs))
    assert states(batch) == ["succeeded", "refused", "refused"]
    assert batch.items.last().reason == "Only a running job can be stopped."


def test_one_that_fails_on_flink_never_holds_up_the_rest(desk: Desk, fake: FakeFlink) -> None:
    fake.refuse_next_run("org.apache.flink.table.api.ValidationException: Column 'x' not found in any table")
    batch = desk.settle(desk.batch(Action.RUN, desk.jobs(4), start="none"))
    assert sorted(states(batch)) == ["failed", "succeeded", "succeeded", "succeeded"]
    failed = batch.items.get(state="failed")
    assert "Column 'x' not found" in failed.problem.summary


def test_retry_takes_only_those_that_did_not_succeed(desk: Desk, fake: FakeFlink) -> None:
    fake.refuse_next_run("java.lang.RuntimeException: once")
    first = desk.settle(desk.batch(Action.RUN, desk.jobs(3), start="none"))
    again = desk.settle(operations.retry_failed(desk.user, first))
    assert (again.retry_of, again.total, states(again)) == (first, 1, ["succeeded"])
    with pytest.raises(operations.Refusal, match="No job"):
        operations.retry_failed(desk.user, again)


def test_items_start_in_the_order_ticked_with_a_limit_per_cluster(desk: Desk, settings) -> None:
    settings.BATCH_PARALLEL_PER_ENDPOINT = 1
    jobs = desk.jobs(9)[::-1]
    batch = desk.batch(Action.RUN, jobs, start="none")

    def begun() -> list[int]:
        return list(Operation.objects.filter(action="run").order_by("pk").values_list("job", flat=True))

    # One under way, and three that stand in line, so that there is always one to take up, and not each is begun alone.
    operations.advance(batch.pk)
    operations.advance(batch.pk)
    assert begun() == [job.pk for job in jobs[:4]]
    operations.perform(Operation.objects.filter(action="run").earliest("pk").pk)
    operations.advance(batch.pk)
    assert len(begun()) == 4, "one has left the line: none is begun alone"
    operations.perform(Operation.objects.filter(action="run", step="submitting").earliest("pk").pk)
    operations.advance(batch.pk)
    assert begun() == [job.pk for job in jobs[:6]]
    desk.settle(batch)
    assert begun() == [job.pk for job in jobs]


@pytest.mark.parametrize("action", [Action.RUN, Action.STOP])
def test_many_are_begun_in_as_many_statements_as_one(desk: Desk, settings, action: Action) -> None:
    settings.BATCH_PARALLEL_PER_ENDPOINT = 30
    Cluster.objects.update(total_cu=1000)
    jobs = desk.jobs(31)
    if action == Action.STOP:
        desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    counts = []
    for some in (jobs[:1], jobs[1:]):
        batch = desk.batch(action, some, start="none", with_snapshot=True)
        with CaptureQueriesContext(connection) as queries:
            operations.advance(batch.pk)
        counts.append(len(queries))
        assert batch.items.filter(state="working").count() == len(some)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("action", [Action.PUBLISH, Action.MOVE, Action.DELETE])
def test_acts_that_are_done_at_once_take_as_many_statements_for_many_as_for_one(desk: Desk, action: Action) -> None:
    jobs, counts = desk.jobs(31), []
    for some in (jobs[:1], jobs[1:]):
        batch = desk.batch(action, some, note="together")
        with CaptureQueriesContext(connection) as queries:
            operations.advance(batch.pk)
        counts.append(len(queries))
        assert states(batch) == ["succeeded"] * len(some)
    assert counts[0] == counts[1]
    records = Operation.objects.filter(action=action).order_by("-pk")[: len(jobs)]
    assert sorted(one.job_id for one in records) == sorted(job.pk for job in jobs)
    if action == Action.PUBLISH:
        assert {job.versions.latest("number").number for job in jobs} == {2}
        assert set(Job.objects.values_list("last_version_number", flat=True)) == {2}


def test_what_is_refused_of_one_is_done_with_the_others(desk: Desk) -> None:
    jobs = desk.jobs(3)
    jobs[1].draft.sql = "INSERT INTO t SELECT '${unknown}'"
    jobs[1].draft.save()
    published = desk.batch(Action.PUBLISH, jobs, note="together")
    operations.advance(published.pk)
    assert states(published) == ["succeeded", "refused", "succeeded"]
    assert "unknown" in published.items.get(state="refused").reasons["en"]
    desk.settle(desk.batch(Action.RUN, jobs[:1], start="none"))
    deleted = desk.batch(Action.DELETE, jobs)
    operations.advance(deleted.pk)
    assert states(deleted) == ["refused", "succeeded", "succeeded"]


def test_many_are_asked_for_in_as_many_statements_as_one(desk: Desk, settings) -> None:
    settings.BATCH_PARALLEL_PER_ENDPOINT = 30
    batch = desk.batch(Action.RUN, desk.jobs(9), start="none")
    operations.advance(batch.pk)
    opened = list(Operation.objects.filter(step="submitting").order_by("pk").values_list("pk", flat=True))
    counts = []
    for some in (opened[:1], opened[1:]):
        with CaptureQueriesContext(connection) as queries:
            operations.perform(*some)
        counts.append([one["sql"] for one in queries if "jobs_run" in one["sql"] or "SAVEPOINT" not in one["sql"]])
        assert not Operation.objects.filter(pk__in=some).exclude(step="starting").exists()
    assert len(counts[0]) <= 16
    # Answers that come apart are written down apart.
    assert len(counts[1]) < 2 * len(counts[0])


def test_what_has_not_begun_can_be_cancelled(desk: Desk, settings) -> None:
    settings.BATCH_PARALLEL_PER_ENDPOINT = 1
    batch = desk.batch(Action.RUN, desk.jobs(6), start="none")
    operations.advance(batch.pk)
    bob = make_user("bob", desk.workspace, Role.DEVELOPER)
    assert operations.cancel_waiting(bob, batch) == 2
    assert Batch.objects.get().cancelled_by == bob
    desk.settle(batch)
    assert states(batch) == [*["succeeded"] * 4, "cancelled", "cancelled"]


def test_it_starts_again_from_the_snapshots_just_taken(desk: Desk, fake: FakeFlink) -> None:
    jobs = desk.jobs(3)
    desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    stopped = desk.settle(desk.batch(Action.STOP, jobs, with_snapshot=True))
    again = desk.settle(operations.run_from_snapshots(desk.user, stopped))
    assert states(again) == ["succeeded"] * 3
    for job in jobs:
        run = job.runs.latest("number")
        assert run.restored_from == stopped.items.get(job=job).operation.snapshot


def test_latest_snapshot_where_there_is_one_else_no_state(desk: Desk) -> None:
    jobs = desk.jobs(2)
    desk.settle(desk.batch(Action.RUN, jobs, start="none"))
    desk.settle(desk.batch(Action.STOP, jobs[:1], with_snapshot=True))
    desk.settle(desk.batch(Action.STOP, jobs[1:], with_snapshot=False))
    desk.settle(desk.batch(Action.RUN, jobs, start="latest"))
    assert jobs[0].runs.latest("number").restored_from is not None
    assert jobs[1].runs.latest("number").restored_from is None


def test_it_publishes_and_copies_and_moves_and_deletes(desk: Desk, cluster) -> None:
    jobs = desk.jobs(3)
    operations.save_draft(desk.user, jobs[0], 1, {"sql": "SELECT 1"})
    published = desk.settle(desk.batch(Action.PUBLISH, jobs, note="together"))
    assert states(published) == ["refused", "succeeded", "succeeded"]
    folder = operations.create_folder(desk.user, desk.workspace, "done", None)
    desk.settle(desk.batch(Action.MOVE, jobs, folder=folder.serial))
    copies = desk.settle(desk.batch(Action.COPY, jobs[1:], cluster=cluster.serial))
    assert [item.copy.folder for item in copies.items.all()] == [folder, folder]
    assert copies.items.first().copy.name.startswith("job-1_20")
    deleted = desk.settle(desk.batch(Action.DELETE, jobs))
    assert states(deleted) == ["succeeded"] * 3


def test_the_same_form_sent_twice_makes_one_batch(desk: Desk, bob) -> None:
    key = uuid.uuid4()
    jobs = desk.jobs(2)
    assert desk.batch(Action.RUN, jobs, key, start="none") == desk.batch(Action.RUN, jobs, key, start="none")
    assert BatchItem.objects.count() == 2
    with pytest.raises(operations.Refusal, match="already used"):
        operations.request_batch(bob, desk.workspace, Action.RUN, Job.objects.all(), {}, key)


def test_nothing_crosses_workspaces(desk: Desk, charlie) -> None:
    elsewhere = Workspace.objects.get(name="Elsewhere")
    desk.jobs(1)
    with pytest.raises(operations.Refusal, match="No job"):
        operations.request_batch(charlie, elsewhere, Action.RUN, Job.objects.all(), {"start": "none"})
    assert not Batch.objects.exists()


def test_who_loses_his_role_loses_what_has_not_begun(desk: Desk) -> None:
    batch = desk.batch(Action.RUN, desk.jobs(2), start="none")
    Member.objects.filter(user=desk.user).update(role="viewer")
    desk.settle(batch)
    assert states(batch) == ["refused", "refused"]


def test_the_click_costs_the_same_for_many(desk: Desk) -> None:
    few, many = statements(desk, 3), statements(desk, 1000)
    assert few == many <= 10


def statements(desk: Desk, count: int) -> int:
    prefix = f"b{count}-"
    Job.objects.bulk_create(
        Job(workspace=desk.workspace, name=f"{prefix}{n}", cluster=desk.endpoint.cluster, endpoint=desk.endpoint)
        for n in range(count)
    )
    with CaptureQueriesContext(connection) as queries:
        batch = operations.request_batch(
            desk.user, desk.workspace, Action.RUN, Job.objects.filter(name__startswith=prefix), {"start": "none"}
        )
    assert batch.total == batch.items.count() == count
    return len(queries)


def test_the_tick_finds_a_batch_that_nobody_carries_on(desk: Desk) -> None:
    batch = desk.batch(Action.RUN, desk.jobs(1), start="none")
    assert operations.due_batches(0, 1, 9) == [batch.pk]
    desk.settle(batch)
    assert operations.due_batches(0, 1, 9) == []


def test_a_draft_that_was_never_published_is_refused_with_a_reason(desk: Desk) -> None:
    job = operations.create_job(desk.user, desk.workspace, "empty", desk.endpoint.cluster, desk.endpoint)
    operations.save_draft(desk.user, job, 0, {"sql": SQL})
    batch = desk.settle(desk.batch(Action.RUN, [job], start="latest"))
    assert states(batch) == ["refused"]
    assert "published version" in batch.items.get().reason
    with translation.override("zh-hans"):
        assert batch.items.get().reason == batch.items.get().reasons["zh-hans"]


@pytest.mark.django_db(transaction=True)
def test_asking_for_a_batch_waits_for_nobody_who_works_on_its_jobs(desk: Desk) -> None:
    """Else two who take the same jobs in different orders could wait for each other, and PostgreSQL would end one."""
    jobs = desk.jobs(2)
    with transaction.atomic():
        lock_jobs([jobs[1].pk])
        asking = in_thread(lambda: desk.batch(Action.PUBLISH, jobs, note="again"))
        asking.join(timeout=20)
        assert not asking.is_alive()
        lock_jobs([jobs[0].pk])
    assert Batch.objects.get().items.count() == 2


def test_of_who_may_not_sign_in_any_more_nothing_goes_on(desk: Desk, settings) -> None:
    settings.BATCH_PARALLEL_PER_ENDPOINT = 1
    batch = desk.batch(Action.RUN, desk.jobs(6), start="none")
    operations.advance(batch.pk)
    User.objects.filter(pk=desk.user.pk).update(is_active=False)
    desk.settle(batch)
    assert states(batch) == [*["succeeded"] * 4, "refused", "refused"]


def test_stops_begin_while_starts_wait_for_the_slots_that_they_free(desk: Desk, fake: FakeFlink) -> None:
    Cluster.objects.update(total_cu=1000)
    fake.slots_total = 3
    jobs = desk.jobs(30)
    desk.settle(desk.batch(Action.RUN, jobs[:3], start="none"))
    starts = desk.batch(Action.RUN, jobs[3:], start="none")
    operations.advance(starts.pk)
    operations.perform(*Operation.objects.filter(ended_at=None).values_list("pk", flat=True))
    assert starts.counts()["working"] == 27
    stops = desk.settle(desk.batch(Action.STOP, jobs[:3], with_snapshot=True))
    assert states(stops) == ["succeeded"] * 3
