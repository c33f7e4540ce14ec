"""What people fill in about workspaces and members."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from workspaces.meanwhile import KeepsChangesOfOthers
from workspaces.models import VALUE_LENGTH, Member, Role, Variable, Workspace


class WorkspaceForm(KeepsChangesOfOthers, forms.ModelForm):
    class Meta:
        model = Workspace
        fields = ["name", "description"]
        widgets = {"name": forms.TextInput(attrs={"autofocus": True})}
        labels = {"name": _("Name"), "description": _("Description")}


class AddMemberForm(forms.Form):
    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("Of somebody who can sign in already. Super admins create users in the administration."),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.DEVELOPER)

    def clean_username(self) -> User:
        """Return the user who is called so."""
        user = User.objects.filter(username=self.cleaned_data["username"], is_active=True).first()
        if user is None:
            raise forms.ValidationError(_("There is no user of this name who can sign in."))
        return user


class ValueField(forms.CharField):
    """The value of a variable, as it was typed, with the line ends of Flink; browsers send CRLF."""

    # What stands in the field when nothing is to change; that is in order, however long it is.
    kept: str | None = None
    # Whether something was typed that does not come back.
    is_withheld = False

    def __init__(self, **kwargs: Any) -> None:
        shape = {"rows": 3, "spellcheck": "false", "autocomplete": "off", "class": "mono"}
        kwargs.setdefault("widget", forms.Textarea(attrs=shape))
        super().__init__(label=_("Value"), max_length=VALUE_LENGTH, strip=False, required=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return (super().to_python(value) or "").replace("\r\n", "\n")

    def withhold(self, typed: str) -> None:
        """Send nothing back that was typed as a secret; in a dialog, htmx leaves it where it was typed."""
        self.is_withheld = bool(typed)
        self.widget.format_value = lambda value: ""
        self.widget.attrs["hx-preserve"] = True

    def is_kept(self, value: str) -> bool:
        return self.kept is not None and value == self.to_python(self.kept)

    def run_validators(self, value: Any) -> None:
        if not self.is_kept(value):
            super().run_validators(value)


class VariableForm(forms.ModelForm):
    value = ValueField()

    class Meta:
        model = Variable
        fields = ["name", "value", "is_hidden", "description"]
        labels = {"name": _("Name"), "is_hidden": _("Hide the value"), "description": _("Description")}
        help_texts = {
            "name": _("Jobs write it as ${name}. Letters, digits, underscore, hyphen and full stop; a letter first."),
            "is_hidden": _("It is stored encrypted and never shown again to anybody; it can't be made visible later."),
        }
        widgets = {"name": forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "spellcheck": "false"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["value"]
        assert isinstance(field, ValueField)
        if self.data.get("is_hidden"):
            field.withhold(self.data.get("value", ""))


class ChangeVariableForm(KeepsChangesOfOthers, forms.Form):
    """A variable keeps its name, and stays hidden. The value of a hidden one never comes into the form."""

    value = ValueField()
    description = forms.CharField(label=_("Description"), max_length=200, required=False)

    def __init__(self, *args: Any, variable: Variable, **kwargs: Any) -> None:
        shown = "" if variable.is_hidden else variable.value
        super().__init__(*args, initial={"description": variable.description, "value": shown}, **kwargs)
        field = self.fields["value"]
        assert isinstance(field, ValueField)
        field.kept, self._is_kept = shown, field.is_kept
        field.widget.attrs["autofocus"] = True
        if variable.is_hidden:
            if self.is_bound:
                field.withhold(self.data.get("value", ""))
            field.help_text = _("It is hidden. Leave this empty to keep it, or type another one.")

    def new_value(self) -> str | None:
        """Return the value to be; None to keep the one that is."""
        value: str = self.cleaned_data["value"]
        return None if self._is_kept(value) else value


class OwnRightsForm(forms.Form):
    """Ask once more before somebody takes rights from himself."""

    is_sure = forms.BooleanField(
        label=_("I know that I lose my own rights in this workspace by this"),
        error_messages={"required": _("Tick this if you mean yourself.")},
    )

    def __init__(self, *args: Any, is_own: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_own:
            del self.fields["is_sure"]


class RoleForm(OwnRightsForm):
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)

    field_order = ["role", "is_sure"]

    def __init__(self, *args: Any, member: Member, is_own: bool, **kwargs: Any) -> None:
        super().__init__(*args, is_own=is_own, initial={"role": member.role}, **kwargs)
        if is_own:
            self.fields["is_sure"].required = False

    def clean(self) -> dict[str, Any]:
        """Ask only when the new role is the lesser one."""
        data: dict[str, Any] = self.cleaned_data
        if data.get("role") != Role.ADMIN and data.get("is_sure") is False:
            self.add_error("is_sure", _("Tick this if you mean yourself."))
        return data
