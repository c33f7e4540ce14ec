"""Messages wait in two lines: those that look at Flinks don't stand behind what batches ask for."""

from collections.abc import Iterator

import pytest
from celery import current_app

from clusters.models import FlinkEndpoint
from oceanus_console.metrics.broker import waiting_messages
from tests.until import until
from tests.worker import empty_lines, running_worker

CROWD = 1500


@pytest.fixture
def crowd() -> Iterator[None]:
    """Many messages about batches, which stand there before anybody takes one."""
    for _message in range(CROWD):
        current_app.send_task("jobs.advance", args=[0])
    yield
    empty_lines()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("crowd")
def test_a_look_does_not_wait_until_batches_are_through(endpoint: FlinkEndpoint) -> None:
    with running_worker():
        until(lambda: FlinkEndpoint.objects.get(pk=endpoint.pk).seen_at, "it is looked at", every=0.01)
        assert waiting_messages() > CROWD / 2
