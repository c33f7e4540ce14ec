"""The benchmarks themselves: each of them runs, with sizes that take seconds, and says what came of it."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from benchmarks.measure import WARM_UP, Result, by_turns

EACH = {"list", "poll", "watch", "batch-accept", "copy"}


def test_every_benchmark_tells_its_ratios(tmp_path: Path) -> None:
    told = tmp_path / "results.json"
    ours = {"DATABASE_URL", "CELERY_BROKER_URL", "OCEANUS_HOME"}
    small = ["--sizes", "20", "--count", "5", "--turns", "1", "--seconds", "0.2", "--watch-seconds", "0.5"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *sorted(EACH), *small, "--json", str(told)],
        env={key: value for key, value in os.environ.items() if key not in ours},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(told.read_text())["results"]
    assert {one["benchmark"] for one in results} == EACH
    assert all(one["case"] in done.stdout for one in results)
    # The number of statements does not depend on how fast this machine is.
    assert next(one for one in results if one["benchmark"] == "batch-accept" and one["unit"] == "")["is_kept"]


def test_an_unknown_name_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks", "lists"], cwd=settings.BASE_DIR, capture_output=True)
    assert done.returncode == 2
    assert b"lists" in done.stderr


def test_both_sides_take_turns_and_medians_count() -> None:
    order: list[str] = []
    cold = [900.0] * WARM_UP
    times = {"ours": iter([*cold, 1.0, 50.0, 3.0]), "baseline": iter([*cold, 2.0, 2.0, 100.0])}

    def take(name: str) -> float:
        order.append(name)
        return next(times[name])

    assert by_turns(lambda: take("ours"), lambda: take("baseline"), 3) == (3.0, 2.0)
    assert order == ["ours", "baseline"] * (WARM_UP + 3)


def test_of_several_in_a_row_the_last_one_counts() -> None:
    times = {"ours": itertools.count(1), "baseline": itertools.count(100)}
    ours, baseline = by_turns(lambda: next(times["ours"]), lambda: next(times["baseline"]), 1, in_a_row=3)
    assert (ours, baseline) == (3 * (WARM_UP + 1), 99 + 3 * (WARM_UP + 1))


def test_a_budget_is_kept_or_missed() -> None:
    assert Result("list", "first page", 0.4, 0.5).is_kept
    assert not Result("list", "first page", 0.6, 0.5).is_kept
    assert Result("poll", "people", 400, 300, at_least=True).is_kept
    assert Result("list", "middle page", 3).is_kept is None


@pytest.mark.parametrize("sizes", ["abc", "10,,20", "0", "-5", ""])
def test_wrong_sizes_are_told_in_a_sentence(sizes: str) -> None:
    asked = subprocess.run([sys.executable, "-m", "benchmarks", "--sizes", sizes], capture_output=True, text=True)
    assert asked.returncode == 2
    assert asked.stderr.endswith(f"argument --sizes: {sizes!r} is not a list of numbers like 100,10000\n")
