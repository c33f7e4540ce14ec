"""What people fill in about workspaces and members."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from workspaces.models import Member, Role, Workspace


class WorkspaceForm(forms.ModelForm):
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
