"""The rows of the list as HTML: each is rendered once, and again when anything that it shows has changed.

A row is kept under a key that is made of every value it shows, as the database has it at this moment. So what is kept is never
out of date: a value that changed gives another key. What only the clock changes is written in anew each time.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.cache.backends.locmem import LocMemCache
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from jobs.models import Job, JobQuerySet
from jobs.templatetags.console import clock

ROW, CELLS = "jobs/_row.html", "jobs/_changed_cells.html"
# All that these templates show of a job, and all by which they decide what to show.
SHOWN = (
    *("pk", "serial", "name", "changed_at", "type", "status", "action", "step", "recover_at", "last_version_number"),
    *("updated_at", "workspace__serial", "cluster__name"),
    *("endpoint__flink_version", "endpoint__unreachable_since", "endpoint__unreachable_reason"),
    *("current_run", "current_run__started_at", "current_run__ended_at", "current_run__end", "current_run__cu"),
    *("current_run__flink_state", "current_run__tasks_up", "current_run__tasks_total", "current_run__missing_since"),
    *("current_run__flink_job_id", "current_run__version__number"),
    *("current_run__endpoint__rest_url", "current_run__endpoint__dashboard_url"),
    *("problem", "problem__code", "problem__values", "problem__summary", "problem__created_at"),
)
KEPT_SECONDS = 3600
# Of this process alone, and at most about 20 MB of it.
_kept = LocMemCache("rows of jobs", {"OPTIONS": {"MAX_ENTRIES": 2000}})
RUN_TIME = re.compile(r'(data-since="([^"]+)">)[^<]*')


@dataclass(frozen=True, slots=True)
class Row:
    """A job of the list, as `html`: its row, or its cells to be swapped in."""

    pk: int
    serial: str
    name: str
    changed_at: datetime
    html: SafeString


def rows_of(jobs: JobQuerySet, template: str, can_operate: bool) -> list[Row]:
    """Return `jobs` in their order."""
    found = list(jobs.values_list(*SHOWN))
    # How a time of today is written depends on the day.
    about = (template, get_language(), can_operate, datetime.now(UTC).date())
    keys = {values[0]: _key(values, about) for values in found}
    kept: dict[str, str] = _kept.get_many(keys.values())
    if new := {pk: key for pk, key in keys.items() if key not in kept}:
        rendered = {new[job.pk]: _render(job, template, can_operate) for job in _whole(list(new))}
        _kept.set_many(rendered, KEPT_SECONDS)
        kept |= rendered
    return [
        Row(pk, serial, name, changed_at, _at_this_moment(kept[keys[pk]]))
        for pk, serial, name, changed_at, *_more in found
        if keys[pk] in kept
    ]


def _key(values: tuple[object, ...], about: tuple[object, ...]) -> str:
    return "row:" + hashlib.blake2b(repr((values, about)).encode(), digest_size=20).hexdigest()


def _whole(pks: list[int]) -> JobQuerySet:
    return Job.objects.filter(pk__in=pks).for_rows()


def _render(job: Job, template: str, can_operate: bool) -> str:
    return str(render_to_string(template, {"job": job, "can_operate": can_operate, "oob": template == CELLS}))


def _at_this_moment(html: str) -> SafeString:
    now = datetime.now(UTC)
    told = RUN_TIME.sub(lambda found: found[1] + clock(now - datetime.fromisoformat(found[2])), html)
    return mark_safe(told)  # it came out of a template
