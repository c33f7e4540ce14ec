"""From the click to the end. The acts, for views, batch, admin and API alike; `perform` and `watch` carry them on.

Every act takes who asks for it first, raises Refusal with a sentence for the user, and waits for nothing.
"""

from jobs.operations.draft import Conflict, check, create_job, delete, publish, save_draft
from jobs.operations.perform import perform
from jobs.operations.record import Refusal, end
from jobs.operations.run import run, submission_of
from jobs.operations.stop import cancel, snapshot, stop
from jobs.operations.watch import watch

__all__ = [
    "Conflict",
    "Refusal",
    "cancel",
    "check",
    "create_job",
    "delete",
    "end",
    "perform",
    "publish",
    "run",
    "save_draft",
    "snapshot",
    "stop",
    "submission_of",
    "watch",
]
