"""Bring a run to Flink, however often it takes: always under the same id, so never twice."""

from collections.abc import Collection, Sequence

from clusters import capacity
from clusters.engine import AlreadySubmitted, Engine, EngineError, JobState, NotFound, Refused, Submission
from clusters.models import FlinkEndpoint
from jobs.models import Job, Operation, Run
from jobs.operations.ask import Ask, Taken
from jobs.operations.ending import end
from jobs.operations.options import flink_options
from jobs.operations.record import (
    Event,
    is_late,
    look_again,
    note,
    problem,
    problem_of,
    wake,
)
from jobs.operations.steps import hand_over_all
from jobs.operations.unrecorded import seen_unrecorded
from jobs.sql import ScriptError
from jobs.states import Outcome, RunEnd, Step
from jobs.variables import Values, options_of, statements_of
from workspaces.prepared import ask as ask_database

# Of what lives on an endpoint beside these runs: the slots of those that are on their way, and of the rest. Both are on record before
# Flink is asked, so that nobody takes the same slots twice; when Flink counts those on their way as taken, nobody knows.
SLOTS = """
    SELECT COALESCE(SUM(jobs_version.parallelism) FILTER (WHERE jobs_operation.id IS NOT NULL), 0),
        COALESCE(SUM(jobs_version.parallelism) FILTER (WHERE jobs_operation.id IS NULL), 0)
    FROM jobs_run
    JOIN jobs_version ON jobs_version.id = jobs_run.version_id
    LEFT JOIN jobs_operation ON jobs_operation.run_id = jobs_run.id
        AND jobs_operation.ended_at IS NULL AND jobs_operation.step IN (%s, %s)
    WHERE jobs_run.endpoint_id = %s AND jobs_run.ended_at IS NULL AND jobs_run.submitted_at IS NOT NULL
        AND jobs_run.id <> ALL(%s::bigint[])
"""


class Room:
    """The free slots of an endpoint: asked for once, then counted down by what is submitted together."""

    def __init__(self, endpoint: FlinkEndpoint, engine: Engine) -> None:
        self._endpoint, self._engine = endpoint, engine
        self._is_known = False
        self._unrecorded: set[str] | None = None
        self.free = self.total = 0

    def has_unrecorded(self, job: Job) -> bool:
        """Tell whether the job lives there without being a run on record."""
        if self._unrecorded is None:
            self._unrecorded = seen_unrecorded(self._endpoint, self._engine)
        return job.serial in self._unrecorded

    def look(self) -> None:
        if self._is_known:
            return
        found = self._engine.capacity()
        self.total, self.free, self._is_known = found.slots_total, found.slots_free, True
        capacity.note(self._endpoint, found)

    def count(self, runs: Collection[int]) -> None:
        """Leave out the slots that others have just been given. To be called while nobody else may take some: see `alone_until_commit`.

        `runs` are about to be submitted. What Flink says is taken is taken by what it runs first; the rest by those on their way.
        """
        (row,) = ask_database(SLOTS, [str(Step.SUBMITTING), str(Step.STARTING), self._endpoint.pk, list(runs)])
        on_their_way, others = (int(slots) for slots in row)
        has_theirs = min(max(self.total - self.free - others, 0), on_their_way)
        self.free -= on_their_way - has_theirs

    def takes(self, slots: int) -> bool:
        """Take so many, if there are as many. What needs none has room, also where too many were given away."""
        if slots and slots > self.free:
            return False
        self.free -= slots
        return True


