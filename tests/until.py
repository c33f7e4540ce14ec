"""Waiting for what happens elsewhere: ask until it is so, and fail at a deadline with a word on what was awaited."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(ask: Callable[[], T], what: str, seconds: float = 60, every: float = 0.05) -> T:
    """Return the first true answer of `ask`."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {seconds:.0f} s: {what}")
        time.sleep(every)
