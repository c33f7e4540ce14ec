"""Parts of pages that are rendered once, and again when anything that they show has changed.

A part sees nothing but the values that it is given: no request, no user, no variables of the page around it. It is kept under all of
these values and the language. So what is kept can't be out of date, and nobody gets what was rendered for somebody else.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.core.cache.backends.locmem import LocMemCache
from django.template.loader import render_to_string
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

register = template.Library()

KEPT_SECONDS = 3600
PLAIN = (str, int, float, type(None))
# Of this process alone.
_kept = LocMemCache("parts of pages", {"OPTIONS": {"MAX_ENTRIES": 1000}})
# Stands for a value that is filled in late. Nobody can guess it, so nobody can write it into a name.
_MARK = f"x{secrets.token_hex(8)}x"
_PLACES = re.compile(rf"{_MARK}(\w+?){_MARK}")


@register.simple_tag(name="kept")
def kept_tag(part: str, **values: Any) -> SafeString:
    """Include a part and keep it: {% kept "_part.html" name=job.name late_search=wish.search %}.

    `values`: all that the part shows, plain: texts, numbers, and lists and dicts of them. Those whose names begin with
    late_ differ with nearly every request: the part can only write them, and they are filled in afterwards.
    """
    return kept(part, values, {name: values.pop(name) for name in list(values) if name.startswith("late_")})


def kept(part: str, values: Mapping[str, Any], late: Mapping[str, Any]) -> SafeString:
    """Return the part rendered with `values`, and with `late` filled in."""
    about = repr((part, get_language(), values, sorted(late)))
    key = hashlib.blake2b(about.encode(), digest_size=20).hexdigest()
    pieces: list[str] | None = _kept.get(key)
    if pieces is None:
        _require_plain(values.values())
        pieces = _PLACES.split(render_to_string(part, {**values, **{name: f"{_MARK}{name}{_MARK}" for name in late}}))
        _kept.set(key, pieces, KEPT_SECONDS)
    if not late:
        return mark_safe(pieces[0])  # it came out of a template, as below
    told = {name: conditional_escape(value) for name, value in late.items()}
    return mark_safe("".join(told[piece] if place % 2 else piece for place, piece in enumerate(pieces)))


def _require_plain(values: Iterable[Any]) -> None:
    """Refuse what doesn't tell all of itself when it is written down."""
    for value in values:
        if isinstance(value, Mapping):
            _require_plain(value.values())
        elif isinstance(value, list | tuple):
            _require_plain(value)
        elif not isinstance(value, PLAIN):
            raise TypeError(f"A part that is kept can't be given {value!r}.")
