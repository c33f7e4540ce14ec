"""HTTP to a stranger: an answer of any length that drips byte by byte holds nobody for ever."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

import urllib3

CONNECT_SECONDS = 3.0
# An overview of ten thousand jobs takes some 5 MB.
LARGEST_BYTES = 64 * 1024 * 1024
# An answer is to be complete after so many times what may be waited for its next byte.
PATIENCE = 3


class TooLarge(urllib3.exceptions.HTTPError):
    """The answer has more than LARGEST_BYTES."""


class _Deadline(io.RawIOBase):
    """What comes from a socket until the answer must be complete; a socket's own time-out begins anew with each byte."""

    def __init__(self, sock: Any) -> None:
        # Not to be buffered: a buffer would go on asking the socket until it is full.
        self._sock, self._raw = sock, sock.makefile("rb", buffering=0)
        self._pause = sock.gettimeout()
        self._until = time.monotonic() + self._pause * PATIENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(min(left, self._pause))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Deadline(sock))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _SecureConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class BoundedHTTP(urllib3.PoolManager):
    """Keeps connections alive, tries nothing twice and follows no redirection."""

    def __init__(self) -> None:
        super().__init__(maxsize=16)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def ask(self, method: str, url: str, **content: Any) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Return the answer and what stands in it. Raise urllib3's HTTPError, TooLarge among them."""
        answer = self.request(method, url, retries=False, redirect=False, preload_content=False, **content)
        body = answer.read(LARGEST_BYTES + 1)
        if len(body) > LARGEST_BYTES:
            answer.close()
            raise TooLarge(f"more than {LARGEST_BYTES} bytes")
        answer.release_conn()
        return answer, body

    @contextmanager
    def begin(self, method: str, url: str, **content: Any) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the answer as soon as its head is there; what is not read of it in the block is never read."""
        answer = self.request(method, url, retries=False, redirect=False, preload_content=False, **content)
        try:
            yield answer
        finally:
            answer.close()
