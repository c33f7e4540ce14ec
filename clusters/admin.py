"""Clusters for super admins, by the same rules as on the console's own pages (clusters/acts.py)."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters import acts, connection
from clusters.forms import ClusterForm, EndpointForm
from clusters.models import MOST_WORKSPACES, Cluster, ClusterBinding, FlinkEndpoint
from workspaces.models import Event

LEVELS = {"ok": messages.SUCCESS, "warn": messages.WARNING, "bad": messages.ERROR}


class EndpointFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        """Keep exactly one default, and every endpoint that jobs or their record need."""
        super().clean()
        if any(self.errors):
            return
        for form in self.deleted_forms:
            if form.instance.pk and (reason := acts.why_used(form.instance)):
                raise ValidationError(reason)
        kept = [form for form in self.forms if form not in self.deleted_forms and form.cleaned_data]
        defaults = sum(bool(form.cleaned_data.get("is_default")) for form in kept)
        if kept and defaults != 1:
            raise ValidationError(_("Exactly one Flink version must be the default."))


class EndpointInline(admin.StackedInline):
    model = FlinkEndpoint
    form = EndpointForm
    formset = EndpointFormSet
    extra = 0
    readonly_fields = [
        "seen_at",
        "unreachable_since",
        "unreachable_reason",
        "slots_total",
        "slots_free",
        "capacity_seen_at",
        "told_version",
    ]


class BindingFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        """Keep the bindings of workspaces whose jobs are on the cluster."""
        super().clean()
        for form in self.deleted_forms:
            if form.instance.pk and (reason := acts.why_not_unbind(form.instance)):
                raise ValidationError(reason)


class BindingForm(forms.ModelForm):
    """A binding is made and ended, never turned into another one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["workspace"].disabled = self.instance.pk is not None


class BindingInline(admin.TabularInline):
    model = ClusterBinding
    form = BindingForm
    formset = BindingFormSet
    extra = 0
    max_num = MOST_WORKSPACES
    validate_max = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_max=True, **kwargs)


@admin.register(Cluster)
class ClusterAdmin(admin.ModelAdmin):
    form = ClusterForm
    list_display = ["name", "serial", "total_cu", "supports_fine_grained", "is_under_maintenance", "created_at"]
    search_fields = ["name", "serial"]
    readonly_fields = ["serial", "is_embedded", "created_at"]
    inlines = [EndpointInline, BindingInline]
    actions = ["test_connection"]

    def has_delete_permission(self, request: HttpRequest, obj: Cluster | None = None) -> bool:
        """Leave deletion to the console, which says what stands against it."""
        return False

    @admin.action(description=gettext_lazy("Test connection"))
    def test_connection(self, request: HttpRequest, clusters: QuerySet[Cluster]) -> None:
        for endpoint in FlinkEndpoint.objects.filter(cluster__in=clusters).select_related("cluster"):
            answer = connection.ask(endpoint)
            self.message_user(request, f"{endpoint.cluster}: {answer.text}", LEVELS[answer.level])

    def save_model(self, request: Any, obj: Cluster, form: forms.ModelForm, change: bool) -> None:
        before = Cluster.objects.filter(pk=obj.pk).first()
        super().save_model(request, obj, form, change)
        if before is None:
            acts.record(request.user, obj.serial, Event.Code.CLUSTER_CREATED, cluster=obj.name)
        elif form.changed_data:
            acts.record_change(request.user, before, obj)

    def save_formset(self, request: Any, form: forms.ModelForm, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        save = self._save_endpoints if formset.model is FlinkEndpoint else self._save_bindings
        try:
            save(request.user, formset)
        except acts.Refusal as no:
            messages.error(request, no.message)

    def _save_endpoints(self, user: Any, formset: Any) -> None:
        """Add and change first, the new default before all others; the default can't be taken from the last that has it."""
        rows = [*(one for one, _fields in formset.changed_objects), *formset.new_objects]
        for endpoint in sorted(rows, key=lambda one: not one.is_default):
            values = {name: getattr(endpoint, name) for name in EndpointForm.Meta.fields}
            if endpoint.pk:
                acts.change_endpoint(user, endpoint, values)
            else:
                acts.add_endpoint(user, endpoint.cluster, values)
        for endpoint in formset.deleted_objects:
            acts.remove_endpoint(user, FlinkEndpoint.objects.get(pk=endpoint.pk))

    def _save_bindings(self, user: Any, formset: Any) -> None:
        for binding in formset.deleted_objects:
            acts.unbind(user, binding)
        for binding in formset.new_objects:
            acts.bind(user, binding.cluster, binding.workspace)
