"""The end of a log of Flink as people may read it: bounded, searched, without secrets. No Django in here."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from clusters.engine import EngineError
from clusters.process_logs import Log
from jobs.masking import MASK, mask

# Flink sends a file from its beginning: of a larger one the end would never come in time. By default it begins a new one at 100 MB.
MOST_BYTES = 128 * 1024 * 1024
# The rest of a longer line is dropped while it is read, and of what is left so much is shown.
LONGEST_LINE, LINE_SHOWN = 64 * 1024, 2_000
# A record is a line with its time and its level, and what stands below it: a trace. After so many characters another one begins.
LONGEST_RECORD = 128 * 1024
HEAD = re.compile(r"(?=.{0,40}?\d\d:\d\d:\d\d).{0,120}?\b(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\b")
WARN, ERROR = "WARN", "ERROR"
AS_LEVEL = {"WARN": WARN, "WARNING": WARN, "ERROR": ERROR, "FATAL": ERROR}
LONGEST_SEARCH = 200
# What a terminal would make colours of; it would part words, levels and secrets.
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Of text in another encoding than ours some characters can't be read, of an archive or a dump about half of them.
UNREADABLE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a log somebody wants to see: records with all words of one of `ways`, from a level on; all of them by default."""

    ways: tuple[tuple[str, ...], ...] = ()
    level: str = ""

    @classmethod
    def of(cls, search: str, level: str) -> Wish:
        """Understand "checkpoint failed | timeout": one side of | must stand there, of it every word."""
        ways = [tuple(side.lower().split()) for side in search[:LONGEST_SEARCH].split("|")]
        return cls(tuple(way for way in ways if way), level if level in (WARN, ERROR) else "")

    def __bool__(self) -> bool:
        return bool(self.ways or self.level)

    @property
    def words(self) -> set[str]:
        return {word for way in self.ways for word in way}

    def is_met(self, record: str) -> bool:
        if self.level and level_of(record) not in (self.level, ERROR):
            return False
        text = record.lower() if self.ways else ""
        return not self.ways or any(all(word in text for word in way) for way in self.ways)


@dataclass(frozen=True, slots=True)
class Line:
    """A line, in pieces: those that were looked for are marked. `level`: that of its record, WARN, ERROR or ""."""

    pieces: list[tuple[str, bool]]
    level: str


@dataclass(slots=True)
class End:
    """The end of a log. `broke`: why not all of it came, in the engine's words, so that it may not be its end.

    `is_no_text`: it is an archive or a dump, which nobody can read here.
    """

    records: list[str] = field(default_factory=list)
    is_cut: bool = False
    bytes_read: int = 0
    size_bytes: int | None = None
    broke: str = ""
    is_too_large: bool = False
    is_no_text: bool = False

    def read(self, log: Log, wish: Wish, most: int, secrets: Collection[str]) -> None:
        """Read a log to its end and keep `most` characters of it or a little more, without secrets.

        Look for what is wished both before and after they are masked, so that nobody finds out a secret by searching for it:
        nor for what stands in its place, which an alternative beside a guess would find only if the guess is right.
        """
        kept: deque[str] = deque()
        self.size_bytes = log.size_bytes
        if (log.size_bytes or 0) > MOST_BYTES:
            self.is_too_large = True
            return
        try:
            size = 0
            for block in _wished(_blocks(self._counted(log.pieces)), wish):
                kept.append(block)
                size += len(block)
                while size - len(kept[0]) >= most:
                    size -= len(kept.popleft())
                    self.is_cut = True
        except EngineError as error:
            self.broke = error.summary
        # One by one: a quote that is never closed hides the rest of its record only.
        masked = (mask("\n".join(record), secrets) for record in _records(_lines(kept)))
        self.records = [one for one in masked if wish.is_met(one.replace(MASK, "\0"))]

    @property
    def is_readable(self) -> bool:
        return not (self.is_too_large or self.is_no_text)

    @property
    def is_whole(self) -> bool:
        """Tell whether all of it was read, so that what is kept is its end."""
        return self.is_readable and not self.broke

    def lines(self, most: int, wish: Wish) -> list[Line]:
        """Return the last `most` lines, and remember whether there were more."""
        found: deque[Line] = deque(maxlen=most)
        count = 0
        marks = _marks(wish.words)
        for record in self.records:
            level, lines = level_of(record), record.split("\n")
            found.extend(Line(_marked(_short(line), marks), level if level in (WARN, ERROR) else "") for line in lines)
            count += len(lines)
        self.is_cut = self.is_cut or count > most
        return list(found)

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if not self.bytes_read and _is_no_text(piece):
                self.is_no_text = True
                return
            self.bytes_read += len(piece)
            if self.bytes_read > MOST_BYTES:
                self.is_too_large = True
                return
            yield piece


def level_of(record: str) -> str:
    """Return the level that a record of a log begins with; "" where none does."""
    found = HEAD.match(record)
    return AS_LEVEL.get(found[1], found[1]) if found else ""


def _blocks(pieces: Iterable[bytes]) -> Iterator[str]:
    """Put what comes in pieces together to blocks of whole lines."""
    rest = b""
    for piece in pieces:
        lines, newline, end = piece.rpartition(b"\n")
        if newline:
            yield _plain(rest + lines) + "\n"
            rest = b""
        rest = (rest + end)[:LONGEST_LINE]
    if rest:
        yield _plain(rest) + "\n"


def _is_no_text(piece: bytes) -> bool:
    return piece.decode(errors="replace").count("\ufffd") > len(piece) * UNREADABLE_SHARE


def _plain(text: bytes) -> str:
    plain = text.decode(errors="replace").replace("\r\n", "\n").replace("\0", "\ufffd")
    return COLOURS.sub("", plain) if "\x1b" in plain else plain


def _wished(blocks: Iterable[str], wish: Wish) -> Iterator[str]:
    if not wish:
        yield from blocks
        return
    for record in map("\n".join, _records(_lines(blocks))):
        if wish.is_met(record):
            yield f"{record}\n"


def _lines(blocks: Iterable[str]) -> Iterator[str]:
    return (line for block in blocks for line in block.split("\n")[:-1])


def _records(lines: Iterable[str]) -> Iterator[list[str]]:
    """Put lines together to records. Where no line begins with a time and a level, as in what jobs print, each is one."""
    record: list[str] = []
    size, has_head = 0, False
    for line in lines:
        is_head = HEAD.match(line) is not None
        if record and (is_head or not has_head or size > LONGEST_RECORD):
            yield record
            record, size = [], 0
        has_head = has_head or is_head
        record.append(line)
        size += len(line)
    if record:
        yield record


def _short(line: str) -> str:
    return line if len(line) <= LINE_SHOWN else f"{line[:LINE_SHOWN]}…"


def _marks(words: Collection[str]) -> re.Pattern[str] | None:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if words else None


def _marked(line: str, marks: re.Pattern[str] | None) -> list[tuple[str, bool]]:
    pieces, done = [], 0
    for found in marks.finditer(line) if marks else ():
        pieces += [(line[done : found.start()], False), (found[0], True)]
        done = found.end()
    return [piece for piece in [*pieces, (line[done:], False)] if piece[0]]
