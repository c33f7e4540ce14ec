"""What is answered to a request that came to nothing by no fault of the visitor's."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader

RETRY_AFTER_SECONDS = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 while PostgreSQL is away, which is no bug and soon over; 500 for a bug of ours."""
    # Django calls this while the exception is being handled. Without the request, so that nothing asks the database.
    is_away = isinstance(sys.exception(), (OperationalError, InterfaceError))
    status = 503 if is_away else 500
    response = HttpResponse(loader.get_template(f"{status}.html").render(), status=status)
    if is_away:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
