from django.urls import include, path

from jobs.views import (
    acts,
    arrange,
    batch,
    batches,
    draft,
    folders,
    job,
    listing,
    logs,
    monitoring,
    news,
    problems,
    records,
    recovery,
    thrown,
    versions,
    why,
)

of_a_workspace = [
    path("", listing.jobs, name="jobs"),
    path("new/", listing.new, name="new-job"),
    path("poll/", news.poll, name="poll-jobs"),
]

of_a_job = [
    path("", job.overview, name="job"),
    path("draft/", draft.draft, name="draft"),
    path("versions/", versions.versions, name="versions"),
    path("versions/<int:number>/", versions.version, name="version"),
    path("versions/<int:number>/restore/", versions.restore, name="restore-version"),
    path("versions/<int:number>/delete/", versions.delete, name="delete-version"),
    path("versions/compare/", versions.compare, name="compare"),
    path("snapshots/", job.snapshots, name="snapshots"),
    path("runs/", job.runs, name="runs"),
    path("events/", job.events, name="events"),
    path("operations/", job.operations, name="operations"),
    path("monitoring/", monitoring.monitoring, name="monitoring"),
    path("monitoring/figures/", monitoring.figures, name="figures"),
    path("logs/", logs.logs, name="logs"),
    path("logs/lines/", logs.lines, name="log-lines"),
    path("logs/download/", logs.download, name="download-log"),
    path("exceptions/", thrown.exceptions, name="exceptions"),
    path("poll/", job.poll, name="poll-job"),
    path("results/", job.results, name="results"),
    path("why/", why.why, name="why"),
    # The acts: GET shows the dialog, POST does it.
    path("publish/", acts.publish, name="publish"),
    path("next/<int:number>/", acts.next_step, name="next-step"),
    path("run/", acts.run, name="run"),
    path("stop/", acts.stop, name="stop"),
    path("snapshot/", acts.snapshot, name="snapshot"),
    path("cancel/", acts.cancel, name="cancel"),
    path("delete/", acts.delete, name="delete"),
    path("copy/", arrange.copy, name="copy"),
    path("move/", arrange.move, name="move"),
    path("rename/", arrange.rename, name="rename"),
    path("describe/", arrange.describe, name="describe"),
    path("recovery/", recovery.recovery, name="recovery"),
]

of_a_folder = [
    path("rename/", folders.rename, name="rename-folder"),
    path("move/", folders.move, name="move-folder"),
    path("delete/", folders.delete, name="delete-folder"),
]

of_a_batch = [
    path("", batches.batch, name="batch"),
    path("poll/", batches.poll, name="poll-batch"),
    path("retry/", batches.retry, name="retry-batch"),
    path("restart/", batches.restart, name="restart-batch"),
    path("cancel/", batches.cancel, name="cancel-batch"),
]

urlpatterns = [
    path("spaces/<slug:serial>/jobs/", include(of_a_workspace)),
    path("spaces/<slug:serial>/problems/", problems.problems, name="problems"),
    path("spaces/<slug:serial>/operations/", records.records, name="records"),
    path("spaces/<slug:serial>/folders/new/", folders.new, name="new-folder"),
    path("spaces/<slug:serial>/batch/<slug:action>/", batch.confirm, name="new-batch"),
    path("spaces/<slug:serial>/batches/", batches.batches, name="batches"),
    path("folders/<slug:serial>/", include(of_a_folder)),
    path("batches/<slug:serial>/", include(of_a_batch)),
    path("jobs/<slug:serial>/", include(of_a_job)),
]
