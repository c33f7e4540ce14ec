"""Know the newest checkpoint of every run, so that a job can go on from there when it has failed or vanished."""

import logging
import random
from datetime import datetime, timedelta
from heapq import nsmallest

from django.db import transaction
from django.utils import timezone

from clusters.engine import Checkpoint, Engine, EngineError, JobSight, JobState
from jobs.models import Run, Snapshot
from jobs.operations.disk import Found, newest_checkpoint, size_on_disk
from jobs.operations.record import update_job
from jobs.states import RunEnd

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 60
LONGEST_WAITING = 20
# So many folders of earlier checkpoints are tried for a run whose own folder was never told.
PLACES_TO_TRY = 20


def due(runs: list[Run], count: int) -> list[Run]:
    """Return runs, at most `count`, whose newest checkpoint was asked for long ago."""
    waiting = [(since, run.pk, run) for run in runs if (since := _asked_or_started(run)) is not None]
    # Drawn from those that wait longest, so that some which never get an answer don't keep the others waiting for ever.
    longest = nsmallest(LONGEST_WAITING, waiting)
    return [run for _since, _pk, run in random.sample(longest, min(count, len(longest)))]


def _asked_or_started(run: Run) -> datetime | None:
    """Return when it was last asked (or started); None while asking again would tell nothing new."""
    since = run.checkpoints_seen_at or run.started_at
    if since is None:
        return None
    # Before its first interval is over, a run has no checkpoint to tell of.
    patience = ASK_AGAIN_SECONDS if run.checkpoints_seen_at else interval_seconds(run)
    return since if timezone.now() - since >= timedelta(seconds=min(patience, ASK_AGAIN_SECONDS)) else None


def interval_seconds(run: Run) -> int:
    """Return how long a run is at most without a checkpoint at its start; 0 when its definition says it in its own words."""
    version = run.version
    own_words = "checkpointing.interval" in version.sql or "execution.checkpointing.interval" in version.properties
    return 0 if own_words else version.checkpoint_interval_seconds


def keep_newest(run: Run, engine: Engine) -> None:
    """Ask for the newest checkpoint of a run and write it down. Raise what the engine raises."""
    found = engine.newest_checkpoint(run.flink_job_id)
    run.checkpoints_seen_at = timezone.now()
    Run.objects.filter(pk=run.pk).update(checkpoints_seen_at=run.checkpoints_seen_at)
    if found:
        record(run, found)


def keep_last(run: Run, engine: Engine, sight: JobSight) -> None:
    """Keep what remains of the checkpoints of a run that is over on Flink; whatever goes wrong here, the run may be closed."""
    if sight.state == JobState.FINISHED:
        # Flink has discarded them by now, whatever it was told to retain.
        kept = Snapshot.objects.filter(run=run, source=Snapshot.Source.CHECKPOINT, state=Snapshot.State.COMPLETED)
        kept.update(state=Snapshot.State.GONE)
        return
    try:
        keep_newest(run, engine)
    except EngineError as error:
        log.warning("The last checkpoint of %s is not known: %s", run, error.summary)


def record(run: Run, checkpoint: Checkpoint) -> None:
    """Let the run's one checkpoint row tell of `checkpoint`; not any more once a run was restored from it."""
    seen = Snapshot.objects.filter(run=run, source=Snapshot.Source.CHECKPOINT)
    if seen.filter(location=checkpoint.location, state=Snapshot.State.COMPLETED).exists():
        return
    with transaction.atomic():
        update_job(run.job_id)
        row, _created = seen.select_for_update().get_or_create(
            run=run,
            source=Snapshot.Source.CHECKPOINT,
            defaults={"job_id": run.job_id, "location": checkpoint.location, "state": Snapshot.State.COMPLETED},
        )
        if not row.restored_runs.exists():
            Snapshot.objects.filter(pk=row.pk).update(
                state=Snapshot.State.COMPLETED,
                location=checkpoint.location,
                directory=checkpoint.location.rpartition("/")[0],
                size_bytes=checkpoint.size_bytes,
                created_at=checkpoint.triggered_at,
                ended_at=checkpoint.completed_at,
            )


def as_checkpoint(found: Found) -> Checkpoint:
    """Tell of a checkpoint that was seen on disk as if Flink had told of it."""
    return Checkpoint(found.location, found.written_at, found.written_at, size_on_disk(found.location))


def find_unseen(run: Run) -> None:
    """Find the checkpoints of a run that was lost before it was asked for them: beside those of other runs."""
    if run.end != RunEnd.LOST or run.snapshots.filter(source=Snapshot.Source.CHECKPOINT).exists():
        return
    others = Snapshot.objects.filter(source=Snapshot.Source.CHECKPOINT, run__endpoint=run.endpoint_id)
    told = others.order_by("-pk").values_list("directory", flat=True)[:PLACES_TO_TRY]
    for place in dict.fromkeys(directory.rpartition("/")[0] for directory in told):
        if found := newest_checkpoint(f"{place}/{run.flink_job_id}"):
            record(run, as_checkpoint(found))
            return


def may_have_unknown(run: Run) -> bool:
    """Tell whether a run without a checkpoint in our book may have completed one after we last asked."""
    asked, alive = run.checkpoints_seen_at or run.started_at, run.missing_since or run.ended_at
    if asked is None or alive is None:
        return False
    return alive - asked > timedelta(seconds=interval_seconds(run))
