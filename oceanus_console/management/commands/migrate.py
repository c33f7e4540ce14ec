"""Migrate beside a console that works: give locks that others hold up soon, and come back for them.

A migration takes tables for itself which others are about to use, in an order of its own. Whoever waits for the other then would wait for
ever; PostgreSQL ends one of the two after its deadlock_timeout, and that could be somebody's click. So we are the ones who give way,
and sooner. A migration is one transaction: what it had done is undone.
"""

from __future__ import annotations

import random
import time
from typing import Any

from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import DeadlockDetected, LockNotAvailable

LOCK_MILLISECONDS = 300  # deadlock_timeout is a second
APART_SECONDS = 0.5
LONGEST_SECONDS = 300.0


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        until = time.monotonic() + LONGEST_SECONDS
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, FALSE)", [f"{LOCK_MILLISECONDS}ms"])
        try:
            while not self._migrate(args, options, is_last=time.monotonic() > until):
                time.sleep(random.uniform(APART_SECONDS / 2, APART_SECONDS))
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")

    def _migrate(self, args: Any, options: Any, is_last: bool) -> bool:
        """Tell whether all is done. Raise OperationalError for everything but locks of others, and in the last try for these, too."""
        try:
            super().handle(*args, **options)
        except OperationalError as error:
            if is_last or not isinstance(error.__cause__, (LockNotAvailable, DeadlockDetected)):
                raise
            self.stderr.write("The console is using these tables just now; trying again.")
            return False
        return True
