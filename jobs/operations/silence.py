"""A Flink that does not answer takes its time for each request: of few threads, so that nobody waits for it at the others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import BoundedSemaphore
from typing import Any, cast

from clusters.engine import Engine, EngineError, Unanswered, Unreachable
from clusters.models import FlinkEndpoint
from jobs.operations.record import Lock, alone

# So many requests in a row without an answer tell of the Flink, not of one job.
SILENT_AFTER = 2
# Such a part of a worker's threads may look at, and such a part ask, Flinks that were silent at the last look.
PART_LOOKING, PART_ASKING = 1 / 4, 1 / 8
# Such a part may wait as long as usual for others to answer a look; the rest waits so many seconds, and leaves it to one of those.
PART_PATIENT, BRIEF_SECONDS = 1 / 4, 3.0


class Threads:
    """Those that may wait for silent Flinks."""

    looking, asking, patient = BoundedSemaphore(8), BoundedSemaphore(4), BoundedSemaphore(8)

    @classmethod
    def share(cls, count: int) -> None:
        """Divide so many threads, before the first of them begins."""
        cls.looking = BoundedSemaphore(max(1, int(count * PART_LOOKING)))
        cls.asking = BoundedSemaphore(max(1, int(count * PART_ASKING)))
        cls.patient = BoundedSemaphore(max(1, int(count * PART_PATIENT)))


def engine_of(endpoint: FlinkEndpoint, silence: EngineError | None = None) -> Engine:
    """Return its driver, which asks no more once it is silent, as it is from the beginning with a `silence`."""
    return cast(Engine, _WhileAnswered(endpoint.engine(), silence))


class _WhileAnswered:
    """What is asked for once the engine is silent surely does not arrive."""

    def __init__(self, engine: Engine, silence: EngineError | None) -> None:
        self._engine, self._silence, self._in_a_row = engine, silence, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._engine, name)

        def ask(*arguments: Any) -> Any:
            if self._silence:
                raise Unreachable(self._silence.summary)
            try:
                answer = method(*arguments)
            except (Unreachable, Unanswered) as error:
                self._in_a_row += 1
                if self._in_a_row >= SILENT_AFTER:
                    self._silence = error
                raise
            except EngineError:
                self._is_there()
                raise
            self._is_there()
            return answer

        return ask

    def _is_there(self) -> None:
        """Begin anew: of several threads that ask, one has got an answer."""
        self._silence, self._in_a_row = None, 0


def is_suspect(endpoint: FlinkEndpoint) -> bool:
    """Tell whether it did not answer at the last look: it is silent, or had little time."""
    return bool(endpoint.unreachable_since or endpoint.failed_looks)


@contextmanager
def may_look(endpoint: FlinkEndpoint) -> Iterator[bool]:
    """Yield whether this thread may look: else so many wait for silent Flinks already that the next tick is soon enough."""
    with _one_of(Threads.looking if endpoint.unreachable_since else Threads.patient, endpoint) as is_free:
        yield is_free


@contextmanager
def may_ask(endpoint: FlinkEndpoint) -> Iterator[bool]:
    """Yield whether this thread may ask: of all workers, one at a time asks a Flink that is silent."""
    with _one_of(Threads.asking, endpoint) as is_free:
        if is_free and is_suspect(endpoint):
            with alone(Lock.SILENT, endpoint.pk) as mine:
                yield mine
        else:
            yield is_free


@contextmanager
def patience_with(endpoint: FlinkEndpoint) -> Iterator[float | None]:
    """Yield how many seconds this thread may wait for the answer to a look; None is as long as usual."""
    with nullcontext(True) if is_suspect(endpoint) else _one(Threads.patient) as is_free:
        yield None if is_free else BRIEF_SECONDS


@contextmanager
def _one_of(threads: BoundedSemaphore, endpoint: FlinkEndpoint) -> Iterator[bool]:
    with _one(threads) if is_suspect(endpoint) else nullcontext(True) as is_free:
        yield is_free


@contextmanager
def _one(threads: BoundedSemaphore) -> Iterator[bool]:
    """Yield whether there was one more; it is given back at the end."""
    is_free = threads.acquire(blocking=False)
    try:
        yield is_free
    finally:
        if is_free:
            threads.release()
