"""`batch-accept` and `copy`: what is asked for on a thousand jobs at once."""

import statistics
import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.measure import Page, Result, by_turns, timed
from benchmarks.rows import SCRIPT, Space
from jobs import operations
from jobs.models import Batch, Draft, Job, Operation, Version
from jobs.states import Action, Outcome, Status, Step
from workspaces.serials import new_serial

MOST_ADVANCES = 1000


def bench_accept(page: Page, space: Space, count: int, turns: int) -> None:
    """Measure the click that asks for a batch of `count` stops, from the POST to the answer."""
    client = Client(SERVER_NAME="localhost")
    client.force_login(space.user)
    running = Job.objects.filter(workspace=space.workspace, status=Status.RUNNING)
    serials = list(running.order_by("pk").values_list("serial", flat=True)[:count])
    url = f"/spaces/{space.workspace.serial}/batch/stop/"

    def click(some: list[str]) -> None:
        answer = client.post(url, {"key": str(uuid.uuid4()), "jobs": ",".join(some)}, headers={"HX-Request": "true"})
        assert answer.status_code == 200, answer.status_code

    click(serials[:1])
    taken = [timed(lambda: click(serials)) for _turn in range(turns)]
    seconds = statistics.median(taken) / 1000
    page.add(Result("batch-accept", f"{len(serials):,} jobs", seconds, 1.0, seconds * 1000, unit="s"))
    of_one, of_all = (_statements(click, some) for some in (serials[:1], serials))
    page.add(Result("batch-accept", "statements more than for 1 job", of_all - of_one, 0, unit=""))


def _statements(click: Any, some: list[str]) -> int:
    with CaptureQueriesContext(connection) as queries:
        click(some)
    return len(queries)


def bench_copy(page: Page, space: Space, count: int, turns: int) -> None:
    """Measure copies of `count` jobs, as a batch works them off, against inserting as many rows of the same tables."""
    pks = list(Job.objects.filter(workspace=space.workspace).order_by("pk").values_list("pk", flat=True)[:count])
    ours, bare = by_turns(lambda: timed_batch(space, pks), lambda: timed(lambda: insert_bare(space, len(pks))), turns)
    page.add(Result("copy", f"{len(pks):,} jobs", ours / bare, 3.0, ours, bare))


def timed_batch(space: Space, pks: list[int]) -> float:
    jobs = Job.objects.filter(pk__in=pks)
    params = {"cluster": space.endpoint.cluster.serial, "language": "en"}
    batch = operations.request_batch(space.user, space.workspace, Action.COPY, jobs, params)
    # A name of a copy carries the second of its batch: each has one of its own.
    Batch.objects.filter(pk=batch.pk).update(created_at=timezone.now() + timedelta(seconds=Batch.objects.count()))
    taken = timed(lambda: _work_off(batch))
    assert batch.items.filter(state="succeeded").count() == len(pks), "every job was copied"
    return taken


def _work_off(batch: Batch) -> None:
    for _turn in range(MOST_ADVANCES):
        operations.advance(batch.pk)
        if Batch.objects.filter(pk=batch.pk).exclude(ended_at=None).exists():
            return
    raise RuntimeError("The batch does not end.")


@transaction.atomic
def insert_bare(space: Space, count: int) -> None:
    """Insert what copies consist of, and nothing else: jobs, drafts, versions, and two lines of the record each."""
    endpoint, user = space.endpoint, space.user
    jobs = Job.objects.bulk_create(
        Job(workspace=space.workspace, name=new_serial("bare"), cluster=endpoint.cluster, endpoint=endpoint,
            status=Status.STOPPED, last_version_number=1, created_by=user)
        for _n in range(count)
    )  # fmt: skip
    Draft.objects.bulk_create(Draft(job=job, sql=SCRIPT, saved_by=user) for job in jobs)
    Version.objects.bulk_create(Version(job=job, number=1, note="copy", sql=SCRIPT, published_by=user) for job in jobs)
    Operation.objects.bulk_create(_line(job, action, user) for job in jobs for action in (Action.COPY, Action.CREATE))


def _line(job: Job, action: Action, user: User) -> Operation:
    done = {"step": Step.DONE, "outcome": Outcome.SUCCEEDED, "ended_at": timezone.now()}
    return Operation(job=job, action=action, requested_by=user, params={"name": job.name}, **done)
