"""Jobs of ours that live on Flink and are no run on record: they were started after the backup that somebody has restored (G2).

Their ids tell of which job and version they are. So they are taken over, and nothing that runs is started a second time.
"""

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from clusters.engine import Engine, EngineError, JobSight
from clusters.flink import plain_path
from clusters.models import FlinkEndpoint
from jobs.flink_ids import Origin, mark_of, origin_of
from jobs.models import Job, Operation, Run, Snapshot, Version
from jobs.operations.opening import lock_jobs
from jobs.operations.orphans import find_orphans
from jobs.operations.record import update_job
from jobs.states import Action, Outcome, Status, Step

log = logging.getLogger(__name__)

# What was noted on an endpoint so long ago may be from before the backup. Looks come more often.
NOTED_WITHIN = timedelta(seconds=15)
TAKEN_OVER_TOGETHER = 100


def unrecorded(alive: Collection[str]) -> list[str]:
    """Return the Flink ids, out of these, of jobs of ours that no run tells of."""
    origins = {one: origin for one in alive if (origin := origin_of(one))}
    if not origins:
        return []
    known = Run.objects.filter(flink_job_id__in=origins).order_by().values_list("flink_job_id", flat=True)
    left = origins.keys() - set(known)
    serials = {origins[one].serial for one in left}
    ours = set(Job.objects.filter(serial__in=serials, deleted_at=None).values_list("serial", flat=True)) if left else ()
    return sorted(one for one in left if origins[one].serial in ours)


def note_unrecorded(endpoint: FlinkEndpoint, alive: Collection[str]) -> None:
    """Keep on the endpoint which there are. To be called before it is noted that it was looked at, as `runs_unrecorded` trusts that."""
    found = unrecorded(alive)
    if found != endpoint.unrecorded_jobs:
        gone_or_new = {origin.serial for one in {*found} ^ {*endpoint.unrecorded_jobs} if (origin := origin_of(one))}
        endpoint.unrecorded_jobs = found
        FlinkEndpoint.objects.filter(pk=endpoint.pk).update(unrecorded_jobs=found)
        Job.objects.filter(serial__in=gone_or_new).update(changed_at=Now())  # their pages tell


def seen_unrecorded(endpoint: FlinkEndpoint, engine: Engine) -> set[str]:
    """Return the IDs of our jobs that live there and are no run on record: as last noted, or as Flink says if that is too long ago."""
    watched = FlinkEndpoint.objects.filter(pk=endpoint.pk, seen_at__gt=Now() - NOTED_WITHIN)
    noted = watched.values_list("unrecorded_jobs", flat=True).first()
    ids = unrecorded(engine.jobs().alive) if noted is None else noted
    return {origin.serial for one in ids if (origin := origin_of(one))}


def take_over(endpoint: FlinkEndpoint, engine: Engine, sights: Mapping[str, JobSight]) -> None:
    """Make runs of what is noted on the endpoint, wherever that is the only one of its job."""
    for one in endpoint.unrecorded_jobs[:TAKEN_OVER_TOGETHER]:
        try:
            _take_over(endpoint, engine, sights[one])
        except Exception:
            log.exception("Could not take over %s on %s", one, endpoint)


def _take_over(endpoint: FlinkEndpoint, engine: Engine, sight: JobSight) -> None:
    origin = origin_of(sight.job_id)
    job = Job.objects.filter(serial=origin.serial).select_related("cluster").first() if origin else None
    if origin is None or job is None or job.is_busy or job.live_run:
        return  # what is under way ends first; a second one of a job that runs is only told of
    try:
        location = engine.restored_from(sight.job_id)
        tasks = engine.figures(sight.job_id).tasks
    except EngineError as error:
        log.info("%s does not tell of %s yet: %s", endpoint, sight.job_id, error.summary)
        return
    with suppress(OSError):
        find_orphans(job)  # it may go on from a snapshot that is not on record either
    with transaction.atomic():
        now = lock_jobs([job.pk]).get(job.pk)
        if now is None or now.is_busy or now.live_run:
            return
        version = _version(now, origin) or _lost_version(
            now, origin, max((one.parallelism for one in tasks), default=1)
        )
        _write(now, version, endpoint, sight, _snapshot_at(now, location))
    log.warning("Took over %s of %s, which ran on %s and was not on record", sight.job_id, job.serial, endpoint)


def _snapshot_at(job: Job, location: str) -> Snapshot | None:
    """Return the job's snapshot that lies there, in whatever way that is written."""
    there = plain_path(location)
    return next(
        (one for one in job.snapshots.exclude(location="") if there and plain_path(one.location) == there), None
    )


def _version(job: Job, origin: Origin) -> Version | None:
    """Return the version that it runs, if that is the same as then: numbers are given away anew after a restore."""
    found = job.versions.filter(number=origin.version).first()
    return found if found and mark_of(found.published_at) == origin.mark else None


def _lost_version(job: Job, origin: Origin, parallelism: int) -> Version:
    """Write down that there was a version of which nothing is left but what runs."""
    with translation.override(settings.LANGUAGE_CODE):
        note = _("Was published after the backup that was restored. What it does is not on record any more.")
    number = max(origin.version, job.last_version_number + 1)
    job.last_version_number = number
    return Version.objects.create(job=job, number=number, note=note, sql=f"-- {note}\n", parallelism=parallelism)


def _write(
    job: Job, version: Version, endpoint: FlinkEndpoint, sight: JobSight, restored_from: Snapshot | None
) -> None:
    began = sight.started_at or timezone.now()
    run = Run.objects.create(
        job=job,
        number=job.last_run_number + 1,
        version=version,
        endpoint=endpoint,
        flink_job_id=sight.job_id,
        restored_from=restored_from,
        cu=version.cu,
        submitted_at=began,
        started_at=began,
        flink_state=sight.state,
        tasks_up=sight.tasks_up,
        tasks_total=sight.tasks_total,
    )
    Run.objects.filter(pk=run.pk).update(created_at=began)  # what it left since is attached to it
    Operation.objects.create(
        job=job,
        run=run,
        action=Action.RUN,
        step=Step.DONE,
        outcome=Outcome.SUCCEEDED,
        ended_at=timezone.now(),
        params={"version": version.number, "snapshot": restored_from and restored_from.serial, "found": True},
    )
    update_job(
        job.pk,
        current_run=run,
        last_run_number=run.number,
        last_version_number=job.last_version_number,
        status=Status.RUNNING,
        problem=None,
        recover_at=None,
    )
