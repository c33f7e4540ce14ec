"""The rows of the list as HTML: each look that a row can have is rendered once, and again when anything that it shows has changed.

A look is what rows have in common that differ only by what is written into them: name, ID, times. It is kept under a key that is
made of every other value that it shows, as the database has it at this moment. So what is kept is never out of date: a value that
changed gives another key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.db.models import BooleanField, Func, QuerySet
from django.db.models.expressions import RawSQL
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from jobs.flink_ids import SERIAL_DIGITS
from jobs.models import Job
from jobs.restarts import OFTEN_RESTARTED
from jobs.templatetags.console import clock, moment_text
from workspaces.kept import in_pieces, joined, key_of, place
from workspaces.prepared import Prepared, among

ROW, CELLS = "jobs/_row.html", "jobs/_changed_cells.html"
# What is written into a look, and decides nothing.
WRITTEN = (
    "serial",
    "name",
    "updated_at",
    "current_run__started_at",
    "current_run__flink_job_id",
    "problem__created_at",
)
NOT_SHOWN = ("pk", "changed_at")
# Whether the Flink runs another one of this job, on no record: ids of one job begin alike (jobs/flink_ids.py). The database tells it, as
# after a backup was restored thousands may run on no record.
RUNS_TWICE = Func(
    "endpoint__unrecorded_jobs",
    "current_run__flink_job_id",
    template="EXISTS (SELECT FROM jsonb_array_elements_text(%(expressions)s AS text) AS own"
    f" WHERE one <> own AND left(one, {SERIAL_DIGITS}) = left(own, {SERIAL_DIGITS}))",
    arg_joiner=") AS one, CAST(",
    output_field=BooleanField(),
)
# All else that these templates show of a job, and all by which they decide what to show.
SHOWN = (
    *("type", "status", "action", "step", "recover_at", "last_version_number", "workspace__serial", "cluster__name"),
    *("endpoint__flink_version", "endpoint__unreachable_since", "endpoint__unreachable_reason"),
    *("current_run__ended_at", "current_run__end", "current_run__cu"),
    *("current_run__flink_state", "current_run__tasks_up", "current_run__tasks_total", "current_run__missing_since"),
    *("current_run__version__number", "current_run__endpoint__rest_url", "current_run__endpoint__dashboard_url"),
    *("problem__code", "problem__values", "problem__summary"),
    "runs_twice",
    "often_restarted_at",
)


def _values(which: RawSQL) -> QuerySet[Job, tuple[Any, ...]]:
    """Return what rows are made of."""
    jobs = Job.objects.filter(which).annotate(runs_twice=RUNS_TWICE, **OFTEN_RESTARTED)
    return jobs.order_by().values_list(*NOT_SHOWN, *WRITTEN, *SHOWN)


BY_KEY = Prepared(lambda pks: _values(among("jobs_job.id", pks)), pks=[-1])
BY_SERIAL = Prepared(
    lambda workspace, serials: _values(among("jobs_job.serial", serials)).filter(workspace=workspace, deleted_at=None),
    workspace=-1,
    serials=["a serial"],
)
BEGIN = len(NOT_SHOWN) + len(WRITTEN)
KEPT_SECONDS = 3600
# Of this process alone, and at most about 20 MB of it.
_looks = LocMemCache("looks of rows", {"OPTIONS": {"MAX_ENTRIES": 2000}})
# These times stand in a look for those that are written into it; no job has them.
UPDATED, STARTED, WRONG = (datetime(1970, 1, 1, 1, 1, second, tzinfo=UTC) for second in (1, 2, 3))
STAND_INS = dict(
    zip(WRITTEN, (place("serial"), place("name"), UPDATED, STARTED, place("flink_job_id"), WRONG), strict=True)
)
RUN_TIME = re.compile(rf'data-since="{re.escape(STARTED.isoformat())}">[^<]*<')


@dataclass(frozen=True, slots=True)
class Row:
    """A job of the list, as `html`: its whole row, or its cells to be swapped in."""

    pk: int
    serial: str
    name: str
    changed_at: datetime
    html: SafeString


def rows_of(pks: Sequence[int], can_operate: bool) -> list[Row]:
    """Return the rows of these jobs, in this order."""
    found = {values[0]: values for values in BY_KEY.rows(pks=list(pks))} if pks else {}
    return _rows([found[pk] for pk in pks if pk in found], ROW, can_operate)


def cells_of(workspace: int, serials: Sequence[str], can_operate: bool) -> list[Row]:
    """Return the cells that change of those of these jobs that are still in the workspace."""
    found = BY_SERIAL.rows(workspace=workspace, serials=[one for one in serials if "\0" not in one])
    return _rows(found, CELLS, can_operate)


def _rows(found: list[tuple[Any, ...]], template: str, can_operate: bool) -> list[Row]:
    # How a time of today is written depends on the day.
    about = (template, get_language(), can_operate, datetime.now(UTC).date())
    keys = [_key(values, about) for values in found]
    looks: dict[str, list[str]] = _looks.get_many(set(keys))
    if new := {key: values for key, values in zip(keys, found, strict=True) if key not in looks}:  # one of each look
        rendered = {key: _render(values, template, can_operate) for key, values in new.items()}
        _looks.set_many(rendered, KEPT_SECONDS)
        looks |= rendered
    return [_row(values, looks[key]) for key, values in zip(keys, found, strict=True)]


def html_of(rows: Iterable[Row]) -> SafeString:
    return mark_safe("".join([row.html for row in rows]))  # each is safe


def _key(values: tuple[Any, ...], about: tuple[object, ...]) -> str:
    is_there = [value is not None for value in values[:BEGIN]]
    return key_of(is_there, values[BEGIN:], about)


def _render(values: tuple[Any, ...], template: str, can_operate: bool) -> list[str]:
    """Return the look of a row in pieces. The template gets a job that is made of nothing but the values that its key is made of."""
    told = dict(zip(SHOWN, values[BEGIN:], strict=True))
    for name, value in zip(WRITTEN, values[len(NOT_SHOWN) : BEGIN], strict=True):
        told[name] = None if value is None else STAND_INS[name]
    runs_twice, restarted_at = told.pop("runs_twice"), told.pop("often_restarted_at")
    job = _made_of(Job, told)
    job.second_ids = ["another"] if runs_twice and job.live_run else []
    job.often_restarted_at = restarted_at
    context = {"job": job, "can_operate": can_operate, "oob": template == CELLS}
    html = str(render_to_string(template, context))
    for time, name in ((UPDATED, "updated"), (WRONG, "wrong")):
        html = html.replace(time.isoformat(), place(name)).replace(moment_text(time), place(f"{name}_text"))
    return in_pieces(RUN_TIME.sub(f'data-since="{place("started")}">{place("run_time")}<', html))


def _made_of(model: Any, values: Mapping[str, Any]) -> Any:
    """Return an unsaved object with these values; those like cluster__name are for the objects that it refers to."""
    own: dict[str, Any] = {}
    others: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        first, _underscores, rest = name.partition("__")
        if rest:
            others.setdefault(first, {})[rest] = value
        else:
            own[name] = json.loads(value) if name == "values" else value
    for name, parts in others.items():
        is_there = any(value is not None for value in parts.values())
        own[name] = _made_of(model._meta.get_field(name).related_model, parts) if is_there else None
    return model(**own)


def _row(values: tuple[Any, ...], pieces: list[str]) -> Row:
    pk, changed_at, serial, name, updated_at, started_at, flink_job_id, wrong_at = values[:BEGIN]
    late = {
        "serial": escape(serial),
        "name": escape(name),
        "flink_job_id": escape(flink_job_id or ""),
        "updated": updated_at.isoformat(),
        "updated_text": moment_text(updated_at),
    }
    if started_at:
        late |= {"started": started_at.isoformat(), "run_time": clock(datetime.now(UTC) - started_at)}
    if wrong_at:
        late |= {"wrong": wrong_at.isoformat(), "wrong_text": moment_text(wrong_at)}
    return Row(pk, serial, name, changed_at, joined(pieces, late))
