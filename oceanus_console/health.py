"""GET /healthz: whether the parts that the console needs are there, for people, scripts and load balancers."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from clusters.models import FlinkEndpoint
from oceanus_console.celery import app
from oceanus_console.models import Heartbeat

logger = logging.getLogger(__name__)

OK = "ok"
NO_ANSWER = "no answer"
SECONDS = 2.5  # for all checks together
CLUSTER_SEEN_WITHIN = timedelta(seconds=30)
# Threads, because nothing else ends the wait for a database that took the connection and hangs; few, so that they can't pile up.
pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")


def broker() -> dict[str, str]:
    with app.connection_for_write(transport_options={"socket_connect_timeout": 2, "socket_timeout": 2}) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return {"broker": OK}


def database() -> dict[str, str]:
    """Look at all that is known from the database, over a connection of our own."""
    try:
        beats = {beat.name: beat for beat in Heartbeat.objects.filter(name__in=["worker", "beat"])}
        seen = {name: OK if name in beats and beats[name].is_fresh else "no heartbeat" for name in ("worker", "beat")}
        return {"database": OK, **seen, "cluster": cluster()}
    finally:
        connection.close()


def cluster() -> str:
    endpoint = FlinkEndpoint.objects.filter(cluster__is_embedded=True, is_default=True).first()
    if endpoint is None:
        return "ok: none"
    if endpoint.unreachable_since:
        return f"unreachable since {endpoint.unreachable_since:%Y-%m-%d %H:%M:%S}"
    if endpoint.seen_at is None or timezone.now() - endpoint.seen_at > CLUSTER_SEEN_WITHIN:
        return "not seen lately"
    return OK


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if every part is there, else 503; in both cases with a word on each part. Takes 3 s at the most."""
    parts = dict.fromkeys(["database", "broker", "worker", "beat", "cluster"], NO_ANSWER)
    checks: list[Callable[[], dict[str, str]]] = [database, broker]
    deadline = timezone.now() + timedelta(seconds=SECONDS)
    for future in [pool.submit(check) for check in checks]:
        try:
            parts |= future.result(timeout=max(0, (deadline - timezone.now()).total_seconds()))
        except Exception as error:  # whatever is wrong with a part, the answer is that it is not there
            logger.info("A health check failed: %r", error)
    missing = [name for name, word in parts.items() if not word.startswith(OK)]
    response = JsonResponse({"missing": missing, **parts}, status=503 if missing else 200)
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django logs each 503 as an error of ours
    return response
