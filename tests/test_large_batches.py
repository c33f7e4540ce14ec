"""The dialogs of a batch, and its click, take as many statements for hundreds of jobs as for a few, whatever these are like."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs.models import Batch, Draft, Job, Run, Snapshot, Version
from jobs.operations.plan import LINES
from jobs.states import RunEnd
from tests.conftest import SQL
from workspaces.models import Variable, Workspace

pytestmark = pytest.mark.django_db

FEW, MANY = 8, LINES + 200


@pytest.fixture
def other(workspace: Workspace, fake: Any) -> Cluster:
    """A cluster on which the copies would differ."""
    other = Cluster.objects.create(name="cluster-b", snapshot_directory="file:///tmp/b", supports_fine_grained=False)
    ClusterBinding.objects.create(cluster=other, workspace=workspace)
    FlinkEndpoint.objects.create(cluster=other, flink_version="1.20.5", rest_url=fake.url)
    return other


def make_jobs(endpoint: FlinkEndpoint, workspace: Workspace, count: int) -> list[Job]:
    """Write jobs of four kinds down: running, stopped, never published, and without anything; those that ran have a snapshot."""
    same: dict[str, Any] = {"workspace": workspace, "cluster": endpoint.cluster, "endpoint": endpoint}
    kinds = ("running", "stopped", "unpublished", "uninitialized")
    jobs = Job.objects.bulk_create(Job(name=f"of-{count}-{n}", status=kinds[n % 4], **same) for n in range(count))
    Draft.objects.bulk_create(
        Draft(job=one, sql=f"{SQL}-- {one.name}", properties={"a": "${b}"}) for one in jobs if one.status != kinds[3]
    )
    ran = [one for one in jobs if one.status in kinds[:2]]
    versions = Version.objects.bulk_create(
        Version(job=one, number=number, note="x", sql=SQL, taskmanager_spec="0.5") for number in (1, 2) for one in ran
    )
    over = {"ended_at": timezone.now(), "end": RunEnd.STOPPED}
    runs = Run.objects.bulk_create(
        Run(
            job=one.job, number=1, version=one, endpoint=endpoint, cu=1, **(over if one.job.status == "stopped" else {})
        )
        for one in versions
        if one.number == 1
    )
    taken = {"source": Snapshot.Source.MANUAL, "state": Snapshot.State.COMPLETED, "location": "s3://somewhere"}
    Snapshot.objects.bulk_create(Snapshot(job=one.job, run=one, ended_at=timezone.now(), **taken) for one in runs)
    for one in runs:
        one.job.current_run, one.job.last_version_number = one, 2
    Job.objects.bulk_update([one.job for one in runs], ["current_run", "last_version_number"])
    return jobs


@pytest.mark.parametrize(
    ("act", "chosen"),
    [
        ("publish", {"note": "x"}),
        ("run", {"start": "latest"}),
        ("run", {"start": "none"}),
        ("stop", {"with_snapshot": "on"}),
        ("copy", {"cluster": "cluster-b"}),
        ("move", {"folder": ""}),
        ("delete", {}),
    ],
)
def test_it_takes_as_many_statements_for_hundreds_of_jobs_as_for_a_few(
    client: Client,
    alice: User,
    workspace: Workspace,
    endpoint: FlinkEndpoint,
    other: Cluster,
    act: str,
    chosen: dict[str, str],
) -> None:
    Variable.objects.create(workspace=workspace, name="b", value="1")
    client.force_login(alice)
    address = f"/spaces/{workspace.serial}/batch/{act}/"
    if "cluster" in chosen:
        chosen = {"cluster": other.serial}
    client.get(address)  # some statements are sent once
    numbers = []
    for count in (FEW, MANY):
        Job.objects.update(deleted_at=timezone.now())
        jobs = make_jobs(endpoint, workspace, count)
        with CaptureQueriesContext(connection) as opened:
            page = client.get(address, {"all": "1"})
        assert len(page.context["plan"].lines) == count
        assert 0 < page.context["plan"].possible <= count
        told = {"jobs": page.context["form"]["jobs"].value(), "key": str(uuid.uuid4()), **chosen}
        with CaptureQueriesContext(connection) as planned:
            again = client.post(address, told | {"do": "plan"}, headers={"HX-Request": "true"})
        assert again.context["plan"].possible > 0
        with CaptureQueriesContext(connection) as clicked:
            client.post(address, told, headers={"HX-Request": "true"})
        batch = Batch.objects.latest("pk")
        assert [item.job.serial for item in batch.items.select_related("job")] == told["jobs"].split(",")
        assert batch.total == len(jobs)
        numbers.append((len(opened), len(planned), len(clicked)))
    assert numbers[0] == numbers[1]
