"""Two texts side by side, line by line, with the changed words marked. No Django in here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

# Beyond so many parts the exact comparison, which is quadratic, gives way to the quick one.
EXACT_PARTS = 2000
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


def side_by_side(left: str, right: str) -> list[Row]:
    return list(_rows(left.splitlines(), right.splitlines()))


def _rows(left: list[str], right: list[str]) -> Iterator[Row]:
    matcher = SequenceMatcher(None, left, right, autojunk=len(right) > EXACT_PARTS)
    for kind, a, a_end, b, b_end in matcher.get_opcodes():
        for i, j in zip_longest(range(a, a_end), range(b, b_end)):
            if kind == "equal":
                yield Row("same", Line(i + 1, [(left[i], False)]), Line(j + 1, [(right[j], False)]))
            elif j is None:
                yield Row("removed", Line(i + 1, [(left[i], False)]), None)
            elif i is None:
                yield Row("added", None, Line(j + 1, [(right[j], False)]))
            else:
                old, new = _words(left[i], right[j])
                yield Row("changed", Line(i + 1, old), Line(j + 1, new))


def _words(left: str, right: str) -> tuple[list[Piece], list[Piece]]:
    old, new = re.findall(r"\w+|\s+|.", left), re.findall(r"\w+|\s+|.", right)
    matcher = SequenceMatcher(None, old, new, autojunk=len(new) > EXACT_PARTS)
    left_pieces: list[Piece] = []
    right_pieces: list[Piece] = []
    for kind, a, a_end, b, b_end in matcher.get_opcodes():
        if a_end > a:
            left_pieces.append(("".join(old[a:a_end]), kind != "equal"))
        if b_end > b:
            right_pieces.append(("".join(new[b:b_end]), kind != "equal"))
    return left_pieces, right_pieces
