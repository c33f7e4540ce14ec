"""What poses as a Flink and never ends its answer holds nobody for ever, and leads nobody elsewhere."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.utils.translation import override

from clusters import bounded, flink, network
from clusters.engine import Refused, Unanswered
from clusters.flink import FlinkEngine
from tests.fake_flink import FakeFlink

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
over = threading.Event()


@contextmanager
def stranger(speak: Callable[[Callable[[bytes], object]], None]) -> Iterator[FlinkEngine]:
    """Answer each request with what `speak` sends until the one who asked has gone."""

    class Wire(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            try:
                speak(self.request.sendall)
            except OSError:
                pass  # who asked had enough of it

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    over.clear()
    with Server(("127.0.0.1", 0), Wire) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield FlinkEngine(f"http://127.0.0.1:{server.server_address[1]}", Path())
        finally:
            over.set()
            server.shutdown()


def dripping(start: bytes, drop: bytes) -> Callable[[Callable[[bytes], object]], None]:
    def speak(send: Callable[[bytes], object]) -> None:
        send(start)
        for _drop in range(150):  # who waits for all of them waited too long
            if over.wait(0.02):
                break
            send(drop)

    return speak


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 200 O", b"K"),
        (HEAD, b"X: y\r\n"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD + b"\r\n", b" "),
        (CHUNKED, b"1\r\n \r\n"),
        (CHUNKED, b"0"),
    ],
)
def test_an_answer_that_drips_is_none_in_time(monkeypatch: pytest.MonkeyPatch, start: bytes, drop: bytes) -> None:
    monkeypatch.setattr(flink, "LOOK_SECONDS", 0.1)
    with stranger(dripping(start, drop)) as engine, pytest.raises(Unanswered, match=network.NO_ANSWER):
        engine.jobs()


def test_who_is_silent_for_so_long_is_not_asked_again(fake: FakeFlink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flink, "LOOK_SECONDS", 0.1)
    fake.fault(("GET", "/jobs/overview"), "hang", times=None)
    with pytest.raises(Unanswered, match=network.NO_ANSWER):
        flink.connect(fake.url, Path("no runner")).jobs()
    assert fake.seen("GET", "/jobs/overview") == 1


def test_an_answer_that_never_ends_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(send: Callable[[bytes], object]) -> None:
        send(CHUNKED)
        for _chunk in range(64):
            send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    monkeypatch.setattr(bounded, "LARGEST_BYTES", 1024 * 1024)
    with stranger(speak) as engine, pytest.raises(Unanswered) as no:
        engine.jobs()
    assert no.value.summary == network.TOO_LARGE
    with override("zh-hans"):
        assert network.told(no.value.summary) != network.TOO_LARGE


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_led_elsewhere(fake: FakeFlink, status: int) -> None:
    place = f"{fake.url}/overview"

    def speak(send: Callable[[bytes], object]) -> None:
        send(f"HTTP/1.1 {status} Elsewhere\r\nLocation: {place}\r\nConnection: close\r\n\r\n".encode())

    with stranger(speak) as engine, pytest.raises(Unanswered) as no:
        engine.capacity()
    assert fake.requests == []
    assert no.value.summary == f"HTTP {status}, a redirection instead of an answer of Flink: {place}"
    with override("zh-hans"):
        assert network.told(no.value.summary).endswith(f"：{place}")


def test_large_answers_of_flink_are_taken(fake: FakeFlink, tmp_path: Path) -> None:
    row = {"jid": "0" * 32, "name": "n" * 500, "state": "FINISHED", "tasks": {"total": 1}, "padding": "x" * 500}
    rows = [row | {"jid": f"{number:032x}"} for number in range(10_000)]
    fake.fault(("GET", r"/jobs/overview"), "status", status=200, body={"jobs": rows})
    engine = FlinkEngine(fake.url, tmp_path)
    assert len(engine.jobs()) == 10_000
    fake.fault(("PATCH", r"/jobs/.*"), "status", status=400, body=json.dumps({"errors": ["x\n" * 2_000_000]}))
    with pytest.raises(Refused):
        engine.cancel("0" * 32)
