"""What a list of jobs is about, in one query: its workspace, and all by which an open page knows whether it is out of date."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, JSONObject
from django.http import Http404, HttpRequest

from clusters.models import Cluster, FlinkEndpoint
from jobs.models import Folder, Job
from jobs.views.paging import COMMIT_LAG
from jobs.views.visit import Request
from workspaces import clock
from workspaces.models import ROLE_MAY, May, Member, Role, Workspace, is_super_admin
from workspaces.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Watched:
    """A workspace as its list shows it. `newest`: the time of the newest change; `outages`: tells which endpoints are away."""

    pk: int
    serial: str
    name: str
    newest: datetime
    outages: int
    total_cu: Decimal
    folders_told: list[str]
    clusters_told: list[str]
    can_operate: bool

    @property
    def folders(self) -> list[dict[str, Any]]:
        """All folders by name: id, serial, name and parent of each. A page that is up to date never reads them."""
        return [json.loads(one) for one in self.folders_told]

    @property
    def clusters(self) -> Iterator[dict[str, Any]]:
        """The clusters that it may use, by name: id, serial and name of each. A list of all of them seldom reads them."""
        return map(json.loads, self.clusters_told)

    @property
    def seen(self) -> str:
        """The mark of what this page shows."""
        return mark(self.newest, self.outages)

    @property
    def is_settled(self) -> bool:
        """Tell whether no change can come in any more that is older than the newest one."""
        return is_settled(self.newest)


# Where the address says what its page was told last. Looked for by itself: to take apart all the rows that it names takes longer
# than to tell that nothing is new. All else that it says is the same for everybody who looks at the same.
SEEN = re.compile(r"(?:^|&)seen=([^&]*)")


def told_to(request: HttpRequest) -> str:
    """Return the mark of what the page that asks was told last."""
    found = SEEN.search(request.META.get("QUERY_STRING", ""))
    return found[1] if found else ""


def mark(newest: datetime, outages: int) -> str:
    return f"{newest.timestamp():.6f}-{outages}"


def is_settled(newest: datetime) -> bool:
    return newest < clock.now() - COMMIT_LAG


def watched(request: Request, serial: str) -> Watched:
    """Return the workspace if the user sees it, or raise 404."""
    sees_all = is_super_admin(request.user)
    for *told, role in _QUERIES[sees_all].rows(user=request.user.pk, serial=serial):
        can_operate = sees_all or May.OPERATE in ROLE_MAY[Role(role)]
        return Watched(*told, can_operate)  # type: ignore[call-arg]
    raise Http404


def _newest() -> Any:
    jobs = Job.objects.filter(workspace=OuterRef("pk")).order_by("-changed_at")
    return Coalesce(Subquery(jobs.values("changed_at")[:1]), "created_at")


def _outages() -> Any:
    bound = FlinkEndpoint.objects.filter(cluster__workspaces=OuterRef("pk")).order_by()
    away = bound.exclude(unreachable_since=None).values("cluster__workspaces").annotate(n=Sum(F("pk")))
    return Coalesce(Subquery(away.values("n")[:1]), 0)


# Of a workspace, what `mark` is made of.
NEWEST, OUTAGES = _newest(), _outages()


def _query(visitor: User, serial: str) -> QuerySet[Workspace, tuple[Any, ...]]:
    here = {"workspace": OuterRef("pk")}
    capacity = Cluster.objects.filter(workspaces=OuterRef("pk")).order_by().values("workspaces")
    folders = Folder.objects.filter(**here).order_by("name")
    clusters = Cluster.objects.filter(workspaces=OuterRef("pk")).order_by("name")
    return Workspace.objects.visible_to(visitor).filter(serial=serial).order_by().values_list(
        "pk",
        "serial",
        "name",
        NEWEST,
        OUTAGES,
        Coalesce(Subquery(capacity.annotate(total=Sum("total_cu")).values("total")[:1]), Decimal(0)),
        ArraySubquery(folders.values(row=JSONObject(id="pk", serial="serial", name="name", parent="parent"))),
        ArraySubquery(clusters.values(row=JSONObject(id="pk", serial="serial", name="name"))),
        Subquery(Member.objects.filter(user=visitor.pk, **here).values("role")),
    )  # fmt: skip


# Without and with the right to see all.
_QUERIES = [
    Prepared(lambda user, serial, sees_all=sees_all: _query(User(pk=user, is_superuser=sees_all), serial), user=-1, serial="a serial")
    for sees_all in (False, True)
]  # fmt: skip
