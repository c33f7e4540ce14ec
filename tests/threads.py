"""Somebody else at the same time: a thread with a connection to the database of its own."""

import threading
from collections.abc import Callable

from django.db import connection


def in_thread(act: Callable[[], object]) -> threading.Thread:
    """Start it in a thread, whose connection is closed when it is done; return the thread."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def is_awaited() -> bool:
    """Tell whether somebody waits for what this transaction holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])
