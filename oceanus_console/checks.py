"""Wrong combinations of settings, told when a command starts (or by `check --deploy`) and not by a crash at 3 a.m."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import DatabaseError, connection

from workspaces import clock

# The database gives away no record that is younger (migration 0003).
YOUNGEST_DAYS = 30


def numbers(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse limits that would lock everybody out, or nobody, or with which nothing would ever be done."""
    at_least_one = {f"OCEANUS_{step.upper()}_SECONDS": value for step, value in settings.STEP_DEADLINE_SECONDS.items()}
    at_least_one |= {
        "OCEANUS_BATCH_PARALLEL_PER_ENDPOINT": settings.BATCH_PARALLEL_PER_ENDPOINT,
        "OCEANUS_API_BATCH_LIMIT": settings.API_BATCH_LIMIT,
        "OCEANUS_API_REQUESTS_PER_SECOND": settings.API_REQUESTS_PER_SECOND,
    }
    found: list[CheckMessage] = [
        Error(f"{name} must be at least 1.", id="oceanus.E009") for name, value in at_least_one.items() if value < 1
    ]
    if settings.AXES_FAILURE_LIMIT < 1:
        found.append(Error("OCEANUS_LOGIN_FAILURES must be at least 1.", id="oceanus.E001"))
    if settings.AXES_COOLOFF_TIME.total_seconds() < 60:
        found.append(Error("OCEANUS_LOGIN_COOL_OFF_MINUTES must be at least 1.", id="oceanus.E002"))
    if settings.TRUSTED_PROXIES < 0:
        found.append(Error("OCEANUS_TRUSTED_PROXIES must not be negative.", id="oceanus.E003"))
    if settings.KEEP_RECORDS_DAYS and settings.KEEP_RECORDS_DAYS < YOUNGEST_DAYS:
        why = f"OCEANUS_KEEP_RECORDS_DAYS must be 0 (for ever) or at least {YOUNGEST_DAYS}."
        found.append(Error(why, id="oceanus.E008"))
    return found


def log_format(**_kwargs: Any) -> list[CheckMessage]:
    if settings.LOG_FORMAT not in ("line", "json"):
        return [Error("OCEANUS_LOG_FORMAT must be line or json.", id="oceanus.E007")]
    return []


def log_level(**_kwargs: Any) -> list[CheckMessage]:
    if settings.LOG_LEVEL not in settings.LOG_LEVELS:
        return [Error(f"OCEANUS_LOG_LEVEL must be one of {', '.join(settings.LOG_LEVELS)}.", id="oceanus.E010")]
    return []


def debug_in_public(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse Django's debug pages, which show settings and source, where HTTPS says that others come in."""
    if settings.DEBUG and settings.HTTPS:
        return [Error("OCEANUS_DEBUG and OCEANUS_HTTPS exclude each other.", id="oceanus.E004")]
    return []


def secret_key(**_kwargs: Any) -> list[CheckMessage]:
    if settings.SECRET_KEY == settings.DEFAULT_SECRET_KEY:
        return [Error("OCEANUS_SECRET_KEY is not set; sessions could be forged.", id="oceanus.E005")]
    return []


def any_host(**_kwargs: Any) -> list[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        hint = "Name the hosts that people type into their browsers."
        return [Warning("OCEANUS_ALLOWED_HOSTS lets in requests for any host.", hint=hint, id="oceanus.W006")]
    return []


def database(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse a PostgreSQL that is too old, and a pooler that does not keep sessions (workspaces/pooler.py). Compare the clocks."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        return [Error(f"No success with the database: {str(error).strip()}", id="oceanus.E011")]
    if abs(ahead := clock.how_far()) > clock.FAR:
        hint = "Have both set by NTP: programs sign with the time, and what beat sends to workers is good for a while only."
        return [Warning(clock.words_about(ahead), hint=hint, id="oceanus.W012")]
    return []
