"""Know the newest checkpoint of every run, so that a job can go on from there when it has failed or vanished."""

import logging
import random
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import (
    BooleanField,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    Value,
)

from clusters.engine import Checkpoint, Engine, EngineError, JobSight, JobState
from jobs.log_records import subject
from jobs.models import Run, Snapshot
from jobs.models.run import LONGEST_PATH
from jobs.operations.at_once import while_answered
from jobs.operations.disk import Found, is_open, newest_checkpoint, size_on_disk
from jobs.operations.record import touch, write_rows
from jobs.states import RunEnd
from workspaces.prepared import Prepared, among

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 60
LONGEST_WAITING = 20
# So many runs are asked for their newest checkpoint at a look, however many there are; where that is a crowd, in sets at every fourth.
CHECKPOINTS_A_LOOK, CHECKPOINTS_A_BUSY_LOOK = 2, 1
CROWD, LOOK_OF_A_CROWD = 8, 4
# So many folders of earlier checkpoints are tried for a run whose own folder was never told.
PLACES_TO_TRY = 20
# A definition with this sets the interval itself.
OWN_WORDS = "checkpointing.interval"


def is_due(now: datetime, long_ago: datetime) -> ExpressionWrapper:
    """Return the condition on a run that its newest checkpoint was asked for long ago, so that it may have another."""
    # Before its first interval is over, a run has no checkpoint to tell of.
    interval = F("version__checkpoint_interval_seconds") * Value(timedelta(seconds=1), DurationField())
    over = Q(started_at__lte=ExpressionWrapper(Value(now, DateTimeField()) - interval, DateTimeField()))
    first = Q(started_at__lte=long_ago) | over | Q(version__sql__contains=OWN_WORDS)
    first |= Q(version__properties__has_key=f"execution.{OWN_WORDS}")
    asked = Q(checkpoints_seen_at__lte=long_ago)
    return ExpressionWrapper(asked | (Q(checkpoints_seen_at=None, started_at__lte=now) & first), BooleanField())


def some_of(longest_first: list[int], is_busy: bool) -> list[Run]:
    """Return the runs to ask at this look, of those that are due; fewer when somebody waits for an operation (`is_busy`)."""
    count = CHECKPOINTS_A_BUSY_LOOK if is_busy else CHECKPOINTS_A_LOOK
    if len(longest_first) >= CROWD and not is_busy:
        # A set of them costs little more than one.
        count = 0 if random.randrange(LOOK_OF_A_CROWD) else count * LOOK_OF_A_CROWD
    # Drawn from those that wait longest, so that some which never get an answer don't keep the others waiting for ever.
    longest = longest_first[:LONGEST_WAITING]
    chosen = random.sample(longest, min(count, len(longest)))
    return list(Run.objects.filter(pk__in=chosen)) if chosen else []


def interval_seconds(run: Run) -> int:
    """Return how long a run is at most without a checkpoint at its start; 0 when its definition says it in its own words."""
    version = run.version
    own_words = OWN_WORDS in version.sql or f"execution.{OWN_WORDS}" in version.properties
    return 0 if own_words else version.checkpoint_interval_seconds


def keep_newest(runs: Sequence[Run], engine: Engine) -> None:
    """Ask for the newest checkpoint of each of these runs, and write down what is new."""
    found: dict[int, Checkpoint | None] = {}
    answers = while_answered([partial(engine.newest_checkpoint, run.flink_job_id) for run in runs])
    told: EngineError | None = None
    for run, answer in zip(runs, answers, strict=True):
        if not isinstance(answer, EngineError):
            found[run.pk] = answer
        elif answer is not told:  # many may share the same silence
            told = answer
            with subject(job=run.job.serial):
                log.warning("No answer about checkpoints of %s: %s", run, answer.summary)
    _write_down([run for run in runs if run.pk in found], found)


def _write_down(asked: Sequence[Run], found: Mapping[int, Checkpoint | None]) -> None:
    if not asked:
        return
    with connection.cursor() as cursor:
        cursor.execute(ASKED, [list(found)])
        still_open = {pk for (pk,) in cursor.fetchall()}
    known = dict(KNOWN.rows(runs=list(found)))
    told = ((run, found[run.pk]) for run in asked if run.pk in still_open)
    record({run: one for run, one in told if one and one.location != known.get(run.pk)})


