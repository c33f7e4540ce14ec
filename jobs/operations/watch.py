"""The watcher's part: one look at a Flink endpoint tells how all its jobs went."""

import logging
from datetime import timedelta
from itertools import chain

from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from clusters.engine import Engine, EngineError, JobSight
from clusters.models import FlinkEndpoint
from jobs.log_records import subject
from jobs.models import Operation, Run, Snapshot
from jobs.operations import checkpoints, truth
from jobs.operations.follow import follow
from jobs.operations.record import ENDPOINT_LOCK, Event, alone, end, follow_up, is_late, note, problem
from jobs.operations.run import settle_start
from jobs.operations.stop import settle_end, settle_snapshot
from jobs.states import ASKING_STEPS, WATCHED_STEPS, Outcome, RunEnd, Step

log = logging.getLogger(__name__)

BACK_OFF_LIMIT_SECONDS = 10
# So many runs are asked for their newest checkpoint at a look, however many there are.
CHECKPOINTS_A_LOOK, CHECKPOINTS_A_BUSY_LOOK = 2, 1


def watch(endpoint_id: int) -> None:
    """Look at one endpoint and settle what can be settled. Anybody may call this at any time, any number of times."""
    with alone(ENDPOINT_LOCK, endpoint_id) as mine:
        endpoint = FlinkEndpoint.objects.filter(pk=endpoint_id).first()
        if mine and endpoint:
            FlinkEndpoint.objects.filter(pk=endpoint_id).update(follow_up_at=None)
            Look(endpoint).take()


class Look:
    """One look: our rows first, then Flink, so that a job that is started in between is never taken for lost."""

    def __init__(self, endpoint: FlinkEndpoint) -> None:
        self.endpoint = endpoint
        self.engine: Engine = endpoint.engine()
        open_runs = Run.objects.filter(endpoint=endpoint, ended_at=None)
        self.runs = list(open_runs.select_related("job", "version", "restored_from"))
        waiting = Operation.objects.filter(ended_at=None, run__endpoint=endpoint)
        self.operations = {
            one.run_id: one
            for one in waiting.select_related(
                "job__problem", "problem", "snapshot__run", "run__restored_from", "run__endpoint__cluster"
            )
        }
        creating = Snapshot.objects.filter(state=Snapshot.State.CREATING, run__endpoint=endpoint)
        self.snapshots: dict[int, list[Snapshot]] = {}
        for one in creating.exclude(asked_at=None).select_related("run"):
            self.snapshots.setdefault(one.run_id, []).append(one)

    def take(self) -> None:
        try:
            self.sights = self.engine.jobs()
        except EngineError as error:
            self._unreachable(error.summary)
            return
        self._reached()
        for run in self.runs:
            operation = self.operations.get(run.pk)
            with subject(operation=operation.serial if operation else "", job=run.job.serial):
                self._safely(run)
        self._follow_snapshots_of_ended_runs()
        truth.end_strays(self.endpoint, self.engine, self.sights, {run.flink_job_id for run in self.runs})
        if any(one.step in WATCHED_STEPS for one in self.operations.values()):
            follow_up(self.endpoint)
        self._keep_checkpoints()

    def _safely(self, run: Run) -> None:
        """Settle one run; whatever goes wrong with it never holds up the others."""
        try:
            self._settle(run)
        except EngineError as error:
            log.warning("No answer about %s: %s", run, error.summary)
        except Exception:
            log.exception("Could not settle %s", run)

    def _settle(self, run: Run) -> None:
        operation = self.operations.get(run.pk)
        if operation and operation.step == Step.SUBMITTING:
            return
        sight = self.sights.get(run.flink_job_id)
        is_gone = truth.remember(run, sight, truth.patience_with(self.endpoint))
        sight = sight or truth.last_words(run)
        if sight and sight.state.is_over:
            # While Flink still knows it; the run is closed below.
            checkpoints.keep_last(run, self.engine, sight)
        # While a worker is still asking, an unknown trigger means "not arrived yet", not "came to nothing".
        if not (operation and operation.step in ASKING_STEPS):
            for snapshot in self.snapshots.get(run.pk, []):
                follow(snapshot, self.engine, sight, operation, is_gone)
        if operation is None:
            truth.settle(run, self.engine, sight, is_gone)
        elif operation.step in WATCHED_STEPS:
            self._settle_operation(operation, run, sight, is_gone)

    def _settle_operation(self, operation: Operation, run: Run, sight: JobSight | None, is_gone: bool) -> None:
        if operation.step == Step.ENDING:
            settle_end(operation, self.engine, sight, is_gone)
        elif operation.step == Step.SNAPSHOTTING:
            settle_snapshot(operation, self.engine, sight)
        elif sight:
            settle_start(operation, self.engine, sight)
        elif is_gone:
            end(operation, Outcome.FAILED, truth.loss(self.endpoint), RunEnd.LOST)

    def _follow_snapshots_of_ended_runs(self) -> None:
        watched = {run.pk for run in self.runs}
        for snapshot in chain(*self.snapshots.values()):
            if snapshot.run_id in watched:
                continue
            sight = self.sights.get(snapshot.run.flink_job_id)
            try:
                follow(snapshot, self.engine, sight, None, is_gone=sight is None)
            except EngineError as error:
                log.warning("No answer about %s: %s", snapshot, error.summary)

    def _keep_checkpoints(self) -> None:
        """Ask for the newest checkpoints last, so that nobody's operation waits for it."""
        up = [run for run in self.runs if (sight := self.sights.get(run.flink_job_id)) and sight.is_up]
        try:
            for run in checkpoints.due(up, CHECKPOINTS_A_BUSY_LOOK if self.operations else CHECKPOINTS_A_LOOK):
                checkpoints.keep_newest(run, self.engine)
        except EngineError as error:
            log.warning("No answer about checkpoints of %s: %s", self.endpoint, error.summary)

    def _reached(self) -> None:
        if self.endpoint.keeps_jobs is None or self.endpoint.unreachable_since:
            self.endpoint.keeps_jobs = self._keeps_jobs()
        FlinkEndpoint.objects.filter(pk=self.endpoint.pk).update(
            seen_at=Now(),
            unreachable_since=None,
            unreachable_reason="",
            failed_looks=0,
            keeps_jobs=self.endpoint.keeps_jobs,
        )
        if self.endpoint.unreachable_since:
            truth.touch_jobs(self.endpoint)

    def _keeps_jobs(self) -> bool | None:
        """Ask whether jobs outlive this JobManager, which may be another one than before its absence."""
        try:
            return self.engine.keeps_jobs()
        except EngineError as error:
            log.info("%s does not tell whether it keeps its jobs: %s", self.endpoint, error.summary)
            return None

    def _unreachable(self, reason: str) -> None:
        """Keep the last known states, say since when they are old, and come back with growing distance."""
        pause = min(BACK_OFF_LIMIT_SECONDS, 2 ** min(self.endpoint.failed_looks, 4))
        FlinkEndpoint.objects.filter(pk=self.endpoint.pk).update(
            unreachable_since=Coalesce("unreachable_since", Now()),
            unreachable_reason=reason[:1000],
            failed_looks=F("failed_looks") + 1,
            look_at=timezone.now() + timedelta(seconds=pause),
        )
        if not self.endpoint.unreachable_since:
            truth.touch_jobs(self.endpoint)
        for operation in self.operations.values():
            if operation.step in WATCHED_STEPS and is_late(operation):
                note(operation, Event.TOO_LATE, reason)
                why = problem("cluster-unreachable", summary=reason, cluster=self.endpoint.cluster.name)
                end(operation, Outcome.FAILED, why)
