"""What a batch would do, before it is asked for: job by job, in a number of queries that does not depend on theirs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import advice
from jobs.models import Job, Run, Version
from jobs.operations.copy import Change, changes_of_copy
from jobs.operations.draft import problem_in_script
from jobs.operations.restore import ALL_GONE, RestorePoint, best_of
from jobs.sql import ScriptError
from jobs.states import Action
from jobs.variables import names_of, refuse_unknown
from workspaces.models import Workspace
from workspaces.refusal import Refusal


@dataclass(slots=True, eq=False)
class Line:
    """One job of the plan. `why_not`: it can't take the act now; `caution`: it may turn out so when its turn comes.

    `point`: its best restore point; `has_lost_state`: it had some, and all are gone.
    """

    job: Job
    version: Version | None
    point: RestorePoint | None
    has_lost_state: bool = False
    why_not: str = ""
    caution: str = ""
    changes: list[Change] = field(default_factory=list)

    @property
    def draft_is_published(self) -> bool:
        draft = getattr(self.job, "draft", None)
        return bool(draft and self.version and draft.is_like(self.version))


@dataclass(slots=True, eq=False)
class Room:
    """What the runs need on one Flink version of a cluster, and what is free. CU belong to the whole cluster."""

    endpoint: FlinkEndpoint
    cu_free: Decimal
    cu_needed: Decimal = Decimal(0)
    slots_needed: int = 0
    jobs: int = 0

    @property
    def is_short_of_cu(self) -> bool:
        return self.cu_needed > self.cu_free

    @property
    def is_short_of_slots(self) -> bool:
        return not self.endpoint.unreachable_since and self.slots_needed > self.endpoint.slots_free


@dataclass(slots=True, eq=False)
class Plan:
    """`lines`: in the order in which the jobs would be begun."""

    lines: list[Line]
    rooms: list[Room] = field(default_factory=list)

    @property
    def possible(self) -> int:
        return sum(not line.why_not for line in self.lines)

    @property
    def impossible(self) -> int:
        return len(self.lines) - self.possible

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why some can't, the most frequent reason first: (sentence, how many)."""
        return Counter(line.why_not for line in self.lines if line.why_not).most_common()

    @property
    def is_short_of_slots(self) -> bool:
        return any(room.is_short_of_slots for room in self.rooms)

    @property
    def changed(self) -> int:
        return sum(bool(line.changes) for line in self.lines)

    @property
    def without_snapshot(self) -> int:
        return sum(line.point is None and not line.why_not for line in self.lines)

    @property
    def worst_first(self) -> list[Line]:
        """The lines with those that need a look at the top."""
        return sorted(self.lines, key=lambda line: (not line.why_not, not line.caution, not line.changes))


def plan(
    workspace: Workspace,
    action: Action,
    jobs: QuerySet[Job],
    order: Sequence[str] = (),
    start: str = "",
    cluster: Cluster | None = None,
) -> Plan:
    """Tell what `action` would do with `jobs`. `order`: serials as ticked; `start`: of a run; `cluster`: of copies."""
    found = jobs.select_related("cluster", "endpoint", "workspace", "current_run__version", "draft")
    versions = Version.objects.order_by("job_id", "-number").distinct("job_id")
    if action != Action.PUBLISH:  # only then is it told what is new in a draft
        found = found.defer("draft__sql", "current_run__version__sql")
        versions = versions.defer("sql")
    rank = {serial: position for position, serial in enumerate(order)}
    rows = sorted(found, key=lambda job: rank.get(job.serial, len(rank)))
    points = best_of(rows)
    latest = {one.job_id: one for one in versions.filter(job__in=rows)}
    made = Plan([_line(job, latest.get(job.pk), points, action) for job in rows])
    if action == Action.RUN:
        _plan_runs(made, workspace, start)
    for line in made.lines:
        if not line.why_not:
            _look_closer(line, action, cluster)
    return made


def _line(job: Job, version: Version | None, points: dict[int, RestorePoint | None], action: Action) -> Line:
    point = points.get(job.pk)
    return Line(job, version, point, has_lost_state=job.pk in points and not point, why_not=job.why_not(action))


def _look_closer(line: Line, action: Action, cluster: Cluster | None) -> None:
    """Say what the table of states can't know."""
    job = line.job
    if action == Action.DELETE and job.live_run:
        line.why_not = _("It is not yet known whether the last run is over. Try again when the cluster answers.")
    elif action == Action.PUBLISH and (draft := getattr(job, "draft", None)):
        try:
            refuse_unknown(draft.sql, draft.properties, names_of(job.workspace_id))
        except ScriptError as error:
            line.why_not = advice.explain(problem_in_script(error)).cause
    elif action == Action.COPY and cluster:
        online = job.current_run.version if job.live_run and job.current_run else line.version
        try:
            line.changes = changes_of_copy(job, cluster, online or getattr(job, "draft", None))
        except Refusal as no:
            line.why_not = no.message


def _plan_runs(made: Plan, workspace: Workspace, start: str) -> None:
    clusters = {line.job.cluster_id for line in made.lines}
    bound = set(
        ClusterBinding.objects.filter(workspace=workspace, cluster__in=clusters).values_list("cluster", flat=True)
    )
    open_runs = Run.objects.filter(endpoint__cluster__in=clusters, ended_at=None)
    used = dict(open_runs.order_by().values_list("endpoint__cluster").annotate(Sum("cu")))
    left: dict[int, Decimal] = {}
    rooms: dict[int, Room] = {}
    for line in made.lines:
        line.why_not = _why_no_run(line, bound, start)
        if line.why_not or line.version is None:
            continue
        job, cu = line.job, line.version.cu
        free = job.cluster.total_cu - used.get(job.cluster_id, Decimal(0))
        room = rooms.setdefault(job.endpoint_id, Room(job.endpoint, free))
        room.cu_needed, room.jobs = room.cu_needed + cu, room.jobs + 1
        room.slots_needed += line.version.parallelism
        rest = left.setdefault(job.cluster_id, free)
        if cu > rest:  # it is refused, and takes nothing from those behind it
            line.caution = _("Not enough CU will be left when its turn comes.")
        else:
            left[job.cluster_id] = rest - cu
    made.rooms = sorted(rooms.values(), key=lambda room: (room.endpoint.cluster_id, room.endpoint.flink_version))


def _why_no_run(line: Line, bound: set[int], start: str) -> str:
    job = line.job
    if line.version is None:  # the reason that counts, whatever the status
        return _("The job has no published version.")
    if line.why_not:
        return line.why_not
    if job.live_run:
        return _("It is not yet known whether the last run is over. Try again when the cluster answers.")
    if job.cluster_id not in bound:
        return _("This cluster is not bound to the workspace.")
    if job.cluster.is_under_maintenance:
        return _("The cluster is under maintenance: %(reason)s") % {"reason": job.cluster.maintenance_reason}
    if start == "latest" and line.has_lost_state:
        return str(ALL_GONE)
    if start == "latest" and line.point and not job.cluster.supports_snapshot_choice:
        return _("This cluster does not support starting from a chosen snapshot. It must be upgraded first.")
    return ""
