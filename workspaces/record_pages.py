"""The record of changes as pages show it: the newest first, and from there back to the first."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from workspaces.models import Event

EVENTS_SHOWN = 20


def key_in(text: str) -> int | None:
    """Return the primary key that stands in an address, or None for anything else."""
    return int(text) if text.isdecimal() and len(text) < 18 else None


def events_shown(request: HttpRequest, told: QuerySet[Event]) -> dict[str, Any]:
    """Return the events that `?before=` asks for, and from where the older ones go on, or None."""
    below = key_in(request.GET.get("before", ""))
    rows = told.filter(pk__lt=below) if below is not None else told
    found = list(rows.select_related("by")[: EVENTS_SHOWN + 1])
    events = found[:EVENTS_SHOWN]
    return {
        "events": events,
        "older_events": events[-1].pk if len(found) > EVENTS_SHOWN else None,
        "has_newer_events": below is not None,
    }
