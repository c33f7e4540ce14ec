"""From the click to the end. The acts, for views, batch, admin and API alike; `perform` and `watch` carry them on.

Every act takes who asks for it first, raises Refusal with a sentence for the user, and waits for nothing.
"""

from jobs.operations.batch import (
    advance,
    cancel_waiting,
    due_batches,
    request_batch,
    retry_failed,
    run_from_snapshots,
)
from jobs.operations.copy import changes_of_copy, copy, name_of_copy, published_definition
from jobs.operations.draft import (
    Conflict,
    check,
    create_job,
    delete,
    delete_version,
    publish,
    publish_definition,
    refuse_what_ran,
    restore_version,
    save_draft,
)
from jobs.operations.ending import end
from jobs.operations.folders import (
    create_folder,
    delete_folder,
    describe_job,
    move_folder,
    move_job,
    path_of,
    rename_folder,
    rename_job,
)
from jobs.operations.measure import measure, see_exceptions, want_exceptions, want_figures
from jobs.operations.orphans import find_all_orphans
from jobs.operations.perform import perform
from jobs.operations.recover import due_recoveries, recover, switch_recovery
from jobs.operations.run import NotEnoughCu, run
from jobs.operations.stop import cancel, snapshot, snapshot_of_pause, stop
from jobs.operations.submit import submission_of
from jobs.operations.watch import watch
from workspaces.refusal import Refusal

__all__ = [
    "Conflict",
    "NotEnoughCu",
    "Refusal",
    "advance",
    "cancel",
    "cancel_waiting",
    "changes_of_copy",
    "check",
    "copy",
    "create_folder",
    "create_job",
    "delete",
    "delete_folder",
    "delete_version",
    "describe_job",
    "due_batches",
    "due_recoveries",
    "end",
    "find_all_orphans",
    "measure",
    "move_folder",
    "move_job",
    "name_of_copy",
    "path_of",
    "perform",
    "publish",
    "publish_definition",
    "published_definition",
    "recover",
    "refuse_what_ran",
    "rename_folder",
    "rename_job",
    "request_batch",
    "restore_version",
    "retry_failed",
    "run",
    "run_from_snapshots",
    "save_draft",
    "see_exceptions",
    "snapshot",
    "snapshot_of_pause",
    "stop",
    "submission_of",
    "switch_recovery",
    "want_exceptions",
    "want_figures",
    "watch",
]
