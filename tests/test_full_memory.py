"""A job that fills the memory of the TaskManager: the cluster gets well by itself, and the job says what became of it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from jobs import operations
from jobs.advice import explain
from jobs.models import Job
from tests.test_real_losses import Place, publish, start  # noqa: F401
from tests.until import until
from workspaces.models import Workspace

pytestmark = [pytest.mark.flink, pytest.mark.django_db(transaction=True)]

FILLING = """CREATE TABLE words (w STRING) WITH ('connector' = 'datagen', 'fields.w.length' = '2000');
CREATE TABLE results (w STRING, n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO results SELECT w, COUNT(*) FROM words GROUP BY w;
"""


def test_a_taskmanager_whose_memory_a_job_fills_is_there_again_and_the_job_says_why(
    alice: User,
    workspace: Workspace,
    start: Callable[..., Place],  # noqa: F811
) -> None:
    place = start()
    first = place.machine.pid("taskmanager")
    job = publish(alice, workspace, place.endpoint, "fills", FILLING, properties={"restart-strategy.type": "none"})
    operations.switch_recovery(alice, job, on=False)
    operations.run(alice, Job.objects.get(pk=job.pk), job.versions.get())
    until(lambda: place.machine.pid("taskmanager") not in (0, first), "another TaskManager", seconds=120)

    def failed() -> Job | None:
        return Job.objects.for_rows().filter(pk=job.pk, status="failed").first()

    problem = until(failed, "the job has failed", seconds=120).problem
    told = explain(problem)
    assert told.title == "A TaskManager was lost", problem.summary
    assert "memory" in told.cause
    until(lambda: place.word == "Running" and place.live_on_flink(), "the other job works again", seconds=120)
