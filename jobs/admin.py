"""Jobs and their history, to look at. Acts on jobs belong to the console, which knows what is allowed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jobs.models import Folder, Job, Operation, OperationStep, Run, Snapshot, Version


class ReadOnly:
    """Take every right to change away: nobody edits the record (G9)."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


class VersionInline(ReadOnly, admin.TabularInline):
    model = Version
    fields = readonly_fields = ("number", "note", "published_at", "published_by")


class RunInline(ReadOnly, admin.TabularInline):
    model = Run
    fields = readonly_fields = ("number", "version", "flink_job_id", "started_at", "ended_at", "end")


class SnapshotInline(ReadOnly, admin.TabularInline):
    model = Snapshot
    fields = readonly_fields = ("serial", "source", "state", "created_at", "size_bytes", "location")


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "serial", "workspace", "cluster", "status", "last_version_number", "updated_at"]
    list_filter = ["status", "workspace", "cluster"]
    list_select_related = ["workspace", "cluster"]
    search_fields = ["name", "serial"]
    inlines = [VersionInline, RunInline, SnapshotInline]


class StepInline(ReadOnly, admin.TabularInline):
    model = OperationStep
    fields = readonly_fields = ("at", "step", "event", "detail")


@admin.register(Operation)
class OperationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["serial", "job", "action", "requested_by", "created_at", "outcome"]
    list_filter = ["action", "outcome"]
    list_select_related = ["job", "requested_by"]
    search_fields = ["serial", "job__name", "job__serial"]
    date_hierarchy = "created_at"
    inlines = [StepInline]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("job", "requested_by")


@admin.register(Folder)
class FolderAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "workspace", "parent"]


admin.site.site_header = admin.site.site_title = "Oceanus Console"