# What was kept of a run at its end is the last: an answer that comes later was given before.
ASKED = """
    WITH theirs AS (SELECT id FROM jobs_run WHERE id = ANY(%s) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE)
    UPDATE jobs_run SET checkpoints_seen_at = statement_timestamp() FROM theirs WHERE jobs_run.id = theirs.id
    RETURNING jobs_run.id
"""
# Run id -> where its newest checkpoint lies, as far as it is there.
KNOWN = Prepared(
    lambda runs: (
        Snapshot.objects.filter(
            among("jobs_snapshot.run_id", runs), source=Snapshot.Source.CHECKPOINT, state=Snapshot.State.COMPLETED
        )
        .order_by()
        .values_list("run", "location")
    ),
    runs=[-1],
)


def keep_last(over: Mapping[Run, JobSight], engine: Engine, place: str) -> None:
    """Keep what remains of the checkpoints of runs that are over on Flink; whatever goes wrong here, they may be closed.

    `place`: below which each job has a folder for its checkpoints, as far as Flink has told.
    """
    finished = [run for run, sight in over.items() if sight.state == JobState.FINISHED]
    if finished:
        # Flink has discarded them by now, whatever it was told to retain.
        kept = Snapshot.objects.filter(run__in=finished, source=Snapshot.Source.CHECKPOINT)
        kept.filter(state=Snapshot.State.COMPLETED).update(state=Snapshot.State.GONE)
    left = [run for run in over if run not in finished]
    # A folder of the job that we can see says as much as Flink, which takes its time for a job that has ended.
    folders = {run: f"{place}/{run.flink_job_id}" for run in left}
    seen = [run for run in left if place and is_open(folders[run])]
    found = {run.pk: newest_checkpoint(folders[run]) for run in seen}
    _write_down(seen, {pk: as_checkpoint(one) if one else None for pk, one in found.items()})
    keep_newest([run for run in left if run.pk not in found], engine)


def record(found: Mapping[Run, Checkpoint]) -> None:
    """Let the one checkpoint row of each run tell of what was found; not any more once a run was restored from it."""
    found = {run: one for run, one in found.items() if len(one.location) <= LONGEST_PATH}
    if not found:
        return
    with transaction.atomic():
        touch(run.job_id for run in found)
        rows = _locked_rows(found)
        if missing := [run for run in found if run.pk not in rows]:
            # Somebody else may be faster; then his row is the one.
            Snapshot.objects.bulk_create([_row(run, found[run]) for run in missing], ignore_conflicts=True)
            rows |= _locked_rows(missing)
        # Asked for once they are locked: from now on nobody begins to restore from them.
        used = {pk for (pk,) in USED.rows(snapshots=list(rows.values()))}
        _let_tell({rows[run.pk]: one for run, one in found.items() if rows[run.pk] not in used})


# Run id -> its checkpoint row, locked.
ROWS = Prepared(
    lambda runs: (
        Snapshot.objects.select_for_update(no_key=True)
        .filter(among("jobs_snapshot.run_id", runs), source=Snapshot.Source.CHECKPOINT)
        .order_by("pk")
        .values_list("run", "pk")
    ),
    runs=[-1],
)
USED = Prepared(
    lambda snapshots: (
        Run.objects.filter(among("jobs_run.restored_from_id", snapshots)).order_by().values_list("restored_from")
    ),
    snapshots=[-1],
)


def _locked_rows(runs: Collection[Run]) -> dict[int, int]:
    return dict(ROWS.rows(runs=[run.pk for run in runs]))


def _row(run: Run, checkpoint: Checkpoint) -> Snapshot:
    completed = {"source": Snapshot.Source.CHECKPOINT, "state": Snapshot.State.COMPLETED}
    return Snapshot(run=run, job_id=run.job_id, location=checkpoint.location, **completed)


TELL = """
    UPDATE jobs_snapshot AS snapshot
    SET state = 'completed', location = told.location, directory = told.directory, size_bytes = told.size_bytes,
        created_at = told.created_at, ended_at = told.ended_at
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
        AS told (id, location, directory, size_bytes, created_at, ended_at)
    WHERE snapshot.id = told.id
"""


def _let_tell(found: Mapping[int, Checkpoint]) -> None:
    told = [
        (pk, one.location, one.location.rpartition("/")[0], one.size_bytes, one.triggered_at, one.completed_at)
        for pk, one in found.items()
    ]
    if told:
        write_rows(TELL, told)


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
            record({run: as_checkpoint(found)})
            return


def may_have_unknown(run: Run) -> bool:
    """Tell whether a run without a checkpoint in our book may have completed one after we last asked."""
    asked, alive = run.checkpoints_seen_at or run.started_at, run.missing_since or run.ended_at
    if asked is None or alive is None:
        return False
    return alive - asked > timedelta(seconds=interval_seconds(run))
