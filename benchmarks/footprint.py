"""`footprint`: what `./oceanus up` takes on a machine: memory, time to start, and whether the web server grows under load. No Django in here."""

import html
import itertools
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ground import free_port
from benchmarks.measure import Page, Result
from trials.console import Console
from trials.people import Person

SETTLED_SECONDS = 20
MOST_START_SECONDS = 300


def bench_footprint(page: Page, seconds: float) -> None:
    """Measure a first and a second start, the memory of all processes without Java, and the web's before and after so long a load."""
    with tempfile.TemporaryDirectory(prefix="oceanus-bench-") as directory:
        os.chmod(directory, 0o755)  # PostgreSQL runs as nobody when we are root
        home = Path(directory, "home")
        with started(home) as (console, taken):
            page.add(Result("footprint", "first start, all well", taken, unit="s"))
            time.sleep(SETTLED_SECONDS)
            memory = sum(memory_mb(pid, "Pss") for pid in tree(pid_of(console)) if not is_java(pid))
            page.add(Result("footprint", "memory without Flink, PSS", memory, 350, unit="MB"))
            bench_web(page, console, seconds)
        with started(home) as (_console, taken):
            page.add(Result("footprint", "next start, all well", taken, unit="s"))


@contextmanager
def started(home: Path) -> Iterator[tuple[Console, float]]:
    """Run the whole console; yield it with the seconds until nothing was missing."""
    console, began = Console(home, free_port()), time.monotonic()
    console.start()
    try:
        while console.health().get("missing", ["web"]):
            if time.monotonic() - began > MOST_START_SECONDS:
                raise RuntimeError(f"The console does not come up: {console.health()}")
            time.sleep(0.1)
        yield console, time.monotonic() - began
    finally:
        console.stop()


def bench_web(page: Page, console: Console, seconds: float) -> None:
    """Ask for the pages that people look at all day; what each thread needs once, it has after half of the time."""
    name, password = next(iter(console.users().items()))
    person = Person(name, password, console.url)
    person.sign_in()
    paths = looked_at(person)
    web = [pid for pid in tree(pid_of(console)) if "gunicorn" in command_of(pid)]
    ask_for(person, paths, seconds / 2)
    before = sum(memory_mb(pid, "Rss") for pid in web)
    asked = ask_for(person, paths, seconds / 2)
    growth = sum(memory_mb(pid, "Rss") for pid in web) - before
    page.add(Result("footprint", f"web grows, {asked:,} requests to {len(paths)} pages", growth, 5, unit="MB"))


def looked_at(person: Person) -> list[str]:
    """Return where a list of jobs is, what it asks for what is new, and all pages of its first job."""
    first = person.read("/")
    jobs = re.findall(r'href="(/jobs/[\w-]+/)"', first)
    poll = re.search(r'hx-get="([^"]*/poll/[^"]*)"', first)
    if not jobs or not poll:
        raise RuntimeError("The first page shows no list of jobs.")
    tabs = re.findall(rf'href="({jobs[0]}[\w-]+/)"', person.read(jobs[0]))
    return list(dict.fromkeys(["/", html.unescape(poll[1]), jobs[0], *tabs]))


def ask_for(person: Person, paths: Sequence[str], seconds: float) -> int:
    """Ask for one after the other again and again; return how many answers there were."""
    until, answers, places = time.monotonic() + seconds, 0, itertools.cycle(paths)
    while time.monotonic() < until:
        person.read(next(places))
        answers += 1
    return answers


def pid_of(console: Console) -> int:
    assert console.process is not None
    return console.process.pid


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return []  # it has just ended
    return [pid, *(one for child in children for one in tree(child))]


def command_of(pid: int) -> str:
    return told(pid, "cmdline").replace("\0", " ")


def is_java(pid: int) -> bool:
    return command_of(pid).split(" ", 1)[0].endswith("/java")


def memory_mb(pid: int, kind: str) -> float:
    """Return the memory of a process: "Rss", or "Pss", of which what is shared is divided among those that share it."""
    found = re.search(rf"^{kind}:\s+(\d+) kB", told(pid, "smaps_rollup"), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def told(pid: int, what: str) -> str:
    """Return what the kernel tells of a process; nothing of one that has just ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_text(errors="replace")
    except OSError:
        return ""
