"""What somebody else has changed while a form was open is not undone by saving it."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import cached_property
from django.utils.translation import gettext as _


class KeepsChangesOfOthers(forms.BaseForm):
    """A form that knows what it showed: what its user left as it was stays as others have made it meanwhile.

    Where both have changed the same, nothing is saved, and the user is told what it is now; when he saves again, he replaces it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["shown"] = forms.CharField(required=False, widget=forms.HiddenInput, initial=self._told)

    @cached_property
    def _now(self) -> dict[str, Any]:
        fields = self.fields.items()
        return {name: self.get_initial_for_field(field, name) for name, field in fields if name != "shown"}

    def _told(self) -> str:
        return json.dumps(self._now, cls=DjangoJSONEncoder)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name, shown in _read(data.pop("shown", "")).items():
            if name in data and name in self._now:
                self._bring_together(data, name, shown)
        return data

    def _bring_together(self, data: dict[str, Any], name: str, shown: Any) -> None:
        to_python = self.fields[name].to_python
        try:
            before, now = to_python(shown), to_python(self._now[name])
        except forms.ValidationError:
            return  # nothing that we have shown
        if before == now or data[name] == now:
            return
        if data[name] == before:
            data[name] = now
            self._show(name, now)
        else:
            told = _("Meanwhile somebody has changed this to “%(value)s”. Save again to replace it.")
            self.add_error(name, told % {"value": now})
        self._show("shown", self._told())

    def _show(self, name: str, value: Any) -> None:
        """If the form comes back because of an error, let this stand in it."""
        data: Any = self.data
        data = data.copy()
        data[self.add_prefix(name)] = value
        self.data = data


def _read(shown: str) -> dict[str, Any]:
    try:
        found = json.loads(shown)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
