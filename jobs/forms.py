"""What people fill in. Each form turns text into values and says what is wrong; the acts decide whether it may be done."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clusters.models import FlinkEndpoint
from jobs.folder_forms import FolderField, name_field
from jobs.models import Draft, Job, Snapshot, Version
from jobs.models.definition import NOTE_LENGTH
from jobs.operations.draft import refuse_too_long
from jobs.operations.restore import had_state, ranked
from workspaces.models import Workspace
from workspaces.refusal import Refusal

# So many restore points are offered in the dialog of a run.
POINTS_SHOWN = 50
# The original product's list (InvalidParameter.UnsupportedFlinkConf): what sizes and places the processes is the console's.
FORBIDDEN_PROPERTIES = frozenset(
    {
        "kubernetes.container.image",
        "kubernetes.jobmanager.cpu",
        "kubernetes.taskmanager.cpu",
        "taskmanager.cpu.cores",
        "jobmanager.heap.size",
        "jobmanager.heap.mb",
        "jobmanager.memory.process.size",
        "taskmanager.heap.size",
        "taskmanager.heap.mb",
        "taskmanager.memory.process.size",
        "taskmanager.numberOfTaskSlots",
        "env.java.opts",
    }
)


class PropertiesField(forms.CharField):
    """Flink properties, a `key: value` a line; empty lines and # comments are left out."""

    widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "mono"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{key}: {text}" for key, text in value.items()) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for number, line in enumerate((super().to_python(value) or "").splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key, colon, text = (part.strip() for part in line.partition(":"))
            if not colon or not key or not text or " " in key:
                raise forms.ValidationError(_('Line %(number)s is not "key: value".') % {"number": number})
            if key in found:
                raise forms.ValidationError(_('"%(key)s" is set twice.') % {"key": key})
            found[key] = text
        return found

    def validate(self, value: Any) -> None:
        refused = [key for key in value if key in FORBIDDEN_PROPERTIES]
        if refused:
            names = ", ".join(refused)
            raise forms.ValidationError(
                _("The cluster sets this itself, it can't be set for a job: %(names)s") % {"names": names}
            )

    def run_validators(self, value: Any) -> None:
        for text in [*value, *value.values()]:
            super().run_validators(text)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), data))


class NewJobForm(forms.Form):
    name = name_field(_("Job name"))
    endpoint = forms.ModelChoiceField(
        FlinkEndpoint.objects.none(), label=_("Cluster and Flink version"), empty_label=None
    )
    folder = FolderField(label=_("Folder"))

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = FlinkEndpoint.objects.filter(cluster__workspaces=workspace).select_related("cluster")
        field = self.fields["endpoint"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = choices.order_by("cluster__name", "-is_default", "flink_version")
        self.has_cluster = field.queryset.exists()
        self.fields["folder"].of(workspace)  # type: ignore[attr-defined]


def _number(name: str) -> forms.IntegerField:
    """Return a number of the draft with the limits of the model; by itself a form takes 0 for the least of every number."""
    field = Draft._meta.get_field(name)
    return field.formfield(**{one.code: one.limit_value for one in field.validators})  # type: ignore[union-attr, return-value]


class DraftForm(forms.ModelForm):
    """The editor. `revision` is the save that the text began from, so that two people can't overwrite each other unseen."""

    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1)
    parallelism = _number("parallelism")
    checkpoint_interval_seconds = _number("checkpoint_interval_seconds")
    properties = PropertiesField(
        label=_("Advanced properties"), required=False, help_text=_('Flink properties, one "key: value" per line.')
    )

    class Meta:
        model = Draft
        fields = [
            "sql",
            "parallelism",
            "checkpoint_interval_seconds",
            "jobmanager_spec",
            "taskmanager_spec",
            "properties",
        ]
        widgets = {"sql": forms.Textarea(attrs={"spellcheck": "false", "class": "mono", "rows": 24})}

    def __init__(self, *args: Any, job: Job, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sql"].strip = False  # type: ignore[attr-defined]
        for name in ("jobmanager_spec", "taskmanager_spec"):
            if job.cluster.supports_fine_grained:
                # The database says 1.00, the choices say 1.
                self.initial[name] = Decimal(self.initial[name]).normalize()
            else:
                del self.fields[name]

    def values(self) -> dict[str, object]:
        """Return the definition, by field name. Clusters without fine-grained resources know whole CUs only."""
        specs = {"jobmanager_spec": Decimal(1), "taskmanager_spec": Decimal(1)}
        return specs | {name: value for name, value in self.cleaned_data.items() if name != "revision"}

    def clean_sql(self) -> str:
        """Return the script with the line ends that Flink counts lines by; browsers send CRLF.

        A form that brings none at all was cut off: it must not empty the draft.
        """
        if self.add_prefix("sql") not in self.data:
            raise forms.ValidationError(self.fields["sql"].error_messages["required"])
        sql = str(self.cleaned_data["sql"]).replace("\r\n", "\n")
        try:
            refuse_too_long(sql)
        except Refusal as no:
            raise forms.ValidationError(no.message) from no
        return sql


class RestoreForm(forms.Form):
    """`revision` is the save that would be overwritten, as the user was told."""

    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1)


