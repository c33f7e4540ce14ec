"""The ids by which Flink knows our runs: they tell of which job and version each is, to whoever has forgotten it.

32 hex digits: the job's ID (11), the number of its version (4), when that was published (4), and what makes them different (13).
"""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workspaces.serials import ALPHABET

# Eight characters of 36 kinds fit into 42 bits, and these into so many hex digits.
SERIAL_DIGITS = 11
SERIAL = re.compile(r"cql-([a-z0-9]{8})")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
HIGHEST = 0xFFFF
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
assert sorted(DIGITS) == sorted(ALPHABET)


@dataclass(frozen=True, slots=True)
class Origin:
    """Of which job a Flink id is (its ID), and of which version: its number (0: higher than an id can tell) and a mark of its time."""

    serial: str
    version: int
    mark: int


def new_flink_id() -> str:
    """Return a fresh id in Flink's form that tells nothing, as for savepoint triggers: 32 hex digits."""
    return uuid.uuid4().hex


def flink_id_of_run(serial: str, version: int, published_at: datetime) -> str:
    """Return a fresh id for a run of this version of the job with this ID."""
    found = SERIAL.fullmatch(serial)
    if found is None:
        return new_flink_id()
    told = version if version <= HIGHEST else 0
    return f"{int(found[1], 36):0{SERIAL_DIGITS}x}{told:04x}{mark_of(published_at):04x}{secrets.randbits(52):013x}"


def mark_of(published_at: datetime) -> int:
    """Return 16 bits that tell versions of one number apart."""
    return (published_at - EPOCH) // timedelta(microseconds=1) % 65521


def is_of(flink_id: str, serial: str) -> bool:
    """Tell whether the id is one of the job with this ID."""
    origin = origin_of(flink_id)
    return origin is not None and origin.serial == serial


def origin_of(flink_id: str) -> Origin | None:
    """Return what an id may tell; None where it is surely not one of ours. Others may look like ours by chance."""
    if not re.fullmatch(r"[0-9a-f]{32}", flink_id):
        return None
    number = int(flink_id[:SERIAL_DIGITS], 16)
    if number >= 36**8:
        return None
    serial = ""
    for _digit in range(8):
        number, digit = divmod(number, 36)
        serial = DIGITS[digit] + serial
    return Origin("cql-" + serial, int(flink_id[11:15], 16), int(flink_id[15:19], 16))
