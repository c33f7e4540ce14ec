"""What many ask for at the same moment is made once, and those who come while it is made wait for it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

# So many times as long as it took to make is a thing good: making it anew takes at most this part of a processor's time.
TIMES = 10


@dataclass(slots=True)
class _Place(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: T | None = None
    good_until: float = 0.0  # time.monotonic


class Shared(Generic[T]):
    """Things of this process alone, each under a key that names all that it depends on except the state of the moment."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: OrderedDict[Hashable, _Place[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, serves: Callable[[T], bool], make: Callable[[], T]) -> T:
        """Return what was made a moment ago, if it `serves`; otherwise what `make` returns now."""
        place = self._place(key)
        with place.lock:
            if place.made is None or time.monotonic() >= place.good_until or not serves(place.made):
                began = time.monotonic()
                place.made = make()
                now = time.monotonic()
                place.good_until = now + (now - began) * TIMES
            return place.made

    def _place(self, key: Hashable) -> _Place[T]:
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            if len(self._places) > self._most:
                self._places.popitem(last=False)
            return place
