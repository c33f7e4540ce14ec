from django import forms
from django.utils.translation import gettext_lazy as _


class KeyForm(forms.Form):
    description = forms.CharField(
        label=_("What it is for"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
        help_text=_("The script or the machine that uses it, so that you know later what stops working without it."),
    )
