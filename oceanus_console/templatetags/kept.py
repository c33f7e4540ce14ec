"""Include a part of a page, and keep it as long as nothing that it shows changes (workspaces/kept.py)."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from workspaces.kept import kept

register = template.Library()


@register.simple_tag(name="kept")
def kept_tag(part: str, **values: Any) -> SafeString:
    """Include a part and keep it: {% kept "_part.html" name=job.name late_search=wish.search %}.

    `values`: all that the part shows, plain: texts, numbers, and lists and dicts of them. Those whose names begin with
    late_ differ with nearly every request: the part can only write them, and they are filled in afterwards.
    """
    return kept(part, values, {name: values.pop(name) for name in list(values) if name.startswith("late_")})
