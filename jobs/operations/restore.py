"""Restore points: from where a job can go on. Each is looked at before it is offered, so "the latest" is one that exists."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters.engine import Checkpoint
from clusters.flink import plain_path
from jobs.models import Job, Run, Snapshot
from jobs.operations import checkpoints
from jobs.operations.disk import Found, found_at, is_closed, is_to_be_seen, newest_checkpoint
from jobs.operations.orphans import find_orphans
from jobs.operations.record import update_job
from jobs.states import RunEnd
from workspaces.prepared import among
from workspaces.refusal import Refusal

Source, State = Snapshot.Source, Snapshot.State

# Of a job's snapshots so many, the newest, are looked at.
MOST = 200
# Of many jobs at once: enough to find a good one nearly always; where it isn't, a second query looks at all.
FEW = 3


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """A snapshot that a run can start from. `is_checked`: it was seen on disk; else its file system is not ours to see."""

    snapshot: Snapshot
    is_checked: bool
    completed_at: datetime

    @property
    def reason(self) -> str:
        """Why it stands where it stands, in the language of whoever reads it."""
        told = _told(self.snapshot, self.completed_at)
        if self.is_checked:
            return _("%(what)s; seen on disk") % {"what": told}
        return _("%(what)s; its file system can't be seen from here") % {"what": told}


def ranked(job: Job) -> list[RestorePoint]:
    """Return all restore points of `job`, the newest consistent one first. What is gone is marked so."""
    find_orphans(job)
    if job.current_run:
        checkpoints.find_unseen(job.current_run)
    return _rank(_candidates(job.snapshots.all())[:MOST])


def where_to_go_on(run: Run) -> Snapshot | None:
    """Return from where to run the job again as `run` would have gone on; None when it had no state.

    Raise Refusal when there was state, or may have been, and none of it can be used.
    """
    find_orphans(run.job)
    checkpoints.find_unseen(run)
    own = list(_candidates(run.snapshots.all())[:MOST])
    if points := _rank(own):
        return points[0].snapshot
    if own:
        raise Refusal(
            gettext_lazy("Run #%(number)s had state, but none of its snapshots and checkpoints is there any more."),
            number=run.number,
        )
    if checkpoints.may_have_unknown(run):
        raise Refusal(
            gettext_lazy("It is not known which checkpoint run #%(number)s completed last before it was lost."),
            number=run.number,
        )
    if run.restored_from_id is None:
        return None
    origin = _rank(_candidates(Snapshot.objects.filter(pk=run.restored_from_id)))
    if not origin:
        raise Refusal(
            gettext_lazy("The snapshot that run #%(number)s began from is not there any more."), number=run.number
        )
    return origin[0].snapshot


def best_of(jobs: Collection[Job]) -> dict[int, RestorePoint | None]:
    """Return job id -> its best restore point, None where all are gone; jobs that never had one are left out.

    At most two queries, whatever the number of jobs, and nothing is written.
    """
    best: dict[int, RestorePoint | None] = {}
    left = {job.pk for job in jobs}
    for most in (FEW, MOST):
        for job_id, found in _newest_of(left, most).items():
            best[job_id] = next(iter(_sorted(found)), None)
        left = {job_id for job_id in left if job_id in best and best[job_id] is None}
        if not left:
            break
    return best


def best(job: Job) -> Snapshot | None:
    """Return the best restore point of `job`, None when it never had one. Raise Refusal when all are gone."""
    points = ranked(job)
    if points:
        return points[0].snapshot
    if had_state(job):
        raise Refusal(ALL_GONE)
    return None


def had_state(job: Job) -> bool:
    """Tell whether a job has lost what it could once start from."""
    return _candidates(job.snapshots.all()).exists()


def refuse_if_gone(snapshot: Snapshot) -> None:
    """Raise Refusal when we can see that `snapshot` is not there any more."""
    rows = list(_candidates(Snapshot.objects.filter(pk=snapshot.pk)))
    if rows and not _rank(rows):
        raise Refusal(gettext_lazy("Snapshot %(serial)s is not there any more."), serial=snapshot.serial)


ALL_GONE = gettext_lazy("None of the snapshots of this job is there any more. It can only be run without state.")


def _candidates(snapshots: QuerySet[Snapshot]) -> QuerySet[Snapshot]:
    """Keep what was complete once, the newest first; what Flink itself has discarded at a job's end was never lost."""
    discarded = Q(source=Source.CHECKPOINT, state=State.GONE, run__end=RunEnd.FINISHED)
    found = snapshots.filter(state__in=[State.COMPLETED, State.GONE]).exclude(discarded)
    used = Exists(Run.objects.filter(restored_from=OuterRef("pk")))
    return found.annotate(is_used=used).select_related("run__version").defer("run__version__sql").order_by(*NEWEST)


# What a look at one, and what is told of it, take of a snapshot and of its run.
SEEN = (
    *("job", "run", "source", "state", "directory", "location", "size_bytes", "created_at", "ended_at"),
    *("run__number", "run__flink_job_id", "run__ended_at", "run__end", "run__missing_since"),
)
NEWEST = (F("run__number").desc(), F("ended_at").desc(), F("pk").desc())


