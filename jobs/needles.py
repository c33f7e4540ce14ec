"""Many texts that are looked for in another one at once. No Django in here.

What it costs grows with the text that is searched, hardly with the number of those that are looked for: hidden values of a
workspace have thousands of lines, and none is ever forgotten.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Collection

# So many characters tell whether a place deserves a closer look.
HEAD = 4


class Needles:
    """Looks for `texts`, none of them empty. Where several begin at one place, the longest counts."""

    def __init__(self, texts: Collection[str]) -> None:
        self._sorted = sorted(set(texts))
        self._longest = max(map(len, self._sorted), default=0)
        self._head = min(HEAD, min(map(len, self._sorted), default=0))
        self._heads = {text[: self._head] for text in self._sorted}
        columns = (re.escape("".join(sorted(set(column)))) for column in zip(*self._heads, strict=True))
        self._place = re.compile("".join(f"[{column}]" for column in columns), re.DOTALL)
        self._within = _within(self._sorted)

    def replace(self, text: str, by: Callable[[str], str]) -> str:
        """Return `text` with `by(needle)` in place of every needle."""
        if not self._sorted:
            return text
        parts, done, at = [], 0, 0
        while found := self._place.search(text, at):
            start = found.start()
            at = start + 1
            if found[0] in self._heads and (needle := self._at(text, start)):
                parts += [text[done:start], by(needle)]
                done = at = start + len(needle)
        return "".join([*parts, text[done:]])

    def _at(self, text: str, start: int) -> str:
        """Return the longest needle that begins there; "" if none does."""
        rest = text[start : start + self._longest]
        # All that `rest` begins with are the last one in order that is not behind it, or what that one begins with.
        index = bisect_right(self._sorted, rest) - 1
        while index >= 0 and not rest.startswith(self._sorted[index]):
            index = self._within[index]
        return self._sorted[index] if index >= 0 else ""


def _within(texts: list[str]) -> list[int]:
    """Return for each of sorted texts the index of the longest other one that it begins with; -1 if there is none."""
    found: list[int] = []
    for index, text in enumerate(texts):
        shorter = index - 1
        while shorter >= 0 and not text.startswith(texts[shorter]):
            shorter = found[shorter]
        found.append(shorter)
    return found
