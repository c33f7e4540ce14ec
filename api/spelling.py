"""How the API writes values, and the shapes that many actions share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from api.errors import ApiError, Code
from api.shapes import Many, Shape, Text, Whole

# 1 CU = 1 core + 4 GB.
MEMORY_OF_CU = 4
MOST_FILTERS = MOST_VALUES = 5
FILTERS = Many(
    Shape(Name=Text(required=True), Values=Many(Text(), required=True, least=0, most=MOST_VALUES)), most=MOST_FILTERS
)
OFFSET = Whole(least=0)
LIMIT = Whole(least=0, most=100, code=Code.INVALID_LIMIT)


def clock(at: datetime | None) -> str:
    """Return a time as people read it, in the console's time zone: "2026-11-22 16:20:59"; "" for none."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def seconds(at: datetime | None) -> int:
    """Return a time as Unix seconds; 0 for none."""
    return int(at.timestamp()) if at else 0


def milliseconds(at: datetime | None) -> int:
    return int(at.timestamp() * 1000) if at else 0


def length(of: timedelta | None) -> int:
    """Return a duration in milliseconds; 0 for none."""
    return int(of.total_seconds() * 1000) if of else 0


def version_name(version: str) -> str:
    """Return the product's name of a Flink version: 2.2.1 is Flink-2.2.1."""
    return f"Flink-{version}"


def bare_version(name: str) -> str:
    """Return a Flink version without the product's prefix."""
    return name.removeprefix("Flink-")


def page(rows: QuerySet[Any], asked: Mapping[str, Any], limit: int = 20) -> QuerySet[Any]:
    """Return the part of `rows` that Offset and Limit ask for."""
    offset = asked.get("Offset", 0)
    return rows[offset : offset + asked.get("Limit", limit)]


Keep = Callable[[QuerySet[Any], list[str]], QuerySet[Any]]


def filtered(rows: Any, asked: Mapping[str, Any], by: Mapping[str, Keep]) -> Any:
    """Keep the rows that pass all Filters; `by`: name of a filter -> what it keeps. Raise ApiError for another name."""
    for one in asked.get("Filters", []):
        keep = by.get(one["Name"])
        if keep is None:
            sentence = _("The filter %(name)s is unknown. Known are: %(known)s.")
            raise ApiError(Code.INVALID_PARAMETER_VALUE, sentence, name=one["Name"][:100], known=", ".join(by))
        if one["Values"]:
            rows = keep(rows, one["Values"])
    return rows


def exactly(field: str) -> Keep:
    """Keep the rows whose field is one of the values."""
    return lambda rows, values: rows.filter(**{f"{field}__in": values})


def partly(field: str) -> Keep:
    """Keep the rows whose field holds one of the values somewhere."""

    def keep(rows: QuerySet[Any], values: list[str]) -> QuerySet[Any]:
        parts = Q()
        for value in values:
            parts |= Q(**{f"{field}__icontains": value})
        return rows.filter(parts)

    return keep
