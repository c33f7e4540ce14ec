"""What many ask for at the same moment: made once, for all who come while it is made, and never for long."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from workspaces.shared import TIMES, Shared


def test_who_comes_while_it_is_made_waits_for_it() -> None:
    shared: Shared[int] = Shared(10)
    made: list[int] = []
    coming = threading.Barrier(8)

    def make() -> int:
        made.append(1)
        time.sleep(0.05)  # what it takes to make
        return len(made)

    def ask(_number: int) -> int:
        coming.wait()
        return shared.get("a", lambda _made: True, make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [1] * 8
    assert made == [1]


def test_what_takes_nothing_to_make_is_not_kept() -> None:
    shared: Shared[float] = Shared(10)
    first = shared.get("a", lambda _made: True, time.monotonic)
    until = time.monotonic() + 1
    while shared.get("a", lambda _made: True, time.monotonic) == first:
        assert time.monotonic() < until


def test_it_is_good_for_some_times_as_long_as_it_took() -> None:
    shared: Shared[float] = Shared(10)

    def make() -> float:
        began = time.monotonic()
        time.sleep(0.01)
        return began

    began, now = shared.get("a", lambda _made: True, make), time.monotonic()
    took = now - began
    while shared.get("a", lambda _made: True, make) == began:
        assert time.monotonic() < now + TIMES * took + 1
    assert time.monotonic() >= now + TIMES * 0.01 - 0.01


def test_what_does_not_serve_is_made_anew_and_keys_stand_apart() -> None:
    shared: Shared[str] = Shared(2)

    def make(text: str) -> str:
        time.sleep(0.02)
        return text

    assert shared.get("a", lambda _made: True, lambda: make("one")) == "one"
    assert shared.get("b", lambda _made: True, lambda: make("two")) == "two"
    assert shared.get("a", lambda made: made != "one", lambda: make("three")) == "three"
    assert shared.get("a", lambda _made: True, lambda: make("four")) == "three"
    shared.get("c", lambda _made: True, lambda: make("five"))  # there is room for two: "b" goes
    assert shared.get("b", lambda _made: True, lambda: make("six")) == "six"


def test_what_fails_fails_for_its_own_asker_only() -> None:
    shared: Shared[int] = Shared(2)

    def fail() -> int:
        raise KeyError

    for make in (fail, lambda: 1):
        try:
            assert shared.get("a", lambda _made: True, make) == 1
        except KeyError:
            assert make is fail
