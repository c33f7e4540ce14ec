"""Take turns, compare medians, and tell the result against its budget."""

import html
import http.client
import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode

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


WARM_UP = 4


def by_turns(
    ours: Callable[[], float], baseline: Callable[[], float], turns: int, in_a_row: int = 1
) -> tuple[float, float]:
    """Return the medians of both, measured by turns after some of each that don't count: a server has several threads to warm up.

    `in_a_row`: of so many, the last one counts. What is asked all day long finds in the caches of a processor what it left there
    itself, not what somebody else did.
    """

    def last(act: Callable[[], float]) -> float:
        return [act() for _time in range(in_a_row)][-1]

    for _turn in range(WARM_UP):
        last(ours), last(baseline)
    pairs = [(last(ours), last(baseline)) for _turn in range(turns)]
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


POLL = re.compile(r'<div id="live"[^>]* hx-get="([^"]*)" hx-trigger="every (\d+)(ms|s)[,"]')
CSRF = "0123456789abcdef0123456789abcdef"  # cookie and header must agree; more is not asked


class Clicker(Visitor):
    """A visitor who also clicks, and then looks at a page that asks for what is new by itself."""

    def __init__(self, port: int, user: User) -> None:
        super().__init__(port, user)
        self.cookie += f"; {settings.CSRF_COOKIE_NAME}={CSRF}"

    def click(self, path: str, fields: dict[str, str]) -> None:
        """Send a form, as a page without JavaScript would. Raise RuntimeError if it is not taken."""
        headers = {
            "Cookie": self.cookie,
            "X-CSRFToken": CSRF,
            "Accept-Language": "en",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self.connection.close()  # the server has closed it if it was idle for long
        self.connection.request("POST", path, urlencode(fields), headers)
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 302:
            raise RuntimeError(f"{path} answers {answer.status}")

    def watch_until(self, is_shown: Callable[[str], bool]) -> None:
        """Ask for what is new as often as the page in `text` says, until it is shown."""
        live = self.text
        while not is_shown(self.text):
            found = POLL.search(live)
            assert found, "the page asks for what is new"
            path, number, unit = found.groups()
            time.sleep(float(number) / (1000 if unit == "ms" else 1))
            self.get(html.unescape(path))
            live = self.text or live  # 204: nothing is new
