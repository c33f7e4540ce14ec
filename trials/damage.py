"""Does what a schedule says to processes and to the network, and takes it back."""

import contextlib
import os
import signal
import threading
import time

from trials.console import Console
from trials.proxy import Proxy
from trials.schedule import Damage


class Wrecker:
    """Does the damage of one trial. `done` tells what was really done, with the seconds since the trial's start."""

    def __init__(self, console: Console, proxy: Proxy) -> None:
        self.console, self.proxy = console, proxy
        self.done: list[str] = []
        self.hurt: set[str] = set()
        self._paused: list[int] = []
        self._lock = threading.Lock()
        self.began = time.monotonic()

    def do(self, damage: Damage) -> None:
        """Do one damage; return when it is over (a pause, not a kill or what the network does)."""
        self.hurt.add(damage.what)
        if damage.means == "network":
            self.proxy.spoil(damage.what, damage.requests, damage.seconds)
            self._note(f"{damage.name} on {damage.requests} for {damage.seconds:.1f} s")
            return
        pid = self.console.pids().get(damage.what)
        if pid is None:
            self._note(f"{damage.name}: it is not there")
        elif damage.means == "kill":
            self._signal(pid, signal.SIGKILL)
            self._note(f"{damage.name} (pid {pid})")
        else:
            self._pause(damage, pid)

    def _pause(self, damage: Damage, pid: int) -> None:
        with self._lock:
            self._paused.append(pid)
        self._note(f"{damage.name} (pid {pid}) for {damage.seconds:.1f} s")
        self._signal(pid, signal.SIGSTOP)
        time.sleep(damage.seconds)
        self._go_on(pid)

    def _go_on(self, pid: int) -> None:
        with self._lock:
            if pid not in self._paused:
                return
            self._paused.remove(pid)
        self._signal(pid, signal.SIGCONT)

    def heal(self) -> None:
        """Let everything go on; what was killed comes back by itself."""
        for pid in list(self._paused):
            self._go_on(pid)
        self.proxy.heal()
        self._note("healed")

    def _signal(self, pid: int, number: signal.Signals) -> None:
        """Reach the process and what it has started: each part is a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)

    def _note(self, what: str) -> None:
        self.done.append(f"{time.monotonic() - self.began:5.2f} s  {what}")
