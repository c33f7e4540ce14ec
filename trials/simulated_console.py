"""The console in simulated time: its tasks, its messages, and its requests to Flink, each of which may get lost or meet a death.

Everything runs in one thread. What happens at the same time in the real console happens here between two requests of somebody.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from django.db import connection

from clusters.engine import Unanswered
from clusters.flink import FlinkEngine
from jobs import tasks
from jobs.operations import at_once, record
from trials.clockwork import Clockwork
from trials.proxy import Ask

TASKS: dict[str, Callable[..., object]] = {
    "jobs.tick": tasks.tick,
    "jobs.perform": tasks.perform,
    "jobs.watch": tasks.watch,
    "jobs.advance": tasks.advance,
    "jobs.recover": tasks.recover,
    "jobs.find_orphans": tasks.find_orphans,
}
DEEPEST = 3
LATE_SECONDS = (1.0, 20.0)
REDELIVERED_AFTER_SECONDS = (1.0, 15.0)
FIND_ORPHANS_SECONDS = 60
# How often something happens on Flink just between a request and what the console does with its answer: when asking, when looking.
AMBUSHES = (0.08, 0.015)


class Died(BaseException):
    """Whoever worked here was killed: nothing of the console's catches this."""


class InOneThread(Executor):
    """Do at once what is asked for: in simulated time nothing happens beside anything else."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class SimulatedConsole:
    """Chances are per message, request or task; `calm` sets them all to nothing. `ambush`: what may happen during a request.

    `interruption`: what is to happen just before the next request of this method ("": of any).
    """

    def __init__(self, clock: Clockwork, random: Random) -> None:
        self.clock, self.random = clock, random
        self.dies, self.message_lost, self.message_doubled, self.request_late = 0.04, 0.05, 0.1, 0.02
        self.company = 0.3
        self.ambush: Callable[[], object] | None = None
        self.interruption: tuple[str, Callable[[], object]] | None = None
        self.beat_is_dead, self.tick_seconds = False, 1.0
        self.asks: list[Ask] = []
        self.traces: list[str] = []
        self._busy: set[tuple[str, tuple[object, ...]]] = set()
        self._depth = 0
        self._dies_at_request: int | None = None
        self._outermost = len(connection.savepoint_ids)

    def calm(self) -> None:
        self.ambush = None
        self.dies = self.message_lost = self.message_doubled = self.request_late = self.company = 0.0
        self.beat_is_dead, self.tick_seconds = False, 4.0
        record.FOLLOW_UP_SECONDS = record.FOLLOW_UP_CLICK_SECONDS = 3.0

    @property
    def is_at_work(self) -> bool:
        """Tell whether somebody is in the middle of something."""
        return self._depth > 0 or bool(self._busy)

    # --- beat and broker ---

    def start_beat(self) -> None:
        self.clock.after(self.random.uniform(0, 1), "beat", self._tick)
        self.clock.after(FIND_ORPHANS_SECONDS, "beat", self._find_orphans)

    def _tick(self) -> None:
        self.clock.after(self.tick_seconds, "beat", self._tick)
        if not self.beat_is_dead:
            self.work("jobs.tick")

    def _find_orphans(self) -> None:
        self.clock.after(FIND_ORPHANS_SECONDS, "beat", self._find_orphans)
        self.work("jobs.find_orphans")

    def send_task(self, task: str, args: tuple[object, ...] = (), countdown: float | None = None) -> None:
        """Stand in for the broker."""
        if self.random.random() < self.message_lost:
            self.clock.note(f"lost: the message {task}{args}")
            return
        for _copy in range(2 if self.random.random() < self.message_doubled else 1):
            latency = (countdown or 0) + self.random.expovariate(50)
            self.clock.after(latency, task, lambda: self.work(task, *args))

    # --- workers ---

    def work(self, task: str, *args: object) -> None:
        """Let a worker do a task, unless another one has the same in hand; he may die on the way."""
        if (task, args) in self._busy:
            return
        self._busy.add((task, args))
        try:
            with self.perhaps_dying(f"{task}{args}"):
                TASKS[task](*args)
        except Died:
            if self.random.random() < 0.7:
                later = self.random.uniform(*REDELIVERED_AFTER_SECONDS)
                self.clock.after(later, task, lambda: self.work(task, *args))
        except Exception as error:
            self.traces.append(f"{task}{args} raised {error!r}")
        finally:
            self._busy.discard((task, args))

    @contextmanager
    def perhaps_dying(self, who: str) -> Iterator[None]:
        """Kill whoever works in the block, by chance, at one of his statements or requests. Raise Died."""
        with ExitStack() as stack:
            if self.random.random() < self.dies:
                if self.random.random() < 0.5:
                    stack.enter_context(connection.execute_wrapper(self._death_at(self.random.randint(1, 30))))
                else:
                    self._dies_at_request = self.random.randint(0, 3)
            try:
                yield
                self._dies_at_request = None
                self._send_committed()
            except Died:
                connection.run_on_commit.clear()
                # Nothing of his is left half done but what the trial's own transaction would take for its end.
                connection.needs_rollback = False
                self._dies_at_request = None
                self.clock.note(f"died: {who}")
                raise

    def _death_at(self, statement: int) -> Callable[..., Any]:
        left = statement

        def count(execute: Any, sql: str, *args: Any) -> Any:
            nonlocal left
            # A server that loses its client rolls back by itself.
            if not re.match("(RELEASE|ROLLBACK)", sql):
                left -= 1
                if left == 0:
                    raise Died
            return execute(sql, *args)

        return count

    def _send_committed(self) -> None:
        """Send the messages of what was committed; the trial's own transaction never is."""
        waiting, connection.run_on_commit = connection.run_on_commit, []
        for hook in waiting:
            hook[1]()

    # --- requests to Flink ---

    def request(self, send: Callable[..., Any], engine: FlinkEngine, method: str, path: str, **content: Any) -> Any:
        """Stand in the way of FlinkEngine._send."""
        assert len(connection.savepoint_ids) == self._outermost, "Flink was asked from inside a transaction"
        self._send_committed()
        self._meanwhile()
        if self.interruption and method.startswith(self.interruption[0]):
            (_method, interrupt), self.interruption = self.interruption, None
            interrupt()
        ask = Ask(self.clock.now(), method, path, content.get("json") or {})
        if method != "GET":
            self.asks.append(ask)
            if self.random.random() < self.request_late:
                self._bring_late(send, engine, method, path, content)
        try:
            return send(engine, method, path, **content)
        finally:
            self.clock.pass_by(self.random.expovariate(20))
            if self.ambush and self.random.random() < AMBUSHES[method == "GET"]:
                self.ambush()
            self._meanwhile()

    def _meanwhile(self) -> None:
        """Others work while somebody waits for Flink; or he is no more when the answer comes."""
        if self._dies_at_request is not None:
            self._dies_at_request -= 1
            if self._dies_at_request < 0:
                raise Died
        if self._depth < DEEPEST and self.random.random() < self.company:
            self._depth += 1
            dies_at, self._dies_at_request = self._dies_at_request, None
            try:
                self.clock.happen_if_due()
            finally:
                self._depth -= 1
                self._dies_at_request = dies_at

    def _bring_late(
        self, send: Callable[..., Any], engine: FlinkEngine, method: str, path: str, content: dict[str, Any]
    ) -> None:
        def arrive() -> None:
            self.clock.note(f"arrives late: {method} {path}")
            try:
                send(engine, method, path, **content)
            except Exception:
                pass  # nobody waits for the answer

        self.clock.after(self.random.uniform(*LATE_SECONDS), "late", arrive)
        raise Unanswered("under way for long")


@contextmanager
def in_place_of_the_real_one(console: SimulatedConsole) -> Iterator[None]:
    """Let clock, broker and the way to Flink be simulated ones for the length of a block."""
    send = FlinkEngine._send

    def request(engine: FlinkEngine, method: str, path: str, **content: Any) -> Any:
        return console.request(send, engine, method, path, **content)

    with (
        patch("django.utils.timezone.now", console.clock.now),
        patch("workspaces.clock.now", console.clock.now),
        patch.object(record, "current_app", console),
        # A look a second does: it is looks that a simulated trial takes its time for.
        patch.object(record, "FOLLOW_UP_SECONDS", 1.0),
        patch.object(record, "FOLLOW_UP_CLICK_SECONDS", 1.0),
        # It would take the trial's transaction for one that somebody forgot.
        patch("oceanus_console.heartbeat.close_old_connections"),
        patch.object(FlinkEngine, "_send", request),
        patch.object(at_once, "pool", InOneThread),
    ):
        yield
