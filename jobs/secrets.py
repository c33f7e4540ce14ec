"""The secrets of a job, and its texts as people may read them: in history, on pages for viewers, in Flink's words."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext as _

from jobs.diff import Line, Row, side_by_side
from jobs.masking import MASK, mask_properties, mask_script, secrets_in
from jobs.models import Draft, Version
from workspaces.variables import hidden_values

# Where the private use area of Unicode begins: a character of it stands for a secret while two texts are compared.
FIRST_MARK, MARKS = 0xE000, 6400


def secret_values(definition: Draft | Version) -> set[str]:
    """Return what must not be read in anything that is told of this draft or version."""
    return secrets_in(definition.sql, definition.properties) | hidden_values(definition.job.workspace_id)


def masked_sql(definition: Draft | Version) -> str:
    return mask_script(definition.sql, secret_values(definition))


def masked_properties(definition: Draft | Version) -> dict[str, str]:
    return mask_properties(definition.properties, secret_values(definition))


class Marks:
    """Let every secret stand for itself in a comparison, unread: the same one as the same mark, another one as another."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}
        self._readable: dict[int, str] = {}

    def hide(self, secret: str) -> str:
        if len(secret) == 1 and ord(secret) in self._readable:
            return secret
        mark = self._marks.setdefault(secret, chr(FIRST_MARK + len(self._marks) % MARKS))
        self._readable[ord(mark)] = MASK
        return mark

    def reveal(self, text: str) -> str:
        """Return a marked text as people may read it."""
        return text.translate(self._readable)


def lines_beside(left: Draft | Version, right: Draft | Version) -> list[Row]:
    """Compare two scripts; a secret that changed is shown as changed, and can't be read."""
    marks, known = Marks(), secret_values(left) | secret_values(right)
    rows = side_by_side(mask_script(left.sql, known, marks.hide), mask_script(right.sql, known, marks.hide))
    return [replace(row, left=_revealed(row.left, marks), right=_revealed(row.right, marks)) for row in rows]


def properties_beside(left: Draft | Version, right: Draft | Version) -> tuple[dict[str, str], dict[str, str]]:
    """Return the advanced properties of both; where only a secret differs, the right one says so."""
    marks, known = Marks(), secret_values(left) | secret_values(right)
    one, other = (mask_properties(side.properties, known, marks.hide) for side in (left, right))
    shown = [{key: marks.reveal(text) for key, text in side.items()} for side in (one, other)]
    for key in one.keys() & other.keys():
        if one[key] != other[key] and shown[0][key] == shown[1][key]:
            shown[1][key] = _("%(masked)s (another value)") % {"masked": shown[1][key]}
    return shown[0], shown[1]


def _revealed(line: Line | None, marks: Marks) -> Line | None:
    return line and replace(line, pieces=[(marks.reveal(text), is_changed) for text, is_changed in line.pieces])
