"""Texts come in UTF-8 or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.utils.http import parse_header_parameters

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def only_utf_8(application: Application) -> Application:
    """Answer 400 to a request that declares another charset: Python knows some that are none (rot13, unicode_escape).

    Django fails on these while it makes its request, before any middleware is asked.
    """

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        _type, params = parse_header_parameters(environ.get("CONTENT_TYPE", ""))
        if params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [b"UTF-8, please.\n"]
        return application(environ, start_response)

    return answer
