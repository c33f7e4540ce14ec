"""The console itself, to look at: its seals, and who failed to sign in. To delete a failed sign-in is to let him try again."""

from typing import Any

from django.contrib import admin

from jobs.admin import ReadOnly
from oceanus_console.models import FailedSignIn, Removal, Seal


@admin.register(Seal)
class SealAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["number", "at", "digest"]
    fields = ["number", "at", "previous", "digest"]


@admin.register(Removal)
class RemovalAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["at", "table_name", "kept_since", "first", "last"]
    fields = ["at", "table_name", "kept_since", "ids"]


@admin.register(FailedSignIn)
class FailedSignInAdmin(admin.ModelAdmin):
    list_display = ["username", "ip_address", "failures_since_start", "attempt_time"]
    fields = ["username", "ip_address", "failures_since_start", "attempt_time"]
    search_fields = ["username", "ip_address"]

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False
