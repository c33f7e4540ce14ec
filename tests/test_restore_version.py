"""Go back to a version: the draft becomes what it is, nobody's work is overwritten unseen, and what runs goes on."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.models import Cluster
from jobs import operations
from jobs.models import Draft, Job, Operation
from tests.conftest import SQL, Console

pytestmark = pytest.mark.django_db
LATER = SQL.replace("blackhole", "print")


def draft_of(job: Job) -> Draft:
    return Draft.objects.get(job=job)


@pytest.fixture
def address(job: Job) -> str:
    return f"/jobs/{job.serial}/versions/1/restore/"


@pytest.fixture
def changed(alice: User, job: Job) -> Draft:
    """The draft says something else than the only version."""
    return operations.save_draft(alice, job, 1, {"sql": LATER, "parallelism": 3, "properties": {"a": "b"}})


def test_the_draft_becomes_what_the_version_is(
    alice: User, job: Job, changed: Draft, address: str, client: Client
) -> None:
    client.force_login(alice)
    assert f'href="{address}"' in client.get(f"/jobs/{job.serial}/versions/1/").text
    dialog = client.get(address).text
    assert "What was changed in it is lost" in dialog
    assert "Overwrite the draft" in dialog
    answer = client.post(address, {"revision": changed.revision}, follow=True)
    assert answer.redirect_chain == [(f"/jobs/{job.serial}/draft/", 302)]
    assert "The draft is now what version 1 is." in answer.text
    assert draft_of(job).is_like(job.versions.get(number=1))
    assert Operation.objects.filter(job=job, action="save").latest("pk").params == {"revision": 3, "version": 1}
    assert f'href="{address}"' not in client.get(f"/jobs/{job.serial}/versions/1/").text


def test_what_is_published_is_not_lost(alice: User, job: Job, changed: Draft, address: str, client: Client) -> None:
    operations.publish(alice, job, "second")
    client.force_login(alice)
    dialog = client.get(address).text
    assert "Nothing is lost" in dialog
    assert "Overwrite the draft" not in dialog


def test_what_somebody_saved_meanwhile_stays(
    alice: User, bob: User, job: Job, changed: Draft, address: str, client: Client
) -> None:
    operations.save_draft(bob, job, changed.revision, {"sql": "-- bob's"})
    client.force_login(alice)
    answer = client.post(address, {"revision": changed.revision})
    assert answer.status_code == 422
    assert "Somebody else saved this draft in the meantime." in answer.text
    assert "bob" in answer.text
    assert draft_of(job).sql == "-- bob's"
    # Whoever has read that may go on.
    assert client.post(address, {"revision": answer.context["draft"].revision}).status_code == 302
    assert draft_of(job).sql == SQL
    assert client.post(address, {"revision": "x"}).status_code == 422


def test_what_runs_goes_on(console: Console) -> None:
    console.start()
    before = console.job
    operations.save_draft(console.user, before, 1, {"sql": LATER})
    operations.restore_version(console.user, before.versions.get(number=1), 2)
    after = console.job
    assert (after.status, after.current_run, after.last_version_number) == ("running", before.current_run, 1)


def test_a_cluster_without_fine_grained_resources_gets_whole_cu(alice: User, job: Job) -> None:
    operations.save_draft(alice, job, 1, {"taskmanager_spec": Decimal("0.5")})
    operations.publish(alice, job, "small")
    Cluster.objects.update(supports_fine_grained=False)
    operations.save_draft(alice, job, 2, {"sql": LATER})
    operations.restore_version(alice, job.versions.select_related("job__cluster").get(number=2), 3)
    assert draft_of(job).taskmanager_spec == 1


def test_viewers_and_strangers_do_not(vera: User, charlie: User, job: Job, address: str, client: Client) -> None:
    for user, status in ((vera, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(address).status_code == status
        assert client.post(address, {"revision": 1}).status_code == status
    client.force_login(vera)
    assert f'href="{address}"' not in client.get(f"/jobs/{job.serial}/versions/1/").text


def test_a_version_that_is_looked_at_can_be_run(client: Client, vera: User, console: Console) -> None:
    operations.save_draft(console.user, console.job, console.job.draft.revision, {"sql": SQL + "-- two"})
    operations.publish(console.user, console.job, "second")
    page, run = f"/jobs/{console.job.serial}/versions/1/", f"/jobs/{console.job.serial}/run/"
    client.force_login(console.user)
    assert f'hx-get="{run}?version=1"' in client.get(page).text
    assert client.get(run, {"version": 1}).context["form"]["version"].value() == 1
    client.force_login(vera)
    assert f"{run}?version=1" not in client.get(page).text
