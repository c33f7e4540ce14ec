"""The page of a batch and its poll: what they count and the rows beside are of the same moment, whatever happens meanwhile."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import InternalError, connection
from django.test import Client

from jobs import operations
from jobs.models import BatchItem, Job
from jobs.states import Action
from jobs.views.one_moment import one_moment
from tests.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


class Meanwhile:
    """Let somebody else end all items right before the `number`th query of items."""

    def __init__(self, number: int) -> None:
        self.number, self.seen = number, 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.seen += 'FROM "jobs_batchitem"' in sql
        if self.seen == self.number:
            self.seen += 1
            in_thread(lambda: BatchItem.objects.update(state="succeeded")).join()
        return execute(sql, params, many, context)


@pytest.mark.parametrize("path", ["", "poll/?seen=x&rows=1"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_count_agrees_with_the_rows(client: Client, alice: User, job: Job, path: str, number: int) -> None:
    batch = operations.request_batch(alice, job.workspace, Action.RUN, Job.objects.all(), {"start": "none"})
    BatchItem.objects.update(state="waiting")
    client.force_login(alice)
    with connection.execute_wrapper(Meanwhile(number)):
        body = client.get(f"/batches/{batch.serial}/{path}").text
    (done,) = re.findall(r"<b>(\d) / 1</b>", body)
    cell = body[body.index('id="outcome-1"') :]
    assert ("Succeeded" in cell[:400]) == (done == "1")
    assert BatchItem.objects.get().state == ("succeeded" if number < 3 or path == "" else "waiting")


def test_nothing_is_written_in_one_moment(job: Job) -> None:
    with pytest.raises(InternalError, match="read-only"), one_moment():
        job.save()
