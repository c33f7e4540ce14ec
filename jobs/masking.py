"""Texts without the secrets in them. No Django in here: logging is set up before Django is.

A secret is known by the name it stands under (`'password' = '...'`, `password=...`, `postgres://user:...@host`), or by itself.
"""

import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus

from jobs.needles import Needles
from jobs.pieces import pieces

MASK = "******"
# A shorter one is masked where it stands; looked for in other texts, it would hide half of them.
SHORTEST = 4
WORDS = r"passw(?:or)?d|passphrase|secret|token|credential|pwd|(?:access|private|api|account|encryption)[._-]?key"
KEY = re.compile(WORDS, re.IGNORECASE)
# The value of a key named like a secret, as written in SQL, JSON, Java, addresses and logs.
ASSIGNED = re.compile(
    rf"""(?P<head>(?:{WORDS})[\w.-]{{0,64}}(?:\\?["'])?\s{{0,8}}(?:=|:(?=\s{{0,8}}\\?["']))\s{{0,8}})"""
    r"""(?P<value>\\"(?:(?!\\").)*(?:\\"|$)|"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^']|'')*(?:'|$)|[^\s&;,'"]+)""",
    re.IGNORECASE,
)
ADDRESS = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,200}:)(?P<value>[^\s/'\"]+)(?=@)", re.IGNORECASE
)
REFERENCE = re.compile(r"\$\{[^{}\n]*\}")

Hide = Callable[[str], str]


def stars(secret: str) -> str:
    return MASK


def is_secret(key: str, value: str) -> bool:
    """Tell whether `value` must not be read because of the key it stands under. A whole ${name} may: it is only a name."""
    if not value or value in (MASK, "true", "false") or REFERENCE.fullmatch(value):
        return False
    # Columns of the datagen connector may be called like secrets.
    return bool(KEY.search(key)) and not key.startswith("fields.")


def mask(text: str, secrets: Collection[str] = (), hide: Hide = stars) -> str:
    """Return any text (Flink's words, a line of a log) with `hide(secret)` in place of every secret in it."""
    return _masked(text, _needles_of(frozenset(secrets)), hide)


def mask_script(script: str, secrets: Collection[str] = (), hide: Hide = stars) -> str:
    """Return a SQL script with `hide(secret)` in place of every secret in it; half a script is masked as well."""
    known, parts = _needles_of(frozenset(secrets)), []
    for kind, text, key in _keyed(script):
        if kind == "string":
            value = _content(text)
            value = hide(value) if is_secret(key, value) else _masked(value, known, hide)
            parts.append("'" + value.replace("'", "''") + ("'" if _is_closed(text) else ""))
        elif kind == "comment":
            parts.append(_masked(text, known, hide))
        else:
            # In SQL itself, token = 5 is a condition.
            parts.append(known.replace(text, hide))
    return "".join(parts)


def mask_properties(properties: Mapping[str, str], secrets: Collection[str] = (), hide: Hide = stars) -> dict[str, str]:
    return {
        key: hide(value) if is_secret(key, value) else mask(value, secrets, hide) for key, value in properties.items()
    }


def secrets_in(script: str, properties: Mapping[str, str]) -> set[str]:
    """Return the secrets that stand in a job's own text."""
    found: set[str] = set()

    def take(secret: str) -> str:
        found.add(secret)
        return MASK

    mask_script(script, hide=take)
    mask_properties(properties, hide=take)
    return found


def first_masked(script: str, properties: Mapping[str, str]) -> tuple[str, int] | None:
    """Return under which name, and in which line (0: among the properties), a value stands that is the mask of a secret.

    Who takes over what he was shown, from a version's page or from the API, takes the masks along.
    """
    line = 1
    for kind, text, key in _keyed(script):
        if kind == "string" and (name := _name_of_masked(key, _content(text))):
            return name, line
        line += text.count("\n")
    return next(((name, 0) for key, value in properties.items() if (name := _name_of_masked(key, value))), None)


def _name_of_masked(key: str, value: str) -> str:
    if key and value == MASK:
        return key
    found = (one for pattern in (ASSIGNED, ADDRESS) for one in pattern.finditer(value))
    return next((one["head"].rstrip("\\\"':= ") for one in found if one["value"].strip("\\\"'") == MASK), "")


def _keyed(script: str) -> Iterator[tuple[str, str, str]]:
    """Yield the pieces of a script; a string that is the value of an option comes with its key, all else with ""."""
    key = between = ""
    for kind, text in pieces(script):
        if kind == "string":
            yield kind, text, key if between.strip() == "=" else ""
            key, between = _content(text), ""
        else:
            yield kind, text, ""
            between += "" if kind == "comment" else text


def _content(string: str) -> str:
    return string[1 : -1 if _is_closed(string) else None].replace("''", "'")


def _is_closed(string: str) -> bool:
    return len(string) > 1 and string.endswith("'")


def _hidden_inside(value: str, hide: Hide) -> str:
    """Hide a value and leave its quotes where they are."""
    found = re.fullmatch(r"""(\\?["']|)(.*?)(\1|)""", value, re.DOTALL)
    assert found is not None, "anything has this form"
    opening, secret, closing = found.groups()
    return value if not is_secret("secret", secret) else opening + hide(secret) + closing


def _masked(text: str, known: Needles, hide: Hide) -> str:
    text = known.replace(text, hide)
    for pattern in (ASSIGNED, ADDRESS):
        text = pattern.sub(lambda found: found["head"] + _hidden_inside(found["value"], hide), text)
    return text


# A page or an answer of Flink is many texts, and the secrets are the same for all of them.
@lru_cache(maxsize=8)
def _needles_of(secrets: frozenset[str]) -> Needles:
    return Needles({form for secret in secrets for form in _forms(secret) if _is_searched(form)})


def _is_searched(form: str) -> bool:
    # A password that is "password" would take the names of the options away.
    return len(form.strip()) >= SHORTEST and form != MASK and not KEY.fullmatch(form)


def _forms(secret: str) -> Iterator[str]:
    """Yield how a secret is written in SQL, JSON, Java and addresses, and its lines, which may be told one by one."""
    for part in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        yield from (part, part.replace("'", "''"), quote(part, safe=""), quote_plus(part))
        yield from (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])


class MaskingFormatter(logging.Formatter):
    """Write records, traces included, without what stands under the name of a secret."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))
