"""Runs that Flink itself restarts again and again: between two restarts each of them looks like one that works."""

from datetime import timedelta
from typing import Any

from django.db.models import Max, OuterRef, Subquery, Sum
from django.db.models.functions import Now, TruncMinute

from jobs.models.run import Restart

# So many within an hour, and the last one lately.
OFTEN, WITHIN, LATELY = 3, timedelta(hours=1), timedelta(minutes=15)
_LATELY_SEEN = (
    Restart.objects.filter(run=OuterRef("current_run"), run__ended_at=None, last_at__gt=Now() - WITHIN)
    .order_by()
    .values("run")
    .annotate(times=Sum("count"), last=Max("last_at"))
    .filter(times__gte=OFTEN, last__gt=Now() - LATELY)
)
# What a query of jobs is to be annotated with: the minute of the last restart of a live run that is restarted again and again.
OFTEN_RESTARTED: dict[str, Any] = {"often_restarted_at": Subquery(_LATELY_SEEN.values_list(TruncMinute("last")))}
