"""The home: the one directory with all that an installation stores."""

import contextlib
import errno
import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

# Below the ports that the kernel gives to outgoing connections, so that a kept port is seldom taken.
PORTS = range(20000, 30000)


class InUse(Exception):
    """Say that another console runs on this home, or something else on its port."""


class Unusable(Exception):
    """Say why the home, or the address to listen on, can't be used."""


def make_passable(directory: Path) -> None:
    """Make a directory that others may pass but not read. PostgreSQL, started by root, runs as somebody else and must get through."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711 if os.geteuid() == 0 else 0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read; it changes at once or not at all. Raise Unusable."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with open(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        raise Unusable(f"{path} can't be written: {error.strerror}.") from error


def is_free(host: str, port: int) -> bool:
    """Tell whether nobody listens there. Raise OSError where nobody can."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run"

    @contextlib.contextmanager
    def ours(self) -> Iterator[None]:
        """Make the home if there is none, and hold it for the length of a block. Raise InUse or Unusable."""
        try:
            lock = self._lock()
        except OSError as error:
            reason = f"The home {self.path} can't be used: {error.strerror}."
            raise Unusable(f"{reason} Make it usable, or choose another with --home.") from error
        with lock:
            yield

    def _lock(self) -> BinaryIO:
        if not self.path.exists():
            make_passable(self.path)
        make_passable(self.run)
        lock = (self.run / "lock").open("ab+", buffering=0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
        except BlockingIOError:
            with lock:
                lock.seek(0)
                holder = lock.read().decode().strip()
            raise InUse(f"Oceanus Console already runs on {self.path} (process {holder}).") from None
        except OSError:
            lock.close()
            raise
        return lock

    def secret_key(self) -> str:
        path = self.path / "secret_key"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(50))
        path.chmod(0o600)  # a copy that was put back may be open to others
        return path.read_text()

    def ports(self, *names: str) -> Mapping[str, int]:
        """Return a free port for each name; the same as last time unless somebody took it."""
        kept = self.kept_ports()
        for name in names:
            while name not in kept or not is_free("127.0.0.1", kept[name]):
                kept[name] = random.choice([port for port in PORTS if port not in kept.values()])
        write_private(self.path / "ports.json", json.dumps(kept))
        return kept

    def kept_ports(self) -> dict[str, int]:
        path = self.path / "ports.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def flink_versions(self) -> dict[str, bool]:
        """Return the versions of Flink that were ever added to the default, and whether they run now."""
        path = self.path / "flink-versions.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def choose_flink(self, version: str, runs: bool) -> None:
        if not self.path.exists():
            make_passable(self.path)
        write_private(self.path / "flink-versions.json", json.dumps(self.flink_versions() | {version: runs}))

    def credentials(self, url: str) -> tuple[Path, list[dict[str, str]]]:
        """Return the file with the address, the first users and a key for the API, and the users. Secrets are made up once."""
        path = self.path / "credentials.json"
        content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"users": first_users()}
        content = {"url": url, "users": content["users"], "keys": content.get("keys") or [first_key()]}
        write_private(path, json.dumps(content, indent=2) + "\n")
        return path, content["users"]

    def write_environment(self, environment: Mapping[str, str]) -> None:
        """Note for ./oceanus manage where the embedded services are."""
        write_private(self.run / "environment.json", json.dumps(environment))


def first_users() -> list[dict[str, str]]:
    roles = {"admin": "super admin", "developer": "developer"}
    return [{"username": name, "password": secrets.token_urlsafe(12), "role": role} for name, role in roles.items()]


def first_key() -> dict[str, str]:
    """Return the super admin's access key, in the form that clients of the API expect."""
    return {"secret_id": "AKID" + secrets.token_hex(16), "secret_key": secrets.token_hex(20)}
