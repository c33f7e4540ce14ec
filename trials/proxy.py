"""The network between the console and Flink: an HTTP proxy that loses, delays and spoils answers on demand."""

import contextlib
import http.client
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

REQUESTS = {"asks": r"(POST|PATCH) .*", "looks": r"GET .*", "all": r".*"}
SPOILED = {
    "status-500": (500, b'{"errors": ["Internal server error.", "spoiled by a trial"]}', "application/json"),
    "status-503": (503, b"<h1>503 Service Unavailable</h1>", "text/html"),
    "html": (200, b"<!doctype html><title>Sign in</title><h1>Gateway</h1>", "text/html"),
    "garbage": (200, b"\x00\xff{not json", "application/json"),
}
LATE_SECONDS = 3.0


@dataclass
class Fault:
    """Spoil the requests that fit until `until` (monotonic)."""

    kind: str
    requests: str
    until: float

    def fits(self, method: str, path: str) -> bool:
        return time.monotonic() < self.until and re.fullmatch(REQUESTS[self.requests], f"{method} {path}") is not None


@dataclass
class Ask:
    """One request that may change something on Flink, as it reached the proxy; `status` is what Flink itself answered."""

    at: datetime
    method: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    status: int = 0

    @property
    def submitted(self) -> str:
        """The job id that Flink took over with this request, or ""."""
        return str(self.body.get("jobId", "")) if self.path.endswith("/run") and self.status == 200 else ""

    @property
    def cancelled(self) -> str:
        """The job id that this request asked to cancel, or ""."""
        found = re.fullmatch(r"/jobs/(\w+)\?mode=cancel", self.path)
        return found[1] if self.method == "PATCH" and found else ""


class Proxy:
    """Stand before a JobManager. While nobody listens there, nobody listens here: the console must see the difference."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port, self.port = upstream_port, 0
        self.asks: list[Ask] = []
        self.faults: list[Fault] = []
        self._ended, self._refused, self._listening = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        assert self._listening.wait(60), "no JobManager answers"

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def spoil(self, kind: str, requests: str, seconds: float) -> None:
        self.faults.append(Fault(kind, requests, time.monotonic() + seconds))

    def heal(self) -> None:
        self.faults.clear()

    def fault_of(self, method: str, path: str) -> str:
        return next((one.kind for one in list(self.faults) if one.fits(method, path)), "")

    def _listen(self) -> None:
        while not self._ended.is_set():
            if not self._upstream_listens():
                time.sleep(0.1)
                continue
            self._refused.clear()
            with socket.create_server(("127.0.0.1", self.port), backlog=128) as door:
                self.port = door.getsockname()[1]
                self._listening.set()
                door.settimeout(0.1)
                while not self._ended.is_set() and not self._refused.is_set():
                    with contextlib.suppress(TimeoutError):
                        visitor, address = door.accept()
                        visitor.settimeout(None)
                        threading.Thread(target=_Wire.serve, args=[visitor, address, self], daemon=True).start()

    def _upstream_listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.upstream_port), timeout=1).close()
        except OSError:
            return False
        return True

    def forward(self, ask: Ask, content: bytes, content_type: str) -> tuple[int, bytes, str]:
        """Bring a request to Flink. Raise OSError or HTTPException when it gives no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=120)
        try:
            connection.request(ask.method, ask.path, content or None, {"Content-Type": content_type})
            answer = connection.getresponse()
            ask.status = answer.status
            return answer.status, answer.read(), answer.getheader("Content-Type", "application/json")
        except ConnectionRefusedError:
            self._refused.set()
            raise
        finally:
            connection.close()


class _Wire(BaseHTTPRequestHandler):
    """One connection of the console."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Proxy  # type: ignore[assignment]

    @classmethod
    def serve(cls, visitor: socket.socket, address: Any, proxy: Proxy) -> None:
        with visitor, contextlib.suppress(OSError):
            cls(visitor, address, proxy)  # type: ignore[arg-type]

    def _pass_on(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault_of(self.command, self.path)
        ask = Ask(datetime.now(UTC), self.command, self.path, _parsed(content), fault)
        if self.command != "GET":
            self.server.asks.append(ask)
        with self._hanging_up():
            self._answer(ask, content, self.headers.get("Content-Type", ""))

    do_GET = do_POST = do_PATCH = do_DELETE = _pass_on

    @contextlib.contextmanager
    def _hanging_up(self) -> Iterator[None]:
        """Close the connection when Flink gave no answer: the console shall see what it would see without us."""
        try:
            yield
        except (OSError, http.client.HTTPException):
            self._reset()

    def _answer(self, ask: Ask, content: bytes, content_type: str) -> None:
        kind, is_done = ask.fault.removesuffix("-done"), ask.fault.endswith("-done")
        if kind == "late":
            threading.Timer(LATE_SECONDS, self._bring_late, [ask, content, content_type]).start()
        if kind in ("late", "reset-before"):
            return self._reset()
        if kind in SPOILED and not is_done:
            return self._send(*SPOILED[kind])
        if kind == "delay":
            time.sleep(1.5)
        status, body, answer_type = self.server.forward(ask, content, content_type)
        if kind == "drop-answer":
            return self._reset()
        if kind in SPOILED:
            return self._send(*SPOILED[kind])
        return self._send(status, body, answer_type, cut=len(body) // 2 if kind == "truncated" else None)

    def _bring_late(self, ask: Ask, content: bytes, content_type: str) -> None:
        """The request was under way for long; nobody waits for its answer any more."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.server.forward(ask, content, content_type)

    def _send(self, status: int, body: bytes, content_type: str, cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = self.close_connection or cut is not None

    def _reset(self) -> None:
        # A reset, not a goodbye.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
