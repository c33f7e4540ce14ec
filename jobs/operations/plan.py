"""What a batch would do, before it is asked for: job by job, in a number of queries that does not depend on theirs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from clusters.capacity import KNOWN_FOR_IF_JOBS_ENDED
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import advice
from jobs.models import Definition, Draft, Job, Run, Version
from jobs.operations.copy import Change, changes_of_copy
from jobs.operations.draft import problem_in_script
from jobs.operations.restore import ALL_GONE, RestorePoint, best_of
from jobs.sql import ScriptError, is_plain
from jobs.states import Action
from jobs.variables import Values, names_of, options_of, refuse_masked, refuse_unknown
from workspaces import clock
from workspaces.models import Workspace
from workspaces.prepared import among
from workspaces.refusal import Refusal

# So many jobs are named in the dialog; of the rest it tells how many they are.
LINES = 200


@dataclass(slots=True, eq=False)
class Line:
    """One job of the plan. `why_not`: it can't take the act now; `caution`: it may turn out so when its turn comes.

    `version`: the newest, or that which runs, where the act takes one up; else its `draft`. `point`: its best restore
    point, looked for where it is shown or decides; `has_lost_state`: it had some, and all are gone.
    """

    job: Job
    version: Version | None
    point: RestorePoint | None
    has_lost_state: bool = False
    why_not: str = ""
    caution: str = ""
    changes: list[Change] = field(default_factory=list)
    draft: Draft | None = None

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
    def slots_seen_at(self) -> datetime | None:
        """When Flink told its slots, if that is so long ago that it should be said."""
        seen = self.endpoint.capacity_seen_at
        return seen if seen and clock.now() - seen > KNOWN_FOR_IF_JOBS_ENDED else None

    @property
    def is_short_of_slots(self) -> bool:
        if self.endpoint.unreachable_since or self.endpoint.brings_taskmanagers:
            return False
        return self.slots_needed > self.endpoint.slots_free


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
    def without_slots(self) -> list[FlinkEndpoint]:
        """The Flinks on which nothing can run, as they have no TaskManager."""
        return [room.endpoint for room in self.rooms if room.slots_needed and room.endpoint.has_no_slots]

    @property
    def changed(self) -> int:
        return sum(bool(line.changes) for line in self.lines)

    @property
    def shown(self) -> list[Line]:
        """The lines that are named, those that need a look at the top."""
        return sorted(self.lines, key=lambda line: (not line.why_not, not line.caution, not line.changes))[:LINES]


def plan(
    workspace: Workspace,
    action: Action,
    jobs: QuerySet[Job],
    order: Sequence[str] = (),
    start: str = "",
    cluster: Cluster | None = None,
) -> Plan:
    """Tell what `action` would do with `jobs`. `order`: serials as ticked; `start`: of a run; `cluster`: of copies."""
    rank = {serial: position for position, serial in enumerate(order)}
    rows = sorted(_read(jobs, action), key=lambda job: rank.get(job.serial, len(rank)))
    made = Plan([Line(job, None, None, why_not=job.why_not(action)) for job in rows])
    if action == Action.RUN:
        _find_versions(made.lines, Version.objects.only("job", "number", *AMOUNTS))
    if action == Action.COPY:
        _find_definitions(made.lines)
    if action == Action.RUN and start == "latest":  # what there is decides who can be run
        _find_points(made.lines)
    if action == Action.RUN:
        _plan_runs(made, workspace, start)
    names = names_of(workspace.pk)
    for line in made.lines:
        if not line.why_not:
            _look_closer(line, action, cluster, names)
    shown = made.shown
    if action == Action.PUBLISH:  # of those named it is told whether there is anything new in the draft
        _find_versions(shown, Version.objects.all())
    if action not in (Action.COPY, Action.MOVE):
        _find_points([line for line in shown if not line.point])
    return made


def _read(jobs: QuerySet[Job], action: Action) -> QuerySet[Job]:
    """Bring along what the act asks of thousands of jobs, and no more; what many of them share is read once."""
    found = jobs.select_related("current_run").prefetch_related("cluster", "endpoint__cluster")
    if action == Action.PUBLISH:
        return found.select_related("draft").only(*OF_A_JOB, *(f"draft__{one}" for one in ("job", *DEFINITION)))
    return found.only(*OF_A_JOB)


# What every line asks of its job, and of what it would run.
OF_A_JOB = (
    *("workspace", "serial", "name", "cluster", "endpoint", "status", "action", "step", "last_version_number"),
    *("current_run", "current_run__ended_at", "current_run__version"),
)
DEFINITION = [field.name for field in Definition._meta.get_fields()]
AMOUNTS = ("parallelism", "jobmanager_spec", "taskmanager_spec")


def _find_versions(lines: Sequence[Line], versions: QuerySet[Version]) -> None:
    of_them = versions.filter(among("jobs_version.job_id", [line.job.pk for line in lines]))
    newest = of_them.order_by("job_id", "-number").distinct("job_id")
    found = {one.job_id: one for one in newest}
    for line in lines:
        line.version = found.get(line.job.pk)


def _find_definitions(lines: Sequence[Line]) -> None:
    """Find what copies take over: the version that runs, else the newest, else the draft."""
    versions = Version.objects.only("job", "number", *AMOUNTS)
    _find_versions([line for line in lines if not line.job.live_run], versions)
    runs = {line.job.current_run.version_id: line for line in lines if line.job.live_run and line.job.current_run}
    for version in versions.filter(among("jobs_version.id", list(runs))):
        runs[version.pk].version = version
    others = {line.job.pk: line for line in lines if not line.version}
    for draft in Draft.objects.only("job", *AMOUNTS).filter(among("jobs_draft.job_id", list(others))):
        others[draft.job_id].draft = draft


def _find_points(lines: Sequence[Line]) -> None:
    points = best_of([line.job for line in lines])
    for line in lines:
        line.point = points.get(line.job.pk)
        line.has_lost_state = line.job.pk in points and not line.point


def _look_closer(line: Line, action: Action, cluster: Cluster | None, names: Values) -> None:
    """Say what the table of states can't know."""
    job = line.job
    if action == Action.DELETE and job.live_run:
        line.why_not = _("It is not yet known whether the last run is over. Try again when the cluster answers.")
    elif action == Action.PUBLISH and (draft := getattr(job, "draft", None)):
        try:
            _refuse_draft(draft, names)
        except ScriptError as error:
            line.why_not = advice.explain(problem_in_script(error)).cause
    elif action == Action.COPY and cluster:
        try:
            line.changes = changes_of_copy(job, cluster, line.version or line.draft)
        except Refusal as no:
            line.why_not = no.message


def _refuse_draft(draft: Draft, names: Values) -> None:
    """Raise ScriptError for a draft that can't be published. Taking every script apart would be most of the time."""
    if "${" in draft.sql or not is_plain(draft.sql):
        refuse_unknown(draft.sql, draft.properties, names)
    else:
        options_of(draft.properties, names)
        refuse_masked(draft.sql, draft.properties)


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
