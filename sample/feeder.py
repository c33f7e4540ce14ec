"""Feed the sample job with real data: the hourly temperatures of Seattle and San Francisco in 2010, from the package vega-datasets.

Every few seconds one day of both cities is dropped into a directory that Flink watches. The file is written elsewhere and then
renamed, so Flink never sees half of it. Once the year is through, it is fed again as the next year, for ever.
Only the standard library:  python sample/feeder.py --data DIR --to DIR [--every SECONDS]
"""

import argparse
import csv
import itertools
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILES = {"San Francisco": "sf-temps.csv", "Seattle": "seattle-temps.csv"}
FIRST_DAY = date(2010, 1, 1)
KEPT_SECONDS = timedelta(days=1).total_seconds()


class Observation(NamedTuple):
    """One row of a file; the temperature is in degrees Fahrenheit, as it stands in the data set."""

    city: str
    observed_at: datetime
    temperature: str


@cache
def observations(data: Path) -> dict[date, list[Observation]]:
    """Read the whole data set: day -> observations, in order of time. One hour in Seattle is missing (daylight saving)."""
    days: dict[date, list[Observation]] = {}
    for city, name in FILES.items():
        with (data / name).open(newline="") as file:
            for row in csv.DictReader(file):
                observed_at = datetime.strptime(row["date"][:16], "%Y/%m/%d %H:%M")
                days.setdefault(observed_at.date(), []).append(Observation(city, observed_at, row["temp"]))
    return {day: sorted(days[day], key=lambda row: (row.observed_at, row.city)) for day in sorted(days)}


def portions(data: Path, first: date = FIRST_DAY) -> Iterator[tuple[date, list[Observation]]]:
    """Return the portions from that day on, one day each, without an end: after 2010 come the same days as 2011, and so on."""
    days = observations(data)
    for year in itertools.count(FIRST_DAY.year):
        for day, rows in days.items():
            if day.replace(year=year) >= first:
                yield (
                    day.replace(year=year),
                    [row._replace(observed_at=row.observed_at.replace(year=year)) for row in rows],
                )


def write(rows: list[Observation], target: Path) -> None:
    """Let the file appear at once and complete."""
    partial = target.parent.parent / f".{target.parent.name}-incoming" / target.name
    partial.parent.mkdir(exist_ok=True)
    with partial.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            (row.city, f"{row.observed_at:%Y-%m-%d %H:%M:%S}", row.temperature) for row in rows
        )
    partial.rename(target)


def fed(directory: Path) -> list[Path]:
    """Return what was dropped so far and is still there, oldest day first."""
    return sorted(directory.glob("[0-9]*-[0-9][0-9]-[0-9][0-9].csv"))


def feed(data: Path, directory: Path, every: float) -> None:
    """Drop portions for ever, going on after the newest that is there."""
    directory.mkdir(parents=True, exist_ok=True)
    files = fed(directory)
    first = date.fromisoformat(files[-1].stem) + timedelta(days=1) if files else FIRST_DAY
    for day, rows in portions(data, first):
        target = directory / f"{day.isoformat()}.csv"
        write(rows, target)
        # The newest always stays: it says where to go on.
        for old in fed(directory)[:-1]:
            if old.stat().st_mtime > time.time() - KEPT_SECONDS:
                break
            old.unlink()
        time.sleep(every)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Feed the sample job with temperatures.")
    parser.add_argument("--data", type=Path, required=True, help="directory with the data set's CSV files")
    parser.add_argument("--to", type=Path, required=True, help="directory that Flink watches")
    parser.add_argument("--every", type=float, default=5, help="seconds between two portions (default: 5)")
    options = parser.parse_args()
    feed(options.data, options.to, options.every)
