"""Many fake Flinks in a process of its own, so that their processor time does not count as ours. No Django in here.

The process is told what to do by lines of JSON, [method, arguments], and answers each with one.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import urllib3

from tests.fake_flink import FakeFlink, Request

SLOTS = 10_000
ANSWERS_NOTHING = ("*", ".*")


class Flinks:
    """What the process can do. Flinks are named by their number."""

    def __init__(self, closing: ExitStack, count: int) -> None:
        self.flinks = [closing.enter_context(FakeFlink(SLOTS)) for _n in range(count)]
        self.asked: list[list[tuple[float, str]]] = [[] for _flink in self.flinks]
        for flink, asked in zip(self.flinks, self.asked, strict=True):
            flink.on(("*", ".*"), lambda request, asked=asked: _note(asked, request), times=None)  # type: ignore[misc]

    def urls(self) -> list[str]:
        return [flink.url for flink in self.flinks]

    def run_jobs(self, number: int, job_ids: Sequence[str]) -> None:
        """Let these jobs run, each with a checkpoint."""
        flink, http = self.flinks[number], urllib3.PoolManager()
        flink.jars["1_runner.jar"] = b"PK"
        for job_id in job_ids:
            http.request("POST", f"{flink.url}/jars/1_runner.jar/run", json={"jobId": job_id})
            flink.complete_checkpoint(job_id, f"file:/nowhere/{job_id}/chk-1")

    def fail_jobs(self, number: int, job_ids: Sequence[str], cause: str) -> float:
        """Let these jobs fail, each with the cause and its id; return when (time.time)."""
        for job_id in job_ids:
            self.flinks[number].fail_job(job_id, f"{cause} {job_id}")
        return time.time()

    def hold_savepoints(self, number: int) -> None:
        self.flinks[number].hold_savepoints()

    def release_savepoints(self, number: int) -> None:
        self.flinks[number].release_savepoints()

    def hang(self, number: int) -> None:
        """Accept every request from now on, and never answer."""
        self.flinks[number].fault(ANSWERS_NOTHING, "delay", times=None)

    def requests(self, number: int) -> list[tuple[float, str]]:
        """Return what was asked since this was called last: when (time.time), and what."""
        told = list(self.asked[number])
        del self.asked[number][: len(told)]
        return told


def _note(asked: list[tuple[float, str]], request: Request) -> None:
    asked.append((time.time(), f"{request.method} {request.path}"))


class ManyFlinks:
    """The same methods, from outside of the process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __getattr__(self, method: str) -> Any:
        def ask(*arguments: Any) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps([method, arguments]) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

        return ask


@contextmanager
def many_flinks(count: int) -> Iterator[ManyFlinks]:
    """Run so many Flinks for the length of a block."""
    command = [sys.executable, "-m", "benchmarks.many_flinks", str(count)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            yield ManyFlinks(process)
        finally:
            process.kill()


def main(count: int) -> None:
    with ExitStack() as closing:
        flinks = Flinks(closing, count)
        for line in sys.stdin:
            method, arguments = json.loads(line)
            sys.stdout.write(json.dumps(getattr(flinks, method)(*arguments)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
