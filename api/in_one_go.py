"""Several jobs in one call: all of them or none, and whoever stands in the way is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.utils.translation import gettext_lazy as _

from api.errors import ApiError, Code
from jobs.models import Job
from jobs.operations import NotEnoughCu, Refusal
from jobs.states import Action


def in_one_go(jobs: Sequence[Job]) -> list[Job]:
    """Lock the jobs until the transaction ends, always in the same order, and return them, each once, in the order named."""
    list(
        Job.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=[job.pk for job in jobs]).order_by("pk")
    )
    return list({job.pk: job for job in jobs}.values())


def refuse_unless(job: Job, action: Action, code: Code) -> None:
    """Give what the table of states says against `action` its official code. Raise ApiError."""
    if reason := job.why_not(action):
        raise _naming(job, Code.JOB_IS_BUSY if job.is_busy else code, reason)


@contextmanager
def naming(job: Job, code: Code) -> Iterator[None]:
    """Turn a Refusal of an act on `job` into an ApiError that names it."""
    try:
        yield
    except NotEnoughCu as no:
        raise _naming(job, Code.NOT_ENOUGH_CU, no) from no
    except Refusal as no:
        raise _naming(job, code, no) from no


def _naming(job: Job, code: Code, reason: object) -> ApiError:
    return ApiError(code, _("%(job)s (%(name)s): %(reason)s"), job=job.serial, name=job.name, reason=reason)
