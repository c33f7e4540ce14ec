"""Parts of pages that are rendered once, and again when anything that they show has changed.

A part sees nothing but the values that it is given: no request, no user, no variables of the page around it. It is kept under all of
these values and the language. So what is kept can't be out of date, and nobody gets what was rendered for somebody else.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

KEPT_SECONDS = 3600
PLAIN = (str, int, float, type(None))
# Of this process alone.
_kept = LocMemCache("parts of pages", {"OPTIONS": {"MAX_ENTRIES": 1000}})
# Nobody can guess it, so nobody can write it into a name.
_MARK = f"x{secrets.token_hex(8)}x"
_PLACES = re.compile(rf"{_MARK}(\w+?){_MARK}")
_BETWEEN_LINES = re.compile(r"\s*\n\s*")


def place(name: str) -> str:
    """Return what stands for a value that is filled in late: letters and digits, fit for texts, attributes and addresses."""
    return f"{_MARK}{name}{_MARK}"


def in_pieces(html: str) -> list[str]:
    """Cut where something is filled in late: html, name, html, name, ... html. What templates leave between lines is left out."""
    return _PLACES.split(_BETWEEN_LINES.sub("\n", html))


def filled(pieces: list[str], late: Mapping[str, Any]) -> SafeString:
    """Put them together again, with what belongs in the places."""
    told = {name: value if isinstance(value, SafeString) else escape(str(value)) for name, value in late.items()}
    return joined(pieces, told)


def joined(pieces: list[str], late: Mapping[str, str]) -> SafeString:
    """Put them together again, with HTML in the places: whoever calls this has escaped what needs it."""
    whole = list(pieces)
    whole[1::2] = [late[name] for name in pieces[1::2]]
    return mark_safe("".join(whole))  # what is around came out of a template


def key_of(*values: object) -> str:
    """Return a short key that is another one when any value is."""
    return hashlib.blake2b(repr(values).encode(), digest_size=20).hexdigest()


def kept(part: str, values: Mapping[str, Any], late: Mapping[str, Any]) -> SafeString:
    """Return the part rendered with `values`, and with `late` filled in."""
    key = key_of(part, get_language(), values, sorted(late))
    pieces: list[str] | None = _kept.get(key)
    if pieces is None:
        _require_plain(values.values())
        pieces = in_pieces(render_to_string(part, {**values, **{name: place(name) for name in late}}))
        _kept.set(key, pieces, KEPT_SECONDS)
    return filled(pieces, late)


def _require_plain(values: Iterable[Any]) -> None:
    """Refuse what doesn't tell all of itself when it is written down."""
    for value in values:
        if isinstance(value, Mapping):
            _require_plain(value.values())
        elif isinstance(value, list | tuple):
            _require_plain(value)
        elif not isinstance(value, PLAIN):
            raise TypeError(f"A part that is kept can't be given {value!r}.")
