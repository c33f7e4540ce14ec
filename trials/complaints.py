"""What the console complained of while it was tried: tracebacks in its output, and pages that were no answer."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from trials.people import Click

# A traceback is a bug of ours unless its last line says that a part was away which the trial had hurt. One reason each.
EXPECTED = [
    # Django and Celery write the whole trace when the database goes away under a query.
    (
        "postgres",
        r"(django\.db\.utils|psycopg(\.errors)?)\.(OperationalError|InterfaceError|AdminShutdown|CrashShutdown)",
    ),
    ("postgres", r"psycopg\.errors\.(CannotConnectNow|IdleInTransaction\w+)"),
    # Celery does so for its broker, and for the socket below it.
    ("valkey", r"(redis\.exceptions|kombu\.exceptions|amqp\.exceptions)\.\w*Error"),
    ("valkey", r"(ConnectionRefusedError|ConnectionResetError|BrokenPipeError|FileNotFoundError|TimeoutError)"),
    ("valkey", r"kombu\.transport\.virtual\.exceptions\.\w+"),
    ("valkey", r"celery\.beat\.SchedulingError: Couldn't apply scheduled task"),
    # Kombu stumbles over a connection that it has closed itself; the worker ends and is started again.
    ("valkey", r"AttributeError: 'NoneType' object has no attribute 'hostname'"),
]
TRACE, CHAIN = "Traceback (most recent call last):", ("During handling of the above", "The above exception was")


def tracebacks(said: bytes, hurt: Collection[str]) -> Iterator[str]:
    """Return the tracebacks in the output of `up` that nothing excuses: who, and the last line."""
    by_part: dict[str, list[str]] = defaultdict(list)
    for line in said.decode(errors="replace").splitlines():
        who, bar, text = line.partition("| ")
        if bar and who.strip().replace("-", "").isalnum():
            by_part[who.strip()].append(text)
    for who, lines in by_part.items():
        for last in last_lines(lines):
            if not any(part in hurt and re.match(pattern, last) for part, pattern in EXPECTED):
                yield f"{who} wrote a traceback: {last[:300]}"


def last_lines(lines: Sequence[str]) -> Iterator[str]:
    """Return the line that each traceback ends with; of exceptions that follow from each other, the last one's."""
    last, is_within = "", False
    for line in lines:
        if line.startswith(TRACE):
            is_within = True
        elif is_within and line and not line.startswith((" ", "\t")):
            last, is_within = line, False
        elif line.startswith(CHAIN):
            last = ""
        elif last and (line and not line.startswith((" ", "\t"))):
            yield last
            last = ""
    if last or is_within:
        yield last or "(cut off)"


def bad_pages(clicks: Collection[Click], hurt: Collection[str]) -> Iterator[str]:
    """Return the answers that no visitor should ever get: errors without a reason of ours, traces of Python."""
    for click in clicks:
        if click.status >= 500 and not (click.status == 503 and "postgres" in hurt):
            yield f"an error page: {click}"
        elif click.status in (400, 403, 404):
            yield f"an act that is allowed was answered {click.status}: {click}"
        if "Traceback" in click.page or (click.status >= 500 and "<" not in click.page):
            yield f"no page for people: {click}: {click.page[:200]}"
