"""Texts that are stored so that only this console can read them: encrypted under a key that comes from SECRET_KEY."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

# Keeps this key apart from whatever else may be derived from SECRET_KEY. Changing it makes all that is sealed unreadable.
PURPOSE = b"oceanus console: sealed texts"


class Unreadable(Exception):
    """Say that a sealed text was sealed under a key that is not among ours any more, or was changed since."""


def seal(text: str) -> str:
    """Encrypt a text; what comes back is ASCII and different each time."""
    return _box().encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """Return the text that `seal` was given. Raise Unreadable."""
    try:
        return _box().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def reseal(token: str) -> str:
    """Seal anew, under the key of today, what an older key may have sealed. Raise Unreadable."""
    try:
        return _box().rotate(token.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def _box() -> MultiFernet:
    return _box_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _box_of(secrets: tuple[str, ...]) -> MultiFernet:
    """Return what seals with the first of the keys, and opens with any."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(secret))) for secret in secrets])


def _derived(secret: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
