"""A text in Flink's SQL, taken apart into strings, names, comments and the rest, whatever it is. No Django in here."""

import re
from collections.abc import Iterator

PIECE = re.compile(
    r"(?P<string>'(?:[^']|'')*+(?:'|\Z))|(?P<name>`(?:[^`]|``)*+(?:`|\Z))"
    r"|(?P<comment>--[^\n]*|/\*(?!\+).*?(?:\*/|\Z))|(?P<code>(?:[^'`/-]++|-(?!-)|/(?!\*)|/\*\+)+)",
    re.DOTALL,
)


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield the kind (string, name, comment or code) and text of each piece; together they are `text`."""
    for found in PIECE.finditer(text):
        yield str(found.lastgroup), found[0]
