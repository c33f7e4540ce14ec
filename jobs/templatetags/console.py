"""What templates ask of jobs, and how times and amounts are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters import network
from clusters.cu import cu_text
from jobs import advice, remedies, shown
from jobs.flink_ids import origin_of
from jobs.models import BatchItem, Job, Problem, Run
from jobs.operations.copy import sentence
from jobs.states import Action, Status, Step

register = template.Library()


@register.simple_tag(takes_context=True)
def address_without(context: Context, *names: str) -> str:
    """Return the query of this page's address without these names, to stand before what a link says: "q=a&sort=name&", or ""."""
    said = context["request"].GET.lists()
    rest = urlencode([(name, values) for name, values in said if name not in names], doseq=True)
    return f"{rest}&" if rest else ""


@register.filter
def each_named(values: list[str], name: str) -> str:
    """Write values for an address: row=a&row=b."""
    return urlencode({name: values}, doseq=True)


@register.filter
def numbers(pages: Iterable[int | str]) -> list[int]:
    """Return the numbers of pages, with 0 for a gap."""
    return [page if isinstance(page, int) else 0 for page in pages]


@register.filter
def shown_status(job: Job) -> shown.Shown:
    return shown.shown(job)


@register.filter
def recovery_told(job: Job) -> str:
    return shown.recovery(job)


@register.filter
def shape(status: str) -> str:
    """Return the shape that stands for a status in chips and legends."""
    return shown.SHAPES[Status(status)]


@register.filter
def status_label(status: str) -> str:
    return str(Status(status).label)


@register.filter
def explained(problem: Problem) -> Any:
    return advice.explain(problem)


@register.filter
def explained_title(problem: Problem) -> str:
    return advice.explain(problem).title


@register.simple_tag
def remedies_for(job: Job, problem: Problem) -> list[remedies.Remedy]:
    """Return the buttons that help with `problem`, as far as they are allowed now."""
    return remedies.remedies(job, problem)


@register.filter
def may(job: Job, action: str) -> bool:
    return job.may(Action(action))


@register.filter
def why_not(job: Job, action: str) -> str:
    return job.why_not(Action(action))


@register.filter
def flink_page(run: Run) -> str:
    """Return the address of the run in Flink's dashboard."""
    kind = "completed" if run.ended_at else "running"
    return f"{run.endpoint.browser_url.rstrip('/')}/#/job/{kind}/{run.flink_job_id}/overview"


@register.simple_tag
def flink_log_page(run: Run, taskmanager: str) -> str:
    """Return the address of the log of a TaskManager, or of the JobManager (""), in Flink's dashboard."""
    place = f"task-manager/{quote(taskmanager, safe='')}" if taskmanager else "job-manager"
    return f"{run.endpoint.browser_url.rstrip('/')}/#/{place}/logs"


@register.simple_tag
def moment(at: datetime | None) -> SafeString | str:
    """Write a time to the second, in UTC; the browser rewrites it in the user's zone."""
    if at is None:
        return "–"
    text = moment_text(at)
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), text, text)


def moment_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


@register.filter
def utc(at: datetime) -> str:
    """Write a time as plain text, to be pasted elsewhere."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@register.simple_tag
def moment_of_day(at: datetime) -> SafeString:
    """Write a recent time short: the time of the day, with the day before it when that isn't today."""
    told, now = at.astimezone(UTC), datetime.now(UTC)
    text = told.strftime("%H:%M" if told.date() == now.date() else "%m-%d %H:%M")
    return format_html('<time datetime="{}" data-short>{}</time>', at.isoformat(), text)


@register.simple_tag
def run_time(run: Run | None) -> SafeString | str:
    """Write how long a run has been running; for a live one the browser counts on."""
    if run is None or run.started_at is None:
        return "–"
    if run.ended_at:
        return clock(run.ended_at - run.started_at)
    passed = clock(datetime.now(UTC) - run.started_at)
    return format_html('<span class="num" data-since="{}">{}</span>', run.started_at.isoformat(), passed)


@register.simple_tag
def time_of_all_runs(job: Job) -> SafeString | str:
    """Write how long all runs of a job have lasted together; while one is under way the browser counts on."""
    passed = job.time_of_all_runs()
    if job.current_run is None or job.current_run.ended_at or not job.current_run.started_at:
        return clock(passed)
    since = (datetime.now(UTC) - passed).isoformat()
    return format_html('<span class="num" data-since="{}">{}</span>', since, clock(passed))


