"""Attach complete savepoints that lie in the snapshot directory, and that our rows don't tell of, to their jobs (G3)."""

import logging
import re
from pathlib import Path

from django.db.models import Q

from clusters.models import Cluster
from jobs.models import Job, Snapshot
from jobs.models.run import new_snapshot_serial
from jobs.operations.disk import Found, find_on_disk, found_at, local_path, size_on_disk
from jobs.operations.record import update_job

log = logging.getLogger(__name__)
Source, State = Snapshot.Source, Snapshot.State

OURS = re.compile(r"svp-[a-z0-9]{8}")
JOBS_A_TURN = 200


def find_all_orphans(turn: int, jobs: int = JOBS_A_TURN) -> None:
    """Look through the snapshot directories that we can see: so many `jobs` of each cluster, the next ones in the next turn."""
    for cluster in Cluster.objects.all():
        names = sorted(_names(local_path(cluster.snapshot_directory)))
        turns = -(-len(names) // jobs) or 1
        first = turn % turns * jobs
        found = Job.objects.filter(cluster=cluster, serial__in=names[first : first + jobs], deleted_at=None)
        for job in found.select_related("cluster"):
            try:
                find_orphans(job)
            except OSError:
                log.exception("Could not look through the snapshots of %s", job.serial)


def _names(directory: Path | None) -> list[str]:
    try:
        return [one.name for one in directory.iterdir()] if directory else []
    except OSError:
        return []


def find_orphans(job: Job) -> None:
    """Complete the rows of savepoints that came after all, and write rows for those that have none."""
    directory = f"{job.cluster.snapshot_directory.rstrip('/')}/{job.serial}"
    serials = [name for name in _names(local_path(directory)) if OURS.fullmatch(name)]
    if not serials:
        return
    # By their folders, which are of one job only: somebody who stops jobs by hand may call the savepoints of all the same.
    told = Q(serial__in=serials) | Q(directory__in=[f"{directory}/{serial}" for serial in serials])
    rows = {row.directory.rpartition("/")[2]: row for row in job.snapshots.filter(told)}
    for serial in serials:
        row = rows.get(serial)
        if row and row.state == State.COMPLETED:
            continue
        location = find_on_disk(f"{directory}/{serial}")
        if location and (found := found_at(location)):
            if row:
                _complete(row, found)
            else:
                _adopt(job, serial, directory, found)


def _complete(row: Snapshot, found: Found) -> None:
    """Take a savepoint that arrived after its operation had ended, or that is there again."""
    # What an operation waits for is the operation's; what Flink was asked for is followed by the watcher.
    is_followed = row.state == State.CREATING and row.asked_at is not None
    if is_followed or row.operations.filter(ended_at=None).exists():
        return
    update_job(row.job_id)
    Snapshot.objects.filter(pk=row.pk, state=row.state).update(
        state=State.COMPLETED,
        location=found.location,
        size_bytes=size_on_disk(found.location),
        ended_at=found.written_at,
        problem=None,
    )


def _adopt(job: Job, serial: str, directory: str, found: Found) -> None:
    """Write a row for a savepoint of ours that the database has never heard of, or not any more."""
    run = job.runs.filter(created_at__lte=found.written_at).order_by("-number").first()
    if run is None:
        return
    update_job(job.pk)
    is_taken = Snapshot.objects.filter(serial=serial).exclude(job=job).exists()
    row, is_new = Snapshot.objects.get_or_create(
        serial=new_snapshot_serial() if is_taken else serial,
        defaults={
            "job": job,
            "run": run,
            "source": Source.FOUND,
            "state": State.COMPLETED,
            "directory": f"{directory}/{serial}",
            "location": found.location,
            "size_bytes": size_on_disk(found.location),
            "ended_at": found.written_at,
        },
    )
    if is_new:
        Snapshot.objects.filter(pk=row.pk).update(created_at=found.written_at)
