"""The ids that people and programs see: a prefix and eight lower-case letters or digits, as `cql-4f7k2m9x`."""

import secrets
import string

ALPHABET = string.ascii_lowercase + string.digits


def new_serial(prefix: str) -> str:
    """Return `prefix` plus eight random characters (2.8e12 of them; the column is unique)."""
    return prefix + "-" + "".join(secrets.choice(ALPHABET) for _ in range(8))
