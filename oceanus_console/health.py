"""GET /healthz, /readyz, /livez: whether all parts are there, whether this web process may work, whether it lives at all."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from clusters.models import FlinkEndpoint
from oceanus_console.celery import app
from oceanus_console.models import Heartbeat
from workspaces import clock

logger = logging.getLogger(__name__)

OK = "ok"
NO_ANSWER = "no answer"
NO_CONNECTION = "no connection left (max_connections)"
DATABASE = "database: "
NO_DATABASE = DATABASE + NO_ANSWER
SECONDS = 2.5  # for all checks together
CLUSTER_SEEN_WITHIN = timedelta(seconds=30)
# Threads, because nothing else ends the wait for a database that took the connection and hangs; few, so that they can't pile up; and
# of their own for each service, so that those who wait for the one don't keep us from asking the other.
databases = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health-database")
brokers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health-broker")


def broker() -> dict[str, str]:
    with app.connection_for_write(transport_options={"socket_connect_timeout": 2, "socket_timeout": 2}) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return {"broker": OK}


def database() -> dict[str, str]:
    """Look at all that is known from the database, over a connection of our own."""
    try:
        beats = {beat.name: beat for beat in Heartbeat.objects.filter(name__in=["worker", "beat"])}
        seen = {name: OK if name in beats and beats[name].is_fresh else "no heartbeat" for name in ("worker", "beat")}
        return {"database": may_write(), **seen, "cluster": cluster()}
    finally:
        connection.close()


# PostgreSQL's words: psycopg has no code of an error from before there is a connection.
FULL = ("too many clients", "too many connections", "connection slots are reserved")


def why_not(error: Exception) -> dict[str, str]:
    """Say of the database what helps: that it answers, and has no connection left for us."""
    return {"database": NO_CONNECTION} if any(words in str(error) for words in FULL) else {}


def may_write() -> str:
    """Say whether the database takes anything: after a fail-over the address may lead to a replica."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return OK if cursor.fetchone() == ("off",) else "read-only"


def cluster() -> str:
    endpoint = FlinkEndpoint.objects.filter(cluster__is_embedded=True, is_default=True).first()
    if endpoint is None:
        return "ok: none"
    if endpoint.unreachable_since:
        return f"unreachable since {endpoint.unreachable_since:%Y-%m-%d %H:%M:%S}"
    if endpoint.seen_at is None or clock.now() - endpoint.seen_at > CLUSTER_SEEN_WITHIN:
        return "not seen lately"
    return OK


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if every part is there, else 503; in both cases with a word on each part. Takes 3 s at the most."""
    parts = dict.fromkeys(["database", "broker", "worker", "beat", "cluster"], NO_ANSWER)
    deadline = timezone.now() + timedelta(seconds=SECONDS)
    for future in [databases.submit(database), brokers.submit(broker)]:
        try:
            parts |= future.result(timeout=max(0, (deadline - timezone.now()).total_seconds()))
        except Exception as error:  # whatever is wrong with a part, the answer is that it is not there
            future.cancel()  # one that has not begun: nobody waits for it any more
            logger.info("A health check failed: %r", error)
            parts |= why_not(error)
    missing = [name for name, word in parts.items() if not word.startswith(OK)]
    response = JsonResponse({"missing": missing, **parts}, status=503 if missing else 200)
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django logs each 503 as an error of ours
    return response


@login_not_required
@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as this web process answers at all: a restart helps against nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when this web process may be given requests: the database answers and has this release's tables."""
    word = tables_in_time()
    response = HttpResponse(f"{word}\n", status=200 if word == OK else 503, content_type="text/plain")
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def is_answering() -> bool:
    """Tell whether the database does, within the time of these checks, and to us."""
    return not tables_in_time().startswith(DATABASE)


def tables_in_time() -> str:
    """Return what `tables` says, or why the database does not: NO_DATABASE, or that it has no connection left."""
    future = databases.submit(tables)
    try:
        return future.result(timeout=SECONDS)
    except Exception as error:  # as above
        future.cancel()
        logger.info("The database is not ready: %r", error)
        return next((DATABASE + word for word in why_not(error).values()), NO_DATABASE)


def tables() -> str:
    """Say whether the migrations of this release are in the database, over a connection of our own."""
    try:
        applied = MigrationRecorder(connection).applied_migrations()
        lacking = [f"{app_label}.{name}" for app_label, name in newest_migrations() if (app_label, name) not in applied]
        return f"not migrated: {', '.join(lacking)}" if lacking else OK
    finally:
        connection.close()


@cache
def newest_migrations() -> list[tuple[str, str]]:
    return sorted(MigrationLoader(None).graph.leaf_nodes())
