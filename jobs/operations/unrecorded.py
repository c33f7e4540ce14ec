"""Jobs of ours that live on Flink and are no run on record: they were started after the backup that somebody has restored (G2).

Their ids tell of which job and version they are. So they are taken over, and nothing that runs is started a second time.
"""

import logging
import random
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Func, Q
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from clusters.engine import Engine, EngineError, JobSight, Refused
from clusters.flink import plain_path
from clusters.models import FlinkEndpoint
from jobs.flink_ids import HIGHEST, Origin, mark_of, origin_of
from jobs.models import Job, Run, Snapshot, Version
from jobs.models.definition import script_of_lost
from jobs.operations.opening import done, lock_jobs
from jobs.operations.orphans import find_orphans
from jobs.operations.record import touch, update_job
from jobs.states import Action, Status
from workspaces import clock

log = logging.getLogger(__name__)

# What was noted on an endpoint so long ago may be from before the backup. Looks come more often.
NOTED_WITHIN = timedelta(seconds=15)
# At one look, for so long, out of so many, which are more than can be done in it. What is left is taken over at the next ones.
TAKING_OVER_SECONDS, LOOKED_FOR_TOGETHER = 3, 1000
# Two of one job are bad enough to be told of; nobody reads of a thousand.
MOST_OF_A_JOB = 5
_DATABASE_SINCE = Func(function="pg_postmaster_start_time", output_field=DateTimeField())


def unrecorded(endpoint: FlinkEndpoint, alive: Collection[str]) -> list[str]:
    """Return the Flink ids, out of these, of jobs of this endpoint that no run tells of; of each job so many at most.

    Whoever may submit to a Flink chooses the id: so none brings a job to where it does not belong (G8).
    """
    origins = {one: origin for one in alive if (origin := origin_of(one))}
    if not origins:
        return []
    known = Run.objects.filter(flink_job_id__in=origins).order_by().values_list("flink_job_id", flat=True)
    left = origins.keys() - set(known)
    serials = {origins[one].serial for one in left}
    ours = Job.objects.filter(endpoint=endpoint, serial__in=serials, deleted_at=None).order_by()
    found = dict.fromkeys(ours.values_list("serial", flat=True) if left else (), 0)
    noted = []
    for one in sorted(left):
        serial = origins[one].serial
        if found.get(serial, MOST_OF_A_JOB) < MOST_OF_A_JOB:
            found[serial] += 1
            noted.append(one)
    return noted


def note_unrecorded(endpoint: FlinkEndpoint, alive: Collection[str]) -> None:
    """Keep on the endpoint which there are. To be called before it is noted that it was looked at, as `seen_unrecorded` trusts that."""
    found = unrecorded(endpoint, alive)
    if found != endpoint.unrecorded_jobs:
        gone_or_new = _serials({*found} ^ {*endpoint.unrecorded_jobs})
        endpoint.unrecorded_jobs = found
        FlinkEndpoint.objects.filter(pk=endpoint.pk).update(unrecorded_jobs=found)
        touch(Job.objects.filter(serial__in=gone_or_new).order_by().values_list("pk", flat=True))  # their pages tell


def _serials(ids: Collection[str]) -> set[str]:
    return {origin.serial for one in ids if (origin := origin_of(one))}


def noted_of(jobs: Collection[Job]) -> set[str]:
    """Return the IDs of our jobs that lived unrecorded on the endpoints of these jobs at the last look, and are not taken over yet."""
    noted = FlinkEndpoint.objects.filter(pk__in={job.endpoint_id for job in jobs}).exclude(unrecorded_jobs=[])
    return {serial for ids in noted.values_list("unrecorded_jobs", flat=True) for serial in _serials(ids)}


def seen_unrecorded(endpoint: FlinkEndpoint, engine: Engine) -> set[str]:
    """Return the IDs of our jobs that live there and are no run on record.

    If lately there was none, there is none. Else Flink is asked: what was noted may be over by now, or be a run. It is asked, too,
    if the database server is another one than when it was noted: a standby that has taken over may know less than what was looked at.
    """
    lately = FlinkEndpoint.objects.filter(seen_at__gt=Now() - NOTED_WITHIN, seen_under=_DATABASE_SINCE)
    watched = lately.filter(pk=endpoint.pk)
    noted = watched.values_list("unrecorded_jobs", flat=True).first()
    return set() if noted == [] else _serials(unrecorded(endpoint, engine.jobs().alive))