@register.filter
def clock(passed: timedelta | None) -> str:
    """Write a duration as 4:05, 2:04:05 or 3d 02:04:05; the console's JavaScript writes the same."""
    if passed is None:
        return "–"
    minutes, seconds = divmod(max(0, int(passed.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}:{minutes:02}:{seconds:02}"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.filter
def seconds(passed: timedelta | None) -> str:
    """Write a short duration: tenths below a minute, a clock above."""
    if passed is None:
        return "–"
    total = max(0.0, passed.total_seconds())
    return _("%(seconds)s s") % {"seconds": f"{total:.1f}"} if total < 60 else clock(passed)


@register.filter
def about(passed: timedelta | None) -> str:
    """Write a duration roughly: whole seconds below two minutes, then minutes, then hours and days."""
    if passed is None:
        return "–"
    total = max(0, round(passed.total_seconds()))
    if total < 120:
        return _("%(count)d s") % {"count": total}
    if total < 7200:
        return _("%(count)d min") % {"count": total // 60}
    if total < 172_800:
        return _("%(count)d h") % {"count": total // 3600}
    return _("%(count)d days") % {"count": total // 86_400}


@register.simple_tag
def ago(at: datetime) -> str:
    """Write how long ago it was."""
    return _("%(time)s ago") % {"time": about(datetime.now(UTC) - at)}


@register.filter
def step_label(step: str) -> str:
    return str(Step(step).label) if step in Step.values else ""


@register.filter
def told(reason: str) -> str:
    """Return what went wrong on the way to Flink in the reader's language; other words as they came."""
    return network.told(reason)


@register.filter
def serial_of_flink_id(flink_id: str) -> str:
    """Return the ID of the job of which an id on Flink tells; "" if it tells of none."""
    origin = origin_of(flink_id)
    return origin.serial if origin else ""


@register.filter
def item_shape(state: str) -> str:
    """Return the shape that stands for an outcome in a batch."""
    return shown.ITEM_SHAPES[BatchItem.State(state)]


@register.filter
def change_sentence(change: dict[str, str]) -> str:
    return sentence(change)


@register.filter
def cu(amount: Decimal | None) -> str:
    return "–" if amount is None else cu_text(amount)


PARAM_NAMES = {
    "version": gettext_lazy("Version"),
    "snapshot": gettext_lazy("Snapshot"),
    "with_snapshot": gettext_lazy("Create a snapshot when stopping"),
    "allow_non_restored_state": gettext_lazy("Skip state that the new version can't take over"),
    "description": gettext_lazy("Description"),
    "note": gettext_lazy("Version note"),
    "name": gettext_lazy("Job name"),
    "cluster": gettext_lazy("Cluster"),
    "flink_version": gettext_lazy("Flink version"),
    "revision": gettext_lazy("Save number"),
    "operation": gettext_lazy("Operation"),
    "automatic": gettext_lazy("Automatic"),
    "found": gettext_lazy("Found running"),
    "attempt": gettext_lazy("Attempt"),
    "auto_recovery": gettext_lazy("Auto recovery"),
    "pause": gettext_lazy("Pause the job"),
    "copy": gettext_lazy("ID of the copy"),
    "copied_from": gettext_lazy("Copied from"),
    "folder": gettext_lazy("Folder"),
    "before": gettext_lazy("Name before"),
    "after": gettext_lazy("Name after"),
}


@register.filter
def param_name(name: str) -> str:
    """Return the name of an operation's parameter for people; an unknown one as it is written."""
    return str(PARAM_NAMES.get(name, name))


@register.filter
def telling(params: Mapping[str, object]) -> list[tuple[str, object]]:
    """Return names and values of an operation's parameters, without a permission that was not given: nearly no run has it."""
    return [(name, value) for name, value in params.items() if (name, value) != ("allow_non_restored_state", False)]


@register.filter
def param_value(value: object, name: str) -> str:
    """Return the value of an operation's parameter of this name for people."""
    if name == "folder" and value == "":
        return _("Job list")
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)