class PublishForm(forms.Form):
    number = forms.IntegerField(required=False, min_value=1, max_value=2**31, widget=forms.HiddenInput)
    note = forms.CharField(
        label=_("Version note"),
        max_length=NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": NOTE_LENGTH, "autofocus": True}),
    )


class RunForm(forms.Form):
    LATEST, CHOSEN, NONE = "latest", "chosen", "none"

    version = forms.ModelChoiceField(
        Version.objects.none(), label=_("Version"), empty_label=None, to_field_name="number"
    )
    start = forms.ChoiceField(
        label=_("Start"),
        choices=[(LATEST, ""), (CHOSEN, ""), (NONE, "")],
        error_messages={"required": _("Choose how to start.")},
    )
    snapshot = forms.ModelChoiceField(
        Snapshot.objects.none(), label=_("Snapshot"), required=False, to_field_name="serial"
    )
    allow_non_restored_state = forms.BooleanField(
        label=_("Skip state that the new version can't take over"),
        required=False,
        help_text=_(
            'Flink calls it "allow non-restored state": needed when an operator was removed. Its state is lost.'
        ),
    )

    def __init__(self, *args: Any, job: Job, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.points = ranked(job)[:POINTS_SHOWN] if job.cluster.supports_snapshot_choice else []
        self.has_lost_state = not self.points and had_state(job)
        self.fields["version"].queryset = job.versions.all()  # type: ignore[attr-defined]
        usable = job.snapshots.filter(pk__in=[point.snapshot.pk for point in self.points])
        self.fields["snapshot"].queryset = usable  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Replace what was chosen as the start by the snapshot that it means, or None."""
        data: dict[str, Any] = self.cleaned_data
        if data.get("start") == self.CHOSEN and not data.get("snapshot") and "snapshot" not in self.errors:
            self.add_error("snapshot", _("Choose a snapshot from the table."))
        if data.get("start") in (self.LATEST, self.CHOSEN) and not self.points:
            self.add_error("start", _("There is no snapshot to start from."))
        elif data.get("start") == self.LATEST:
            data["snapshot"] = self.points[0].snapshot
        elif data.get("start") == self.NONE:
            data["snapshot"] = None
        return data


class StopForm(forms.Form):
    with_snapshot = forms.BooleanField(
        label=_("Create a snapshot when stopping"),
        required=False,
        initial=True,
        help_text=_("Tick this to keep the state of the job, so that the next start goes on where this one stopped."),
    )


class SnapshotForm(forms.Form):
    description = forms.CharField(
        label=_("Description"), max_length=200, required=False, widget=forms.TextInput(attrs={"autofocus": True})
    )
