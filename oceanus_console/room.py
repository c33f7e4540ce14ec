"""One thread of a web process is kept from waiting for a database that hangs.

It took our connection and says nothing: nothing ends the wait of those who have asked it. If all threads waited, not even /livez would be
answered, and whoever watches it would restart a process that has nothing.
"""

import time
from collections.abc import Callable
from threading import BoundedSemaphore

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from api.gate import is_call
from api.gate import unavailable as unavailable_to_programs
from oceanus_console.applications import WEB_THREADS
from oceanus_console.health import is_answering
from oceanus_console.unavailable import unavailable

# These end by themselves, whatever the database does.
IN_ANY_CASE = ("/livez", "/readyz", "/healthz", "/metrics")
PATIENCE_SECONDS = 2.0
KNOWN_FOR_SECONDS = 2.0


class Room:
    """Middleware, the first of all: lets in as many as there are threads but one; who then finds the database away is told so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.places = BoundedSemaphore(WEB_THREADS - 1)
        self.away_until = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in IN_ANY_CASE or request.path.startswith(settings.STATIC_URL):
            return self.get_response(request)
        if not self._enter():
            return refused(request)
        try:
            return self.get_response(request)
        finally:
            self.places.release()

    def _enter(self) -> bool:
        """Wait for a place as long as the database answers."""
        while not self.places.acquire(blocking=False):
            if time.monotonic() < self.away_until:
                return False
            if self.places.acquire(timeout=PATIENCE_SECONDS):
                break
            if not is_answering():
                self.away_until = time.monotonic() + KNOWN_FOR_SECONDS
                return False
        return True


def refused(request: HttpRequest) -> HttpResponse:
    if is_call(request):
        return unavailable_to_programs(request)
    with translation.override(translation.get_language_from_request(request)):
        return unavailable()
