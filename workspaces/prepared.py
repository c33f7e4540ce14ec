"""Queries that are asked all day long: their SQL is made once, which takes Django longer than the database takes to answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import QuerySet


class Prepared:
    """A query that differs by values only.

    `make` builds it out of named values; `examples` has one of each, such as stands nowhere else in it.
    """

    def __init__(self, make: Callable[..., QuerySet[Any, Any]], **examples: Any) -> None:
        self.make, self.examples = make, examples

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Return what the database answers, in the order of the query's columns: JSON as text, all else as Python's own."""
        sql, places = self._sql
        with connection.cursor() as cursor:
            cursor.execute(sql, [values[name] if name else constant for name, constant in places])
            return cursor.fetchall()

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
