"""The one clock of a console: the database's. Those of the machines that its processes run on may differ."""

import logging
import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from django.db import connection as _connection
from django.utils import timezone
from psycopg.pq import TransactionStatus

log = logging.getLogger(__name__)
# The stubs don't know what stands below.
connection: Any = _connection

RENEWED_SECONDS = 30
# As good as the same. Where the answer took long, the machine's own clock is the better witness of when that was.
NEAR = timedelta(milliseconds=100)
# From here on it is no matter of the way to the database any more, and worth a word.
FAR = timedelta(seconds=5)
ANSWERS = (TransactionStatus.IDLE, TransactionStatus.INTRANS)


class Told(NamedTuple):
    """What the database's clock showed, and when that was by a clock of ours that nobody sets; whether this machine's showed the same."""

    time: datetime
    at: float
    is_ours: bool


class Known:
    """What this process has been told last; None before it has asked."""

    told: Told | None = None


def now() -> datetime:
    """Return the time by the database's clock. It is this machine's while they agree, and before a connection was made."""
    told = _told()
    return timezone.now() if told is None or told.is_ours else _told_now(told)


def _told() -> Told | None:
    if Known.told is None or running() - Known.told.at > RENEWED_SECONDS:
        return _ask() or Known.told
    return Known.told


def _told_now(told: Told) -> datetime:
    return told.time + timedelta(seconds=running() - told.at)


def running() -> float:
    """Return the seconds on a clock that nobody sets. It goes on while the machine sleeps, where there is such a one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def how_far() -> timedelta:
    """Return by how much this machine's clock is ahead of the database's."""
    told = _told()
    return timezone.now() - _told_now(told) if told and not told.is_ours else timedelta(0)


def words_about(ahead: timedelta) -> str:
    seconds = round(abs(ahead).total_seconds())
    return f"This machine's clock is {seconds} s {'ahead of' if ahead > timedelta(0) else 'behind'} the database's."


def _ask() -> Told | None:
    """Ask over the connection that there is, beside what Django asks: also within a transaction, unless it has failed."""
    own = connection.connection
    if own is None or own.closed or own.info.transaction_status not in ANSWERS:
        return None
    try:
        before, earliest = running(), timezone.now()
        ((shown,),) = own.execute("SELECT clock_timestamp()", prepare=False).fetchall()
        latest = timezone.now()
    except psycopg.Error:  # whoever asks for more will find out
        return None
    Known.told = Told(shown, (before + running()) / 2, earliest - NEAR <= shown <= latest + NEAR)
    if abs(ahead := how_far()) > FAR:
        log.warning("%s What is done is timed by the database's; set this machine's right.", words_about(ahead))
    return Known.told
