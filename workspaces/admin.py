from django.contrib import admin

from workspaces.models import Member, Workspace


class MemberInline(admin.TabularInline):
    model = Member
    extra = 1
    autocomplete_fields = ["user"]


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin):
    list_display = ["name", "serial", "description", "created_at"]
    search_fields = ["name", "serial"]
    readonly_fields = ["serial", "created_at"]
    inlines = [MemberInline]
