"""A small pooler before PostgreSQL, as PgBouncer is one: each client gets a session for itself, or one for each transaction.

with pooling(socket_of_postgresql, user, database, by="transaction") as pooler:
    connect(f"postgres://{user}@127.0.0.1:{pooler.port}/{database}")
"""

import contextlib
import secrets
import socket
import struct
import threading
from collections.abc import Iterator
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import BinaryIO, Literal, NamedTuple

ASKS_FOR_ENCRYPTION = (80877103, 80877104)
CANCELS = 80877102
ENDS, KEY, IS_READY = b"X", b"K", b"Z"
IS_ANSWERED = (b"Q", b"S")  # a plain query, and the end of one that came in parts


class Session(NamedTuple):
    """A session of PostgreSQL, and what it said of itself at first."""

    socket: socket.socket
    stream: BinaryIO
    greeting: bytes


def read(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Return the kind of the next message and its bytes; nothing at the end."""
    head = stream.read(5)
    if len(head) < 5:
        return b"", b""
    return head[:1], head + stream.read(struct.unpack("!xI", head)[0] - 4)


class Client(StreamRequestHandler):
    server: "Pooler"

    def handle(self) -> None:
        if not self.is_greeted():
            return
        session, used = None, []
        with contextlib.suppress(OSError):
            while (message := read(self.rfile))[0] not in (b"", ENDS):
                if session is None:
                    session = self.server.take()
                    used.append(session)
                session.socket.sendall(message[1])
                if message[0] in IS_ANSWERED and self.relay(session) == b"I" and self.server.by == "transaction":
                    self.server.idle.append(session)
                    session = None
        if session:  # as DISCARD ALL would leave it
            session.socket.close()

    def is_greeted(self) -> bool:
        while True:
            (size, code) = struct.unpack("!II", self.rfile.read(8))
            self.rfile.read(size - 8)
            if code == CANCELS:
                return False
            if code not in ASKS_FOR_ENCRYPTION:
                break
            self.wfile.write(b"N")
        session = self.server.take()
        self.server.idle.append(session)
        self.wfile.write(session.greeting + KEY + struct.pack("!I", 12) + secrets.token_bytes(8))
        self.wfile.write(IS_READY + struct.pack("!I", 5) + b"I")
        return True

    def relay(self, session: Session) -> bytes:
        """Pass the answer on; return whether a transaction is open after it."""
        while True:
            kind, message = read(session.stream)
            self.wfile.write(message)
            if kind == IS_READY:
                return message[-1:]


class Pooler(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, behind: str, user: str, database: str, by: Literal["session", "transaction"]) -> None:
        super().__init__(("127.0.0.1", 0), Client)
        self.behind, self.user, self.database, self.by = behind, user, database, by
        self.idle: list[Session] = []
        self.port: int = self.server_address[1]

    def take(self) -> Session:
        return self.idle.pop() if self.idle else self._begin()

    def _begin(self) -> Session:
        ours = socket.socket(socket.AF_UNIX)
        ours.connect(self.behind)
        words = f"user\0{self.user}\0database\0{self.database}\0client_encoding\0UTF8\0\0".encode()
        ours.sendall(struct.pack("!II", 8 + len(words), 196608) + words)
        stream = ours.makefile("rb")
        greeting = b""
        while (message := read(stream))[0] != IS_READY:
            greeting += message[1] if message[0] != KEY else b""
        return Session(ours, stream, greeting)


@contextlib.contextmanager
def pooling(behind: str, user: str, database: str, by: Literal["session", "transaction"]) -> Iterator[Pooler]:
    with Pooler(behind, user, database, by) as pooler:
        threading.Thread(target=pooler.serve_forever, daemon=True).start()
        yield pooler
        pooler.shutdown()
