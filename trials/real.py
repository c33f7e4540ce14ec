"""Real trials: bring a console up, try it as often as asked, end it."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from oceanus_console.home import is_free, make_passable
from trials.console import Console, NotUp
from trials.ground import Ground
from trials.report import Report, say
from trials.schedule import draw
from trials.trial import Trial

UP_WITHIN_SECONDS = 240
TIDY_AFTER = 5
PORTS = range(18200, 18999)


def try_for_real(seeds: Sequence[int], home: Path | None) -> Report:
    """Do a trial for each seed on one console."""
    report = Report("real")
    with console_in(home, report) as console:
        ground = Ground(console)
        ground.prepare()
        say(f"up on {console.home} after {time.monotonic() - report.began:.0f} s")
        for number, seed in enumerate(seeds, start=1):
            plan = draw(seed)
            result = Trial(ground, plan).take()
            report.add(result)
            say(f"{number:4}  seed {seed}: {len(result.findings)} found, {', '.join(result.damages)}; "
                f"{len(result.clicks)} clicks in {result.load_seconds:.0f} s, settled after {result.settle_seconds:.0f} s")  # fmt: skip
            if result.findings and not _goes_on(console):
                break
            if number % TIDY_AFTER == 0:
                ground.tidy()
        ground.proxy.stop()
    return report


def _goes_on(console: Console) -> bool:
    """Tell whether there is anything left to try; what a finding left behind must not be found again for ever."""
    try:
        console.await_health(60)
    except NotUp as error:
        say(f"The console does not come back: {error}")
        return False
    return True


@contextmanager
def console_in(home: Path | None, report: Report) -> Iterator[Console]:
    """Run a console for the length of a block. Its home is removed when it was ours and nothing was found."""
    base = home.parent if home else Path(tempfile.mkdtemp(prefix="oceanus-trials-"))
    # PostgreSQL, started by root, runs as somebody else and must get through.
    make_passable(base)
    port = next(port for port in PORTS if is_free("127.0.0.1", port))
    console = Console(home or base / "home", port)
    console.start()
    clean = False
    try:
        console.await_up(UP_WITHIN_SECONDS)
        yield console
        clean = not report.found
    finally:
        console.stop()
        if clean and not home:
            shutil.rmtree(base, ignore_errors=True)
        else:
            say(f"What it left: {console.home}, {console.output}")
