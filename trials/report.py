"""What the trials came to: told as they go, and as numbers at the end."""

import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from trials.trial import Result


class Report:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.results: list[Result] = []
        self.began = time.monotonic()
        self.seconds = 0.0

    def add(self, result: Result) -> None:
        self.results.append(result)
        self.seconds = self.lasted()
        if result.findings:
            say("")
            for line in [f"FOUND with seed {result.seed}:", *result.findings, "", *result.log, ""]:
                say(f"  {line}")

    def lasted(self) -> float:
        return time.monotonic() - self.began

    @property
    def found(self) -> list[Result]:
        return [one for one in self.results if one.findings]

    def numbers(self) -> dict[str, Any]:
        """Return the whole report as one value for JSON."""
        clicks = [click for one in self.results for click in one.clicks]
        return {
            "kind": self.kind,
            "trials": len(self.results),
            "seconds": round(self.seconds, 1),
            "seconds_a_trial": round(self.seconds / max(1, len(self.results)), 2),
            "settled_after_seconds": spread([one.settle_seconds for one in self.results]),
            "acts": dict(sorted(Counter(click.action for click in clicks).items())),
            "answers": dict(Counter(_answer(click.status) for click in clicks).most_common()),
            "damages": dict(sorted(Counter(name for one in self.results for name in one.damages).items())),
            "findings": [{"seed": one.seed, "findings": one.findings, "log": one.log} for one in self.found],
        }

    def finish(self, path: Path | None) -> int:
        """Tell the numbers, write them to `path` too, and return the exit code."""
        numbers = self.numbers()
        if path:
            path.write_text(json.dumps(numbers, indent=2) + "\n")
        say("")
        for name, value in numbers.items():
            if name != "findings":
                say(f"{name.replace('_', ' ')}: {told(value)}")
        say(f"findings: {len(self.found)} {[one.seed for one in self.found] or ''}")
        return 1 if self.found else 0


def _answer(status: int) -> str:
    names = {0: "no answer", 302: "done", 422: "refused"}
    return names.get(status, str(status))


def spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"median": round(statistics.median(values), 1), "longest": round(max(values), 1)}


def told(value: Any) -> str:
    return ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
