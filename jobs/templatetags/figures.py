"""How what was measured of a job is written."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _

register = template.Library()

# From here on the original product calls backpressure high.
HIGH_BACKPRESSURE = 0.5


@register.filter
def rate(per_second: float | None) -> str:
    """Write how many a second: few to two digits after the point, many without."""
    if per_second is None:
        return "–"
    number = f"{per_second:,.0f}" if per_second >= 100 else _short(f"{per_second:.2f}")
    return _("%(number)s/s") % {"number": number}


@register.filter
def milliseconds(value: float) -> str:
    if value < 1000:
        return _("%(number)s ms") % {"number": f"{value:.0f}"}
    return _("%(number)s s") % {"number": _short(f"{value / 1000:.1f}")}


@register.filter
def share(part: float | None) -> str:
    return "–" if part is None else f"{part:.0%}"


@register.filter
def is_high(part: float | None) -> bool:
    return part is not None and part > HIGH_BACKPRESSURE


def _short(number: str) -> str:
    return number.rstrip("0").rstrip(".")
