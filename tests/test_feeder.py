"""The feeder of the sample: real data, in order, without a gap or a double, for ever."""

import itertools
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from sample import feeder

DATA = Path(sys.prefix) / "sample-data" / "vega_datasets" / "_data"


def test_it_feeds_the_whole_data_set_in_order_of_time() -> None:
    year = list(itertools.islice(feeder.portions(DATA), 365))
    rows = [row for _, portion in year for row in portion]
    assert [day for day, _ in year] == [date(2010, 1, 1) + timedelta(days=n) for n in range(365)]
    # Seattle lacks the hour that daylight saving takes away.
    assert (
        len(rows)
        == len(set(rows))
        == sum(1 for name in feeder.FILES.values() for _ in (DATA / name).read_text().splitlines()) - 2
    )
    assert rows == sorted(rows, key=lambda row: (row.observed_at, row.city))
    assert rows[0] == ("San Francisco", rows[0].observed_at, "47.8")


def test_after_the_year_the_same_days_come_as_the_next_year() -> None:
    first, later = next(feeder.portions(DATA)), next(itertools.islice(feeder.portions(DATA), 365, None))
    assert later[0] == date(2011, 1, 1)
    assert [row.temperature for row in later[1]] == [row.temperature for row in first[1]]
    assert {row.observed_at.year for row in later[1]} == {2011}


def test_it_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    directory = tmp_path / "temperatures"
    for wanted in (3, 6):
        process = run(directory)
        wait_for_files(directory, wanted)
        process.send_signal(signal.SIGKILL)
        process.wait()
    names = [path.name for path in feeder.fed(directory)]
    assert names == [f"{date(2010, 1, 1) + timedelta(days=n)}.csv" for n in range(len(names))]
    assert sum(len(path.read_text().splitlines()) for path in feeder.fed(directory)) == 48 * len(names)
    assert (directory / names[0]).read_text().startswith("San Francisco,2010-01-01 00:00:00,47.8\nSeattle,")


def test_nothing_but_whole_portions_is_in_the_directory(tmp_path: Path) -> None:
    directory = tmp_path / "temperatures"
    process = run(directory)
    wait_for_files(directory, 5)
    process.kill()
    process.wait()
    assert sorted(directory.iterdir()) == feeder.fed(directory)


def test_files_older_than_a_day_go_but_the_newest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in ("2010-12-30", "2010-12-31"):
        (tmp_path / f"{day}.csv").touch()
    monkeypatch.setattr(feeder, "KEPT_SECONDS", -1)
    monkeypatch.setattr(feeder.time, "sleep", stop)
    with pytest.raises(Enough):
        feeder.feed(DATA, tmp_path, every=5)
    assert [path.name for path in feeder.fed(tmp_path)] == ["2011-01-01.csv"]


class Enough(Exception):
    pass


def stop(seconds: float) -> None:
    raise Enough


def run(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, feeder.__file__, "--data", DATA, "--to", directory, "--every", "0.02"])


def wait_for_files(directory: Path, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(feeder.fed(directory)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