def _newest_of(job_ids: set[int], most: int) -> dict[int, list[RestorePoint]]:
    """Return job id -> its usable ones among its `most` newest; jobs that never had any are left out."""
    place = Window(RowNumber(), partition_by=F("job_id"), order_by=NEWEST)
    rows = _candidates(Snapshot.objects.filter(among("jobs_snapshot.job_id", list(job_ids))))
    rows = rows.annotate(place=place).filter(place__lte=most).select_related(None).select_related("run").only(*SEEN)
    found: dict[int, list[RestorePoint]] = {}
    for snapshot in rows:
        points = found.setdefault(snapshot.job_id, [])
        if point := _see(snapshot):
            points.append(point)
    return found


def _rank(snapshots: Iterable[Snapshot]) -> list[RestorePoint]:
    """Look at each, keep what the look has shown, and return the usable ones, the best first."""
    points = []
    for snapshot in snapshots:
        before = snapshot.state, snapshot.location
        point = _see(snapshot)
        if (snapshot.state, snapshot.location) != before:
            _keep(snapshot, *before)
        if point:
            points.append(point)
    return _sorted(points)


def _sorted(points: list[RestorePoint]) -> list[RestorePoint]:
    """Sort by run first: of two runs the later one knows more, whatever the clocks say."""
    return sorted(points, key=lambda one: (one.snapshot.run.number, one.completed_at, one.snapshot.pk), reverse=True)


def _see(snapshot: Snapshot) -> RestorePoint | None:
    """Look at a snapshot on disk and write into the object, not the row, what was seen."""
    ended_at = snapshot.ended_at or snapshot.created_at
    if found := _on_disk(snapshot):
        snapshot.state = State.COMPLETED
        if plain_path(found.location) != plain_path(snapshot.location):
            _show(snapshot, found)
            ended_at = found.written_at
        # We may have heard of it late; a backup may have been copied late.
        return RestorePoint(snapshot, True, min(ended_at, found.written_at))
    if snapshot.state == State.COMPLETED and _is_hidden(snapshot):
        return RestorePoint(snapshot, False, ended_at)
    snapshot.state = State.GONE
    return None


def _on_disk(snapshot: Snapshot) -> Found | None:
    is_used = snapshot.is_used  # type: ignore[attr-defined]  # by _candidates
    is_own_folder = snapshot.directory.endswith("/" + snapshot.run.flink_job_id)
    if snapshot.source == Source.CHECKPOINT and is_own_folder and not is_used:
        # The JobManager may have gone on, or cleaned up, after we last asked it.
        return newest_checkpoint(snapshot.directory)
    return found_at(snapshot.location)


def _show(snapshot: Snapshot, found: Found) -> None:
    checkpoint = checkpoints.as_checkpoint(found)
    snapshot.location, snapshot.size_bytes = checkpoint.location, checkpoint.size_bytes
    snapshot.created_at, snapshot.ended_at = checkpoint.triggered_at, checkpoint.completed_at


def _is_hidden(snapshot: Snapshot) -> bool:
    """Tell whether a snapshot, or its file system, is not ours to see, so that nothing follows from its absence."""
    if is_closed(snapshot.location):
        return True
    if snapshot.source == Source.CHECKPOINT:
        return not is_to_be_seen(snapshot.directory.rpartition("/")[0])
    # One that was not to be seen when it was just complete lies on another machine, under a path that we may have too.
    return snapshot.size_bytes is None or not is_to_be_seen(snapshot.directory.rsplit("/", 2)[0])


def _keep(snapshot: Snapshot, state: str, location: str) -> None:
    """Write down what the look has shown, unless the row has changed since."""
    if snapshot.location != location:
        at = snapshot.ended_at or snapshot.created_at
        checkpoints.record({snapshot.run: Checkpoint(snapshot.location, at, at, snapshot.size_bytes)})
    else:
        update_job(snapshot.job_id)
        Snapshot.objects.filter(pk=snapshot.pk, state=state, location=location).update(state=snapshot.state)


def _told(snapshot: Snapshot, completed_at: datetime) -> str:
    run = snapshot.run
    what = WHAT[Source(snapshot.source)] % {"number": run.number}
    if run.ended_at is None or snapshot.source in (Source.STOP, Source.FOUND):
        return what
    gap = max((run.missing_since or run.ended_at) - completed_at, timedelta(0))
    return BEFORE.get(RunEnd(run.end), BEFORE_ITS_END) % {"what": what, "gap": _amount(gap)}


WHAT = {
    Source.CHECKPOINT: gettext_lazy("Newest checkpoint of run #%(number)s"),
    Source.MANUAL: gettext_lazy("Snapshot taken during run #%(number)s"),
    Source.STOP: gettext_lazy("Snapshot of the stop of run #%(number)s"),
    Source.FOUND: gettext_lazy("Found in the snapshot directory, of run #%(number)s"),
}
BEFORE = {
    RunEnd.FAILED: gettext_lazy("%(what)s, %(gap)s before it failed"),
    RunEnd.LOST: gettext_lazy("%(what)s, %(gap)s before it was lost"),
}
BEFORE_ITS_END = gettext_lazy("%(what)s, %(gap)s before it ended")


def _amount(passed: timedelta) -> str:
    """Write a duration in its largest unit."""
    seconds = int(passed.total_seconds())
    if seconds < 120:
        return _("%(number)d s") % {"number": seconds}
    if seconds < 2 * 3600:
        return _("%(number)d min") % {"number": seconds // 60}
    if seconds < 2 * 86400:
        return _("%(number)d h") % {"number": seconds // 3600}
    return _("%(number)d days") % {"number": seconds // 86400}
