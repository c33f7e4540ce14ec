"""One process to be kept running: what it is like, what it says, and how it stands."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import TextIO

from oceanus_console.tether import tethered

FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 0.5, 30.0
SETTLED_SECONDS = 60.0  # a child that lived that long is a healthy one; its next death counts as its first
PROBE_EVERY_SECONDS, MISSES_ALLOWED = 5.0, 2
ATTEMPTS_OF_A_TASK = 3
LARGEST_OUTPUT_BYTES = 50_000_000
COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94]


class Failed(Exception):
    """Say why the whole can't run."""


@dataclass(frozen=True)
class Child:
    """Describe one process.

    `command` is called in a thread before each start: it may prepare the ground, and returns the command line.
    `is_ready` is asked until it says yes; `is_alive`, if given, every 5 s from then on: three times no means a restart.
    A child with `once` runs to its end, which is when it is ready. Children with a higher `stage` are stopped before the others.
    `orphan_signal` reaches the process if we die without a chance to stop it.
    """

    name: str
    command: Callable[[], Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    is_ready: Callable[[], bool] | None = None
    is_alive: Callable[[], bool] | None = None
    start_seconds: float = 180.0
    once: bool = False
    stage: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL
    user: str = ""
    output: Path | None = None


class State(Enum):
    WAITING = auto()  # for the children it needs, or for the end of a back-off
    PREPARING = auto()
    STARTING = auto()
    READY = auto()
    ENDING = auto()  # asked to end
    DONE = auto()  # a task that has done its work


class Log:
    """Write lines with the name of the child that said them; in colour on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.colours: dict[str, int] | None = {} if stream.isatty() else None
        self.lock = threading.Lock()

    def write(self, name: str, line: str) -> None:
        prefix = f"{name:<12} | "
        with self.lock:
            if self.colours is not None:
                colour = self.colours.setdefault(name, COLOURS[len(self.colours) % len(COLOURS)])
                prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
            self._print(f"{prefix}{line}\n")

    def box(self, lines: Sequence[str]) -> None:
        width = max(map(len, lines))
        framed = [f"│ {line:<{width}} │" for line in lines]
        with self.lock:
            self._print("\n".join(["", f"╭{'─' * (width + 2)}╮", *framed, f"╰{'─' * (width + 2)}╯", "", ""]))

    def _print(self, text: str) -> None:
        # A terminal that is gone must not take the console with it.
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()


class Process:
    """Drive one child through its states; `advance` is called again and again by the supervisor's one loop."""

    def __init__(self, child: Child, log: Log, pool: ThreadPoolExecutor) -> None:
        self.child, self.log, self.pool = child, log, pool
        self.state = State.WAITING
        self.popen: subprocess.Popen[bytes] | None = None
        self.copier: threading.Thread | None = None
        self.command: Future[Sequence[str]] | None = None
        self.probe: Future[bool] | None = None
        self.probe_at = self.trim_at = self.not_before = self.started_at = self.kill_at = 0.0
        self.misses = self.failures = 0
        self.was_ready = False

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def is_satisfied(self) -> bool:
        return self.state in (State.READY, State.DONE)

    def say(self, line: str) -> None:
        self.log.write(self.child.name, line)

    def advance(self, may_start: bool) -> None:
        now = time.monotonic()
        match self.state:
            case State.WAITING if may_start and now >= self.not_before:
                self.state, self.command = State.PREPARING, self.pool.submit(self.child.command)
            case State.PREPARING if self.command and self.command.done():
                self._spawn(self.command)
            case State.STARTING | State.READY | State.ENDING if not self.is_running:
                self._ended()
            case State.STARTING:
                self._await_ready(now)
            case State.READY:
                self._watch(now)
            case State.ENDING if now >= self.kill_at:
                self.kill()

    def _spawn(self, command: Future[Sequence[str]]) -> None:
        self.state, self.started_at, self.probe, self.probe_at = State.STARTING, time.monotonic(), None, 0.0
        try:
            self._start(command.result())
        except Exception as error:  # no room on the disk, say: that may pass
            self.say(f"could not be prepared: {error}")
            self._back_off()

    def _start(self, command: Sequence[str]) -> None:
        output: int | TextIO = subprocess.PIPE
        if self.child.output:
            self.child.output.parent.mkdir(parents=True, exist_ok=True)
            output = self.child.output.open("a")
        # A session of its own: the terminal's Ctrl-C reaches us only. Always from the thread of the loop: the tether is tied to it.
        self.popen = subprocess.Popen(
            tethered(command, self.child.orphan_signal, self.child.user),
            env={**os.environ, **self.child.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self.popen.stdout:
            self.copier = threading.Thread(target=self._copy_output, args=[self.popen], daemon=True)
            self.copier.start()
        elif not isinstance(output, int):
            output.close()

    def _copy_output(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stdout
        with popen.stdout:
            for line in popen.stdout:
                self.say(line.decode(errors="replace").rstrip())

    def _await_ready(self, now: float) -> None:
        if self.child.once:
            return
        if self.child.is_ready is None or self._answer(self.child.is_ready, now, every=0.05):
            self.state, self.misses, self.was_ready = State.READY, 0, True
            self.say(f"ready after {now - self.started_at:.1f} s (pid {self.pid})")
        elif now - self.started_at > self.child.start_seconds:
            self.say(f"is not ready after {self.child.start_seconds:.0f} s; starting it again")
            self.end()

    def _watch(self, now: float) -> None:
        if self.child.output and now >= self.trim_at:
            self.trim_at = now + PROBE_EVERY_SECONDS
            trim(self.child.output)
        if self.child.is_alive is None:
            return
        answer = self._answer(self.child.is_alive, now, every=PROBE_EVERY_SECONDS)
        if answer is not None:
            self.misses = 0 if answer else self.misses + 1
        if self.misses > MISSES_ALLOWED:
            self.say("does not answer any more; starting it again")
            self.end()

    def _answer(self, question: Callable[[], bool], now: float, every: float) -> bool | None:
        """Return the answer to the last question, once, and ask anew when it is time; a question never holds up the loop."""
        if self.probe is None:
            if now >= self.probe_at:
                self.probe, self.probe_at = self.pool.submit(question), now + every
            return None
        if not self.probe.done():
            return None
        probe, self.probe = self.probe, None
        return probe.exception() is None and probe.result()

    @property
    def pid(self) -> int:
        return self.popen.pid if self.popen else 0

    def _ended(self) -> None:
        assert self.popen
        code = self.popen.returncode
        self._signal_group(signal.SIGKILL)  # whatever it has started
        if self.child.once and code == 0:
            self.state = State.DONE
            self.say(f"done in {time.monotonic() - self.started_at:.1f} s")
            return
        self.say(f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}")
        if self.child.output and self.state != State.ENDING and self.child.output.exists():
            for line in self.child.output.read_text(errors="replace").splitlines()[-5:]:
                self.say(line)
        self._back_off()

    def _back_off(self) -> None:
        settled = self.state == State.READY and time.monotonic() - self.started_at > SETTLED_SECONDS
        self.failures = 1 if settled else self.failures + 1
        if self.child.once and self.failures >= ATTEMPTS_OF_A_TASK:
            raise Failed(f"{self.child.name} failed {self.failures} times; its messages are above.")
        seconds = min(FIRST_BACK_OFF_SECONDS * 2 ** (self.failures - 1), LONGEST_BACK_OFF_SECONDS)
        self.state, self.not_before, self.popen = State.WAITING, time.monotonic() + seconds, None
        self.say(f"starts again in {seconds:g} s")

    def end(self) -> None:
        """Ask it to end; the loop kills it if it does not."""
        self.state, self.kill_at = State.ENDING, time.monotonic() + self.child.grace_seconds
        if self.is_running and self.popen:
            self.popen.send_signal(self.child.stop_signal)

    def kill(self) -> None:
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        if self.popen:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, number)


def trim(output: Path) -> None:
    """Empty a file of output that has grown too large; its writer appends, so it goes on at the start."""
    if output.exists() and output.stat().st_size > LARGEST_OUTPUT_BYTES:
        os.truncate(output, 0)