def submit(operation: Operation, engine: Engine, room: Room) -> Ask | None:
    """Return how to submit the run; None when there is nothing to ask now, and the operation is settled or waits."""
    run = operation.run
    assert run is not None
    if is_late(operation):
        _give_up(operation, run)
        return None
    if run.submitted_at and _is_there(run, engine):
        accept([operation], Event.ADOPTED)
        return None
    if run.is_unseen_here:
        # Asked at an address that is no longer the endpoint's: it may have been taken there.
        end(operation, Outcome.FAILED, problem("lost-at-new-address", cluster=run.endpoint.cluster.name))
        return None
    try:
        submission = submission_of(run)
    except ScriptError as error:
        # A variable that is gone. If Flink may have taken an earlier request, the run stays open until we know.
        why = problem(error.reason, **error.values)
        end(operation, Outcome.FAILED, why, None if run.submitted_at else RunEnd.NEVER_STARTED)
        return None
    if room.has_unrecorded(run.job):
        # The record is older than what Flink has done: also of this run it need not be true what was asked for. The watcher looks.
        end(operation, Outcome.FAILED, problem("runs-unrecorded", cluster=run.endpoint.cluster.name))
        wake("jobs.watch", run.endpoint_id)  # it is taken over
        return None
    # Where TaskManagers come on demand, Flink itself lets a job wait for its slots.
    needed = 0 if run.endpoint.brings_taskmanagers else run.version.parallelism
    if needed:
        room.look()
    if 0 < room.total < needed:
        end(
            operation,
            Outcome.FAILED,
            problem("too-few-slots", needed=needed, total=room.total),
            RunEnd.NEVER_STARTED,
        )
        return None

    def judge(error: EngineError) -> Taken | None:
        if isinstance(error, AlreadySubmitted):
            return Event.ADOPTED, ""
        if isinstance(error, Refused):
            return _refused(operation, engine, error, submission)
        raise error

    told = f"job {run.flink_job_id}"
    return Ask(operation, lambda: engine.submit(submission), Step.STARTING, judge, told, slots=needed)


def _is_there(run: Run, engine: Engine) -> bool:
    try:
        engine.job(run.flink_job_id)
    except NotFound:
        return False
    return True


def submission_of(run: Run) -> Submission:
    """Return what Flink is to get, with the variables' values of this moment. Raise ScriptError."""
    version, values = run.version, Values(run.job.workspace_id)
    return Submission(
        job_id=run.flink_job_id,
        name=run.job.name,
        statements=statements_of(version.sql, values),
        parallelism=version.parallelism,
        options=options_of(flink_options(version), values),
        restore_from=run.restored_from.location if run.restored_from else "",
        allow_non_restored_state=run.allow_non_restored_state,
    )


def wait_for_slots(one: Ask, room: Room) -> None:
    """Let a run wait that does not fit yet."""
    look_again(one.operation, Event.WAITING_FOR_SLOTS, f"{max(room.free, 0)} < {one.slots}", seconds=1)


def accept(operations: Sequence[Operation], event: Event, detail: str = "") -> None:
    """Let the watcher judge starts on one endpoint that Flink has taken."""
    runs = Run.objects.filter(pk__in=[one.run_id for one in operations], flink_state="")

    def known() -> None:
        # From now on an absence means lost, not "never started".
        runs.update(flink_state=JobState.CREATED)

    hand_over_all(operations, Step.STARTING, event, detail, known)


def _refused(operation: Operation, engine: Engine, refusal: Refused, submission: Submission) -> Taken | None:
    """Sort a refusal: a bad savepoint leaves a FAILED job under our id, a bad script leaves nothing."""
    run = operation.run
    assert run is not None
    try:
        sight = engine.job(run.flink_job_id)
    except NotFound:
        run_end = RunEnd.NEVER_STARTED
    else:
        if sight.state != JobState.FAILED:
            return Event.ADOPTED, ""
        run_end = RunEnd.FAILED
    note(operation, Event.REFUSED, refusal.summary)
    end(operation, Outcome.FAILED, problem_of(refusal, run, submission.statements), run_end)
    return None


def _give_up(operation: Operation, run: Run) -> None:
    """End a submission that came to nothing in time. If Flink may have taken it, the run stays open until we know."""
    note(operation, Event.TOO_LATE)
    last = operation.steps.exclude(event__in=[Event.TOO_LATE, Event.ASKED]).last()
    if last and last.event == Event.WAITING_FOR_SLOTS:
        is_without_any = run.endpoint.has_no_slots
        why = problem("no-taskmanager") if is_without_any else problem("no-free-slots", needed=run.version.parallelism)
    else:
        why = problem("cluster-unreachable", summary=last.detail if last else "", cluster=run.endpoint.cluster.name)
    end(operation, Outcome.FAILED, why, None if run.submitted_at else RunEnd.NEVER_STARTED)
