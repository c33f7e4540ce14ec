"""An answer that is of one moment, though it takes several queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_moment() -> Iterator[None]:
    """Let all queries of a block, or of a view, see the database as the first of them does. Nothing can be written in there."""
    if connection.in_atomic_block:  # whoever began it has decided; most tests are one
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
