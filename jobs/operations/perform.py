"""A worker's part: ask Flink once, record, and end. Operations on one endpoint are asked for together, in few statements."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from django.db import transaction

from clusters.engine import Engine, EngineError, Unreachable
from clusters.models import FlinkEndpoint
from clusters.network import NO_ANSWER
from jobs.log_records import subject
from jobs.models import Operation, Run, Snapshot
from jobs.operations.ask import Ask, Taken, ask, withdraw
from jobs.operations.at_once import in_waves
from jobs.operations.ending import batches_of
from jobs.operations.record import Event, Lock, alone_until_commit, alone_with, look_again, wake, without_secrets
from jobs.operations.silence import engine_of, may_ask
from jobs.operations.steps import hand_over_all
from jobs.operations.submit import Room, accept, submit, wait_for_slots
from jobs.states import ASKING_STEPS, Step
from workspaces import clock
from workspaces.prepared import Prepared, among, columns
from workspaces.prepared import ask as ask_database

log = logging.getLogger(__name__)

SEND_EVERY_SECONDS = 0.5


TO_ASK = Prepared(
    lambda pks: (
        Operation.objects.filter(
            among("jobs_operation.id", pks), ended_at=None, step__in=ASKING_STEPS, run__isnull=False
        )
        .select_related(
            *(
                "job",
                "snapshot__run",
                "run__version",
                "run__restored_from",
                "run__endpoint__cluster",
                "run__job",
                "problem",
            )
        )
        .order_by("pk")
    ),
    pks=[-1],
)


def perform(*operation_ids: int) -> set[int]:
    """Do the asking steps in which these operations stand. Anybody may call this at any time, any number of times.

    Return the batches that may be carried on: their places in line are free for the next ones.
    """
    with alone_with(Lock.OPERATION, operation_ids) as mine:
        by_endpoint = defaultdict(list)
        for one in TO_ASK.objects(pks=mine) if mine else []:
            by_endpoint[one.run.endpoint_id].append(one)
        for some in by_endpoint.values():
            _perform(some)
    return batches_of(chain(*by_endpoint.values()))


def _perform(operations: Sequence[Operation]) -> None:
    assert operations[0].run is not None
    endpoint = operations[0].run.endpoint
    known = {one.pk: one.look_at for one in operations}
    with may_ask(endpoint) as is_to_be_asked:
        if is_to_be_asked:
            _ask_for(operations, endpoint, engine_of(endpoint))
        else:
            _put_off(operations, endpoint)
    if is_to_be_asked:
        _come_back([one for one in operations if one.look_at != known[one.pk]])


def _put_off(operations: Sequence[Operation], endpoint: FlinkEndpoint) -> None:
    """Let operations wait until a silent Flink answers, as far as they need it; the tick offers them again."""
    silence = Unreachable(endpoint.unreachable_reason or NO_ANSWER)
    engine = engine_of(endpoint, silence)
    room = Room(endpoint, engine)
    for operation in operations:
        with _taken_care_of(operation):
            if _prepare(operation, engine, room):
                raise silence


def _come_back(operations: Collection[Operation]) -> None:
    """Send for what is to be looked at again, in sets: each alone would take a thread of its own, at a Flink that hangs."""
    now, due = clock.now(), defaultdict(list)
    for one in operations:
        if one.look_at:
            due[round((one.look_at - now).total_seconds() / SEND_EVERY_SECONDS)].append(one.pk)
    for pause, pks in due.items():
        wake("jobs.perform", *pks, countdown=max(0.0, pause * SEND_EVERY_SECONDS))


def _ask_for(operations: Sequence[Operation], endpoint: FlinkEndpoint, engine: Engine) -> None:
    room = Room(endpoint, engine)
    asks = []
    for operation in operations:
        with _taken_care_of(operation):
            if found := _prepare(operation, engine, room):
                asks.append(found)
    asks, for_the_first_time = _write_down_what_fits(asks, endpoint, room)
    for wave in in_waves([one.send for one in asks]):
        answered = [(asks[place], said if isinstance(said, Exception) else None) for place, said in wave]
        _settle(answered, for_the_first_time)


def _write_down_what_fits(asks: list[Ask], endpoint: FlinkEndpoint, room: Room) -> tuple[list[Ask], set[int]]:
    """Write down what is about to be asked, but for those who must wait for slots; return it, and who has never asked before.

    Other sets of runs may be on their way to the same Flink: who writes it down first has the slots.
    """
    starts = [one for one in asks if one.slots]
    if not starts:
        return _write_down(asks, endpoint)
    with transaction.atomic():
        alone_until_commit(Lock.SLOTS, endpoint.pk)
        room.count([one.operation.run_id for one in starts if one.operation.run_id])
        fitting = [one for one in asks if room.takes(one.slots)]
        written = _write_down(fitting, endpoint)
    for one in asks:
        if one not in fitting:
            with _taken_care_of(one.operation):
                wait_for_slots(one, room)
    return written


def _prepare(operation: Operation, engine: Engine, room: Room) -> Ask | None:
    if operation.step == Step.SUBMITTING:
        return submit(operation, engine, room)
    return ask(operation, engine) if operation.step == Step.ASKING else withdraw(operation, engine)


@contextmanager
def _taken_care_of(operation: Operation) -> Iterator[None]:
    """Let no trouble with one operation reach the others, nor the operation be forgotten."""
    with subject(operation=operation.serial, job=operation.job.serial):
        try:
            yield
        except Unreachable as error:
            look_again(operation, Event.UNREACHABLE, error.summary)
        except EngineError as error:
            # Also a look that was refused: whatever it means, it tells nothing of the job.
            look_again(operation, Event.UNANSWERED, error.summary)
        except Exception:
            # The tick offers it again.
            log.exception("Could not carry on %s", operation)


# What is asked at the address that the endpoint has, which stays until this is written down; and who asks for the first time: of a run
# or a snapshot that nobody has asked for before.
ASKED = """
    WITH here AS (
        SELECT id FROM clusters_flinkendpoint WHERE id = %s AND rest_url = %s FOR SHARE
    ), told AS (
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
            AS told (id, step, detail, run_id, snapshot_id)
        WHERE EXISTS (SELECT 1 FROM here)
    ), runs AS (
        SELECT id FROM jobs_run
        WHERE id IN (SELECT run_id FROM told) AND submitted_at IS NULL ORDER BY id FOR NO KEY UPDATE
    ), snapshots AS (
        SELECT id FROM jobs_snapshot
        WHERE id IN (SELECT snapshot_id FROM told) AND asked_at IS NULL ORDER BY id FOR NO KEY UPDATE
    ), submitted AS (
        UPDATE jobs_run SET submitted_at = %s FROM runs WHERE jobs_run.id = runs.id
    ), asked AS (
        UPDATE jobs_snapshot SET asked_at = %s FROM snapshots WHERE jobs_snapshot.id = snapshots.id
    ), noted AS (
        INSERT INTO jobs_operationstep (operation_id, at, step, event, detail)
        SELECT id, %s, step, %s, detail FROM told
    )
    SELECT id, COALESCE(run_id IN (SELECT id FROM runs), FALSE) OR COALESCE(snapshot_id IN (SELECT id FROM snapshots), FALSE)
    FROM told
