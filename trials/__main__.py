"""python -m trials: see trials/__init__.py. The launcher `./oceanus` sets the environment up and comes here."""

import argparse
import os
import sys
from pathlib import Path

import django

parser = argparse.ArgumentParser(prog="./oceanus trials", description="Try the whole console under load and damage.")
parser.add_argument("--count", type=int, default=20, help="how many trials (default: 20)")
parser.add_argument("--seed", type=int, default=1, help="of the first trial; the next ones count on (default: 1)")
parser.add_argument("--simulated", action="store_true", help="against a fake Flink, in simulated time")
parser.add_argument(
    "--processes", type=int, default=os.cpu_count() or 1, help="of simulated trials (default: one a core)"
)
parser.add_argument("--home", type=Path, help="of the console under trial (default: a new directory)")
parser.add_argument("--replay", type=int, metavar="SEED", help="do the trial of this seed only")
parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there too, as JSON")


def main() -> int:
    options = parser.parse_args()
    seeds = [options.replay] if options.replay is not None else range(options.seed, options.seed + options.count)
    if options.simulated:
        return simulation.try_in_simulation(seeds, options.processes).finish(options.report)
    return real.try_for_real(seeds, options.home).finish(options.report)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanus_console.settings")
    django.setup()
    # Models can be imported from here on.
    from trials import real, simulation

    sys.exit(main())
