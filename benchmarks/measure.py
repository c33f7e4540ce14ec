"""Take turns, compare medians, and tell the result against its budget."""

import http.client
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client


@dataclass(frozen=True)
class Result:
    """One line of the page of results. `value` is what the budget is about: mostly ours / baseline."""

    benchmark: str
    case: str
    value: float
    budget: float | None = None
    ours: float | None = None  # milliseconds
    baseline: float | None = None
    unit: str = "x"
    at_least: bool = False

    @property
    def is_kept(self) -> bool | None:
        if self.budget is None:
            return None
        return self.value >= self.budget if self.at_least else self.value <= self.budget


@dataclass
class Page:
    """All results of one run."""

    results: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.results.append(result)
        tell(_line(result))

    def numbers(self) -> list[dict[str, Any]]:
        return [{**asdict(one), "is_kept": one.is_kept} for one in self.results]


HEAD = f"{'benchmark':<13} {'case':<34} {'ours':>10} {'baseline':>10} {'result':>10} {'budget':>9}"


def _line(one: Result) -> str:
    budget = "" if one.budget is None else f"{'>=' if one.at_least else '<='} {one.budget:g}"
    kept = {None: "", True: "  kept", False: "  MISSED"}[one.is_kept]
    value = f"{one.value:.2f} {one.unit}"
    return (
        f"{one.benchmark:<13} {one.case:<34} {_ms(one.ours):>10} {_ms(one.baseline):>10} {value:>10} {budget:>9}{kept}"
    )


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"


def tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def timed(act: Callable[[], object]) -> float:
    """Return how many milliseconds it takes."""
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def by_turns(ours: Callable[[], float], baseline: Callable[[], float], turns: int) -> tuple[float, float]:
    """Return the medians of both, measured by turns after one of each that doesn't count."""
    ours(), baseline()
    pairs = [(ours(), baseline()) for _turn in range(turns)]
    return statistics.median(one for one, _ in pairs), statistics.median(two for _, two in pairs)


class Visitor:
    """Somebody signed in, on one connection that is kept."""

    def __init__(self, port: int, user: User) -> None:
        client = Client()
        client.force_login(user)
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.text = ""

    def get(self, path: str) -> float:
        """Return the milliseconds until the whole answer is there; it stays in `text`."""
        began = time.perf_counter()
        self.connection.request("GET", path, headers={"Cookie": self.cookie, "Accept-Language": "en"})
        answer = self.connection.getresponse()
        body = answer.read()
        passed = (time.perf_counter() - began) * 1000
        if answer.status not in (200, 204):
            raise RuntimeError(f"{path} answers {answer.status}")
        self.text = body.decode()
        return passed
