"""GET /metrics: how the console is, in Prometheus' format.

Several web processes answer for one console. So all that is told comes from where they agree: PostgreSQL, the broker, and
for their own use of the machine the sum over all of them.
"""

import ipaddress
import threading
import time

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from oceanus_console.metrics.broker import Broker
from oceanus_console.metrics.database import Database
from oceanus_console.metrics.processes import WebProcesses

CACHED_SECONDS = 1.0
# Whoever sends one of these speaks for somebody else.
PROXIED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class Page:
    """What is told, at most a second old: many readers cost no more than one, and ask nothing twice at a time."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        for part in (WebProcesses(), Database(), Broker()):
            self.registry.register(part)
        self.lock = threading.Lock()
        self.text, self.made_at = b"", float("-inf")

    def read(self) -> bytes:
        with self.lock:
            if time.monotonic() - self.made_at > CACHED_SECONDS:
                self.text, self.made_at = generate_latest(self.registry), time.monotonic()
            return self.text


page = Page()


def may_read(request: HttpRequest) -> bool:
    """Tell whether the request brings the token; where none is set, whether it comes from this machine and by no proxy."""
    if settings.METRICS_TOKEN:
        told = request.headers.get("Authorization", "")
        return constant_time_compare(told, f"Bearer {settings.METRICS_TOKEN}")
    if any(name in request.headers for name in PROXIED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:  # over a unix socket, which only a proxy uses
        return False


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return HttpResponse("Metrics are not for everybody.\n", status=403, content_type="text/plain")
    return HttpResponse(page.read(), content_type=CONTENT_TYPE_LATEST)