"""


def _write_down(asks: list[Ask], endpoint: FlinkEndpoint) -> tuple[list[Ask], set[int]]:
    """Write down what is about to be asked: from here on Flink may know our ids. Return it, and who has never asked before.

    When the endpoint has got another address meanwhile, nothing may be asked at this one any more; the tick offers it again.
    """
    if not asks:
        return [], set()
    now = clock.now()
    rows = [
        (
            one.operation.pk,
            str(one.operation.step),
            without_secrets(one.operation, Event.ASKED, one.detail),
            one.operation.run_id if one.then == Step.STARTING else None,
            one.operation.snapshot_id if one.then == Step.SNAPSHOTTING else None,
        )
        for one in asks
    ]
    here = [endpoint.pk, endpoint.rest_url]
    told = dict(ask_database(ASKED, [*here, *columns(rows), now, now, now, str(Event.ASKED)]))
    return [one for one in asks if one.operation.pk in told], {pk for pk, is_first in told.items() if is_first}


def _take_back(one: Ask) -> None:
    """Forget that it was asked for: surely nothing of it has arrived."""
    if one.then == Step.STARTING:
        Run.objects.filter(operations=one.operation).update(submitted_at=None)
    elif one.then == Step.SNAPSHOTTING:
        Snapshot.objects.filter(operations=one.operation).update(asked_at=None)


def _settle(answered: Sequence[tuple[Ask, Exception | None]], for_the_first_time: set[int]) -> None:
    """Write down what came of requests: together where it is the same."""
    taken: dict[tuple[Step, Taken], list[Operation]] = defaultdict(list)
    for one, error in answered:
        with _taken_care_of(one.operation):
            if how := _judge(one, error, for_the_first_time):
                taken[one.then, how].append(one.operation)
    for (step, (event, detail)), operations in taken.items():
        if step == Step.STARTING:
            accept(operations, event, detail)
        else:
            hand_over_all(operations, step, event, detail)


def _judge(one: Ask, error: Exception | None, for_the_first_time: set[int]) -> Taken | None:
    if error is None:
        return Event.ACCEPTED, ""
    if isinstance(error, Unreachable):
        if one.operation.pk in for_the_first_time:
            _take_back(one)
        raise error
    if not isinstance(error, EngineError):
        raise error  # a fault of ours, before or after the request
    return one.judge(error)
