"""The dialog of each act: it asks, it does, it says why not; as a fragment for htmx and as a page without it."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.models import Job, Operation, Snapshot
from jobs.operations import publish
from jobs.states import Action, Status
from tests.conftest import Console

HTMX = {"HX-Request": "true"}
ACTS = ["publish", "run", "stop", "snapshot", "cancel", "delete"]


@pytest.mark.parametrize("act", ACTS)
def test_a_dialog_is_a_fragment_for_htmx_and_a_page_without(client: Client, alice: User, job: Job, act: str) -> None:
    client.force_login(alice)
    address = f"/jobs/{job.serial}/{act}/"
    fragment, page = client.get(address, headers=HTMX), client.get(address)
    assert "<html" not in fragment.text
    assert "<html" in page.text
    assert f'action="{address}"' in fragment.text


@pytest.mark.parametrize("act", ACTS)
def test_viewers_and_strangers_are_kept_out(client: Client, vera: User, charlie: User, job: Job, act: str) -> None:
    address = f"/jobs/{job.serial}/{act}/"
    assert client.post(address).headers["Location"].startswith("/login/")
    for user, status in ((vera, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(address).status_code == status
        assert client.post(address).status_code == status
    assert Operation.objects.exclude(action__in=[Action.CREATE, Action.SAVE, Action.PUBLISH]).count() == 0


@pytest.mark.parametrize("act", ACTS)
def test_other_methods_are_refused(client: Client, alice: User, job: Job, act: str) -> None:
    client.force_login(alice)
    assert client.put(f"/jobs/{job.serial}/{act}/").status_code == 405
    assert client.delete(f"/jobs/{job.serial}/{act}/").status_code == 405


def test_a_dialog_says_why_it_cannot_be(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    answer = client.get(f"/jobs/{job.serial}/stop/")
    assert "Only a running job can be stopped." in answer.text
    assert "disabled" in answer.text
    answer = client.post(f"/jobs/{job.serial}/stop/")
    assert answer.status_code == 422
    assert "Only a running job can be stopped." in answer.text


def test_run_without_a_snapshot_says_so(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    answer = client.get(f"/jobs/{job.serial}/run/")
    assert "This job has no snapshot yet" in answer.text
    assert "do not delete or expand topics" in answer.text
    assert client.post(f"/jobs/{job.serial}/run/", {"version": 1, "start": "latest"}).status_code == 422


def test_run_starts_and_answers_the_new_status_at_once(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    headers = HTMX | {"HX-Current-URL": f"http://testserver/spaces/{job.workspace.serial}/jobs/?page=1"}
    answer = client.post(f"/jobs/{job.serial}/run/", {"version": 1, "start": "none"}, headers=headers)
    assert Job.objects.get().status == Status.OPERATING
    assert "console:close-dialog" in json.loads(answer.headers["HX-Trigger-After-Swap"])
    assert f'id="status-{job.serial}" hx-swap-oob="true"' in answer.text
    assert "Operating" in answer.text
    assert 'hx-swap-oob="beforeend:#toasts"' in answer.text


def test_run_from_the_job_page_swaps_its_head(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    headers = HTMX | {"HX-Current-URL": f"http://testserver/jobs/{job.serial}/"}
    answer = client.post(f"/jobs/{job.serial}/run/", {"version": 1, "start": "none"}, headers=headers)
    assert 'id="job-head" hx-swap-oob="true"' in answer.text


def test_run_without_javascript_goes_to_the_job(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/run/", {"version": 1, "start": "none"}, follow=True)
    assert answer.redirect_chain == [(f"/jobs/{job.serial}/", 302)]
    assert "orders is being started." in answer.text


def test_run_from_the_latest_and_from_a_chosen_snapshot(client: Client, console: Console, alice: User) -> None:
    first = stopped_with_snapshot(console)
    second = stopped_with_snapshot(console)
    client.force_login(alice)
    address = f"/jobs/{console.job.serial}/run/"
    assert second.serial in client.get(address).text
    client.post(address, {"version": 1, "start": "latest"})
    assert console.run.restored_from == second
    console.settle()
    console.click_stop(with_snapshot=False)
    console.settle()
    assert client.post(address, {"version": 1, "start": "chosen"}).status_code == 422
    client.post(address, {"version": 1, "start": "chosen", "snapshot": first.serial})
    assert console.run.restored_from == first


def test_an_old_cluster_must_be_upgraded_first(client: Client, console: Console, alice: User) -> None:
    stopped_with_snapshot(console)
    cluster = console.endpoint.cluster
    cluster.supports_snapshot_choice = False
    cluster.save()
    client.force_login(alice)
    address = f"/jobs/{console.job.serial}/run/"
    assert "It must be upgraded first" in client.get(address).text
    assert client.post(address, {"version": 1, "start": "latest"}).status_code == 422


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"version": "x", "start": "none"},
        {"version": "9" * 30, "start": "none"},
        {"version": 1, "start": "\0"},
        {"version": 1, "start": "chosen", "snapshot": "a\0"},
    ],
)
def test_run_survives_nonsense(client: Client, alice: User, job: Job, sent: dict[str, str]) -> None:
    client.force_login(alice)
    assert client.post(f"/jobs/{job.serial}/run/", sent).status_code == 422
    assert client.get(f"/jobs/{job.serial}/run/", {"version": "9" * 30}).status_code == 200


def test_stop_with_and_without_snapshot(client: Client, console: Console, alice: User) -> None:
    console.start()
    client.force_login(alice)
    address = f"/jobs/{console.job.serial}/stop/"
    assert "Create a snapshot when stopping" in client.get(address).text
    client.post(address, {"with_snapshot": "on"})
    assert console.last.snapshot
    console.settle()
    console.start()
    client.post(address)
    assert console.last.action == Action.STOP
    assert console.last.snapshot is None


def test_snapshot_keeps_the_description(client: Client, console: Console, alice: User) -> None:
    console.start()
    client.force_login(alice)
    client.post(f"/jobs/{console.job.serial}/snapshot/", {"description": "before the release"})
    assert console.snapshot.description == "before the release"


def test_cancel_takes_back_a_start(client: Client, console: Console, alice: User) -> None:
    console.click_run()
    client.force_login(alice)
    client.post(f"/jobs/{console.job.serial}/cancel/")
    console.settle()
    assert console.job.status == Status.STOPPED
    assert console.last.cancelled_by == alice


def test_delete_goes_back_to_the_list(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/delete/", headers=HTMX)
    assert answer.headers["HX-Redirect"] == f"/spaces/{job.workspace.serial}/jobs/"
    assert client.get(f"/jobs/{job.serial}/").status_code == 404


def test_publish_needs_a_note(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    address = f"/jobs/{job.serial}/publish/"
    assert "Publish version 2" in client.get(address).text
    assert client.post(address, {"note": "  "}).status_code == 422
    assert job.versions.count() == 1


def test_the_same_click_publishes_once(client: Client, alice: User, bob: User, job: Job) -> None:
    client.force_login(alice)
    address = f"/jobs/{job.serial}/publish/"
    assert 'name="number" value="2"' in client.get(address).text
    click = {"note": "second", "number": "2"}
    assert client.post(address, click).status_code == 302
    again = client.post(address, click)
    assert again.status_code == 422
    assert "Version 2 was published in the meantime. Look at it before you publish." in again.text
    assert job.versions.count() == 2
    # Who has been told so, and wants it nevertheless.
    assert 'name="number" value="3"' in again.text
    assert client.post(address, click | {"number": "3"}).status_code == 302
    assert job.versions.count() == 3


def test_publish_offers_to_run_the_new_version(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/publish/", {"note": "second"}, headers=HTMX)
    assert "Version 2 is published" in answer.text
    assert f"/jobs/{job.serial}/run/?version=2" in answer.text
    assert 'value="2" selected' in client.get(f"/jobs/{job.serial}/run/?version=2").text


def test_publish_while_running_goes_over_stop_to_run(client: Client, console: Console, alice: User) -> None:
    console.start()
    client.force_login(alice)
    job = console.job
    answer = client.post(f"/jobs/{job.serial}/publish/", {"note": "second"}, headers=HTMX)
    assert "Version 1 is running. Stop it first" in answer.text
    answer = client.post(f"/jobs/{job.serial}/stop/?next=2", {"with_snapshot": "on"}, headers=HTMX)
    assert 'hx-trigger="every 1s"' in answer.text
    assert "fully stopped" in answer.text
    console.settle()
    answer = client.get(f"/jobs/{job.serial}/next/2/", headers=HTMX)
    assert "Run version 2" in answer.text
    assert "every 1s" not in answer.text


def test_publish_without_javascript(client: Client, alice: User, job: Job) -> None:
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/publish/", {"note": "second"}, follow=True)
    assert answer.redirect_chain == [(f"/jobs/{job.serial}/next/2/", 302)]
    assert "Run version 2" in answer.text


def test_the_next_step_of_a_foreign_or_missing_version(client: Client, alice: User, charlie: User, job: Job) -> None:
    client.force_login(alice)
    assert client.get(f"/jobs/{job.serial}/next/7/").status_code == 404
    assert client.get(f"/jobs/{job.serial}/next/{'9' * 30}/").status_code == 404
    client.force_login(charlie)
    assert client.get(f"/jobs/{job.serial}/next/1/").status_code == 404


def test_two_clicks_at_once_tell_the_second(client: Client, console: Console, alice: User, bob: User) -> None:
    console.click_run()
    client.force_login(bob)
    answer = client.post(f"/jobs/{console.job.serial}/run/", {"version": 1, "start": "none"})
    assert answer.status_code == 422
    assert "Another operation is under way" in answer.text


def test_a_published_script_that_cannot_be_split_is_refused(client: Client, alice: User, job: Job) -> None:
    draft = job.draft
    draft.sql = "SELECT 'oops"
    draft.save()
    client.force_login(alice)
    answer = client.post(f"/jobs/{job.serial}/publish/", {"note": "second"})
    assert answer.status_code == 422
    assert "never closed" in answer.text


def stopped_with_snapshot(console: Console) -> Snapshot:
    publish(console.user, console.job, "again")
    console.start()
    console.click_stop()
    console.settle()
    assert console.job.status == Status.STOPPED
    return console.snapshot
