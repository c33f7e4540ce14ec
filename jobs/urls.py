from django.urls import include, path

from jobs.views import acts, draft, job, listing, records, versions

of_a_workspace = [
    path("", listing.jobs, name="jobs"),
    path("new/", listing.new, name="new-job"),
    path("poll/", listing.poll, name="poll-jobs"),
]

of_a_job = [
    path("", job.overview, name="job"),
    path("draft/", draft.draft, name="draft"),
    path("versions/", versions.versions, name="versions"),
    path("versions/<int:number>/", versions.version, name="version"),
    path("versions/compare/", versions.compare, name="compare"),
    path("snapshots/", job.snapshots, name="snapshots"),
    path("runs/", job.runs, name="runs"),
    path("operations/", job.operations, name="operations"),
    path("poll/", job.poll, name="poll-job"),
    path("results/", job.results, name="results"),
    # The acts: GET shows the dialog, POST does it.
    path("publish/", acts.publish, name="publish"),
    path("next/<int:number>/", acts.next_step, name="next-step"),
    path("run/", acts.run, name="run"),
    path("stop/", acts.stop, name="stop"),
    path("snapshot/", acts.snapshot, name="snapshot"),
    path("cancel/", acts.cancel, name="cancel"),
    path("delete/", acts.delete, name="delete"),
]

urlpatterns = [
    path("spaces/<slug:serial>/jobs/", include(of_a_workspace)),
    path("spaces/<slug:serial>/operations/", records.records, name="records"),
    path("jobs/<slug:serial>/", include(of_a_job)),
]
