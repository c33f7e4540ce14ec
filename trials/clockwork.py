"""Simulated time: what is to happen stands in a queue, and the clock jumps from one thing to the next."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Deed = Callable[[], object]


@dataclass(order=True)
class Event:
    at: datetime
    number: int
    what: str = field(compare=False)
    deed: Deed = field(compare=False)


class Clockwork:
    """`log`: what happened when, in seconds since the beginning."""

    def __init__(self) -> None:
        # A little ahead, so that nothing which was written down just before is taken for a deed of this time.
        self.began = self._now = datetime.now(UTC) + timedelta(seconds=1)
        self.log: list[str] = []
        self._events: list[Event] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return self._now

    @property
    def seconds(self) -> float:
        return (self._now - self.began).total_seconds()

    def pass_by(self, seconds: float) -> None:
        """Let time pass; what became due meanwhile happens when somebody asks for it."""
        self._now += timedelta(seconds=seconds)

    def after(self, seconds: float, what: str, deed: Deed) -> None:
        """Plan a deed."""
        at = self._now + timedelta(seconds=max(0.0, seconds))
        heapq.heappush(self._events, Event(at, next(self._numbers), what, deed))

    def happen(self) -> None:
        """Let the next thing happen, at its time."""
        event = heapq.heappop(self._events)
        self._now = max(self._now, event.at)
        event.deed()

    def happen_if_due(self) -> None:
        if self._events and self._events[0].at <= self._now:
            self.happen()

    def note(self, what: str) -> None:
        self.log.append(f"{self.seconds:7.2f} s  {what}")
