"""Queries that are asked all day long: their SQL is made once, and each connection has PostgreSQL plan it once.

Both take longer than to answer does (measured: 1.4 ms instead of 0.3 for a poll).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError
from django.db import connection as _connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.query import get_related_populators
from psycopg.sql import Literal
from psycopg.types.datetime import TimestamptzLoader

# The stubs know neither its health checks nor cursors that aren't Django's; and what makes objects is Django's own affair: the tests
# hold what comes out of it against what Django makes.
connection: Any = _connection
populators: Any = get_related_populators


def among(column: str, values: Sequence[int] | Sequence[str]) -> RawSQL:
    """Return the condition that a column ("table.column") has one of these values: one parameter, however many they are."""
    return RawSQL(f"{column} = ANY(%s)", [values], BooleanField())


def columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    """Return the columns of rows, for a statement that unnests them: it gets a list for each."""
    return [list(column) for column in zip(*rows, strict=True)]


class Prepared:
    """A query that differs by values only.

    `make` builds it out of named values; `examples` has one of each, such as stands nowhere else in it.
    """

    def __init__(self, make: Callable[..., QuerySet[Any, Any]], **examples: Any) -> None:
        self.make, self.examples = make, examples

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Return what the database answers, in the order of the query's columns: JSON as text, all else as Python's own."""
        sql, names = self._sql
        params = [values[name] for name in names]
        is_proven = connection.in_atomic_block or connection.health_check_done
        try:
            return ask(sql, params)
        except (OperationalError, InterfaceError):
            if is_proven:
                raise
            connection.close()  # it had died since the last request
            return ask(sql, params)

    def objects(self, **values: Any) -> list[Any]:
        """Return the objects that the query is about, with those that it brings along, as Django would."""
        compiler = self._compiler
        fields, names, others = self._shape
        found = []
        for row in compiler.results_iter([self.rows(**values)]):
            one = compiler.klass_info["model"].from_db("default", names, row[fields])
            for other in others:
                other.populate(row, one)
            found.append(one)
        return found

    @cached_property
    def _compiler(self) -> Any:
        compiler = self.make(**self.examples).query.get_compiler("default")
        compiler.pre_sql_setup()
        return compiler

    @cached_property
    def _shape(self) -> tuple[slice, list[str], list[Any]]:
        """Return where in a row the object itself stands, the names of its fields there, and what makes the others."""
        compiler = self._compiler
        own = compiler.klass_info["select_fields"]
        fields = slice(own[0], own[-1] + 1)
        names = [column[0].target.attname for column in compiler.select[fields]]
        return fields, names, populators(compiler.klass_info, compiler.select, "default")

    @cached_property
    def _sql(self) -> tuple[str, list[str]]:
        """Return the SQL, and for each place in it the name of the value that belongs there."""
        sql, params = self.make(**self.examples).query.sql_with_params()
        left, names = iter(params), []

        def constant(place: re.Match[str]) -> str:
            """Write what is always the same into the SQL, where it helps to plan: there are indexes for certain values."""
            if place[0] == "%%":
                return "%%"
            param = next(left)
            if name := self._name_of(param):
                names.append(name)
                return "%s"
            connection.ensure_connection()
            return Literal(param).as_string(connection.connection).replace("%", "%%")

        whole = re.sub("%[%s]", constant, sql)
        if missing := self.examples.keys() - set(names):
            raise ValueError(f"The query doesn't show where {', '.join(sorted(missing))} belongs.")
        return whole, names

    def _name_of(self, param: Any) -> str:
        return next((name for name, example in self.examples.items() if param == example), "")


def ask(sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    """Ask with the values apart from the SQL, which Django's own cursors do not: only so does a plan serve again.

    The SQL has to return rows.
    """
    with _cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    connection.health_check_done = True  # Django needs not ask whether it is alive
    return found


def _cursor() -> Any:
    if connection.queries_logged:
        return connection.cursor()  # what was prepared can't be told
    connection.ensure_connection()
    own = psycopg.Cursor(connection.connection)
    own.adapters.register_loader("timestamptz", TimestamptzLoader)  # in C, and the connection's time zone is UTC
    return connection.make_cursor(own)
