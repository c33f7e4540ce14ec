"""Two texts side by side, line by line, with the changed words marked. No Django in here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from itertools import zip_longest

# Beyond so many parts the exact comparison, which is quadratic, gives way to the quick one.
EXACT_PARTS = 2000
# A comparison of lines, and that of all words in them, may take so many steps: far more than scripts that people write need, and
# about half a second. What is not compared when they are used up is shown as changed.
STEPS = 3_000_000
# A piece of a line, and whether it differs from the other side.
Piece = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Row:
    """`kind` is same, changed, removed (left only) or added (right only)."""

    kind: str
    left: Line | None
    right: Line | None


class Steps:
    """How much more may be done for a comparison, shared by all its parts."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, wanted: int) -> bool:
        """Tell whether so many steps may be done, and count them."""
        if wanted > self.left:
            return False
        self.left -= wanted
        return True


class Matcher(SequenceMatcher[str]):
    """Finds what two sequences have in common, until the steps are used up."""

    def __init__(self, left: list[str], right: list[str], steps: Steps) -> None:
        super().__init__(None, left, right, autojunk=len(right) > EXACT_PARTS)
        self._steps, self._left = steps, left
        places: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]
        self._times = {part: len(found) for part, found in places.items()}

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        # What the base class does: a step for each part of the left, and one for each part of the right that is the same.
        wanted = sum(1 + self._times.get(part, 0) for part in self._left[alo:ahi])
        return super().find_longest_match(alo, ahi, blo, bhi) if self._steps.take(wanted) else Match(alo, blo, 0)


def side_by_side(left: str, right: str) -> list[Row]:
    return list(_rows(left.splitlines(), right.splitlines()))


def _rows(left: list[str], right: list[str]) -> Iterator[Row]:
    of_words = Steps(STEPS)
    for kind, a, a_end, b, b_end in Matcher(left, right, Steps(STEPS)).get_opcodes():
        for i, j in zip_longest(range(a, a_end), range(b, b_end)):
            if kind == "equal":
                yield Row("same", Line(i + 1, [(left[i], False)]), Line(j + 1, [(right[j], False)]))
            elif j is None:
                yield Row("removed", Line(i + 1, [(left[i], False)]), None)
            elif i is None:
                yield Row("added", None, Line(j + 1, [(right[j], False)]))
            else:
                old, new = _words(left[i], right[j], of_words)
                yield Row("changed", Line(i + 1, old), Line(j + 1, new))


def _words(left: str, right: str, steps: Steps) -> tuple[list[Piece], list[Piece]]:
    old, new = re.findall(r"\w+|\s+|.", left), re.findall(r"\w+|\s+|.", right)
    left_pieces: list[Piece] = []
    right_pieces: list[Piece] = []
    for kind, a, a_end, b, b_end in Matcher(old, new, steps).get_opcodes():
        if a_end > a:
            left_pieces.append(("".join(old[a:a_end]), kind != "equal"))
        if b_end > b:
            right_pieces.append(("".join(new[b:b_end]), kind != "equal"))
    return left_pieces, right_pieces
