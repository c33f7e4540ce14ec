"""What a request asks for: its body or its query string, read with the shape of its action."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from api.errors import ApiError, Code
from api.shapes import Shape

MOST_FIELDS = 1000
DEEPEST = 8


def asked_by(request: HttpRequest, body: bytes, takes: Shape) -> dict[str, Any]:
    """Return the validated values by their official names. Raise ApiError."""
    if request.method == "GET":
        return takes.read(of_query(request.META.get("QUERY_STRING", "")), from_text=True)
    if request.content_type != "application/json":
        raise ApiError(Code.INVALID_PARAMETER, _("The Content-Type of a POST must be application/json."))
    return takes.read(of_json(body))


def of_json(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body.decode(), parse_constant=_refuse)
    # Of what is no UTF-8, no JSON, NaN, a number of 5,000 digits, or a thousand brackets.
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise ApiError(Code.INVALID_PARAMETER, _("The body must be a JSON object in UTF-8."))
    return sent


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def of_query(query: str) -> dict[str, Any]:
    """Put together what clients take apart for GET: `Filters.0.Name=..&Filters.0.Values.0=..`. All values are texts."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise _no_query() from None
    tree: dict[str, Any] = {}
    for name, value in pairs:
        *way, last = name.split(".")
        place = tree
        for part in way[:DEEPEST]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise _no_query()
        if len(way) > DEEPEST or last in place:
            raise _no_query()
        place[last] = value
    return {name: _with_lists(value) for name, value in tree.items()}


def _with_lists(value: Any) -> Any:
    """Make a list of what has the keys 0, 1, 2 and so on."""
    if not isinstance(value, dict):
        return value
    if not all(re.fullmatch(r"[0-9]{1,4}", key) for key in value):
        return {key: _with_lists(one) for key, one in value.items()}
    if set(value) != {str(number) for number in range(len(value))}:
        raise _no_query()
    return [_with_lists(value[str(number)]) for number in range(len(value))]


def _no_query() -> ApiError:
    return ApiError(Code.INVALID_PARAMETER, _("The parameters in the address do not fit together."))
