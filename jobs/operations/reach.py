"""What a look tells of the endpoint itself: that it answers, how it is configured and how many slots it has; or since when it is away."""

import logging
from contextlib import nullcontext
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from clusters import capacity
from clusters.engine import Engine, EngineError
from clusters.models import FlinkEndpoint, Outage
from jobs.operations import truth
from jobs.operations.silence import is_suspect
from jobs.states import ASKING_STEPS
from workspaces import clock

log = logging.getLogger(__name__)

BACK_OFF_LIMIT_SECONDS = 10
# The next tick comes a hair early as often as late.
SLACK = timedelta(seconds=0.25)
# What is silent again so soon has one outage, not many.
SAME_OUTAGE = timedelta(minutes=10)
# Who has not looked for so long does not know whether it answered. By the clock of the database: those of workers may differ.
UNWATCHED_SECONDS = 60
REACHED = """
    UPDATE clusters_flinkendpoint
    SET seen_at = statement_timestamp(), seen_under = pg_postmaster_start_time(),
        unreachable_since = NULL, unreachable_reason = '', failed_looks = 0,
        answers_since = CASE
            WHEN unreachable_since IS NULL AND seen_at > statement_timestamp() - make_interval(secs => %s)
            THEN COALESCE(answers_since, statement_timestamp()) ELSE statement_timestamp()
        END,
        keeps_jobs = %s, checkpoint_directory = %s, look_at = GREATEST(look_at, %s)
    WHERE id = %s AND rest_url = %s
    RETURNING answers_since
"""


def next_look(now: datetime, seconds: float) -> datetime:
    """Return when a look is due that is to come `seconds` after the one of now."""
    return now + timedelta(seconds=seconds) - SLACK


def note_answer(endpoint: FlinkEndpoint, engine: Engine, next_look: datetime | None) -> bool:
    """Write down that it has just answered; no tick needs to look before `next_look`. False: its address is another one by now."""
    if endpoint.keeps_jobs is None or endpoint.unreachable_since:
        _ask_for_habits(endpoint, engine)
    known = [UNWATCHED_SECONDS, endpoint.keeps_jobs, endpoint.checkpoint_directory, next_look]
    with transaction.atomic() if endpoint.unreachable_since else nullcontext(), connection.cursor() as cursor:
        cursor.execute(REACHED, [*known, endpoint.pk, endpoint.rest_url])
        told = cursor.fetchone()
        if told is None:
            return False
        (endpoint.answers_since,) = told
        if endpoint.unreachable_since:
            endpoint.end_outage()
    if endpoint.unreachable_since:
        truth.touch_jobs(endpoint)
    if is_suspect(endpoint):
        _offer_what_waits(endpoint)
    return True


# What somebody has locked is being carried on.
OFFERED = """
    UPDATE jobs_operation SET look_at = statement_timestamp() WHERE id IN (
        SELECT operation.id FROM jobs_operation AS operation JOIN jobs_run AS run ON run.id = operation.run_id
        WHERE run.endpoint_id = %s AND operation.step = ANY(%s)
            AND operation.ended_at IS NULL AND operation.look_at > statement_timestamp()
        ORDER BY operation.id FOR NO KEY UPDATE OF operation SKIP LOCKED
    )
"""


def _offer_what_waits(endpoint: FlinkEndpoint) -> None:
    """Let the next tick carry on what has been put off while it was silent."""
    with connection.cursor() as cursor:
        cursor.execute(OFFERED, [endpoint.pk, [str(step) for step in ASKING_STEPS]])


def _ask_for_habits(endpoint: FlinkEndpoint, engine: Engine) -> None:
    """Ask how this JobManager is configured, which may be another one than before its absence."""
    endpoint.keeps_jobs, endpoint.checkpoint_directory = None, ""
    try:
        habits = engine.habits()
    except EngineError as error:
        log.info("%s does not tell how it is configured: %s", endpoint, error.summary)
    else:
        endpoint.keeps_jobs = habits.keeps_jobs
        endpoint.checkpoint_directory = habits.checkpoint_directory[:600]


def keep_capacity(endpoint: FlinkEndpoint, engine: Engine, known_for: timedelta) -> None:
    """Ask for its slots if what is known of them is too old."""
    if not capacity.is_due(endpoint, known_for):
        return
    try:
        capacity.note(endpoint, engine.capacity())
    except EngineError as error:
        log.info("%s does not tell its slots: %s", endpoint, error.summary)


def note_silence(endpoint: FlinkEndpoint, reason: str) -> None:
    """Keep the last known states, say since when they are old, and come back with growing distance."""
    pause = min(BACK_OFF_LIMIT_SECONDS, 2 ** min(endpoint.failed_looks, 4))
    is_news = not endpoint.unreachable_since
    with transaction.atomic() if is_news else nullcontext():
        is_there = FlinkEndpoint.objects.filter(pk=endpoint.pk, rest_url=endpoint.rest_url).update(
            unreachable_since=Coalesce("unreachable_since", Now()),
            unreachable_reason=reason[:1000],
            failed_looks=F("failed_looks") + 1,
            look_at=clock.now() + timedelta(seconds=pause),
        )
        if is_news and is_there:
            _begin_outage(endpoint)
    if is_news:
        truth.touch_jobs(endpoint)


def suspect(endpoint: FlinkEndpoint) -> None:
    """Leave it open whether it is silent: it had little time to answer. The next look gives it all that it may take."""
    FlinkEndpoint.objects.filter(pk=endpoint.pk, rest_url=endpoint.rest_url).update(failed_looks=F("failed_looks") + 1)


def _begin_outage(endpoint: FlinkEndpoint) -> None:
    """Put on record that it is silent: as one more silence of the last outage, if that is hardly over."""
    last = endpoint.outages.order_by("-pk").first()
    if last and (last.ended_at is None or clock.now() - last.ended_at < SAME_OUTAGE):
        endpoint.outages.filter(pk=last.pk).update(ended_at=None, count=F("count") + 1)
    else:
        Outage.objects.create(endpoint=endpoint, began_at=Now())
