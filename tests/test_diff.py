"""Two texts side by side."""

from jobs.diff import Line, Row, side_by_side


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
