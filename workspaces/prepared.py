"""Queries that are asked all day long: their SQL is made once, and each connection has PostgreSQL plan it once.

Both take longer than to answer does (measured: 1.4 ms instead of 0.3 for a poll).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError
from django.db import connection as _connection
from django.db.models import QuerySet
from psycopg.types.datetime import TimestamptzLoader

connection: Any = _connection  # the stubs know neither its health checks nor cursors that aren't Django's


class Prepared:
    """A query that differs by values only.

    `make` builds it out of named values; `examples` has one of each, such as stands nowhere else in it.
    """

    def __init__(self, make: Callable[..., QuerySet[Any, Any]], **examples: Any) -> None:
        self.make, self.examples = make, examples

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Return what the database answers, in the order of the query's columns: JSON as text, all else as Python's own."""
        sql, places = self._sql
        params = [values[name] if name else constant for name, constant in places]
        is_proven = connection.in_atomic_block or connection.health_check_done
        try:
            return _ask(sql, params)
        except (OperationalError, InterfaceError):
            if is_proven:
                raise
            connection.close()  # it had died since the last request
            return _ask(sql, params)

    @cached_property
    def _sql(self) -> tuple[str, list[tuple[str, Any]]]:
        """Return the SQL, and for each place in it the name of the value that belongs there or the constant that does."""
        sql, params = self.make(**self.examples).query.sql_with_params()
        places = [(self._name_of(param), param) for param in params]
        if missing := self.examples.keys() - {name for name, _constant in places}:
            raise ValueError(f"The query doesn't show where {', '.join(sorted(missing))} belongs.")
        return sql, places

    def _name_of(self, param: Any) -> str:
        return next((name for name, example in self.examples.items() if param == example), "")


def _ask(sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    """Ask with the values apart from the SQL, which Django's own cursors do not: only so does a plan serve again."""
    connection.ensure_connection()
    own = psycopg.Cursor(connection.connection)
    own.adapters.register_loader("timestamptz", TimestamptzLoader)  # in C, and the connection's time zone is UTC
    with connection.make_debug_cursor(own) if connection.queries_logged else connection.make_cursor(own) as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchall()
    connection.health_check_done = True  # Django needs not ask whether it is alive
    return found