def take_over(endpoint: FlinkEndpoint, engine: Engine, sights: Mapping[str, JobSight]) -> None:
    """Make runs of what is noted on the endpoint, wherever that is the only one of its job."""
    if not endpoint.unrecorded_jobs:
        return
    taken: set[str] = set()
    try:
        _take_over_some(endpoint, engine, sights, taken)
    finally:
        if taken:
            # Once for all: with thousands of them the list is long. Until then it tells of some that are on record already, as it does
            # if we die here; whoever asks whether a job lives there looks at the runs, too, and the next look writes it anew.
            endpoint.unrecorded_jobs = [one for one in endpoint.unrecorded_jobs if one not in taken]
            FlinkEndpoint.objects.filter(pk=endpoint.pk).update(unrecorded_jobs=endpoint.unrecorded_jobs)


def _take_over_some(endpoint: FlinkEndpoint, engine: Engine, sights: Mapping[str, JobSight], taken: set[str]) -> None:
    """Do it for as long as a look may take, and tell which are done."""
    until = time.monotonic() + TAKING_OVER_SECONDS
    for job, one in _without_run(endpoint):
        if time.monotonic() > until:
            return  # the others who wait for the look come first; these go on at the next one
        try:
            if _take_over(job, endpoint, engine, sights[one]):
                taken.add(one)
        except EngineError as error:
            log.info("%s does not tell of %s yet: %s", endpoint, one, error.summary)
        except Exception:
            log.exception("Could not take over %s on %s", one, endpoint)


def _without_run(endpoint: FlinkEndpoint) -> list[tuple[Job, str]]:
    """Return jobs that nobody operates and that have no run, each with one id that is noted of it.

    What is under way ends first; a second one of a job that runs is only told of. Drawn by lot, so that some which can't be
    taken over keep the others waiting for a while at most.
    """
    noted = {origin.serial: one for one in endpoint.unrecorded_jobs if (origin := origin_of(one))}
    some = random.sample(sorted(noted), min(len(noted), LOOKED_FOR_TOGETHER))
    idle = Job.objects.filter(serial__in=some, action="", deleted_at=None).select_related("cluster").order_by("?")
    return [
        (job, noted[job.serial]) for job in idle.filter(Q(current_run=None) | Q(current_run__ended_at__isnull=False))
    ]


def _take_over(job: Job, endpoint: FlinkEndpoint, engine: Engine, sight: JobSight) -> bool:
    """Do it unless somebody has been quicker; tell whether it was done."""
    origin = origin_of(sight.job_id)
    assert origin is not None
    location, parallelism = "", 1
    with suppress(Refused):  # it makes no checkpoints
        location = engine.restored_from(sight.job_id)
    with suppress(Refused):
        tasks = () if _version(job, origin) else engine.figures(sight.job_id).tasks
        parallelism = max((one.parallelism for one in tasks), default=1)
    with suppress(OSError):
        find_orphans(job)  # it may go on from a snapshot that is not on record either
    with transaction.atomic():
        now = lock_jobs([job.pk]).get(job.pk)
        if now is None or now.is_busy or now.live_run:
            return False
        version = _version(now, origin) or _lost_version(now, origin, parallelism)
        _write(now, version, endpoint, sight, _snapshot_at(now, location))
    log.warning("Took over %s of %s, which ran on %s and was not on record", sight.job_id, job.serial, endpoint)
    return True


def _snapshot_at(job: Job, location: str) -> Snapshot | None:
    """Return the job's snapshot that lies there, in whatever way that is written."""
    there = plain_path(location)
    return next(
        (one for one in job.snapshots.exclude(location="") if there and plain_path(one.location) == there), None
    )


def _version(job: Job, origin: Origin) -> Version | None:
    """Return the version that it runs, if that is the same as then: numbers are given away anew after a restore."""
    likely = job.versions.filter(Q(number=origin.version) if origin.version else Q(number__gt=HIGHEST))
    return next((one for one in likely if mark_of(one.published_at) == origin.mark), None)


def _lost_version(job: Job, origin: Origin, parallelism: int) -> Version:
    """Write down that there was a version of which nothing is left but what runs."""
    with translation.override(settings.LANGUAGE_CODE):
        note = _("Was published after the backup that was restored. What it does is not on record any more.")
    number = max(origin.version, job.last_version_number + 1)
    job.last_version_number = number
    return Version.objects.create(job=job, number=number, note=note, sql=script_of_lost(note), parallelism=parallelism)


def _write(
    job: Job, version: Version, endpoint: FlinkEndpoint, sight: JobSight, restored_from: Snapshot | None
) -> None:
    began = sight.started_at or clock.now()
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
    snapshot = restored_from.serial if restored_from else None
    operation = done(job, Action.RUN, None, version=version.number, snapshot=snapshot, found=True)
    operation.run = run
    operation.save(force_insert=True)
    update_job(
        job.pk,
        current_run=run,
        last_run_number=run.number,
        last_version_number=job.last_version_number,
        status=Status.RUNNING,
        problem=None,
        recover_at=None,
    )
