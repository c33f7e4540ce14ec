"""Users, workspaces and their members for super admins. Every change goes through the acts, or is put on record as they would."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from workspaces import acts
from workspaces.models import Event, Member, Workspace

admin.site.unregister([User, Group])  # roles are those of workspaces; what a group may do nobody asks


@admin.register(User)
class RecordedUserAdmin(UserAdmin):
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        (None, {"fields": ("is_active", "is_staff", "is_superuser", "last_login", "date_joined")}),
    )
    list_filter = ("is_staff", "is_superuser", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Let nobody lock himself out."""
        own = ("is_active", "is_staff", "is_superuser") if obj == request.user else ()
        return (*super().get_readonly_fields(request, obj), *own, "last_login", "date_joined")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        to_delete, counts, perms_needed, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, perms_needed, [*protected, *(str(one) for one in objs if one == request.user)]

    def save_model(self, request: Any, obj: User, form: forms.ModelForm, change: bool) -> None:
        before = User.objects.filter(pk=obj.pk).first()
        super().save_model(request, obj, form, change)
        acts.record_user(request.user, before, obj)

    def delete_model(self, request: Any, obj: User) -> None:
        acts.delete_user(request.user, obj)

    def delete_queryset(self, request: Any, queryset: QuerySet[User]) -> None:
        for user in queryset:
            acts.delete_user(request.user, user)

    @transaction.atomic
    def user_change_password(self, request: Any, id: str, form_url: str = "") -> HttpResponse:
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            user = User.objects.get(pk=id)
            acts.record(request.user, f"user-{user.pk}", Event.Code.PASSWORD_SET, user=user.username)
        return answer


# With more members they are seen to on the console's own page, which shows a part of them at a time.
MEMBERS_SHOWN = 50


class MemberForm(forms.ModelForm):
    """A member may get another role, not become somebody else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].disabled = self.instance.pk is not None


class MemberInline(admin.TabularInline):
    model = Member
    form = MemberForm
    extra = 0
    autocomplete_fields = ["user"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        return super().get_queryset(request).select_related("user")


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin):
    list_display = ["name", "serial", "description", "created_at"]
    search_fields = ["name", "serial"]
    readonly_fields = ["serial", "created_at", "all_members"]

    def get_inlines(self, request: HttpRequest, obj: Workspace | None) -> Any:
        return [] if obj and obj.members.count() > MEMBERS_SHOWN else [MemberInline]

    @admin.display(description=_("members"))
    def all_members(self, obj: Workspace) -> str:
        if not obj.pk:
            return ""
        return format_html('<a href="{}">{}</a>', reverse("members", args=[obj.serial]), obj.members.count())

    def has_delete_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        """Leave deletion to the console, which says what stands against it."""
        return False

    def save_model(self, request: Any, obj: Workspace, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            acts.record(request.user, obj.serial, Event.Code.WORKSPACE_CREATED, name=obj.name)
        elif form.changed_data:
            before = form.initial.get("name", obj.name)
            acts.record(request.user, obj.serial, Event.Code.WORKSPACE_CHANGED, before=before, after=obj.name)

    def save_formset(self, request: Any, form: forms.ModelForm, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        try:
            for member in formset.deleted_objects:
                acts.remove_member(request.user, member)
            for member, changed in formset.changed_objects:
                if "role" in changed:
                    acts.change_role(request.user, member, member.role)
            for member in formset.new_objects:
                acts.add_member(request.user, member.workspace, member.user, member.role)
        except acts.Refusal as no:
            messages.error(request, no.message)


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):
    list_display = ["at", "by", "about", "__str__"]
    list_select_related = ["by"]
    search_fields = ["about", "by__username"]
    date_hierarchy = "at"

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False
