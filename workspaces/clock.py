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
# From here on it is no matter of the way to the database any more, and worth a word.
FAR = timedelta(seconds=5)
ANSWERS = (TransactionStatus.IDLE, TransactionStatus.INTRANS)


class Told(NamedTuple):
    """What the database's clock showed, and when that was by a clock of ours that nobody sets."""

    time: datetime
    at: float


class Known:
    """What this process has been told last; None before it has asked."""

    told: Told | None = None


def now() -> datetime:
    """Return the time by the database's clock. Before a connection was made it is this machine's."""
    told = Known.told
    if told is None or running() - told.at > RENEWED_SECONDS:
        told = _ask() or told
    return told.time + timedelta(seconds=running() - told.at) if told else timezone.now()


def running() -> float:
    """Return the seconds on a clock that nobody sets. It goes on while the machine sleeps, where there is such a one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def how_far() -> timedelta:
    """Return by how much this machine's clock is ahead of the database's."""
    return timezone.now() - now()


def words_about(ahead: timedelta) -> str:
    seconds = round(abs(ahead).total_seconds())
    return f"This machine's clock is {seconds} s {'ahead of' if ahead > timedelta(0) else 'behind'} the database's."


def _ask() -> Told | None:
    """Ask over the connection that there is, beside what Django asks: also within a transaction, unless it has failed."""
    own = connection.connection
    if own is None or own.closed or own.info.transaction_status not in ANSWERS:
        return None
    try:
        before = running()
        ((shown,),) = own.execute("SELECT clock_timestamp()", prepare=False).fetchall()
    except psycopg.Error:  # whoever asks for more will find out
        return None
    Known.told = Told(shown, (before + running()) / 2)
    if abs(ahead := how_far()) > FAR:
        log.warning("%s What is done is timed by the database's; set this machine's right.", words_about(ahead))
    return Known.told
