"""A pooler between the console and PostgreSQL (PgBouncer, say) must leave each connection the session that it began with.

What a worker has in hand is locked in its session, outside of any transaction. With a pooler that gives each transaction another session,
such a lock is taken in one and given back in another: nothing fails, and what was locked is never carried on.
"""

import sys
from contextlib import closing
from typing import Any

from django.db import DatabaseError, NotSupportedError, OperationalError, connection
from django.db.backends.signals import connection_created

TOLD = (
    "What stands between the console and PostgreSQL does not keep a connection on one session (PgBouncer with "
    "pool_mode = transaction or statement). Locks would be lost in silence: set pool_mode = session, or connect to "
    "PostgreSQL itself."
)
TRIES = 5


class SharedSession(OperationalError):
    """Say that our connections share sessions."""


class Proof:
    """What this process has found out; once is enough."""

    is_there = False


def prove_session(connection: Any, **_told: Any) -> None:
    """Raise SharedSession if a new connection does not keep its session."""
    # A pooler makes up the number that it tells a client at first.
    if Proof.is_there or connection.connection.info.backend_pid == session_of(connection.connection):
        return
    try:
        shares = shares_sessions(connection)
    except BaseException:
        connection.close()
        raise
    if shares:
        connection.close()
        raise SharedSession(TOLD)
    Proof.is_there = True


def watch_connections() -> None:
    """Have each new connection looked at, until one was found good."""
    connection_created.connect(prove_session, dispatch_uid="workspaces.pooler")


def shares_sessions(connection: Any) -> bool:
    """Tell whether another connection, with a transaction open, gets the session of this one, or moves it to another."""
    ours = connection.connection
    with closing(connection.get_new_connection(connection.get_connection_params())) as other:
        for _again in range(TRIES):  # others may use the same pooler just now
            before = session_of(ours)
            if session_of(other) == before or session_of(ours) != before:
                return True
            other.rollback()
    return False


def session_of(psycopg_connection: Any) -> int:
    """Return the process of PostgreSQL that answers."""
    pid: int = psycopg_connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()[0]
    return pid


def doubt() -> None:
    """Have the next connection looked at again: a lock was not there any more, so the pooler's mode was changed meanwhile."""
    Proof.is_there = False
    if not connection.in_atomic_block:
        connection.close()


def refuse_at_start() -> None:
    """End this process with a sentence if the database can't be worked with. One that does not answer may come back."""
    watch_connections()
    try:
        connection.ensure_connection()
    except (SharedSession, NotSupportedError) as error:
        sys.exit(f"No success with the database: {error}")
    except DatabaseError:
        return
    finally:
        connection.close()
