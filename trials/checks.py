"""What must hold once the dust has settled: the guarantees G1 to G7 and G9 of DESIGN.md, each by rows, Flink and files alone.

Nothing here asks the console what it thinks. G8 is asked at the door (trial.py), the rest of G6 by waiting (settled.py).
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from django.db.models import Q

from clusters.flink import plain_path
from clusters.models import FlinkEndpoint
from jobs.models import Batch, BatchItem, Job, Operation, OperationStep, Run, Snapshot, Version
from jobs.states import Action, Outcome, RunEnd, Status, status_after
from trials.evidence import Evidence, FlinkJob
from trials.people import Click

ON_FLINK = (Action.RUN, Action.STOP, Action.SNAPSHOT)
SAVEPOINTS = (Snapshot.Source.MANUAL, Snapshot.Source.STOP, Snapshot.Source.FOUND)
ENDS = {
    "FAILED": {RunEnd.FAILED},
    "FINISHED": {RunEnd.FINISHED, RunEnd.STOPPED},
    "CANCELED": {RunEnd.CANCELLED, RunEnd.STOPPED, RunEnd.FAILED},
}
Check = Callable[[Evidence], Iterator[str]]


def check(evidence: Evidence) -> list[str]:
    """Return what does not hold, a sentence each; nothing when all is well."""
    return [f"{name}: {finding}" for name, one in CHECKS.items() for finding in one(evidence)]


def g1_one_operation_at_a_time(evidence: Evidence) -> Iterator[str]:
    acts = Operation.objects.filter(action__in=ON_FLINK).filter(Q(ended_at=None) | Q(ended_at__gte=evidence.since))
    last: dict[int, Operation] = {}
    for one in acts.order_by("job", "created_at", "pk"):
        before = last.get(one.job_id)
        if before and (before.ended_at is None or before.ended_at > one.created_at):
            yield f"{before} of job {one.job_id} was not over when {one} began"
        last[one.job_id] = one


def g2_one_live_job(evidence: Evidence) -> Iterator[str]:
    runs = {run.flink_job_id: run for run in Run.objects.filter(flink_job_id__in=evidence.alive).select_related("job")}
    of_job: dict[str, list[str]] = defaultdict(list)
    for job_id in evidence.alive:
        run = runs.get(job_id)
        if run is None:
            yield f"nobody knows the live job {job_id}"
            continue
        of_job[run.job.serial].append(job_id)
        if run.ended_at:
            yield f"{job_id} lives, but {run} has ended ({run.end})"
    yield from (f"{serial} has {len(ids)} live jobs: {ids}" for serial, ids in of_job.items() if len(ids) > 1)


def g2_every_submission_is_known(evidence: Evidence) -> Iterator[str]:
    submitted = [one.submitted for one in evidence.asks if one.submitted]
    known = set(Run.objects.filter(flink_job_id__in=submitted).values_list("flink_job_id", flat=True))
    for job_id in set(submitted):
        if job_id not in known:
            yield f"{job_id} was submitted under an id that nobody knows"
        if submitted.count(job_id) > 1:
            yield f"{job_id} was accepted {submitted.count(job_id)} times"


def g3_snapshots_are_recorded(evidence: Evidence) -> Iterator[str]:
    recorded = Snapshot.objects.filter(state=Snapshot.State.COMPLETED, source__in=SAVEPOINTS)
    locations = {plain_path(one): serial for one, serial in recorded.values_list("location", "serial")}
    found = set(evidence.snapshot_root.rglob("savepoint-*/_metadata"))
    there = {str(one.parent) for one in found}
    to_be_recorded = {str(one.parent) for one in found if evidence.can_be_recorded(one)}
    yield from (f"the snapshot {path} is not recorded" for path in sorted(to_be_recorded - set(locations)))
    for path in sorted(set(locations) - there):
        if not (Path(path) / "_metadata").is_file():
            yield f"{locations[path]} is recorded as completed, but nothing is at {path}"


def g4_stop_with_snapshot_is_no_cancel(evidence: Evidence) -> Iterator[str]:
    stops = Operation.objects.filter(action=Action.STOP, snapshot__isnull=False, created_at__gte=evidence.since)
    for stop in stops.select_related("run", "snapshot"):
        assert stop.run is not None
        assert stop.snapshot is not None
        if stop.outcome == Outcome.SUCCEEDED:
            if stop.snapshot.state != Snapshot.State.COMPLETED:
                yield f"{stop} succeeded, but its snapshot is {stop.snapshot.state}"
            if evidence.end_of(stop.run.flink_job_id) == "CANCELED":
                yield f"{stop} succeeded, but its job was cancelled"
        for ask in evidence.asks:
            is_meanwhile = ask.at > stop.created_at and (stop.ended_at is None or ask.at < stop.ended_at)
            if ask.cancelled == stop.run.flink_job_id and is_meanwhile:
                yield f"{ask.cancelled} was cancelled during {stop}"


def g5_nothing_is_open(evidence: Evidence) -> Iterator[str]:
    yield from (f"{one} is still in {one.step}" for one in Operation.objects.filter(ended_at=None))
    yield from (f"{one} is still open" for one in Batch.objects.filter(ended_at=None, total__gt=0))
    working = BatchItem.objects.filter(state__in=[BatchItem.State.WAITING, BatchItem.State.WORKING])
    yield from (f"item {one} is still {one.state}" for one in working)
    busy = Job.objects.filter(~Q(action="") | ~Q(step="") | Q(status=Status.OPERATING))
    for job in busy.exclude(operations__ended_at=None):
        yield f"{job.serial} shows {job.status} ({job.action} {job.step}) without an open operation"
    creating = Snapshot.objects.filter(state=Snapshot.State.CREATING)
    yield from (f"snapshot {one} is still being created" for one in creating)


def g6_what_is_shown_is_true(evidence: Evidence) -> Iterator[str]:
    for endpoint in FlinkEndpoint.objects.exclude(unreachable_since=None):
        yield f"{endpoint} is shown as unreachable"
    jobs = Job.objects.filter(action="").select_related("current_run")
    for job in jobs:
        if job.current_run:
            shown = evidence.jobs.get(job.current_run.flink_job_id)
            yield from _lies_about(job, job.current_run, shown if shown and not shown.is_over else None)
        elif job.status in (Status.RUNNING, Status.FAILED):
            yield f"{job.serial} is shown as {job.status}, but never ran"


def _lies_about(job: Job, run: Run, alive: FlinkJob | None) -> Iterator[str]:
    if alive and (job.status != Status.RUNNING or run.ended_at):
        yield f"{run} lives, but {job.serial} is shown as {job.status} ({run.end or 'not ended'})"
    elif alive and (run.flink_state != alive.state or run.is_up != alive.is_up):
        yield f"{run} is {alive}, but known as {run.flink_state} {run.tasks_up}/{run.tasks_total}"
    elif not alive and job.status == Status.RUNNING:
        yield f"{job.serial} is shown as running, but {run} does not live"
    elif not alive and run.ended_at is None:
        yield f"{run} does not live, but has not ended"
    elif run.ended_at and job.status != status_after(RunEnd(run.end)) and not _broken_again(job, run):
        yield f"{job.serial} is shown as {job.status}, but {run} has ended: {run.end}"


def _broken_again(job: Job, run: Run) -> bool:
    """Tell whether the console ran a broken job again, in vain: it stays as broken as it was."""
    again = Operation.objects.filter(run=run, params__automatic=True, outcome=Outcome.FAILED)
    return job.status == Status.FAILED and again.exists()


def g6_runs_ended_as_flink_says(evidence: Evidence) -> Iterator[str]:
    steps = OperationStep.objects.values_list("operation__run", flat=True)
    late = {
        "CANCELED": set(steps.filter(event="stray-cancelled")),
        # Withdrawn while Flink was being asked for it, which refused it then.
        "FAILED": set(steps.filter(event="refused", operation__outcome=Outcome.CANCELLED)),
    }
    for run in Run.objects.filter(ended_at__gte=evidence.since):
        end = evidence.end_of(run.flink_job_id)
        if not end or run.end in ENDS[end] or run.pk in late.get(end, ()):
            continue
        yield f"{run} ({run.flink_job_id}) ended as {run.end}, but on Flink as {end}"


def g7_versions_never_change(evidence: Evidence) -> Iterator[str]:
    now = {one.pk: definition_of(one) for one in Version.objects.all()}
    for pk, text in evidence.definitions.items():
        if now.get(pk) != text:
            yield f"version {pk} {'is gone' if pk not in now else 'has changed'}"
    for run in Run.objects.filter(ended_at=None).exclude(version__in=now):
        yield f"{run} runs a version that is gone"


def definition_of(version: Version) -> str:
    """Return what a version says, as one short text."""
    values = {**version.values(), "job": version.job_id, "number": version.number, "note": version.note}
    return hashlib.sha256(repr(sorted((key, str(value)) for key, value in values.items())).encode()).hexdigest()


def g9_every_click_is_on_record(evidence: Evidence) -> Iterator[str]:
    """Every click that was answered with success has its row; every row has a click; and every end is there."""
    rows = Operation.objects.filter(created_at__gte=evidence.since).select_related(
        "job", "requested_by", "batch__requested_by"
    )
    left: dict[tuple[str, str, str], list[Operation]] = defaultdict(list)
    for row in rows.order_by("created_at"):
        if row.requested_by is None:
            if not (row.action == Action.RUN and (row.params.get("automatic") or row.params.get("found"))):
                yield f"nobody asked for {row}"
        elif row.batch is None and "copied_from" not in row.params:
            left[row.requested_by.username, row.action, row.job.serial].append(row)
        elif row.batch and row.requested_by != row.batch.requested_by:
            yield f"{row} and its batch were asked for by different people"
    # What a batch does at once stands in the record without it.
    items = BatchItem.objects.filter(batch__created_at__gte=evidence.since)
    for key in items.values_list("batch__requested_by__username", "batch__action", "job__serial"):
        left.pop(key, None)
    yield from _unmatched(evidence, left)
    batches = {str(one.key): one.requested_by.username for one in Batch.objects.filter(created_at__gte=evidence.since)}
    for name, clicks in evidence.people.items():
        for click in clicks:
            if click.key and click.has_succeeded and batches.get(click.key) != name:
                yield f"no batch for the click: {click}"


def _unmatched(evidence: Evidence, left: dict[tuple[str, str, str], list[Operation]]) -> Iterator[str]:
    """Pair clicks and rows; tell what is left over on either side."""
    for name, clicks in evidence.people.items():
        singles = [one for one in clicks if not one.key]
        # Clicks that were answered are sure of their row, the soonest answered of the earliest; what is left may belong to one
        # without an answer.
        for click in sorted(singles, key=lambda one: (not one.has_succeeded, one.answered_at or one.sent_at)):
            rows = left[name, click.action, click.job]
            until = click.answered_at if click.has_succeeded else None
            row = next(
                (r for r in rows if r.created_at >= click.sent_at and (not until or r.created_at <= until)), None
            )
            if row and (click.has_succeeded or not click.status or click.status >= 500):
                rows.remove(row)
            elif click.has_succeeded and not _in_a_batch(click):
                yield f"no record of the click: {click}"
        yield from (f"no click for {row} of {name}" for key, rows in left.items() if key[0] == name for row in rows)


def _in_a_batch(click: Click) -> bool:
    """Tell whether a batch did the same at that time, so that its row can't be told from this one's."""
    same = BatchItem.objects.filter(job__serial=click.job, batch__action=click.action)
    done = Operation.objects.filter(job__serial=click.job, action=click.action, created_at__gte=click.sent_at)
    return same.exists() and done.exists()


CHECKS: dict[str, Check] = {
    "G1": g1_one_operation_at_a_time,
    "G2": g2_one_live_job,
    "G2 submissions": g2_every_submission_is_known,
    "G3": g3_snapshots_are_recorded,
    "G4": g4_stop_with_snapshot_is_no_cancel,
    "G5": g5_nothing_is_open,
    "G6": g6_what_is_shown_is_true,
    "G6 ends": g6_runs_ended_as_flink_says,
    "G7": g7_versions_never_change,
    "G9": g9_every_click_is_on_record,
}
