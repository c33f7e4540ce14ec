"""What a clock shows where the user is: his browser tells its zone in a cookie, and what he asks for takes it along."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone


def time_in(zone: str, at: datetime | None = None) -> datetime:
    """Return `at`, or now, as a clock shows it in the zone of this name; if none is known by it, as it does here."""
    try:
        return timezone.localtime(at, ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return timezone.localtime(at)
