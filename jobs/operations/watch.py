"""The watcher's part: one look at a Flink endpoint tells how all its jobs went."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from clusters import capacity
from clusters.engine import EngineError, JobSight, JobState, Unanswered
from clusters.models import FlinkEndpoint
from jobs.log_records import subject
from jobs.models import Operation, Run, Snapshot
from jobs.operations import checkpoints, reach, truth
from jobs.operations.book import ENDPOINT, OPERATIONS, OVERDUE, RUNS, SNAPSHOTS, WAITING, Entry, entries
from jobs.operations.causes import Causes
from jobs.operations.closing import Closing, close_all
from jobs.operations.ending import Ending, batches_of, end_all, together
from jobs.operations.follow import Answers, ask_triggers, complete_all, follow, is_to_be_asked
from jobs.operations.record import Event, Lock, alone, claim_follow_up, deadline, is_late, problem, wake
from jobs.operations.settle import ENDING_STATES, settle_end, settle_snapshot, settle_start
from jobs.operations.silence import engine_of, may_look, patience_with
from jobs.operations.unrecorded import note_unrecorded, take_over
from jobs.states import ASKING_STEPS, WATCHED_STEPS, Outcome, RunEnd, Step
from workspaces import clock

log = logging.getLogger(__name__)

# A look is due so long after the last one: while somebody waits there, and else. A failure is to be shown within five seconds,
# also when a hundred jobs fail.
BUSY_SECONDS, QUIET_SECONDS = 1, 4
# So long after a step has begun, its end is looked for more often than once a tick.
FOLLOWED_UP_SECONDS = 5


def watch(
    endpoint_id: int, follows_up: bool = False, carry_on: Callable[[Collection[int]], object] | None = None
) -> datetime | None:
    """Look at one endpoint and settle what can be settled. Anybody may call this at any time, any number of times.

    `follows_up`: it is enough if somebody has looked since it was asked for. `carry_on` gets the batches that may be carried on,
    because something of theirs has ended. Return when the caller is to look once more, if he is.
    """
    look = None
    with alone(Lock.ENDPOINT, endpoint_id) as mine:
        for endpoint in ENDPOINT.objects(pk=endpoint_id) if mine else []:
            with may_look(endpoint) as is_to_look:
                if not is_to_look:
                    return None
                if follows_up and not endpoint.follow_up_at:
                    break
                if endpoint.follow_up_at:
                    FlinkEndpoint.objects.filter(pk=endpoint_id).update(follow_up_at=None)
                look = Look(endpoint)
                look.take()
    at = None
    if look:
        if carry_on:
            carry_on(batches_of(one.operation for one in look.endings))
        look.keep()
        at = look.follow_up_at
    if mine and at is None and OVERDUE.rows(pk=endpoint_id, now=clock.now()):
        wake("jobs.watch", endpoint_id)  # who was to follow up came while we looked, and went away
    return at


class Look:
    """One look: our rows first, then Flink, so that a job that is started in between is never taken for lost."""

    def __init__(self, endpoint: FlinkEndpoint) -> None:
        self.endpoint = endpoint
        self.engine = engine_of(endpoint)
        self.causes = Causes(self.engine)
        self.endings: list[Ending] = []
        self.closings: list[Closing] = []
        self.is_answered = False
        self.follow_up_at: datetime | None = None
        self.snapshots: dict[int, list[Snapshot]] = {}
        # Before all else: then whoever has asked for one is seen to wait for it, and an unknown trigger is not taken for forgotten.
        for one in SNAPSHOTS.objects(endpoint=endpoint.pk):
            self.snapshots.setdefault(one.run_id, []).append(one)
        self.book = entries(endpoint)
        # In few words, of all that are open; whole ones follow of those that may have to be judged.
        waiting: list[Operation] = WAITING.objects(endpoint=endpoint.pk) if any(one.action for one in self.book) else []
        self.waiting = {one.run_id: one for one in waiting}
        self.operations: dict[int | None, Operation] = {}
        self.answers: Answers = {}

    def _bring_operations(self, runs: Collection[int]) -> None:
        """Fetch the open operations of these runs as a whole, as far as they stand where they stood before we asked Flink."""
        found = OPERATIONS.objects(runs=list(runs))
        before = {one.pk: one.step for one in self.waiting.values()}
        self.operations = {one.run_id: one for one in found if before.get(one.pk) == one.step}
        for snapshot in chain(*self.snapshots.values()):
            operation = self.operations.get(snapshot.run_id)
            if operation and operation.snapshot_id == snapshot.pk:
                operation.snapshot = snapshot  # what is found out about the one is known of the other

    def take(self) -> None:
        asked = time.monotonic()
        with patience_with(self.endpoint) as seconds:
            try:
                self.sights = self.engine.jobs(seconds)
            except EngineError as error:
                if seconds and isinstance(error, Unanswered):
                    reach.suspect(self.endpoint)
                else:
                    self._unreachable(error.summary)
                return
        answered = time.monotonic()
        watched = {entry.flink_job_id for entry in self.book}
        note_unrecorded(self.endpoint, self.sights.alive - watched)
        self.is_answered = reach.note_answer(self.endpoint, self.engine, self._next_look())
        if not self.is_answered:
            return  # what is seen at the former address tells nothing of this one
        truth.remember([entry for entry in self.book if not self._is_being_submitted(entry.pk)], self.sights)
        runs = self._with_news()
        # While Flink still knows them; they are closed below.
        over = {run: sight for run in runs if (sight := self._sight_of(run)) and sight.state.is_over}
        checkpoints.keep_last(over, self.engine, self.endpoint.checkpoint_directory)
        self._ask_for_causes(over)
        self._ask_for_snapshots(runs)
        for run in runs:
            self._safely(run)
        self._end()
        self._follow_snapshots_of_ended_runs()
        truth.end_strays(self.endpoint, self.engine, self.sights, watched)
        take_over(self.endpoint, self.engine, self.sights)
        ended = {one.operation.pk for one in self.endings}
        left = (one for one in self.waiting.values() if one.pk not in ended)
        if soon := [one for one in left if self._may_be_over_in_a_moment(one)]:
            # No sooner than it took, so that a Flink that is slow to tell is not asked all the time.
            passed = time.monotonic() - answered
            self.follow_up_at = claim_follow_up(self.endpoint, soon, least=answered - asked, passed=passed)

    def keep(self) -> None:
        """Do what can wait until all who waited for the look have been told."""
        if not self.is_answered:
            return
        self._keep_checkpoints()
        known_for = capacity.KNOWN_FOR_IF_JOBS_ENDED if self.endings or self.closings else capacity.KNOWN_FOR
        known_for = capacity.KNOWN_FOR_WHILE_BUSY if self.follow_up_at else known_for
        reach.keep_capacity(self.endpoint, self.engine, known_for)

    def _ask_for_causes(self, over: Mapping[Run, JobSight]) -> None:
        """Ask for them together, of all that will be judged as failed."""
        failed = [run for run, sight in over.items() if sight.state == JobState.FAILED]
        steps = {run: one.step for run in failed if (one := self.operations.get(run.pk))}
        self.causes.ask(
            [run.flink_job_id for run in failed if steps.get(run, Step.ENDING) in (Step.STARTING, Step.ENDING)]
        )

    def _ask_for_snapshots(self, runs: Sequence[Run]) -> None:
        """Ask together how those stand that have to be followed."""
        due = [one for run in runs for one in self._to_be_followed(run)]
        watched = {entry.pk for entry in self.book}
        due += [one for one in chain(*self.snapshots.values()) if one.run_id not in watched]
        self.answers = ask_triggers(due, self.engine)
        together(partial(complete_all, answers=self.answers), due)

    def _to_be_followed(self, run: Run) -> list[Snapshot]:
        operation = self.operations.get(run.pk)
        # While a worker is still asking, an unknown trigger means "not arrived yet", not "came to nothing".
        if operation and operation.step in ASKING_STEPS:
            return []
        sight = self._sight_of(run)
        return [one for one in self.snapshots.get(run.pk, []) if is_to_be_asked(one, operation, sight)]

    def _may_be_over_in_a_moment(self, operation: Operation) -> bool:
        """Tell whether it is worth another look before the next tick: not for one that has been taking its time."""
        if operation.step not in WATCHED_STEPS or operation.deadline_at is None:
            return False
        since = deadline(Step(operation.step)) - operation.deadline_at
        return since < timedelta(seconds=FOLLOWED_UP_SECONDS)

    def _with_news(self) -> list[Run]:
        """Return the runs that have to be judged: of which Flink shows something new, or for which somebody waits."""
        pks = [entry.pk for entry in self.book if self._has_to_be_judged(entry)]
        if not pks:
            return []
        if self.waiting:
            self._bring_operations(pks)
        runs = RUNS.objects(pks=pks)
        for run in runs:
            run.endpoint, run.version.job = self.endpoint, run.job
        return [run for run in runs if (run.pk in self.waiting) == (run.pk in self.operations)]

    def _has_to_be_judged(self, entry: Entry) -> bool:
        sight, operation = self.sights.get(entry.flink_job_id), self.waiting.get(entry.pk)
        if operation is None:
            return not entry.is_as_shown(sight) or entry.pk in self.snapshots
        if operation.step in ASKING_STEPS:
            return False
        if sight is None or sight.state.is_over or is_late(operation):
            return True
        if operation.step == Step.STARTING:
            return sight.is_up or sight.state == JobState.RESTARTING
        if operation.step == Step.ENDING:
            return sight.state not in ENDING_STATES
        snapshots = self.snapshots.get(entry.pk, [])
        # Without one it was settled since, or was never asked for.
        return not snapshots or any(is_to_be_asked(one, operation, sight) for one in snapshots)

    def _is_being_submitted(self, run: int) -> bool:
        operation = self.waiting.get(run)
        return operation is not None and operation.step == Step.SUBMITTING

    def _sight_of(self, run: Run) -> JobSight | None:
        return self.sights.get(run.flink_job_id) or truth.last_words(run)

    def _safely(self, run: Run) -> None:
        """Settle one run; whatever goes wrong with it never holds up the others, nor its own operation for ever."""
        operation = self.operations.get(run.pk)
        with subject(operation=operation.serial if operation else "", job=run.job.serial):
            try:
                self._settle(run)
            except EngineError as error:
                log.warning("No answer about %s: %s", run, error.summary)
                self._end_if_late(operation, error.summary)
            except Exception as error:
                log.exception("Could not settle %s", run)
                self._end_if_late(operation, type(error).__name__, "not-followed")

    def _settle(self, run: Run) -> None:
        operation = self.operations.get(run.pk)
        sight = self._sight_of(run)
        is_gone = truth.is_gone(run, self.endpoint)
        for snapshot in self.snapshots.get(run.pk, []):
            if snapshot.trigger_id in self.answers:
                self._follow(snapshot, sight, operation, is_gone)
        if operation is None:
            if closing := truth.settle(run, self.engine, sight, is_gone, self.causes):
                self.closings.append(closing)
        elif operation.step in WATCHED_STEPS and (ending := self._judge(operation, sight, is_gone)):
            self.endings.append(ending)

    def _follow(self, snapshot: Snapshot, sight: JobSight | None, operation: Operation | None, is_gone: bool) -> None:
        """Settle a snapshot if that can be done now; whatever Flink says of it, the operation is judged: it has a deadline."""
        try:
            follow(snapshot, self.engine, sight, operation, is_gone, self.answers)
        except EngineError as error:
            log.warning("No answer about %s: %s", snapshot, error.summary)

    def _judge(self, operation: Operation, sight: JobSight | None, is_gone: bool) -> Ending | None:
        run = operation.run
        assert run is not None
        if is_gone and run.is_unseen_here:
            # Whatever was asked for, at the former address it may run on.
            return Ending(operation, Outcome.FAILED, truth.loss(run, self.endpoint), RunEnd.LOST)
        if operation.step == Step.ENDING:
            return settle_end(operation, self.engine, sight, is_gone, self.causes)
        if operation.step == Step.SNAPSHOTTING:
            return settle_snapshot(operation, sight)
        if sight:
            return settle_start(operation, self.engine, sight, self.causes)
        if is_gone:
            return Ending(operation, Outcome.FAILED, truth.loss(run, self.endpoint), RunEnd.LOST)
        return None

    def _end(self) -> None:
        """End together what has been judged; if that fails, one by one, so that only the one that can't be ended stays."""
        together(partial(end_all, tells_batches=False), self.endings)
        together(close_all, self.closings)

    def _follow_snapshots_of_ended_runs(self) -> None:
        watched = {entry.pk for entry in self.book}
        for snapshot in chain(*self.snapshots.values()):
            if snapshot.run_id in watched:
                continue
            sight = self.sights.get(snapshot.run.flink_job_id)
            self._follow(snapshot, sight, None, sight is None)

    def _keep_checkpoints(self) -> None:
        """Ask for the newest checkpoints."""
        sights = self.sights
        due = [
            entry.pk
            for entry in self.book
            if entry.may_have_checkpoint and (sight := sights.get(entry.flink_job_id)) and sight.is_up
        ]
        checkpoints.keep_newest(checkpoints.some_of(due, is_busy=bool(self.waiting)), self.engine)

    def _next_look(self) -> datetime | None:
        """What was looked at a moment ago, because of an operation, needs no look by the tick."""
        return reach.next_look(clock.now(), BUSY_SECONDS) if self.waiting else None

    def _unreachable(self, reason: str) -> None:
        """Give up what waits there beyond its deadline; all else goes on when it answers again."""
        reach.note_silence(self.endpoint, reason)
        self._bring_operations([one.run_id for one in self.waiting.values() if one.run_id and is_late(one)])
        for one in self.operations.values():
            self._end_if_late(one, reason)
        self._end()

    def _end_if_late(self, operation: Operation | None, reason: str, code: str = "cluster-unreachable") -> None:
        """Give an operation up that is past its deadline, and of which it is not known how it stands."""
        if operation and operation.step in WATCHED_STEPS and is_late(operation):
            why = problem(code, reason, cluster=self.endpoint.cluster.name)
            self.endings.append(Ending(operation, Outcome.FAILED, why, event=Event.TOO_LATE, detail=reason))
