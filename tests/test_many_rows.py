"""Pages about something that has very many rows cost what they show, not what there is."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.admin import NEWEST_SHOWN
from jobs.models import Job, Run, Snapshot, Version
from jobs.states import RunEnd

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def make_runs(job: Job, count: int) -> None:
    first, now = job.versions.latest("number"), timezone.now()
    numbers = range(first.number + 1, first.number + 1 + count)
    versions = Version.objects.bulk_create(Version(job=job, number=n, note="x", sql=first.sql) for n in numbers)
    ended: dict[str, Any] = {"started_at": now, "ended_at": now, "end": RunEnd.STOPPED}
    runs = Run.objects.bulk_create(
        Run(job=job, number=one.number, version=one, endpoint=job.endpoint, cu=1, **ended) for one in versions
    )
    told = {"source": Snapshot.Source.MANUAL, "state": Snapshot.State.COMPLETED, "location": "s3://somewhere"}
    Snapshot.objects.bulk_create(Snapshot(job=job, run=one, **told) for one in runs)


def most_rows(plan: dict[str, Any]) -> float:
    """Return how many rows the busiest step of a plan has brought."""
    below = [most_rows(one) for one in plan.get("Plans", [])]
    return max([plan["Actual Rows"] * plan["Actual Loops"], *below])


def test_the_page_of_a_cluster_counts_jobs_and_runs_apart(client: Client, job: Job) -> None:
    same = {"workspace": job.workspace, "cluster": job.cluster, "endpoint": job.endpoint}
    Job.objects.bulk_create(Job(name=f"job-{n}", **same) for n in range(100))
    make_runs(job, 100)
    with CaptureQueriesContext(connection) as asked:
        page = client.get(f"/clusters/{job.cluster.serial}/")
    assert (page.context["endpoints"][0].job_count, page.context["endpoints"][0].live_count) == (101, 0)
    for one in asked.captured_queries:
        if one["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + one["sql"].replace("%", "%%"), [])
                ((told,),) = cursor.fetchall()
            [plan] = told if isinstance(told, list) else json.loads(told)
            assert most_rows(plan["Plan"]) < 1000, one["sql"]


def test_the_admin_shows_the_newest_of_a_job_by_few_statements(client: Client, job: Job) -> None:
    url = f"/admin/jobs/job/{job.pk}/change/"
    make_runs(job, 2)
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    make_runs(job, 60)
    with CaptureQueriesContext(connection) as many:
        page = client.get(url)
    assert len(many) == len(few)
    for inline in page.context["inline_admin_formsets"]:
        numbers = [one.instance.pk for one in inline.formset.forms]
        newest = inline.formset.model.objects.filter(job=job).order_by("-pk")[:NEWEST_SHOWN]
        assert sorted(numbers) == sorted(one.pk for one in newest)
