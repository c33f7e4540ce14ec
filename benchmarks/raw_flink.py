"""The baseline of what runs on Flink: eight threads that send the same requests to the same JobManager, with nothing in between."""

import time
import uuid
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from clusters.engine import Engine, JobSight, JobState, Submission
from clusters.flink import FlinkEngine

T = TypeVar("T")

THREADS = 8
LOOK_SECONDS = 0.05


class RawFlink:
    """Every method returns the seconds that it took, from the first request until Flink shows what was asked for."""

    def __init__(self, url: str, runner_jar: Path, snapshots: Path) -> None:
        # A driver of its own: nothing of the console's is in the way, nor warms it up.
        self.engine: Engine = FlinkEngine(url, runner_jar)
        self.snapshots = snapshots

    def run(self, submissions: Collection[Submission]) -> float:
        began = time.monotonic()
        self._all(self.engine.submit, submissions)
        self._until([one.job_id for one in submissions], lambda sight: sight.is_up)
        return time.monotonic() - began

    def stop(self, job_ids: Collection[str]) -> float:
        """Stop with a savepoint each; a thread goes on to the next job when the savepoint of the last one is complete."""
        began = time.monotonic()
        self._all(self._stop, job_ids)
        self._until(job_ids, lambda sight: sight.state == JobState.FINISHED)
        return time.monotonic() - began

    def cancel(self, job_ids: Collection[str]) -> float:
        began = time.monotonic()
        self._all(self.engine.cancel, job_ids)
        self._until(job_ids, lambda sight: sight.state == JobState.CANCELED)
        return time.monotonic() - began

    def _stop(self, job_id: str) -> None:
        trigger = uuid.uuid4().hex
        self.engine.stop(job_id, (self.snapshots / job_id).as_uri(), trigger)
        while not (sight := self.engine.savepoint_sight(job_id, trigger)).is_over:
            time.sleep(LOOK_SECONDS)
        assert sight.location, sight.failure

    def _all(self, ask: Callable[[T], None], things: Iterable[T]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(ask, things))

    def _until(self, job_ids: Collection[str], is_there: Callable[[JobSight], bool]) -> None:
        while True:
            sights = self.engine.jobs()
            if all(job_id in sights and is_there(sights[job_id]) for job_id in job_ids):
                return
            time.sleep(LOOK_SECONDS)
