"""Start processes in order, keep them running, stop them in order, and leave none behind."""

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oceanus_console.child import Child, Failed, Log, Process


class Supervisor:
    """Keep children running. Use it from one thread, and let that thread live as long as the children."""

    def __init__(self, children: Sequence[Child], log: Log | None = None, pids: Path | None = None) -> None:
        self.log = log or Log(sys.stdout)
        self.pool = ThreadPoolExecutor(max_workers=2 * len(children) + 2, thread_name_prefix="probe")
        self.processes = {child.name: Process(child, self.log, self.pool) for child in children}
        self.pids, self.written = pids, ""
        self.stop_asked = threading.Event()
        self.hurry = False

    @property
    def all_ready(self) -> bool:
        return all(process.is_satisfied for process in self.processes.values())

    @property
    def tasks_done(self) -> bool:
        return all(process.is_satisfied for process in self.processes.values() if process.child.once)

    def tick(self) -> None:
        """Move every child one step on. Raise Failed when a task that the others need can't be done."""
        for process in self.processes.values():
            needs = (self.processes[name] for name in process.child.needs)
            process.advance(may_start=all(need.is_satisfied for need in needs))
        self._write_pids()

    def run(self) -> None:
        """Keep the children running until SIGINT, SIGTERM or SIGHUP, then stop them. Raise Failed."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        try:
            while not self.stop_asked.is_set():
                self.tick()
                self.stop_asked.wait(0.1)
        finally:
            self.stop()

    def _asked_to_stop(self, number: int, frame: object) -> None:
        self.hurry = self.stop_asked.is_set()
        self.stop_asked.set()

    def stop(self) -> None:
        """Stop all, stage by stage, highest first; a second signal meanwhile kills what is left."""
        self.stop_asked.set()
        for stage in sorted({process.child.stage for process in self.processes.values()}, reverse=True):
            ending = [p for p in self.processes.values() if p.child.stage == stage and p.is_running]
            for process in ending:
                process.end()
            while any(process.is_running for process in ending):
                for process in ending:
                    if process.is_running and (self.hurry or time.monotonic() >= process.kill_at):
                        process.kill()
                time.sleep(0.02)
            for process in ending:
                process.kill()
                if process.copier:
                    process.copier.join(timeout=1)  # its last words
        self.pool.shutdown(wait=False, cancel_futures=True)
        if self.pids:
            self.pids.unlink(missing_ok=True)

    def _write_pids(self) -> None:
        if self.pids is None:
            return
        text = json.dumps({name: process.pid for name, process in self.processes.items() if process.is_running})
        if text != self.written:
            partial = self.pids.with_suffix(".partial")
            with contextlib.suppress(OSError):  # a full disk must not take the children with it
                partial.write_text(text)
                partial.replace(self.pids)
                self.written = text


@contextlib.contextmanager
def running(children: Sequence[Child], log: Log | None = None, seconds: float = 180) -> Iterator[None]:
    """Run the children for the length of a block, which begins when all are ready. A child that dies is not started again."""
    supervisor = Supervisor(children, log)
    deadline = time.monotonic() + seconds
    try:
        while not supervisor.all_ready:
            supervisor.tick()
            if time.monotonic() > deadline:
                late = [name for name, process in supervisor.processes.items() if not process.is_satisfied]
                raise Failed(f"Not ready within {seconds:.0f} s: {', '.join(late)}")
            time.sleep(0.02)
        yield
    finally:
        supervisor.stop()
