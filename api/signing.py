"""TC3-HMAC-SHA256, the signature of requests to the API. No Django in it.

Clients differ in what they sign as host (with its port or without, or the whole endpoint as somebody typed it) and as path
(the real one or always /), so each of a few readings of a request is tried: the signature must fit one of them.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

ALGORITHM = "TC3-HMAC-SHA256"
# How far a client's clock may be from ours, either way.
SKEW_SECONDS = 300
UNSIGNED = "UNSIGNED-PAYLOAD"
# The specification wants values of headers in lower case, the clients leave them as they are.
SPELLINGS: tuple[Callable[[str], str], ...] = (str, str.lower)
# The service is whatever the client takes for its name: of localhost:8000 one makes just that.
AUTHORIZATION = re.compile(
    ALGORITHM
    + r"\s+Credential=(?P<secret_id>[!-+.0-~-]{1,100})/(?P<date>\d{4}-\d{2}-\d{2})/(?P<service>[^/\s,]+)/tc3_request,\s*"
    r"SignedHeaders=(?P<headers>[a-z0-9-]+(?:;[a-z0-9-]+)*),\s*Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)


class Malformed(Exception):
    """Say that an Authorization header is not one of this kind."""


@dataclass(frozen=True)
class Authorization:
    """What the header of that name says."""

    secret_id: str
    date: str
    service: str
    headers: tuple[str, ...]
    signature: str

    @classmethod
    def parse(cls, header: str) -> Authorization:
        """Take the header apart. Raise Malformed, also if it doesn't sign what it must: content type and host."""
        found = AUTHORIZATION.fullmatch(header)
        names = tuple(found["headers"].split(";")) if found else ()
        if not found or not {"content-type", "host"} <= set(names):
            raise Malformed
        return cls(found["secret_id"], found["date"], found["service"], names, found["signature"])

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.service}/tc3_request"


@dataclass(frozen=True)
class Sent:
    """A request as it came over the wire."""

    method: str
    path: str
    query: str
    header: Callable[[str], str]  # name in lower case -> value, "" when there is none
    body: bytes

    def hosts(self) -> Iterable[str]:
        raw = self.header("host")
        return dict.fromkeys([raw, plain_host(raw), without_port(plain_host(raw))])

    def paths(self) -> Iterable[str]:
        return dict.fromkeys(["/", self.path])

    def payload(self) -> bytes:
        if self.header("x-tc-content-sha256") == UNSIGNED:
            return UNSIGNED.encode()
        return b"" if self.method == "GET" else self.body


def is_signed(sent: Sent, authorization: Authorization, timestamp: str, secret: str) -> bool:
    """Tell whether whoever signed this request knew the secret."""
    key = signing_key(secret, authorization.date, authorization.service)
    return any(
        hmac.compare_digest(_mac(key, text).hex(), authorization.signature)
        for text in strings_to_sign(sent, authorization, timestamp)
    )


def strings_to_sign(sent: Sent, authorization: Authorization, timestamp: str) -> Iterator[str]:
    """Give what the client may have signed, the usual reading first."""
    payload = hashlib.sha256(sent.payload()).hexdigest()
    query = sent.query if sent.method == "GET" else ""
    for host, path, spelled in itertools.product(sent.hosts(), sent.paths(), SPELLINGS):
        lines = (
            f"{name}:{spelled(host if name == 'host' else sent.header(name)).strip()}\n"
            for name in authorization.headers
        )
        canonical = "\n".join([sent.method, path, query, "".join(lines), ";".join(authorization.headers), payload])
        yield "\n".join([ALGORITHM, timestamp, authorization.scope, hashlib.sha256(_bytes(canonical)).hexdigest()])


def signing_key(secret: str, date: str, service: str) -> bytes:
    return _mac(_mac(_mac(_bytes("TC3" + secret), date), service), "tc3_request")


def is_of_its_day(authorization: Authorization, timestamp: int) -> bool:
    """Tell whether the date of the scope is that of the timestamp, in UTC."""
    return authorization.date == datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")


def plain_host(raw: str) -> str:
    """Return host and port of what tccli sends as Host: the endpoint as typed, with scheme and path."""
    return re.sub(r"^https?://", "", raw).partition("/")[0]


def without_port(host: str) -> str:
    return re.sub(r":\d+$", "", host)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, _bytes(text), "sha256")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
