"""A job that is missing is waited for, and only while its Flink could have shown it: who is taken for lost too early runs twice."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from clusters.acts import change_endpoint
from clusters.models import FlinkEndpoint
from jobs.models import Run
from tests.conftest import Console
from tests.fake_flink import FakeFlink

pytestmark = pytest.mark.django_db


def hide_job(console: Console, fake: FakeFlink) -> None:
    """Let a JobManager on its way down show no jobs at one look; then an hour passes."""
    fake.fault(("GET", "/jobs/overview"), "status", status=200, body={"jobs": []})
    console.watch()
    assert console.run.missing_since


def let_an_hour_pass() -> None:
    hour = timedelta(hours=1)
    Run.objects.update(missing_since=timezone.now() - hour)
    FlinkEndpoint.objects.update(answers_since=timezone.now() - 2 * hour, seen_at=timezone.now() - hour)


def show_none_once_more(console: Console, fake: FakeFlink) -> None:
    """Let a JobManager that has just come show no jobs yet, then bring them back."""
    fake.fault(("GET", "/jobs/overview"), "status", status=200, body={"jobs": []})
    console.watch()
    assert console.job.status == "running"
    console.watch()
    assert (console.job.status, console.run.missing_since, len(fake.submissions())) == ("running", None, 1)


def test_no_patience_is_lost_while_the_cluster_is_away(console: Console, fake: FakeFlink) -> None:
    console.start()
    hide_job(console, fake)
    fake.stop()
    console.watch()
    let_an_hour_pass()
    FlinkEndpoint.objects.update(seen_at=timezone.now())
    fake.start()
    show_none_once_more(console, fake)


def test_no_patience_is_lost_while_nobody_looks(console: Console, fake: FakeFlink) -> None:
    console.start()
    hide_job(console, fake)
    let_an_hour_pass()
    show_none_once_more(console, fake)


def test_a_job_that_stays_away_is_lost(console: Console, fake: FakeFlink) -> None:
    console.start()
    fake.restart(keep_jobs=False)
    console.watch()
    let_an_hour_pass()
    FlinkEndpoint.objects.update(seen_at=timezone.now())
    console.watch()
    assert (console.job.status, console.run.end) == ("failed", "lost")


def test_the_flink_at_another_address_is_asked_anew_how_it_is_configured(
    console: Console, fake: FakeFlink, root: User
) -> None:
    fake.high_availability = "NONE"
    console.watch()
    assert FlinkEndpoint.objects.get().keeps_jobs is False
    with FakeFlink() as other:
        values = {"flink_version": "2.2.1", "rest_url": other.url, "dashboard_url": "", "is_default": True}
        change_endpoint(root, console.endpoint, values)
        console.watch()
        assert FlinkEndpoint.objects.get().keeps_jobs is True
