"""The operation records of a workspace: who asked for what on which job, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.models import Operation
from jobs.states import Action, Outcome
from jobs.views.visit import Request, workspace_of
from workspaces.models import Workspace
from workspaces.record_pages import key_in

PAGE_SIZE = 50
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks the records for. What can't be understood is taken for not said."""

    search: str
    action: str
    outcome: str
    user: str
    before: int | None
    after: int | None

    @classmethod
    def of(cls, query: QueryDict) -> Wish:
        def text(name: str) -> str:
            return query.get(name, "").replace("\0", "").strip()[:150]

        return cls(
            search=text("q"),
            action=text("act") if text("act") in Action.values else "",
            outcome=text("outcome") if text("outcome") in (OPEN, *Outcome.values) else "",
            user=text("user"),
            before=key_in(text("before")),
            after=key_in(text("after")),
        )

    @property
    def is_narrow(self) -> bool:
        return bool(self.search or self.action or self.outcome or self.user)

    def select(self, operations: QuerySet[Operation]) -> QuerySet[Operation]:
        if self.search:
            operations = operations.filter(job__name__icontains=self.search)
        if self.action:
            operations = operations.filter(action=self.action)
        if self.outcome:
            operations = operations.filter(outcome="" if self.outcome == OPEN else self.outcome)
        if self.user:
            operations = operations.filter(requested_by__username__iexact=self.user)
        return operations


@require_GET
def records(request: Request, serial: str) -> HttpResponse:
    workspace = workspace_of(request, serial)
    wish = Wish.of(request.GET)
    rows, newer, older = _page(wish.select(_told(workspace)), wish)
    context = {
        "section": "records",
        "workspace": workspace,
        "wish": wish,
        "rows": rows,
        "newer": newer,
        "older": older,
        "actions": Action.choices,
        "outcomes": Outcome.choices,
        "members": workspace.members.values_list("user__username", flat=True).order_by("user__username")[:500],
    }
    is_part = request.htmx.target == "records"
    return render(request, "jobs/_records.html" if is_part else "jobs/records.html", context)


def _told(workspace: Workspace) -> QuerySet[Operation]:
    """Return all operations of a workspace, also those on jobs that were deleted since."""
    told = Operation.objects.filter(job__workspace=workspace)
    return told.select_related("job", "requested_by", "cancelled_by", "problem", "batch")


def _page(operations: QuerySet[Operation], wish: Wish) -> tuple[list[Operation], int | None, int | None]:
    """Return a page, newest first, and from where the newer and the older ones go on.

    Each page begins where the last one ended, so the thousandth costs what the first does; nothing is counted.
    """
    if wish.after is not None:
        found = list(operations.filter(pk__gt=wish.after).order_by("pk")[: PAGE_SIZE + 1])
        has_newer, has_older = len(found) > PAGE_SIZE, True
        rows = found[:PAGE_SIZE][::-1]
    else:
        below = operations.filter(pk__lt=wish.before) if wish.before is not None else operations
        found = list(below.order_by("-pk")[: PAGE_SIZE + 1])
        has_newer, has_older = wish.before is not None, len(found) > PAGE_SIZE
        rows = found[:PAGE_SIZE]
    if not rows:
        return [], None, None
    return rows, rows[0].pk if has_newer else None, rows[-1].pk if has_older else None
