"""How far a batch is, and how long it still takes as far as anybody knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from jobs.models import Batch, BatchItem
from jobs.models.batch import DONE, UNSUCCESSFUL
from jobs.operations.batch import ON_FLINK
from jobs.shown import ITEM_SHAPES
from workspaces import clock

State = BatchItem.State
# After so long without an end, and three times as long as one has taken so far, its pace says nothing about the rest.
STANDS_STILL = timedelta(seconds=5)
HELD_UP = Q(state__in=[State.WAITING, State.WORKING], job__endpoint__unreachable_since__isnull=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. `counts`: state -> items."""

    batch: Batch
    counts: dict[str, int]
    newest: datetime | None = None  # the last change of what the page shows
    ended_last_at: datetime | None = None  # the last end of an item
    held_up: int = 0  # items that wait for a Flink that does not answer

    @property
    def done(self) -> int:
        return sum(self.counts[state] for state in DONE)

    @property
    def unsuccessful(self) -> int:
        return sum(self.counts[state] for state in UNSUCCESSFUL)

    @property
    def waiting(self) -> int:
        return self.counts[State.WAITING]

    @property
    def chips(self) -> list[tuple[str, str, str, int]]:
        """The states that occur: (state, shape, label, count)."""
        return [(one, ITEM_SHAPES[one], str(one.label), self.counts[one]) for one in State if self.counts[one]]

    @property
    def segments(self) -> list[tuple[str, int, int]]:
        """The parts of the bar: (shape, where it begins, how long it is), in items."""
        parts, start = [], 0
        for state in DONE:
            if self.counts[state]:
                parts.append((ITEM_SHAPES[state], start, self.counts[state]))
            start += self.counts[state]
        return parts

    @property
    def duration(self) -> timedelta:
        return (self.batch.ended_at or clock.now()) - self.batch.created_at

    @property
    def rate(self) -> str:
        """Items ended per second; "" while it can't be told."""
        passed = self.duration.total_seconds()
        return f"{self.done / passed:.1f}" if self.done and passed > 0.5 else ""

    @property
    def left(self) -> timedelta | None:
        """About how long it still takes at the pace so far; None when it is over or nobody knows."""
        if self.batch.ended_at or not self.done or self.held_up or not self.ended_last_at:
            return None
        each = (self.ended_last_at - self.batch.created_at) / self.done
        if clock.now() - self.ended_last_at > max(STANDS_STILL, each * 3):
            return None
        return each * (self.batch.total - self.done)

    @property
    def seen(self) -> str:
        """The mark of what a page shows of this batch."""
        is_timed = "ended" if self.batch.ended_at else "open" if self.left is None else "timed"
        return f"{self.newest.timestamp() if self.newest else 0:.6f}-{is_timed}"


def progress_of(found: Batch) -> Progress:
    """Count the items and find the last change, in one query. The step of an item in work is its job's."""
    counts = {f"n_{state}": Count("pk", filter=Q(state=state)) for state in State.values}
    told = found.items.aggregate(
        of_item=Max("changed_at"),
        of_job=Max("job__changed_at", filter=Q(state=State.WORKING)),
        ended_last_at=Max("changed_at", filter=Q(state__in=DONE)),
        held_up=Count("pk", filter=HELD_UP),
        **counts,
    )
    newest = max((at for at in (told["of_item"], told["of_job"], found.ended_at) if at), default=None)
    by_state = {state: told[f"n_{state}"] for state in State.values}
    held_up = told["held_up"] if found.action in ON_FLINK else 0
    return Progress(found, by_state, newest, told["ended_last_at"], held_up)
