"""The tab "Events" of a job: what the address asks for, and what is told of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from jobs.advice import explain
from jobs.event_sentences import prospect, sentence
from jobs.events import TROUBLE, Event, Kind, Place, Selection
from jobs.models import Job
from jobs.states import Action
from jobs.views.visit import Request
from workspaces import clock

PAGE_SIZE = 30
PROBLEMS = "problems"
RANGES = {
    "24h": (timedelta(hours=24), _("Last 24 hours")),
    "7d": (timedelta(days=7), _("Last 7 days")),
    "30d": (timedelta(days=30), _("Last 30 days")),
    "all": (None, _("All time")),
}
USUAL_RANGE = "7d"
# Shapes of static/css/parts.css; the icon of each stands in templates/jobs/_event_icon.html.
SHAPES = {
    Kind.FAILED: "bad",
    Kind.START_FAILED: "bad",
    Kind.STOP_FAILED: "caution",
    Kind.SNAPSHOT_FAILED: "caution",
    Kind.RESTARTED: "caution",
    Kind.UNREACHABLE: "caution",
    Kind.RECOVERED: "ok",
    Kind.STARTED: "ok",
    Kind.STOPPED: "idle",
    Kind.FINISHED: "idle",
    Kind.START_CANCELLED: "idle",
    Kind.SNAPSHOT: "idle",
    Kind.PUBLISHED: "idle",
    Kind.SWITCHED: "idle",
    Kind.CREATED: "idle",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for. What can't be understood is taken for not said."""

    kind: str = ""
    run: int | None = None
    range: str = USUAL_RANGE
    before: Place | None = None

    @classmethod
    def of(cls, query: QueryDict) -> Wish:
        kind, within = query.get("kind", ""), query.get("range", "")
        run = query.get("run", "").strip()
        return cls(
            kind=kind if kind in (PROBLEMS, *Kind.values) else "",
            run=int(run) if re.fullmatch(r"-?\d{1,9}", run, re.ASCII) else None,
            range=within if within in RANGES else USUAL_RANGE,
            before=Place.of(query.get("before", "")),
        )

    def address(self, **changes: Any) -> str:
        """Return the query that asks for the same but for `changes`; what is usual is left out."""
        usual, asked = Wish(), replace(self, **changes)
        names = ("kind", "run", "range", "before")
        said = {name: getattr(asked, name) for name in names if getattr(asked, name) != getattr(usual, name)}
        return f"?{urlencode(said)}"

    @property
    def is_narrow(self) -> bool:
        return self != Wish(range=self.range)

    def selection(self, job: Job) -> Selection:
        span, _label = RANGES[self.range]
        since = clock.now() - span if span else None
        return Selection(job, runs=[] if self.run is None else [self.run], since=since)

    @property
    def kinds(self) -> list[Kind]:
        if self.kind == PROBLEMS:
            return [kind for kind in Kind if kind in TROUBLE]
        return [Kind(self.kind)] if self.kind else []


def events_body(request: Request, job: Job) -> dict[str, Any]:
    wish = Wish.of(request.GET)
    selection = wish.selection(job)
    counts = selection.counts()
    found = replace(selection, kinds=wish.kinds).newest(PAGE_SIZE + 1, before=wish.before)
    older = found[PAGE_SIZE - 1].place if len(found) > PAGE_SIZE else None
    return {
        "wish": wish,
        "ranges": [(name, label) for name, (_span, label) in RANGES.items()],
        "range_label": RANGES[wish.range][1],
        "chips": _chips(wish, counts),
        "events": [_shown(one) for one in found[:PAGE_SIZE]],
        "everything": wish.address(kind="", run=None, range="all", before=None),
        "newest": wish.address(before=None) if wish.before else "",
        "older": wish.address(before=older) if older else "",
    }


def _chips(wish: Wish, counts: dict[Kind, int]) -> list[dict[str, Any]]:
    """Return what the events can be narrowed to: the kinds that occur, each with how many there are, and the one that is chosen."""
    trouble = sum(n for kind, n in counts.items() if kind in TROUBLE)
    told = [("", _("All events"), sum(counts.values()), "")]
    if trouble or wish.kind == PROBLEMS:
        told.append((PROBLEMS, _("Problems only"), trouble, "caution"))
    told += [
        (kind, kind.label, counts.get(kind, 0), SHAPES[kind]) for kind in Kind if kind in counts or kind == wish.kind
    ]
    return [
        {
            "label": label,
            "count": n,
            "shape": shape,
            "is_chosen": kind == wish.kind,
            "address": wish.address(kind=str(kind), before=None),
        }
        for kind, label, n, shape in told
    ]


def _shown(event: Event) -> dict[str, Any]:
    operation = event.operation
    by = operation.cancelled_by if operation and event.kind == Kind.START_CANCELLED else None
    return {
        "event": event,
        "shape": SHAPES[event.kind],
        "sentence": sentence(event),
        "prospect": prospect(event),
        "explanation": explain(event.problem) if event.problem else None,
        "by": by or (operation.requested_by if operation else None),
        "is_by_the_console": operation is not None and operation.requested_by is None,
        "version": _version(event),
        "duration": event.run.duration if event.run and event.place.source == "end" else None,
    }


def _version(event: Event) -> int | None:
    """Return the number of the version that it is about, to lead there."""
    if event.run:
        return event.run.version.number
    published = event.operation and event.operation.action == Action.PUBLISH and event.operation.params.get("version")
    return published or None
