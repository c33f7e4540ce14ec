"""Where the parts of a line chart stand, so that a template can draw it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# In units of the drawing, which are about pixels: across a page, and beside another one. The plot lies between the margins.
WIDE, NARROW, HEIGHT = 1040, 480, 200
LEFT, RIGHT, TOP, BOTTOM = 72, 8, 12, 12
GRID_LINES = 4

# A moment, a value or None where there is none, and whether it is a bad one.
Point = tuple[datetime, float | None, bool]


@dataclass(frozen=True, slots=True)
class Dot:
    at: datetime
    x: float
    y: float
    text: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """`lines`: each the points of a polyline; `grid`: height and text of each horizontal line."""

    dots: Sequence[Dot]
    lines: Sequence[str]
    grid: Sequence[tuple[float, str]]
    width: int
    height: int = HEIGHT
    left: int = LEFT

    @property
    def right(self) -> int:
        return self.width - RIGHT


def chart(
    points: Sequence[Point],
    told: Callable[[float], str],
    *,
    width: int = NARROW,
    gap: timedelta | None = None,
    thousand: int = 1000,
) -> Chart | None:
    """Draw points, oldest first, their values written as `told` does, with a new unit every `thousand`; None when there are none.

    What lies further apart than `gap`, or has nothing known between, is not joined by a line: nobody has seen what was there.
    """
    known = [(at, value, is_bad) for at, value, is_bad in points if value is not None]
    if not known:
        return None
    first, last = known[0][0], known[-1][0]
    top = round_above(max(value for _at, value, _is_bad in known), thousand)
    seconds = (last - first).total_seconds() or 1.0

    def place(at: datetime, value: float) -> tuple[float, float]:
        x = LEFT + (width - LEFT - RIGHT) * (at - first).total_seconds() / seconds
        return round(x, 1), round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top, 1)

    dots = [Dot(at, *place(at, value), told(value), is_bad) for at, value, is_bad in known]
    lines = [" ".join(f"{x},{y}" for x, y in (place(*one) for one in part)) for part in _parts(points, gap)]
    steps: dict[str, float] = {}
    for step in range(GRID_LINES + 1):
        # Of lines that would be written alike, as parts of a byte are, the lowest counts.
        steps.setdefault(told(top * step / GRID_LINES), top * step / GRID_LINES)
    return Chart(dots, lines, [(place(first, step)[1], text) for text, step in steps.items()], width)


def _parts(points: Sequence[Point], gap: timedelta | None) -> list[list[tuple[datetime, float]]]:
    """Return the stretches that a line may go through."""
    parts: list[list[tuple[datetime, float]]] = [[]]
    for at, value, _is_bad in points:
        if value is None or (gap and parts[-1] and at - parts[-1][-1][0] > gap):
            parts.append([])
        if value is not None:
            parts[-1].append((at, value))
    return [part for part in parts if len(part) > 1]


def round_above(value: float, thousand: int = 1000) -> float:
    """Return the next of 1, 2, 4, 10, 20, 40... in its unit that is not below `value`: its quarters are short numbers."""
    if value <= 0:
        return 1.0
    unit = float(thousand) ** math.floor(math.log(value, thousand) + 1e-9)
    power = 10.0 ** math.floor(math.log10(value / unit) + 1e-9)
    return next(step * power * unit for step in (1, 2, 4, 10) if step * power * unit >= value * (1 - 1e-9))
