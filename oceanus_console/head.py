"""HEAD is answered as GET is, but for the body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oceanus_console.charset import Application


def without_body(application: Application) -> Application:
    """Leave the body out where nobody may send one: gunicorn would, and warn of it, whenever somebody looks whether we live."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = application(environ, start_response)
        if environ.get("REQUEST_METHOD") != "HEAD":
            return body
        if close := getattr(body, "close", None):
            close()  # by which Django learns that the request is over
        return []

    return answer
