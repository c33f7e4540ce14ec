"""What is answered to a request that is refused before any view is asked."""

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.shortcuts import render
from django.utils import translation


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400; when the console was called by a name that it does not know, with the setting that makes it known."""
    # It may come before the language of the request is known.
    with translation.override(translation.get_language_from_request(request)):
        if isinstance(exception, RequestDataTooBig):
            return render(request, "413.html", status=413)
        if isinstance(exception, DisallowedHost):
            host, _port = split_domain_port(request.META.get("HTTP_HOST", ""))
            return render(request, "host.html", {"host": host}, status=400)
        return render(request, "400.html", status=400)
