"""What a Flink has told of its slots and its version: asked for now and then by the watcher, and shown with its time."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from clusters.engine import Capacity
from clusters.models import FlinkEndpoint
from workspaces import clock

# Slots come and go with TaskManagers, too, of which no job need tell. Asking costs Flink a request, so also where jobs end all the
# time it is asked no more often than the second says.
KNOWN_FOR, KNOWN_FOR_IF_JOBS_ENDED = timedelta(seconds=30), timedelta(seconds=5)
# While another look is to follow at once, and somebody waits for it.
KNOWN_FOR_WHILE_BUSY = timedelta(seconds=60)


def is_due(endpoint: FlinkEndpoint, known_for: timedelta = KNOWN_FOR) -> bool:
    """Tell whether what is known is too old to go on showing it."""
    seen = endpoint.capacity_seen_at
    return seen is None or clock.now() - seen >= known_for


def note(endpoint: FlinkEndpoint, found: Capacity) -> None:
    """Write down what Flink has just told, unless it is known and so young that nobody would ask again."""
    known = (endpoint.slots_total, endpoint.slots_free)
    if known == (found.slots_total, found.slots_free) and not is_due(endpoint, KNOWN_FOR_IF_JOBS_ENDED):
        return
    FlinkEndpoint.objects.filter(pk=endpoint.pk).update(
        slots_total=found.slots_total,
        slots_free=found.slots_free,
        told_version=found.version[:20],
        capacity_seen_at=Now(),
    )
