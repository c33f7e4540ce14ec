"""Clicks, workers, watchers, lost answers, deaths and Flink's own events in any order: G1-G7 hold all the time.

    HYPOTHESIS_EXAMPLES=1500 python -m pytest tests/test_any_order.py

Unset, the same examples are tried each time. A counterexample is printed as the sequence of rules that leads to it.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clusters.flink import FlinkEngine, connect, plain_path
from clusters.models import Cluster, FlinkEndpoint
from jobs import operations
from jobs.models import Job, Operation, OperationStep, Run, Snapshot
from jobs.operations import record
from jobs.operations.back_off import BUDGET
from jobs.operations.ending import true_status
from jobs.states import ASKING_STEPS, Action, RunEnd, Status, Step, status_after
from tests.fake_flink import OVER, FakeFlink
from tests.test_lost_answers import CALLS

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
ON_FLINK = [Action.RUN, Action.STOP, Action.SNAPSHOT]
PATHS = sorted({call for calls in CALLS.values() for call in calls} | {("GET", r"/jobs/[^/]*"), ("*", r".*")})
DAMAGES: list[tuple[str, dict[str, Any]]] = [
    ("drop_answer", {}),
    ("reset_before", {}),
    ("truncated", {}),
    ("html", {"carried_out": True}),
    ("html", {"carried_out": False}),
    ("garbage", {"carried_out": True}),
    *(("status", {"status": status, "carried_out": done}) for status in (500, 503) for done in (True, False)),
]
DEEDS = [
    "die",
    "watch",
    "perform",
    "cancel",
    "stop",
    "snapshot",
    "run",
    "late",
    "fail",
    "forget",
    "hide",
    "restart",
    "wipe",
    "recover",
    "switch",
]
CAUSES = [
    "java.io.IOException: disk full",
    "java.lang.ArithmeticException: / by zero",
    "org.apache.flink.util.StateMigrationException: For heap backends, the new state serializer must not be incompatible",
]


class Died(BaseException):
    """The worker was killed here: nothing of ours catches this."""


class AnyOrder(RuleBasedStateMachine):
    now: "AnyOrder"

    def __init__(self, job: Job, user: User, options: Any, directory: Path) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.depth = len(connection.savepoint_ids)
        connect.cache_clear()
        AnyOrder.now = self
        self.pk, self.user, self.options = job.pk, user, options
        self.fake = FakeFlink()
        self.fake.start()
        self.directory = Path(tempfile.mkdtemp(dir=directory))
        self.endpoint = job.endpoint_id
        FlinkEndpoint.objects.filter(pk=job.endpoint_id).update(rest_url=self.fake.url)
        Cluster.objects.update(snapshot_directory=self.directory.as_uri())
        self.options.LOST_AFTER_SECONDS = self.options.LOST_AFTER_WITHOUT_HA_SECONDS = 1_000_000
        self.versions = dict(job.versions.values_list("number", "sql"))
        self.wiped = 0  # how many submissions died with their JobManager
        self.hidden: dict[str, Any] = {}  # jobs that a JobManager has not brought back yet
        self.doubtful: set[str] = set()  # jobs that were out of sight once
        self.looked_at = 0
        self.busy: set[str] = set()
        self.between: tuple[int, bool, Callable[[], None]] | None = None

    # --- what we look at ---

    @property
    def job(self) -> Job:
        return Job.objects.select_related("current_run").get(pk=self.pk)

    @property
    def open(self) -> Operation | None:
        return Operation.objects.filter(job=self.pk, ended_at=None).first()

    @property
    def is_up(self) -> bool:
        return self.fake._server is not None

    def alive(self) -> list[str]:
        return [key for key, one in self.fake.jobs.items() if one.state not in OVER]

    def snapshots(self, *states: str) -> Any:
        return Snapshot.objects.filter(job=self.pk, state__in=states).order_by("pk")

    # --- people ---

    @initialize(acts=st.sampled_from([["run"], ["run", "snapshot"], ["run", "stop-with-snapshot"]]))
    def at_first(self, acts: list[str]) -> None:
        for act in acts:
            self.people_act_and_wait(act, 3)

    def click(self, act: Callable[[], object]) -> None:
        try:
            act()
        except operations.Refusal:
            pass

    def click_run(self, start: int | None) -> None:
        version = self.job.versions.order_by("?" if start is None else "-number").first()
        completed = list(self.snapshots("completed"))
        chosen = completed[start % len(completed)] if completed and start is not None else None
        self.click(lambda: operations.run(self.user, self.job, version, chosen))

    def people_stop(self, with_snapshot: bool) -> None:
        self.click(lambda: operations.stop(self.user, self.job, with_snapshot))

    def people_snapshot(self) -> None:
        self.click(lambda: operations.snapshot(self.user, self.job, "now"))

    @rule()
    def people_cancel(self) -> None:
        self.click(lambda: operations.cancel(self.user, self.job))

    @rule()
    def people_publish(self) -> None:
        version = operations.publish(self.user, self.job, "again")
        self.versions[version.number] = version.sql

    @precondition(lambda self: self.job.is_busy or self.job.status == Status.RUNNING or self.job.live_run)
    @rule()
    def people_delete(self) -> None:
        with pytest.raises(operations.Refusal):
            operations.delete(self.user, self.job)

    @rule(act=st.sampled_from(["run", "run-afresh", "stop", "stop-with-snapshot", "snapshot"]), looks=st.integers(0, 3))
    def people_act_and_wait(self, act: str, looks: int) -> None:
        self.click_act(act)
        for _look in range(looks):
            self.perform()
            self.watch()

    def click_act(self, act: str) -> None:
        if act.startswith("run"):
            self.click_run(0 if act == "run" else None)
        elif act == "snapshot":
            self.people_snapshot()
        else:
            self.people_stop(act == "stop-with-snapshot")

    # --- workers and watchers, also dying ones, also together ---

    def perform(self) -> None:
        last = Operation.objects.filter(job=self.pk, action__in=ON_FLINK).order_by("pk").last()
        if last and "perform" not in self.busy:
            self.busy.add("perform")
            try:
                operations.perform(last.pk)
            finally:
                self.busy.discard("perform")

    def watch(self) -> None:
        if "watch" not in self.busy:
            self.busy.add("watch")
            try:
                operations.watch(self.endpoint)
            finally:
                self.busy.discard("watch")

    def recover(self) -> None:
        """Be a tick and the worker it wakes, after the back-off."""
        if "recover" not in self.busy:
            self.busy.add("recover")
            try:
                Job.objects.exclude(recover_at=None).update(recover_at=timezone.now() - timedelta(seconds=1))
                for pk in operations.due_recoveries():
                    operations.recover(pk)
            finally:
                self.busy.discard("recover")

    @rule(on=st.booleans())
    def people_switch_recovery(self, on: bool) -> None:
        self.click(lambda: operations.switch_recovery(self.user, self.job, on))

    @rule(who=st.sampled_from(["perform", "watch", "recover"]))
    def somebody_works(self, who: str) -> None:
        getattr(self, who)()

    @rule(who=st.sampled_from(["perform", "watch", "recover"]), statement=st.integers(1, 25))
    def somebody_dies_at_a_statement(self, who: str, statement: int) -> None:
        with dying_at(statement):
            getattr(self, who)()

    @rule(
        who=st.sampled_from(["perform", "watch"]),
        call=st.integers(0, 3),
        answered=st.booleans(),
        what=st.sampled_from(DEEDS),
    )
    def between_call_and_record(self, who: str, call: int, answered: bool, what: str) -> None:
        """Something happens just before or after a request of somebody, who then goes on with what he knew."""
        deeds: dict[str, Callable[[], object]] = {
            "die": self.die,
            "watch": self.watch,
            "perform": self.perform,
            "cancel": self.people_cancel,
            "stop": lambda: self.people_stop(True),
            "snapshot": self.people_snapshot,
            "run": lambda: self.click_run(0),
            "late": self.deadline_passes,
            "fail": lambda: self.flink_job_changes("FAILED", 0),
            "forget": self.flink_forgets_triggers,
            "hide": self.flink_hides_jobs,
            "restart": lambda: self.flink_restarts(True),
            "wipe": lambda: self.flink_restarts(False),
            "recover": self.recover,
            "switch": lambda: self.people_switch_recovery(False),
        }
        self.between = (call, answered, deeds[what])
        try:
            getattr(self, who)()
        except Died:
            pass
        finally:
            self.between = None

    def die(self) -> None:
        raise Died

    def step_between(self, answered: bool) -> None:
        assert len(connection.savepoint_ids) == self.depth, "Flink was asked from inside a transaction"
        if self.between and self.between[1] == answered:
            call, _when, deed = self.between
            self.between = (call - 1, answered, deed) if call else None
            if not call:
                deed()

    # --- time ---

    @rule()
    def deadline_passes(self) -> None:
        Operation.objects.filter(job=self.pk, ended_at=None).update(deadline_at=timezone.now() - timedelta(seconds=1))

    @rule(seconds=st.sampled_from([0, 1_000_000]))
    def patience(self, seconds: int) -> None:
        self.options.LOST_AFTER_SECONDS = seconds

    @rule(how=st.sampled_from(["away", "500", "html", "drop"]))
    def flink_never_answers_in_time(self, how: str) -> None:
        """G5: whatever Flink does, and for ever, an operation ends by its deadlines."""
        was_up = self.is_up
        if how == "away":
            self.fake.stop()
        elif how == "500":
            self.fake.fault(("*", ".*"), "status", times=None, status=500)
        else:
            self.fake.fault(("*", ".*"), "html" if how == "html" else "drop_answer", times=None)
        for _look in range(4):
            self.deadline_passes()
            self.perform()
            self.watch()
        assert self.open is None, f"G5: open for ever in {self.open.step}"
        self.fake.clear_faults()
        if was_up and not self.is_up:
            self.fake.start()

    # --- the network ---

    @rule(path=st.sampled_from(PATHS), damage=st.sampled_from(DAMAGES), times=st.integers(1, 3))
    def answers_get_lost(self, path: tuple[str, str], damage: tuple[str, dict[str, Any]], times: int) -> None:
        self.fake.fault(path, damage[0], times=times, **damage[1])  # type: ignore[arg-type]

    @rule()
    def answers_arrive(self) -> None:
        self.fake.clear_faults()

    # --- Flink ---

    @rule(
        state=st.sampled_from(["FAILED", "FINISHED", "CANCELED", "RESTARTING", "RUNNING"]),
        tasks_up=st.integers(0, 1),
        cause=st.sampled_from(CAUSES),
    )
    def flink_job_changes(self, state: str, tasks_up: int, cause: str = CAUSES[1]) -> None:
        for job_id in self.alive()[:1]:
            if state in ("FAILED", "RESTARTING"):
                self.fake.fail_job(job_id, cause, state=state)
            else:
                self.fake.set_state(job_id, state, tasks_up if state == "RUNNING" else None)

    @precondition(lambda self: self.is_up and not self.open and self.alive())
    @rule(looks=st.integers(0, 3), wiped=st.booleans())
    def flink_job_breaks_and_the_console_mends_it(self, looks: int, wiped: bool) -> None:
        self.options.LOST_AFTER_SECONDS = 0
        self.flink_restarts(False) if wiped else self.flink_job_changes("FAILED", 0)
        self.watch()
        self.recover()
        for _look in range(looks):
            self.perform()
            self.watch()

    @rule(what=st.sampled_from(["starts", "savepoints", "cancels"]))
    def flink_is_slow(self, what: str) -> None:
        self.fake._hold(what)

    @rule(what=st.sampled_from(["starts", "savepoints", "cancels"]))
    def flink_goes_on(self, what: str) -> None:
        self.fake._release(what)

    @rule(
        what=st.sampled_from(["savepoint", "stop-failed", "stop-restarted", "run", "run-burned", "no-slots", "slots"])
    )
    def flink_will_fail(self, what: str) -> None:
        if what == "savepoint":
            self.fake.fail_next_savepoint(CAUSES[0])
        elif what.startswith("stop"):
            self.fake.savepoint_then_fail("FAILED" if what == "stop-failed" else "RUNNING")
        elif what.startswith("run"):
            self.fake.refuse_next_run(CAUSES[1], burn=what == "run-burned")
        else:
            self.fake.taskmanagers = int(what == "slots")

    @rule()
    def flink_forgets_triggers(self) -> None:
        self.fake.forget_triggers()

    @rule()
    def flink_forgets_ended_jobs(self) -> None:
        for job_id, one in self.fake.jobs.items():
            if one.state in OVER:
                self.doubtful.add(job_id)
                self.fake.forget_job(job_id)

    @rule()
    def flink_hides_jobs(self) -> None:
        """A new JobManager answers before it has brought its jobs back."""
        with self.fake._lock:
            self.hidden |= self.fake._jobs
            self.fake._jobs.clear()
        self.doubtful |= set(self.hidden)

    @rule()
    def flink_shows_jobs(self) -> None:
        with self.fake._lock:
            self.fake._jobs.update(self.hidden)
        self.hidden = {}

    @rule()
    def flink_stops(self) -> None:
        self.fake.stop()

    @rule()
    def flink_starts(self) -> None:
        if not self.is_up:
            self.fake.start()

    @rule(keep_jobs=st.booleans())
    def flink_restarts(self, keep_jobs: bool) -> None:
        gone = set(self.fake.jobs)
        self.fake.restart(keep_jobs=keep_jobs)
        if not keep_jobs:
            self.wiped, self.hidden = len(self.fake._submissions), {}
        self.doubtful |= gone - set(self.fake.jobs)

    # --- what holds at every moment ---

    @invariant()
    def g1_one_open_operation_shown_on_the_job(self) -> None:
        job, found = self.job, list(Operation.objects.filter(job=self.pk, ended_at=None))
        assert len(found) <= 1
        assert (job.action, job.step) == ((found[0].action, found[0].step) if found else ("", ""))
        acts = found and found[0].action in (Action.RUN, Action.STOP)
        assert (job.status == Status.OPERATING) == bool(acts)
        for one in found:
            assert one.deadline_at, "G5"
            assert one.look_at or one.step not in ASKING_STEPS, "G5: nobody will find it"

    @invariant()
    def g2_no_id_is_submitted_twice(self) -> None:
        taken = [job_id for job_id, _body in self.fake._submissions[self.wiped :]]
        assert len(taken) == len(set(taken))

    @invariant()
    def g4_stop_with_snapshot_is_no_cancel(self) -> None:
        new, self.looked_at = self.fake.requests[self.looked_at :], len(self.fake.requests)
        for job_id in {one.path.split("/")[-1] for one in new if one.method == "PATCH"}:
            run = Run.objects.get(flink_job_id=job_id)
            last = Operation.objects.filter(run=run).order_by("pk").last()
            assert last
            if last.action == Action.RUN:
                late = OperationStep.objects.filter(operation=last, event__in=["too-late", "hopeless"]).exists()
                assert last.cancelled_by_id or late or run.ended_at
            elif last.action == Action.STOP and last.snapshot:
                assert run.ended_at, "G4"
                assert last.snapshot.state == "completed", "G4"
            else:
                assert run.ended_at or last.action == Action.STOP

    @invariant()
    def the_console_acts_within_its_budget_and_on_broken_jobs_only(self) -> None:
        job = self.job
        automatic = Operation.objects.filter(job=self.pk, params__automatic=True)
        assert automatic.count() <= BUDGET
        if job.recover_at:
            assert job.auto_recovery
            assert not job.is_busy
            assert job.status == Status.FAILED
            assert job.current_run
            assert job.current_run.ended_at

    @invariant()
    def g7_versions_stay(self) -> None:
        assert dict(self.job.versions.values_list("number", "sql")) == self.versions

    @invariant()
    def completed_snapshots_are_there(self) -> None:
        for snapshot in self.snapshots("completed"):
            assert (Path(plain_path(snapshot.location)) / "_metadata").is_file()

    @precondition(lambda self: self.is_up and not self.open and not self.hidden)
    @rule()
    def g6_two_looks_tell_the_truth(self) -> None:
        self.fake.clear_faults()
        self.watch()
        self.watch()
        run = self.job.current_run
        if run and run.flink_job_id in self.fake.jobs:
            self.check_truth(self.job)

    # --- and once the dust has settled ---

    def settle(self) -> None:
        self.fake.clear_faults()
        self.flink_starts()
        self.flink_shows_jobs()
        self.fake.taskmanagers = 1
        self.fake._held.clear()
        self.fake._failing_savepoints.clear()
        self.fake._failing_stops.clear()
        self.fake._refused_runs.clear()
        for one in self.fake.jobs.values():
            if one.state in ("RUNNING", "RESTARTING"):
                one.enter("RUNNING", one.tasks_total)
        self.options.LOST_AFTER_SECONDS = 0
        for _look in range(12):
            self.perform()
            self.watch()
            if self.open is None:
                break
        if self.open and self.open.step == Step.ENDING and self.open.snapshot_id and self.alive():
            # Ended by its deadline only: a stop whose job came back after the snapshot.
            self.deadline_passes()
        self.watch()
        self.watch()
        self.watch()

    def check_settled(self) -> None:
        job, alive = self.job, self.alive()
        assert self.open is None, f"G5: still in {self.open}"
        assert len(alive) <= 1, "G2"
        assert Run.objects.filter(flink_job_id__in=alive, ended_at=None).count() == len(alive), "G2: a stray"
        self.check_truth(job)
        assert (job.status == Status.RUNNING) == bool(alive), "G6"
        assert not self.snapshots("creating"), "G3"
        recorded = {plain_path(one.location) for one in self.snapshots("completed")}
        assert {str(one.parent) for one in self.directory.rglob("_metadata")} == recorded, "G3"

    def check_truth(self, job: Job) -> None:
        run = job.current_run
        if run is None:
            assert job.status == Status.STOPPED
            return
        assert job.status == true_status(job.pk)
        one = self.fake.jobs.get(run.flink_job_id)
        if one and one.state not in OVER:
            assert (job.status, run.ended_at, run.end) == (Status.RUNNING, None, ""), "G6"
            assert run.flink_state == one.state
            assert run.tasks_up == one.tasks_up
            return
        assert run.ended_at, "G6"
        # What the console began to mend a job and could not leaves it as broken as it was.
        automatic = Operation.objects.filter(run=run, action=Action.RUN, requested_by=None).exists()
        assert job.status == status_after(RunEnd(run.end)) or (automatic and job.status == Status.FAILED), "G6"
        if one and run.flink_job_id not in self.doubtful:
            ends = {
                "FAILED": ["failed"],
                "FINISHED": ["finished", "stopped"],
                "CANCELED": ["cancelled", "stopped"],
            }
            assert run.end in ends[one.state], "G6"

    def teardown(self) -> None:
        try:
            self.settle()
            for name in ("g1_one_open_operation_shown_on_the_job", "g2_no_id_is_submitted_twice",
                         "g4_stop_with_snapshot_is_no_cancel", "g7_versions_stay", "completed_snapshots_are_there",
                         "check_settled"):  # fmt: skip
                getattr(self, name)()
            assert not self.fake.broken
        finally:
            self.fake.stop()
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)


@contextmanager
def dying_at(statement: int) -> Iterator[None]:
    """Kill whoever works here, in place of his `statement`-th statement to the database."""
    left = statement

    def count(execute: Any, sql: str, *args: Any) -> Any:
        nonlocal left
        # A server that loses its client rolls back by itself.
        if not re.match("(RELEASE|ROLLBACK)", sql):
            left -= 1
            if left == 0:
                raise Died
        return execute(sql, *args)

    with connection.execute_wrapper(count):
        try:
            yield
        except Died:
            pass


@pytest.mark.django_db
def test_guarantees_hold_in_any_order(job: Job, alice: User, tmp_path: Path, monkeypatch, settings) -> None:
    send = FlinkEngine._send

    def send_with_company(engine: FlinkEngine, *args: Any, **kwargs: Any) -> dict[str, Any]:
        AnyOrder.now.step_between(answered=False)
        try:
            return send(engine, *args, **kwargs)
        finally:
            AnyOrder.now.step_between(answered=True)

    monkeypatch.setattr(FlinkEngine, "_send", send_with_company)
    monkeypatch.setattr(record, "current_app", Mock())
    run_state_machine_as_test(
        lambda: AnyOrder(job, alice, settings, tmp_path),
        settings=profile(
            max_examples=EXAMPLES or 30,
            stateful_step_count=25,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            phases=[Phase.generate, Phase.shrink],
        ),
    )
