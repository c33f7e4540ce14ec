"""What super admins fill in about clusters."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clusters.cu import cu_text
from clusters.models import Cluster, FlinkEndpoint
from workspaces.meanwhile import KeepsChangesOfOthers
from workspaces.models import Workspace


class ClusterForm(KeepsChangesOfOthers, forms.ModelForm):
    class Meta:
        model = Cluster
        fields = [
            "name",
            "description",
            "total_cu",
            "snapshot_directory",
            "supports_fine_grained",
            "supports_snapshot_choice",
            "is_under_maintenance",
            "maintenance_reason",
        ]
        widgets = {"name": forms.TextInput(attrs={"autofocus": True})}
        labels = {
            "name": _("Name"),
            "description": _("Description"),
            "total_cu": _("Total CU"),
            "snapshot_directory": _("Snapshot directory"),
            "supports_fine_grained": _("Fine-grained resources"),
            "supports_snapshot_choice": _("Snapshots can be chosen"),
            "is_under_maintenance": _("Under maintenance"),
            "maintenance_reason": _("Reason of the maintenance"),
        }
        help_texts = {
            "total_cu": _("How much all runs together may take. 1 CU is 1 core and 4 GB."),
            "supports_fine_grained": _(
                "Jobs may take specs of 0.25, 0.5 and 2 CU. Without it, each process takes 1 CU."
            ),
            "is_under_maintenance": _("Nothing new is started on it. What runs goes on."),
            "maintenance_reason": _("Users read it when they want to start a job."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["total_cu"] = cu_text(self.initial.get("total_cu", Decimal(32)))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("is_under_maintenance") and not data.get("maintenance_reason"):
            self.add_error("maintenance_reason", _("Say why the cluster is under maintenance; users read it."))
        return data


class EndpointForm(KeepsChangesOfOthers, forms.ModelForm):
    class Meta:
        model = FlinkEndpoint
        fields = ["flink_version", "rest_url", "dashboard_url", "brings_taskmanagers", "is_default"]
        widgets = {
            "flink_version": forms.TextInput(attrs={"autofocus": True, "placeholder": "2.2.1"}),
            "rest_url": forms.URLInput(attrs={"placeholder": "http://jobmanager:8081"}),
            "dashboard_url": forms.URLInput(),
        }
        labels = {
            "flink_version": _("Flink version"),
            "rest_url": _("JobManager REST address"),
            "dashboard_url": _("Dashboard address"),
            "brings_taskmanagers": _("TaskManagers on demand"),
            "is_default": _("Default version"),
        }
        help_texts = {
            "brings_taskmanagers": _(
                "Of a Flink on YARN or Kubernetes that starts TaskManagers when jobs need them: jobs do not wait for free slots before they are submitted."
            ),
            "is_default": _("New jobs and copies get it when they ask for no other. A cluster has exactly one."),
        }

    def _get_validation_exclusions(self) -> set[str]:
        # That there is one default only is kept by the act: it takes the mark from the one before.
        return super()._get_validation_exclusions() | {"is_default"}  # type: ignore[misc]


class BindForm(forms.Form):
    workspace = forms.ModelChoiceField(
        Workspace.objects.none(), label=_("Workspace"), empty_label=_("Choose a workspace")
    )

    def __init__(self, *args: Any, cluster: Cluster, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["workspace"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Workspace.objects.exclude(bindings__cluster=cluster)
