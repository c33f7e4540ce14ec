"""All access keys, for super admins: to see whose key does what, and to revoke one in an emergency."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from api import keys
from api.models import AccessKey


@admin.register(AccessKey)
class AccessKeyAdmin(admin.ModelAdmin):
    list_display = ["secret_id", "user", "description", "created_at", "last_used_at", "last_used_from", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["secret_id", "serial", "user__username"]
    fields = ["secret_id", "user", "description", "created_at", "last_used_at", "last_used_from", "revoked_at"]
    actions = ["revoke"]

    @admin.action(description=_("Revoke the selected access keys"), permissions=["view"])
    def revoke(self, request: Any, chosen: QuerySet[AccessKey]) -> None:
        for key in chosen:
            keys.revoke(request.user, key)

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False
