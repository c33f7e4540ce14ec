"""A SQL script as Flink's users write it, taken apart into statements. No Django in here.

Flink has one string quote ('), doubled inside; backticks quote names; comments are -- and /* */, hints /*+ */.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from sqlglot.errors import TokenError
from sqlglot.tokens import Token, Tokenizer, TokenType

from clusters.engine import Statement
from jobs.pieces import pieces

LineOf = Callable[[Token], int]


class FlinkTokenizer(Tokenizer):
    QUOTES = ["'"]
    IDENTIFIERS = ["`"]
    STRING_ESCAPES = ["'"]
    COMMENTS = ["--", ("/*", "*/")]
    # The base class reads what follows these words as one opaque string; we want tokens.
    COMMANDS = set()


class ScriptError(ValueError):
    """A script that can't be split: `reason` is one of the keys of jobs/advice.py, `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"{reason} at line {line}")
        self.reason = reason
        self.line = line
        # What the sentences of jobs/known_errors.py about it name.
        self.values: dict[str, Any] = {"line": line} if line else {}


def split(script: str) -> list[Statement]:
    """Split `script` at its semicolons and leave the wrappings of statement sets out. Raise ScriptError."""
    return list(_split(script))


# The same script is taken apart when it is saved, published, and each time it is run.
@lru_cache(maxsize=64)
def _split(script: str) -> tuple[Statement, ...]:
    line_of = _lines(script)
    statements = [one for tokens, end in _groups(script) for one in _statements(tokens, end, script, line_of)]
    if not statements:
        raise ScriptError("script-empty", 1)
    if not any(one.kind == "insert" for one in statements):
        raise ScriptError("script-no-insert", statements[-1].line)
    return tuple(statements)


def is_plain(script: str) -> bool:
    """Tell quickly whether a script is of the kind that can surely be split, as most are; all others must be tried."""
    words = [statement.split(None, 1)[0].upper() for statement in _code(script).split(";") if statement.strip()]
    return "INSERT" in words and not NOT_PLAIN.intersection(words)


def _code(script: str) -> str:
    """Return a script without what stands in quotes and comments; "" if anything in it takes a closer look."""
    found: list[str] = []
    for kind, piece in pieces(script):
        if kind in ("string", "name"):
            # A letter before it makes it another kind of literal; an odd number of quotes is not closed.
            if piece.count(piece[0]) % 2 or re.search(r"\w\Z", found[-1] if found else "") or "``" in piece:
                return ""
            found.append(" quoted ")
        elif kind == "comment":
            if piece[0] == "/" and (len(piece) < 4 or not piece.endswith("*/") or "/*" in piece[1:]):
                return ""
            found.append(" ")
        elif "/*" in piece:
            return ""
        else:
            found.append(piece)
    return "".join(found)


# Words that begin what is more than a statement, or not any one.
NOT_PLAIN = {"SET", "BEGIN", "EXECUTE", "END"}


def settings_of(statements: list[Statement]) -> dict[str, str]:
    """Return what the script SETs: key -> value."""
    return dict(one.text.split("\n", 1) for one in statements if one.kind == "set")


def _tokens(script: str) -> list[Token]:
    try:
        return FlinkTokenizer().tokenize(script)
    except TokenError as error:
        raise ScriptError("script-unclosed", max(1, script.count("\n") + 1)) from error


def _groups(script: str) -> Iterator[tuple[list[Token], int]]:
    """Yield the tokens of each statement and where its text ends: hints count as comments, so the last token isn't the end."""
    group: list[Token] = []
    for token in _tokens(script):
        if token.token_type != TokenType.SEMICOLON:
            group.append(token)
        elif group:
            yield group, token.start
            group = []
    if group:
        yield group, len(script)


def _statements(tokens: list[Token], end: int, script: str, line_of: LineOf) -> Iterator[Statement]:
    tokens = _without_set_wrapping(tokens)
    if not tokens:
        return
    words = [token.text.upper() for token in tokens[:3]]
    if words[0] == "SET":
        yield _setting(tokens, line_of(tokens[0]))
        return
    if words[0] == "EXECUTE" and words[1:2] == ["INSERT"]:
        tokens, words = tokens[1:], words[1:]
    text = script[tokens[0].start : end].rstrip()
    yield Statement("insert" if words[0] == "INSERT" else "other", text, line_of(tokens[0]))


def _without_set_wrapping(tokens: list[Token]) -> list[Token]:
    """Drop BEGIN STATEMENT SET, EXECUTE STATEMENT SET BEGIN and END: all INSERTs run as one set anyway."""
    words = [token.text.upper() for token in tokens[:4]]
    if words[:4] == ["EXECUTE", "STATEMENT", "SET", "BEGIN"]:
        return tokens[4:]
    if words[:3] == ["BEGIN", "STATEMENT", "SET"]:
        return tokens[3:]
    return [] if words == ["END"] else tokens


def _setting(tokens: list[Token], line: int) -> Statement:
    strings = [token.text for token in tokens if token.token_type == TokenType.STRING]
    if len(strings) != 2 or len(tokens) != 4:
        raise ScriptError("script-bad-set", line)
    return Statement("set", "\n".join(strings), line)


def _lines(script: str) -> LineOf:
    """Return what tells the line of a token. Counting for each from the start would take minutes for many statements."""
    ends = [found.start() for found in re.finditer("\n", script)]
    return lambda token: bisect_right(ends, token.start) + 1
