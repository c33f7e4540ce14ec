"""python -m benchmarks: see benchmarks/__init__.py. The launcher `./oceanus` sets the environment up and comes here."""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import django

from benchmarks.ground import services

NAMES = (
    "list",
    "poll",
    "watch",
    "browsers",
    "start",
    "batch-run",
    "batch-stop",
    "batch-cancel",
    "batch-accept",
    "copy",
    "footprint",
)


def sizes(text: str) -> list[int]:
    numbers = text.split(",")
    if not all(one.isascii() and one.isdigit() and int(one) for one in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers like 100,10000")
    return [int(one) for one in numbers]


parser = argparse.ArgumentParser(prog="./oceanus bench", description="Measure the console beside something plain.")
parser.add_argument("names", nargs="*", metavar="name", help="which: " + ", ".join(NAMES) + " (default: all)")
parser.add_argument(
    "--sizes", type=sizes, default="100,10000,100000", help="how many jobs lists have (default: 100,10000,100000)"
)
parser.add_argument("--count", type=int, default=1000, help="how many jobs a batch has (default: 1000)")
parser.add_argument(
    "--turns",
    type=int,
    default=15,
    help="how often each is measured (default: 15); batches on the real Flink a fifth as often",
)
parser.add_argument("--seconds", type=float, default=3.0, help="how long many people poll at once (default: 3)")
parser.add_argument(
    "--watch-seconds", type=float, default=20.0, help="how long browsers, and each part of watch, takes (default: 20)"
)
parser.add_argument(
    "--load-seconds",
    type=float,
    default=20.0,
    help="how long footprint loads the web server (default: 20; 600 tells more)",
)
parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")


def main(options: argparse.Namespace, names: list[str]) -> None:
    page = suite.measure_all(
        names,
        options.sizes,
        options.count,
        options.turns,
        options.seconds,
        options.watch_seconds,
        options.load_seconds,
    )
    if options.json:
        about = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            "command": " ".join(["./oceanus bench", *sys.argv[1:]]),
        }
        options.json.write_text(json.dumps(about | {"results": page.numbers()}, indent=1) + "\n")


if __name__ == "__main__":
    options = parser.parse_args()
    names = options.names or list(NAMES)
    if unknown := set(names) - set(NAMES):
        parser.error("unknown: " + ", ".join(sorted(unknown)))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanus_console.settings")
    with services():
        django.setup()
        # Models can be imported from here on.
        from benchmarks import suite

        main(options, names)
