"""The rule of the true state: what Flink says of a job that nobody is operating is what the job is."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from clusters.engine import Engine, EngineError, JobSight, JobState, NotFound, Sights
from clusters.models import FlinkEndpoint
from jobs.models import Job, Operation, OperationStep, Problem, Run, Snapshot
from jobs.operations.book import Entry
from jobs.operations.causes import Causes
from jobs.operations.closing import Closing
from jobs.operations.ending import true_status
from jobs.operations.record import note, problem, touch, update_job, write_rows
from jobs.states import Action, RunEnd, Status, Step
from workspaces import clock
from workspaces.prepared import ask


def _patience_with(endpoint: FlinkEndpoint) -> timedelta:
    """Return how long a job may be missing there: with high availability a new JobManager brings its jobs back."""
    without = endpoint.keeps_jobs is False
    return timedelta(seconds=settings.LOST_AFTER_WITHOUT_HA_SECONDS if without else settings.LOST_AFTER_SECONDS)


def remember(book: Sequence[Entry], sights: Mapping[str, JobSight]) -> None:
    """Keep what Flink shows of these runs, where it is new."""
    news, restarted = [], []
    now = clock.now()
    for entry in book:
        sight = sights.get(entry.flink_job_id)
        seen = _as_seen(entry, sight, now)
        is_found = entry.is_unseen_here and sight is not None
        if is_found or seen != (entry.flink_state, entry.tasks_up, entry.tasks_total, entry.missing_since):
            news.append((entry.pk, *seen, is_found))
            if _restarts(entry, sight):
                restarted.append(entry.pk)
    if news:
        with transaction.atomic() if restarted else nullcontext():
            write_rows(SEEN, news)
            if restarted:
                _note_restarts(restarted, now)
        ask(TOUCHED, [[pk for pk, *_seen in news]])


# Locked in their order: whoever keeps checkpoints meanwhile does the same.
SEEN = """
    WITH told AS (
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::integer[], %s::integer[], %s::timestamptz[], %s::boolean[])
            AS told (id, state, up, total, missing_since, is_found)
    ), theirs AS (
        SELECT id FROM jobs_run WHERE id IN (SELECT id FROM told) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE jobs_run
    SET flink_state = told.state, tasks_up = told.up, tasks_total = told.total, missing_since = told.missing_since,
        is_unseen_here = is_unseen_here AND NOT told.is_found
    FROM told JOIN theirs USING (id) WHERE jobs_run.id = told.id
"""
# The jobs of these runs, locked in the order in which all lock them.
TOUCHED = """
    WITH theirs AS (
        SELECT id FROM jobs_job WHERE id IN (SELECT job_id FROM jobs_run WHERE id = ANY(%s::bigint[]))
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE jobs_job SET changed_at = statement_timestamp() FROM theirs WHERE jobs_job.id = theirs.id RETURNING jobs_job.id
"""


# Of runs that have started once; a row is written over within the hour, so that one that restarts all night is a few rows.
RESTARTED = """
    INSERT INTO jobs_restart (run_id, hour, first_at, last_at, count)
    SELECT id, date_trunc('hour', %(now)s, 'UTC'), %(now)s, %(now)s, 1 FROM jobs_run
    WHERE id = ANY(%(runs)s) AND started_at IS NOT NULL AND ended_at IS NULL
    ON CONFLICT (run_id, hour) DO UPDATE SET last_at = excluded.last_at, count = jobs_restart.count + 1
"""


def _restarts(entry: Entry, sight: JobSight | None) -> bool:
    """Tell whether a run whose tasks all worked is brought up anew, and nobody has asked for its end."""
    was_up = entry.flink_state == JobState.RUNNING and 0 < entry.tasks_total == entry.tasks_up
    comes_up = sight is not None and not sight.is_up and sight.state in COMING_UP
    return was_up and comes_up and entry.action in ("", Action.SNAPSHOT)


COMING_UP = (JobState.RESTARTING, JobState.RUNNING, JobState.INITIALIZING, JobState.CREATED, JobState.RECONCILING)


def _note_restarts(runs: Collection[int], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(RESTARTED, {"runs": list(runs), "now": now})


def _as_seen(entry: Entry, sight: JobSight | None, now: datetime) -> tuple[Any, ...]:
    if sight is None:
        return entry.flink_state, entry.tasks_up, entry.tasks_total, entry.missing_since or now
    return str(sight.state), sight.tasks_up, sight.tasks_total, None


def is_gone(run: Run, endpoint: FlinkEndpoint) -> bool:
    """Tell whether a run is missing for so long that it won't come back. While its endpoint is away, no time passes."""
    if run.missing_since is None or endpoint.answers_since is None:
        return False
    return clock.now() - max(run.missing_since, endpoint.answers_since) >= _patience_with(endpoint)


def last_words(run: Run) -> JobSight | None:
    """Return the end that Flink once showed of a run it does not know any more: that one is final, so nobody has to wait."""
    if run.flink_state not in (JobState.FINISHED, JobState.CANCELED, JobState.FAILED):
        return None
    return JobSight(run.flink_job_id, JobState(run.flink_state), run.tasks_up, run.tasks_total)


def settle(run: Run, engine: Engine, sight: JobSight | None, is_gone: bool, causes: Causes) -> Closing | None:
    """Bring a job without an open operation to the state that Flink shows; return how its run has ended, if it has."""
    if sight is None:
        return _settle_missing(run, engine, is_gone)
    if sight.state.is_over:
        return _how_it_ended(run, sight, causes)
    if run.job.status != Status.RUNNING:
        # It lives though we had given it up: a submission whose answer was lost, or a JobManager that came back.
        Run.objects.filter(pk=run.pk, started_at=None).update(started_at=sight.started_at)
        _show(run)
    return None


def _settle_missing(run: Run, engine: Engine, is_gone: bool) -> Closing | None:
    if not run.flink_state:
        # Asked for once, never confirmed. The overview may be a moment old, so look once more by id.
        try:
            engine.job(run.flink_job_id)
        except NotFound:
            return Closing(run, RunEnd.NEVER_STARTED, run.job.problem)
    elif is_gone and _vanished_as_asked(run):
        return Closing(run, RunEnd.STOPPED)
    elif is_gone:
        return Closing(run, RunEnd.LOST, loss(run, run.endpoint))
    return None


def _vanished_as_asked(run: Run) -> bool:
    """Tell whether a run was last seen before a stop that has left its snapshot; once it was seen again, that stop had failed."""
    left = run.snapshots.filter(source=Snapshot.Source.STOP, state=Snapshot.State.COMPLETED)
    return left.filter(ended_at__gte=run.missing_since).exists()


def loss(run: Run, endpoint: FlinkEndpoint) -> Problem:
    """Keep that a job has vanished from `endpoint`."""
    code = "lost-without-ha" if endpoint.keeps_jobs is False else "lost"
    if run.is_unseen_here:
        code = "lost-at-new-address"
    return problem(code, cluster=endpoint.cluster.name)


def _how_it_ended(run: Run, sight: JobSight, causes: Causes) -> Closing:
    if sight.state == JobState.FAILED:
        return Closing(run, RunEnd.FAILED, causes.of(run))
    if sight.state == JobState.CANCELED:
        return _cancelled(run)
    stopped = run.snapshots.filter(source=Snapshot.Source.STOP).exclude(state=Snapshot.State.FAILED).exists()
    return Closing(run, RunEnd.STOPPED if stopped else RunEnd.FINISHED)


def _cancelled(run: Run) -> Closing:
    """Tell who ended it: what was asked for may come when nobody waits for it any more."""
    last = run.operations.order_by("pk").last()
    is_asked = last and not last.snapshot_id and last.step in (Step.WITHDRAWING, Step.ENDING)
    if not last or not is_asked:
        return Closing(run, RunEnd.CANCELLED, problem("cancelled-outside"))
    if last.action == Action.STOP:
        return Closing(run, RunEnd.STOPPED)
    return Closing(run, RunEnd.CANCELLED, None if last.cancelled_by_id else last.problem)


@transaction.atomic
def _show(run: Run) -> None:
    job = Job.objects.select_for_update(no_key=True).get(pk=run.job_id)
    if not job.is_busy:
        update_job(job.pk, status=true_status(job.pk), problem=None, recover_at=None)


def end_strays(endpoint: FlinkEndpoint, engine: Engine, sights: Sights, watched: set[str]) -> None:
    """Deal with live jobs of ours whose run has ended in our book: adopt what was lost, cancel what was taken back (G2)."""
    alive = sights.alive - watched
    if not alive:
        return
    ended = Run.objects.filter(flink_job_id__in=alive, endpoint=endpoint).exclude(ended_at=None)
    for run in ended.select_related("job"):
        if _may_be_adopted(run) and _adopt(run, sights[run.flink_job_id]):
            continue
        # A run that has just ended may still stand in this look; cancelling it once more does nothing.
        try:
            engine.cancel(run.flink_job_id)
        except EngineError:
            continue  # over by now, or not to be reached: the next look sees it again if it still lives
        operation = Operation.objects.filter(run=run).first()
        if operation:
            note(operation, OperationStep.Event.STRAY_CANCELLED)


def _may_be_adopted(run: Run) -> bool:
    """Tell whether nobody has asked for the end of a run: it was lost, or surely never asked for, as a backup had it that is restored."""
    if run.end == RunEnd.NEVER_STARTED and run.submitted_at is None:
        return not run.operations.filter(cancelled_by__isnull=False).exists()
    return run.end == RunEnd.LOST


@transaction.atomic
def _adopt(run: Run, sight: JobSight) -> bool:
    """Take a run back that is there after all, unless the job has been started anew since."""
    job = Job.objects.select_for_update(no_key=True).get(pk=run.job_id)
    if job.is_busy or job.current_run_id != run.pk or job.deleted_at:
        return False
    began = sight.started_at or clock.now()
    Run.objects.filter(pk=run.pk).update(
        ended_at=None,
        end="",
        problem=None,
        missing_since=None,
        is_unseen_here=False,
        flink_state=sight.state,
        submitted_at=run.submitted_at or began,
        started_at=run.started_at or began,
    )
    update_job(job.pk, status=true_status(job.pk), problem=None, recover_at=None)
    return True


def touch_jobs(endpoint: FlinkEndpoint) -> None:
    """Let pages show anew all live jobs of an endpoint that has just gone or come back."""
    touch(Job.objects.filter(endpoint=endpoint, current_run__ended_at=None).order_by().values_list("pk", flat=True))
