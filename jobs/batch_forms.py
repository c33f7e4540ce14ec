"""What people fill in to ask for a batch: a form per act, with the words of its dialog."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.functional import Promise
from django.utils.translation import get_language, ngettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from jobs.folder_forms import ClusterField, FolderField
from jobs.models.definition import NOTE_LENGTH
from jobs.states import Action
from workspaces.models import Workspace

Text = str | Promise


class BatchForm(forms.Form):
    """`jobs`: the serials that the dialog was shown for, in the order ticked; `key`: makes the form good for one batch."""

    action: ClassVar[Action]
    title: ClassVar[Text]
    go: ClassVar[Any]  # by %(count)d
    none: ClassVar[Text]
    is_danger: ClassVar[bool] = False

    key = forms.UUIDField(widget=forms.HiddenInput)
    jobs = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, FolderField | ClusterField):
                field.of(workspace)

    def serials(self) -> list[str]:
        """Return the serials, each once, also when the form was not sent yet."""
        return list(dict.fromkeys(serial for serial in str(self["jobs"].value() or "").split(",") if serial))

    def params(self) -> dict[str, Any]:
        """Return what was chosen, as the batch keeps it; call it when the form is valid."""
        return {"language": get_language()}


class PublishBatch(BatchForm):
    action = Action.PUBLISH
    title = _("Batch publish")
    go = ngettext_lazy("Publish %(count)d draft", "Publish %(count)d drafts", "count")
    none = _("None of these jobs can be published.")
    note = forms.CharField(
        label=_("Version note"),
        max_length=NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2, "maxlength": NOTE_LENGTH, "autofocus": True}),
        help_text=_("The new version of every job gets this note."),
    )

    def params(self) -> dict[str, Any]:
        return super().params() | {"note": self.cleaned_data["note"]}


class RunBatch(BatchForm):
    LATEST, NONE = "latest", "none"
    action = Action.RUN
    title = _("Batch run")
    go = ngettext_lazy("Run %(count)d job", "Run %(count)d jobs", "count")
    none = _("None of these jobs can be run.")
    start = forms.ChoiceField(
        label=pgettext_lazy("of a run", "Start"),
        choices=[
            (LATEST, _("From the latest snapshot, where there is one")),
            (NONE, _("Without state")),
        ],
        initial=LATEST,
        widget=forms.RadioSelect,
    )

    def params(self) -> dict[str, Any]:
        return super().params() | {"start": self.cleaned_data["start"]}


class StopBatch(BatchForm):
    action = Action.STOP
    title = _("Batch stop")
    go = ngettext_lazy("Stop %(count)d job", "Stop %(count)d jobs", "count")
    none = _("None of these jobs is running.")
    is_danger = True
    with_snapshot = forms.BooleanField(
        label=_("Create a snapshot when stopping"),
        required=False,
        initial=True,
        help_text=_("Tick this to keep the state of the jobs, so that the next start goes on where this one stopped."),
    )

    def params(self) -> dict[str, Any]:
        return super().params() | {"with_snapshot": self.cleaned_data["with_snapshot"]}


class CopyBatch(BatchForm):
    action = Action.COPY
    title = _("Batch copy")
    go = ngettext_lazy("Create %(count)d copy", "Create %(count)d copies", "count")
    none = _("None of these jobs can be copied.")
    cluster = ClusterField(label=_("Target cluster"))

    def params(self) -> dict[str, Any]:
        return super().params() | {"cluster": self.cleaned_data["cluster"].serial}


class MoveBatch(BatchForm):
    action = Action.MOVE
    title = _("Batch move")
    go = ngettext_lazy("Move %(count)d job", "Move %(count)d jobs", "count")
    none = _("None of these jobs can be moved.")
    folder = FolderField(label=_("Target folder"))

    def params(self) -> dict[str, Any]:
        folder = self.cleaned_data["folder"]
        return super().params() | {"folder": folder.serial if folder else ""}


class DeleteBatch(BatchForm):
    action = Action.DELETE
    title = _("Batch delete")
    go = ngettext_lazy("Delete %(count)d job", "Delete %(count)d jobs", "count")
    none = _("None of these jobs can be deleted.")
    is_danger = True


BATCH_FORMS: dict[str, type[BatchForm]] = {
    form.action: form for form in (PublishBatch, RunBatch, StopBatch, CopyBatch, MoveBatch, DeleteBatch)
}
