"""What is new in an open list: made once for all who look at the same, each of whom gets the cells that changed since he was told last."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from jobs.views.counts import count, listed, on_cluster, summary, tree_of
from jobs.views.listing import SIZES, Wish, hits_of
from jobs.views.paging import COMMIT_LAG
from jobs.views.rows import Row, cells_of, html_of
from jobs.views.visit import Request
from jobs.views.watched import SEEN, Watched, told_to, watched
from workspaces.kept import in_pieces, place
from workspaces.shared import Shared

LISTS = 200


@dataclass(frozen=True, slots=True)
class News:
    """What an open list shows, as of one moment; `newest` and `outages` are the workspace's then."""

    newest: datetime
    outages: int
    rows: list[Row]
    around: list[str]  # the HTML before and after the cells

    def serves(self, told: Told, workspace: Watched) -> bool:
        """Tell whether nobody would be told of an older state than he knows."""
        return self.outages == workspace.outages and told.at <= self.newest.timestamp()

    def since(self, told: Told) -> str:
        """Return the HTML with those cells that changed since then."""
        before, _cells, after = self.around
        is_all = told.outages != str(self.outages)
        rows = self.rows if is_all else [row for row in self.rows if told.is_older_than(row.changed_at)]
        return f"{before}{html_of(rows)}{after}"


@dataclass(frozen=True, slots=True)
class Told:
    """The mark of what a page shows, taken apart. One that can't be understood is older than everything."""

    at: float
    outages: str

    @classmethod
    def of(cls, mark: str) -> Told:
        at, _dash, outages = mark.partition("-")
        return cls(float(at), outages) if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", at) else cls(0.0, outages)

    def is_older_than(self, changed_at: datetime) -> bool:
        return changed_at.timestamp() > self.at - COMMIT_LAG.total_seconds()


_news: Shared[News] = Shared(LISTS)


@require_GET
def poll(request: Request, serial: str) -> HttpResponse:
    """Answer the cells that changed since the page was last told, or 204."""
    workspace = watched(request, serial)
    mark = told_to(request)
    if mark == workspace.seen and workspace.is_settled:
        return HttpResponse(status=204)
    told = Told.of(mark)
    asked = SEEN.sub("", request.META.get("QUERY_STRING", ""))
    about = (workspace.pk, workspace.can_operate, get_language(), asked)
    news = _news.get(about, lambda made: made.serves(told, workspace), lambda: _make(request, workspace))
    return HttpResponse(news.since(told))


def _make(request: Request, workspace: Watched) -> News:
    rows = request.GET.getlist("row")[: max(SIZES)]
    wish, (counted, seen) = Wish.of(request.GET), count(workspace)
    here = on_cluster(counted, wish.cluster_among(workspace.clusters))
    tree = tree_of(workspace, here, wish.folder)
    hits = hits_of(workspace, here, replace(wish, status=""), tree)
    shown = cells_of(workspace.pk, rows, workspace.can_operate)
    counted_now = tree.mark
    told, listed_then = summary(workspace, counted, here, tree, wish.problem, hits), request.GET.get("listed", "")
    context = {
        "workspace": workspace,
        "can_operate": workspace.can_operate,
        "wish": wish,
        "tree": tree,
        "html": place("cells"),
        "gone": sorted(set(rows) - {row.serial for row in shown}) if len(shown) < len(rows) else [],
        "rows": rows,
        "seen": seen,
        "counted": counted_now,
        "is_counted_anew": request.GET.get("counted") != counted_now,
        "listed": listed_then,
        "is_stale": listed_then not in ("", listed(told, wish.status)),
        "summary": told,
        "oob": True,
    }
    around = in_pieces(render_to_string("jobs/_poll.html", context, request))
    return News(workspace.newest, workspace.outages, shown, around)
