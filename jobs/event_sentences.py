"""What an event says, in one sentence of the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_

from jobs.events import Event, Kind
from jobs.models import Snapshot
from jobs.operations.back_off import BUDGET
from jobs.states import Action, RunEnd


def sentence(event: Event) -> str:
    return _(SENTENCES[event.kind](event)) % _values(event)


def prospect(event: Event) -> str:
    """Return what the console then wanted to do about it by itself, or ""."""
    values = event.problem.values if event.problem and event.kind in (Kind.FAILED, Kind.START_FAILED) else {}
    if values.get("gave_up"):
        return _("The console gave up running it again by itself.")
    if attempt := values.get("attempt"):
        return _("The console planned to run it again by itself (attempt %(attempt)s of %(budget)s).") % {
            "attempt": attempt,
            "budget": BUDGET,
        }
    return ""


def _values(event: Event) -> dict[str, object]:
    run, snapshot, operation = event.run, event.snapshot, event.operation
    params = operation.params if operation else {}
    return {
        "run": run.number if run else "–",
        "version": run.version.number if run else params.get("version", "–"),
        "snapshot": snapshot.serial if snapshot else "–",
        "attempt": params.get("attempt", 1),
        "budget": BUDGET,
        "note": params.get("note", ""),
        "count": event.restart.count if event.restart else event.outage.count if event.outage else 1,
        "job": params.get("copied_from", "–"),
    }


def _started(event: Event) -> str:
    if event.operation and event.operation.params.get("found"):
        return N_(
            "Run #%(run)s of version %(version)s was found running on Flink; the record, restored from a backup, did not know it."
        )
    if event.snapshot:
        return N_("Run #%(run)s of version %(version)s started from snapshot %(snapshot)s.")
    return N_("Run #%(run)s of version %(version)s started without state.")


def _recovered(event: Event) -> str:
    if event.snapshot:
        return N_(
            "The console ran it again by itself (attempt %(attempt)s of %(budget)s): run #%(run)s of version %(version)s started from snapshot %(snapshot)s."
        )
    return N_(
        "The console ran it again by itself (attempt %(attempt)s of %(budget)s): run #%(run)s of version %(version)s started without state."
    )


def _stopped(event: Event) -> str:
    end = event.run.end if event.run else ""
    if end == RunEnd.CANCELLED:
        return N_("Run #%(run)s was cancelled on Flink itself, not through the console.")
    if end == RunEnd.PAUSED:
        return N_("Run #%(run)s was paused with snapshot %(snapshot)s.")
    if event.snapshot and event.snapshot.state != Snapshot.State.FAILED:
        return N_("Run #%(run)s was stopped with snapshot %(snapshot)s.")
    return N_("Run #%(run)s was stopped without a snapshot.") if event.operation else N_("Run #%(run)s was stopped.")


def _failed(event: Event) -> str:
    if event.run and event.run.end == RunEnd.LOST:
        return N_("Run #%(run)s vanished: Flink does not know it any more.")
    return N_("Run #%(run)s failed on Flink.")


def _start_failed(event: Event) -> str:
    if event.run is None:
        return N_("The console could not run version %(version)s again by itself (attempt %(attempt)s of %(budget)s).")
    if event.place.source == "operation":
        return N_("The start of run #%(run)s was given up.")
    return N_("Run #%(run)s of version %(version)s did not start.")


def _snapshot(event: Event) -> str:
    assert event.snapshot is not None
    return {
        Snapshot.Source.STOP: N_("Snapshot %(snapshot)s was created when stopping run #%(run)s."),
        Snapshot.Source.FOUND: N_("Snapshot %(snapshot)s of run #%(run)s was found in the snapshot directory."),
    }.get(Snapshot.Source(event.snapshot.source), N_("Snapshot %(snapshot)s of run #%(run)s was created."))


def _snapshot_failed(event: Event) -> str:
    is_of_stop = event.operation is not None and event.operation.action == Action.STOP
    if is_of_stop:
        return N_("Snapshot %(snapshot)s, to be created when stopping run #%(run)s, failed.")
    return N_("Snapshot %(snapshot)s of run #%(run)s failed.")


def _restarted(event: Event) -> str:
    if event.restart and event.restart.count > 1:
        return N_("Flink restarted run #%(run)s by itself, %(count)s times within the hour.")
    return N_("Flink restarted run #%(run)s by itself.")


def _unreachable(event: Event) -> str:
    if event.outage and event.outage.ended_at is None:
        return N_("The Flink of the job does not answer.")
    if event.outage and event.outage.count > 1:
        return N_("The Flink of the job did not answer, %(count)s times with little between; then it was back.")
    return N_("The Flink of the job did not answer; then it was back.")


def _switched(event: Event) -> str:
    is_on = event.operation is not None and event.operation.params.get("auto_recovery")
    return N_("Auto recovery was switched on.") if is_on else N_("Auto recovery was switched off.")


def _created(event: Event) -> str:
    is_copy = event.operation is not None and event.operation.params.get("copied_from")
    return N_("The job was created as a copy of %(job)s.") if is_copy else N_("The job was created.")


SENTENCES: dict[Kind, Callable[[Event], str]] = {
    Kind.FAILED: _failed,
    Kind.START_FAILED: _start_failed,
    Kind.STOP_FAILED: lambda event: N_("Stopping run #%(run)s failed."),
    Kind.SNAPSHOT_FAILED: _snapshot_failed,
    Kind.RESTARTED: _restarted,
    Kind.UNREACHABLE: _unreachable,
    Kind.RECOVERED: _recovered,
    Kind.STARTED: _started,
    Kind.STOPPED: _stopped,
    Kind.FINISHED: lambda event: N_("Run #%(run)s worked off all its input and ended by itself."),
    Kind.START_CANCELLED: lambda event: N_("The start of run #%(run)s was cancelled."),
    Kind.SNAPSHOT: _snapshot,
    Kind.PUBLISHED: lambda event: N_("Version %(version)s was published: %(note)s"),
    Kind.SWITCHED: _switched,
    Kind.CREATED: _created,
}
