"""What people fill in to put jobs and folders in order: a folder, a name, the place of a copy."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster
from jobs.models import Folder, Job
from jobs.models.job import valid_name
from jobs.tree import indented, tree_of
from workspaces.models import Workspace

NAME_HELP = _("Fewer than 50 characters: Chinese, letters, digits, hyphen, underscore and full stop.")


SELECTED = SafeString(" selected")


class PlainSelect(forms.Select):
    """A select that is written in one go: with a template for each choice a thousand take a second."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        about = self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        chosen = set(self.format_value(value))
        rows = ((key, SELECTED if str(key) in chosen else "", label) for key, label in self.choices)
        options = format_html_join("", '<option value="{}"{}>{}</option>', rows)
        return format_html("<select{}>{}</select>", flatatt(about), options)


class FolderField(forms.ModelChoiceField):
    """A folder of the workspace, or None: the root. Call `of` before use."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Folder.objects.none(), to_field_name="serial", required=False, widget=PlainSelect, **kwargs)

    def of(self, workspace: Workspace, without: Folder | None = None) -> None:
        """Offer the folders of `workspace`, as a tree; not `without` and what is below it."""
        tree = tree_of(workspace)
        hidden = {one.serial for top in tree if without and top.pk == without.pk for one in top.below}
        self.queryset = Folder.objects.filter(workspace=workspace)
        self.choices = [("", _("Job list")), *(pair for pair in indented(tree) if pair[0] not in hidden)]


class ClusterField(forms.ModelChoiceField):
    """A cluster that is bound to the workspace. Call `of` before use."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Cluster.objects.none(), to_field_name="serial", empty_label=None, **kwargs)

    def of(self, workspace: Workspace) -> None:
        self.queryset = Cluster.objects.filter(workspaces=workspace).prefetch_related("endpoints").order_by("name")


def name_field(label: Any) -> forms.CharField:
    """Return the field of a name. Its length is a part of the rule for names, so that a long one is told of once."""
    return forms.CharField(
        label=label,
        validators=[valid_name],
        help_text=NAME_HELP,
        widget=forms.TextInput(attrs={"maxlength": 49, "autofocus": True, "autocomplete": "off"}),
    )


class NewFolderForm(forms.Form):
    name = name_field(_("Folder name"))
    parent = FolderField(label=_("Parent folder"))

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["parent"].of(workspace)  # type: ignore[attr-defined]


class RenameFolderForm(forms.Form):
    name = name_field(_("Folder name"))


class MoveFolderForm(forms.Form):
    parent = FolderField(label=_("Target folder"))

    def __init__(self, *args: Any, folder: Folder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["parent"].of(folder.workspace, without=folder)  # type: ignore[attr-defined]


class MoveJobForm(forms.Form):
    folder = FolderField(label=_("Target folder"))

    def __init__(self, *args: Any, job: Job, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["folder"].of(job.workspace)  # type: ignore[attr-defined]


class RenameJobForm(forms.Form):
    name = name_field(_("Job name"))


class DescribeJobForm(forms.ModelForm):
    class Meta:
        model = Job
        fields = ["description"]
        labels = {"description": _("Description")}
        widgets = {"description": forms.Textarea(attrs={"rows": 3, "autofocus": True})}


class CopyForm(forms.Form):
    folder = FolderField(label=_("Target folder"))
    cluster = ClusterField(label=_("Target cluster"))
    name = name_field(_("Name of the copy"))

    def __init__(self, *args: Any, job: Job, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["folder"].of(job.workspace)  # type: ignore[attr-defined]
        self.fields["cluster"].of(job.workspace)  # type: ignore[attr-defined]
