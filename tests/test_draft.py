"""Create, save, check, delete: acts on the draft that never touch a running job."""

import pytest

from jobs import operations
from jobs.models import Draft, Job, Operation
from tests.conftest import SQL, Console, make_job
from tests.fake_flink import FakeFlink
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_a_new_job_is_uninitialized_then_unpublished_then_stopped(alice, workspace, cluster, endpoint) -> None:
    job = operations.create_job(alice, workspace, "订单-1_a.b", cluster, endpoint)
    assert job.status == "uninitialized"
    operations.save_draft(alice, job, 0, {"sql": SQL})
    job.refresh_from_db()
    assert job.status == "unpublished"
    operations.publish(alice, job, "first")
    job.refresh_from_db()
    assert (job.status, job.last_version_number) == ("stopped", 1)


def test_a_name_is_taken_once_in_a_workspace(job: Job, alice, workspace, cluster, endpoint) -> None:
    with pytest.raises(operations.Refusal, match="already a job"):
        operations.create_job(alice, workspace, job.name, cluster, endpoint)
    operations.delete(alice, job)
    operations.create_job(alice, workspace, job.name, cluster, endpoint)


def test_a_cluster_of_other_workspaces_is_refused(alice, cluster, endpoint) -> None:
    with pytest.raises(operations.Refusal, match="not bound"):
        operations.create_job(alice, Workspace.objects.create(name="Other"), "a", cluster, endpoint)


def test_the_second_of_two_who_edit_is_told_and_nothing_is_overwritten(job: Job, alice, bob) -> None:
    revision = Draft.objects.get(job=job).revision
    operations.save_draft(bob, job, revision, {"sql": "-- by bob"})
    with pytest.raises(operations.Conflict) as conflict:
        operations.save_draft(alice, job, revision, {"sql": "-- by alice"})
    assert (conflict.value.draft.saved_by, conflict.value.draft.sql) == (bob, "-- by bob")
    assert Draft.objects.get(job=job).sql == "-- by bob"
    operations.save_draft(alice, job, conflict.value.draft.revision, {"sql": "-- both"})


def test_saving_the_same_again_is_no_save(job: Job, alice, bob) -> None:
    draft = Draft.objects.get(job=job)
    again = operations.save_draft(bob, job, draft.revision, draft.values())
    assert (again.revision, again.saved_by, again.saved_at) == (draft.revision, alice, draft.saved_at)
    assert Operation.objects.filter(job=job, action="save").count() == 1
    with pytest.raises(operations.Conflict):
        operations.save_draft(bob, job, draft.revision - 1, draft.values())
    assert operations.save_draft(bob, job, draft.revision, {"parallelism": 2}).revision == draft.revision + 1
    assert Operation.objects.filter(job=job, action="save").count() == 2


def test_a_script_that_is_too_long_is_neither_saved_nor_published(job: Job, alice) -> None:
    long = {"sql": "-" * 200_001}
    with pytest.raises(operations.Refusal, match="200001 characters; it may have 200000"):
        operations.save_draft(alice, job, 1, long)
    with pytest.raises(operations.Refusal, match="200001 characters"):
        operations.publish_definition(alice, job, long, "too long")
    assert (job.draft.sql, job.versions.count()) == (SQL, 1)


def test_saving_never_touches_the_status_of_a_running_job(console: Console, alice) -> None:
    console.start()
    draft = Draft.objects.get(job=console.job)
    operations.save_draft(alice, console.job, draft.revision, {"sql": SQL + "-- new"})
    operations.publish(alice, console.job, "second")
    assert (console.job.status, console.job.online_number, console.job.newer_versions) == ("running", 1, 1)


def test_publishing_needs_a_note_and_a_script_that_can_be_taken_apart(job: Job, alice) -> None:
    with pytest.raises(operations.Refusal, match="note"):
        operations.publish(alice, job, "  ")
    with pytest.raises(operations.Refusal, match="at most 200"):
        operations.publish(alice, job, "n" * 201)
    operations.save_draft(alice, job, 1, {"sql": "SELECT 1"})
    with pytest.raises(operations.Refusal, match="INSERT"):
        operations.publish(alice, job, "second")
    job.refresh_from_db()
    assert job.last_version_number == 1


def test_publishing_refuses_a_job_without_a_draft(alice, workspace, cluster, endpoint) -> None:
    job = operations.create_job(alice, workspace, "empty", cluster, endpoint)
    with pytest.raises(operations.Refusal, match="no saved draft"):
        operations.publish(alice, job, "first")


def test_check_finds_nothing_wrong(job: Job) -> None:
    assert operations.check(job, {"sql": SQL}) is None


def test_check_tells_the_line_that_flink_names(job: Job, fake: FakeFlink) -> None:
    fake.refuse_next_plan(
        "org.apache.flink.table.api.ValidationException: SQL validation failed. "
        "From line 3, column 25 to line 3, column 27: Column 'idd' not found in any table"
    )
    found = operations.check(job, {"sql": SQL.replace("SELECT id", "SELECT idd")})
    assert found is not None
    assert found.values["line"] == 3
    assert "Column 'idd' not found" in found.summary
    assert fake.submissions() == []


def test_check_tells_the_line_of_a_script_that_can_not_be_taken_apart(job: Job, fake: FakeFlink) -> None:
    found = operations.check(job, {"sql": "SELECT 1;\n\nSELECT 2"})
    assert found is not None
    assert (found.code, found.values["line"]) == ("script-no-insert", 3)
    assert fake.requests == []


def test_check_tells_that_the_cluster_is_away(job: Job, fake: FakeFlink) -> None:
    fake.stop()
    found = operations.check(job, {"sql": SQL})
    assert found is not None
    assert found.code == "cluster-unreachable"


def test_delete_takes_a_stopped_job_away_and_keeps_its_record(job: Job, alice) -> None:
    operations.delete(alice, job)
    assert not Job.objects.visible_to(alice).exists()
    assert Operation.objects.filter(job=job, action="delete", requested_by=alice).exists()
    with pytest.raises(operations.Refusal, match="deleted"):
        operations.publish(alice, job, "late")


def test_delete_refuses_a_running_job(console: Console, alice) -> None:
    console.start()
    with pytest.raises(operations.Refusal, match="Stop it first"):
        operations.delete(alice, console.job)


def test_jobs_of_other_workspaces_do_not_exist(job: Job, alice, bob, charlie, root) -> None:
    assert Job.objects.visible_to(alice).get() == Job.objects.visible_to(bob).get() == job
    assert not Job.objects.visible_to(charlie).exists()
    assert Job.objects.visible_to(root).get() == job


def test_versions_count_up_and_are_never_reused(alice, workspace, endpoint) -> None:
    job = make_job(alice, workspace, endpoint, "counted")
    operations.publish(alice, job, "second")
    job.versions.filter(number=2).delete()
    assert operations.publish(alice, job, "third").number == 3
