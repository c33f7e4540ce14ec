"""Two texts side by side."""

import random
from difflib import SequenceMatcher

from jobs.diff import Line, Matcher, Row, Steps, side_by_side


def test_equal_lines_stand_beside_each_other() -> None:
    assert side_by_side("a\nb", "a\nb") == [
        Row("same", Line(1, [("a", False)]), Line(1, [("a", False)])),
        Row("same", Line(2, [("b", False)]), Line(2, [("b", False)])),
    ]


def test_changed_words_are_marked() -> None:
    [row] = side_by_side("SELECT avg(x)", "SELECT max(x)")
    assert row.kind == "changed"
    assert row.left == Line(1, [("SELECT ", False), ("avg", True), ("(x)", False)])
    assert row.right == Line(1, [("SELECT ", False), ("max", True), ("(x)", False)])


def test_added_and_removed_lines_face_nothing() -> None:
    assert [row.kind for row in side_by_side("a\nb\nc", "a\nc\nd")] == ["same", "removed", "same", "added"]


def test_empty_texts() -> None:
    assert side_by_side("", "") == []
    assert [row.kind for row in side_by_side("", "a")] == ["added"]


def test_what_is_within_the_steps_is_compared_exactly() -> None:
    chance = random.Random(1)
    for _ in range(50):
        left, right = ([chance.choice("abcdef") for _ in range(60)] for _ in "lr")
        exact = SequenceMatcher(None, left, right, autojunk=False)
        assert Matcher(left, right, Steps(100_000)).get_opcodes() == exact.get_opcodes()


def test_a_comparison_takes_no_more_steps_than_it_may() -> None:
    left, right = ["ab"] * 100, ["ab"] * 100
    assert Matcher(left, right, steps := Steps(10_100)).get_opcodes() == [("equal", 0, 100, 0, 100)]
    assert steps.left == 0
    assert Matcher(left, right, steps := Steps(10_099)).get_opcodes() == [("replace", 0, 100, 0, 100)]
    assert steps.left == 10_099


def test_lines_that_are_too_much_to_compare_are_marked_whole() -> None:
    chance = random.Random(1)
    left, right = ("\n".join(" ".join(chance.choice("ab") for _ in range(950)) for _ in range(30)) for _ in "lr")
    rows = side_by_side(left, right)
    assert [row.kind for row in rows] == ["changed"] * 30
    first, last = rows[0].left, rows[-1].left
    assert first is not None
    assert len(first.pieces) > 10
    assert last is not None
    assert last.pieces == [(left.splitlines()[-1], True)]
