"""What can go wrong on the way to a Flink, in words. They are kept in English; `told` says them in the reader's language."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
import urllib3.exceptions as wrong
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as N_

from clusters.bounded import TooLarge
from clusters.engine import Unanswered, Unreachable

REFUSED = N_("The connection was refused: nothing listens at this address.")
UNKNOWN_HOST = N_("There is no host of this name.")
NO_WAY = N_("No way leads to this host.")
NOT_MADE = N_("No connection could be made.")
NOT_TAKEN = N_("Nobody took the connection in time.")
NO_ANSWER = N_("No answer came in time.")
BROKEN_OFF = N_("The connection broke off before the answer was complete.")
TOO_LARGE = N_("What came is too large to be an answer of Flink.")
NOT_SECURE = N_("No secure connection could be made.")
NOT_OF_FLINK = N_("HTTP %(status)s, not an answer of Flink: %(said)s")
REDIRECTED = N_("HTTP %(status)s, a redirection instead of an answer of Flink: %(place)s")
SAID = re.compile(r"HTTP (?P<status>\d+), not an answer of Flink: (?P<said>.*)", re.DOTALL)
SENT_ON = re.compile(r"HTTP (?P<status>\d+), a redirection instead of an answer of Flink: (?P<place>.*)", re.DOTALL)

WORDS = {REFUSED, UNKNOWN_HOST, NO_WAY, NOT_MADE, NOT_TAKEN, NO_ANSWER, BROKEN_OFF, TOO_LARGE, NOT_SECURE}
OF_THE_SYSTEM = {errno.ECONNREFUSED: REFUSED, errno.EHOSTUNREACH: NO_WAY, errno.ENETUNREACH: NO_WAY}
# The narrower kinds stand first.
OF_THE_LIBRARY = {
    wrong.NameResolutionError: UNKNOWN_HOST,
    wrong.NewConnectionError: NOT_MADE,  # a kind of time-out to the library
    wrong.ConnectTimeoutError: NOT_TAKEN,
    wrong.ReadTimeoutError: NO_ANSWER,
    wrong.ProtocolError: BROKEN_OFF,
    TooLarge: TOO_LARGE,
    wrong.SSLError: NOT_SECURE,
}


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn what the library raises into ours."""
    try:
        yield
    except (wrong.NewConnectionError, wrong.ConnectTimeoutError) as error:
        raise Unreachable(words(error), str(error)) from error
    except wrong.HTTPError as error:
        raise Unanswered(words(error), f"{type(error).__name__}: {error}") from error


def words(error: wrong.HTTPError) -> str:
    """Return what went wrong; of what is not known here, the library's own text."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in OF_THE_SYSTEM:
        return OF_THE_SYSTEM[cause.errno]
    known = (text for kind, text in OF_THE_LIBRARY.items() if isinstance(error, kind))
    return next(known, f"{type(error).__name__}: {error}")


def not_of_flink(status: int, body: bytes) -> str:
    """Return what something else than Flink answered, shortened, on one line and without tags."""
    text = re.sub(r"<[^>]*>", " ", body[:1000].decode(errors="replace").replace("\0", "\ufffd"))
    return NOT_OF_FLINK % {"status": status, "said": " ".join(text.split())[:200]}


def redirected_elsewhere(answer: urllib3.BaseHTTPResponse) -> None:
    """Raise Unanswered, and say where, if something before a Flink sends us on."""
    if place := answer.get_redirect_location():
        said = place[:200].replace("\0", "\ufffd")
        raise Unanswered(REDIRECTED % {"status": answer.status, "place": said})


def told(reason: str) -> str:
    """Return a reason in the reader's language, if it is one of ours; else as it came."""
    for pattern, text in ((SAID, NOT_OF_FLINK), (SENT_ON, REDIRECTED)):
        if found := pattern.fullmatch(reason):
            return gettext(text) % found.groupdict()
    return gettext(reason) if reason in WORDS else reason
