"""Why a job is shown as it is: the one rule that made its status, in words. Same facts as jobs/shown.py; data, not code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_

from jobs.models import Job, Run
from jobs.states import Action, RunEnd, Status, Step


@dataclass(frozen=True, slots=True)
class Rule:
    """One branch of the way from what Flink said to the status; `shape` is what it is shown with ("" for any)."""

    name: str
    shape: str
    sentence: str
    holds: Callable[[Status, Run | None], bool]


@dataclass(frozen=True, slots=True)
class Reason:
    """The rule that holds, in a sentence, and what else bears on the status."""

    rule: Rule
    sentence: str
    remarks: list[str]


def reason(job: Job) -> Reason:
    """Return why `job`, which must bring its current run along (`for_rows`), is shown as it is."""
    status, run = Status(job.status), job.current_run
    rule = next(rule for rule in RULES if rule.holds(status, run))
    return Reason(rule, _(rule.sentence) % _values(job), _remarks(job))


def _live(run: Run | None) -> bool:
    return run is not None and run.ended_at is None


def _is(status: Status, end: RunEnd) -> Callable[[Status, Run | None], bool]:
    return lambda now, run: now == status and run is not None and run.end == end


# The first that holds counts.
RULES = [
    Rule(
        "uninitialized",
        "hollow",
        N_("Nothing has been saved in the draft yet, so there is nothing that could run."),
        lambda status, run: status == Status.UNINITIALIZED,
    ),
    Rule(
        "unpublished",
        "hollow",
        N_("A draft is saved but no version is published yet, so there is nothing that could run."),
        lambda status, run: status == Status.UNPUBLISHED,
    ),
    Rule(
        "operating",
        "busy",
        N_(
            'The operation "%(action)s" is open (%(step)s), so the job is shown as operating. When it has ended, what Flink says counts again.'
        ),
        lambda status, run: status == Status.OPERATING,
    ),
    Rule(
        "paused", "idle", N_("The job was paused on request. It can be run again."), lambda s, run: s == Status.PAUSED
    ),
    Rule(
        "missing",
        "busy",
        N_(
            "Flink answers but does not show the job at the moment, so it is shown as restarting. If it stays away, it counts as lost."
        ),
        lambda status, run: bool(status == Status.RUNNING and run and _live(run) and run.missing_since),
    ),
    Rule(
        "running",
        "ok",
        N_("Flink says %(state)s and %(up)s of %(total)s tasks run, so the job is shown as running."),
        lambda status, run: bool(status == Status.RUNNING and run and _live(run) and run.is_up),
    ),
    Rule(
        "restarting",
        "busy",
        N_(
            "Flink says %(state)s and %(up)s of %(total)s tasks run. Only a job whose tasks all run is shown as running, so this one is shown as restarting."
        ),
        lambda status, run: status == Status.RUNNING and _live(run),
    ),
    Rule(
        "unconfirmed",
        "idle",
        N_(
            "Flink was asked to start the job and has not confirmed it. Until that is known, the job is shown as stopped and can't be run again."
        ),
        lambda status, run: bool(status == Status.STOPPED and run and _live(run) and not run.flink_state),
    ),
    Rule(
        "never-run",
        "idle",
        N_("A version is published, and the job has never been run, so it is shown as stopped."),
        lambda status, run: status == Status.STOPPED and run is None,
    ),
    Rule(
        "stopped",
        "idle",
        N_("The last run was stopped and Flink confirmed its end, so the job is shown as stopped."),
        _is(Status.STOPPED, RunEnd.STOPPED),
    ),
    Rule(
        "finished",
        "idle",
        N_("Flink says that the last run has worked off all its input (FINISHED), so the job is shown as stopped."),
        _is(Status.STOPPED, RunEnd.FINISHED),
    ),
    Rule(
        "cancelled",
        "idle",
        N_("Flink says that the last run was cancelled (CANCELED), so the job is shown as stopped."),
        _is(Status.STOPPED, RunEnd.CANCELLED),
    ),
    Rule(
        "never-started",
        "idle",
        N_("The last start did not come about on Flink, so nothing runs and the job is shown as stopped."),
        _is(Status.STOPPED, RunEnd.NEVER_STARTED),
    ),
    Rule(
        "failed",
        "bad",
        N_("Flink says that the last run failed (FAILED), so the job is shown as failed."),
        _is(Status.FAILED, RunEnd.FAILED),
    ),
    Rule(
        "lost",
        "bad",
        N_(
            "The last run ended as lost: Flink answers and does not know the job any more, so the job is shown as failed."
        ),
        _is(Status.FAILED, RunEnd.LOST),
    ),
    Rule(
        "not-mended",
        "bad",
        N_(
            "The console tried to run the job again by itself and did not succeed, so the job is still shown as failed."
        ),
        lambda status, run: bool(
            status == Status.FAILED and run and run.end in ("", RunEnd.CANCELLED, RunEnd.NEVER_STARTED)
        ),
    ),
    # Nothing leads here for longer than a moment; whatever it is, no more is claimed than that.
    Rule(
        "recorded",
        "",
        N_("This is what the console recorded last. Its next look at Flink confirms or corrects it."),
        lambda status, run: True,
    ),
]


def _values(job: Job) -> dict[str, object]:
    run = job.current_run
    return {
        "action": Action(job.action).label if job.action in Action.values else "–",
        "step": Step(job.step).label if job.step in Step.values else "–",
        "state": run.flink_state if run else "–",
        "up": run.tasks_up if run else 0,
        "total": run.tasks_total if run else 0,
    }


def _remarks(job: Job) -> list[str]:
    told = []
    if job.endpoint.unreachable_since and (_live(job.current_run) or job.is_busy):
        told.append(_("The cluster does not answer at the moment, so the last known status stays until it does."))
    if job.is_busy and job.status != Status.OPERATING:
        told.append(_('The operation "%(action)s" is open; it does not change the status.') % _values(job))
    if ids := job.second_ids:
        told.append(
            _(
                "Beside this run Flink runs the job a second time, under %(ids)s. The overview of the job says what to do."
            )
            % {"ids": ", ".join(ids)}
        )
    if job.often_restarted_at:
        told.append(
            _(
                "Flink restarts the job again and again, and shows it as running in between. The overview tells what Flink said of it."
            )
        )
    if job.recover_at:
        told.append(_("The console is going to run the job again by itself."))
    return told
