"""What is answered to a request that came to nothing by no fault of the visitor's."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template import loader

from workspaces.away import is_away

RETRY_AFTER_SECONDS = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 while PostgreSQL is away, which is no bug and soon over; 500 for a bug of ours."""
    # Django calls this while the exception is being handled. Without the request, so that nothing asks the database.
    error = sys.exception()
    if is_away(error):
        return unavailable()
    return HttpResponse(loader.get_template("500.html").render(), status=500)


def unavailable() -> HttpResponse:
    response = HttpResponse(loader.get_template("503.html").render(), status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
