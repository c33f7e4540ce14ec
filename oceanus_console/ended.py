"""How many operations have ended, how, and how long they took: what metrics tell, also of those that have left the record."""

from collections.abc import Collection, Iterator
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, FloatField, Func, IntegerField, Sum, Value
from django.db.models.functions import Extract, Greatest

from jobs.models import Operation
from oceanus_console.models import RemovedOperations

BUCKETS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
# Action, outcome and bucket of the duration; how many, and their seconds together.
Row = tuple[str, str, int, int, float]


def tally(**which: Any) -> Iterator[Row]:
    """Count the ended operations among those."""
    # Of an act that is done at once, the end may be noted a hair before the beginning.
    took = Greatest(Extract(ExpressionWrapper(F("ended_at") - F("created_at"), DurationField()), "epoch"), 0.0)
    ended = Operation.objects.filter(ended_at__isnull=False, **which).order_by().annotate(took=took)
    bucket = Func(F("took"), Value(list(BUCKETS)), function="width_bucket", output_field=IntegerField())
    rows = ended.annotate(bucket=bucket).values("action", "outcome", "bucket")
    for row in rows.annotate(number=Count("pk"), seconds=Sum("took", output_field=FloatField())):
        yield row["action"], row["outcome"], row["bucket"], row["number"], row["seconds"]


def removed() -> Iterator[Row]:
    """Tell of the operations that have left the record."""
    yield from RemovedOperations.objects.values_list("action", "outcome", "bucket", "number", "seconds")


def keep_count(ids: Collection[int]) -> None:
    """Note how many operations of which kind are about to leave the record. One at a time does it."""
    for action, outcome, bucket, number, seconds in tally(pk__in=ids):
        kept, _is_new = RemovedOperations.objects.get_or_create(action=action, outcome=outcome, bucket=bucket)
        kept.number += number
        kept.seconds += seconds
        kept.save()
