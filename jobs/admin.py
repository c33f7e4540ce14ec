"""Jobs and their history, to look at. Acts on jobs belong to the console, which knows what is allowed."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from jobs.models import Folder, Job, Operation, OperationStep, Run, Snapshot, Version

NEWEST_SHOWN = 50
# The operations of so many jobs, the newest, are found by a part of the job's name.
JOBS_SEARCHED = 200


class ReadOnly:
    """Take every right to change away: nobody edits the record (G9)."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


class NewestOfJob(ReadOnly, admin.TabularInline):
    """Shows the newest rows only, by few statements: a job may have thousands, and its page in the console has them all."""

    brings: tuple[str, ...] = ()
    defers: tuple[str, ...] = ()

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        self.job = obj
        return super().get_formset(request, obj, **kwargs)

    def get_queryset(self, request: HttpRequest) -> Any:
        newest = self.model.objects.filter(job=self.job).order_by("-pk").values("pk")[:NEWEST_SHOWN]
        rows = super().get_queryset(request).filter(pk__in=newest).select_related("job", *self.brings)
        return rows.defer(*self.defers)


class VersionInline(NewestOfJob):
    model = Version
    brings, defers = ("published_by",), ("sql", "properties")
    fields = readonly_fields = ("number", "note", "published_at", "published_by")


class RunInline(NewestOfJob):
    model = Run
    brings, defers = ("version__job",), ("version__sql", "version__properties")
    fields = readonly_fields = ("number", "version", "flink_job_id", "started_at", "ended_at", "end")


class SnapshotInline(NewestOfJob):
    model = Snapshot
    fields = readonly_fields = ("serial", "source", "state", "created_at", "size_bytes", "location")


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "serial", "workspace", "cluster", "state", "last_version_number", "updated_at"]
    list_filter = ["status", "workspace", "cluster"]
    list_select_related = ["workspace", "cluster"]
    search_fields = ["name", "serial"]
    inlines = [VersionInline, RunInline, SnapshotInline]

    @admin.display(description=_("Status"), ordering="status")
    def state(self, job: Job) -> str:
        # The record keeps deleted ones, and their names may be in use again.
        return pgettext("status", "Deleted") if job.deleted_at else job.get_status_display()


class StepInline(ReadOnly, admin.TabularInline):
    model = OperationStep
    fields = readonly_fields = ("at", "step", "event", "detail")


@admin.register(Operation)
class OperationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["serial", "job", "action", "requested_by", "created_at", "outcome"]
    list_filter = ["action", "outcome"]
    list_select_related = ["job", "requested_by"]
    search_fields = ["serial", "job__name", "job__serial"]
    search_help_text = _("ID of an operation, ID of a job or a part of its name")
    date_hierarchy = "created_at"
    inlines = [StepInline]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("job", "requested_by")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Look where there are indexes: parts of texts in tens of thousands of operations take seconds."""
        if not search_term:
            return queryset, False
        named = Job.objects.filter(Q(serial=search_term) | Q(name__icontains=search_term)).order_by("-pk")
        jobs = list(named.values_list("pk", flat=True)[:JOBS_SEARCHED])
        return queryset.filter(Q(serial=search_term) | Q(job__in=jobs)), False


@admin.register(Folder)
class FolderAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "workspace", "parent"]


admin.site.site_header = admin.site.site_title = "Oceanus Console"
