"""`python -m oceanus_console.up`: start the console with all that it needs, and keep it running until Ctrl-C. No models in here."""

import http.client
import io
import json
import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from django.conf import settings

from clusters.local import LocalFlink
from oceanus_console import embedded
from oceanus_console.applications import beat_command, web_command, worker_command
from oceanus_console.child import Child, Failed, Log
from oceanus_console.home import Home, InUse, Unusable, is_free
from oceanus_console.supervisor import Supervisor
from oceanus_console.this_machine import bracketed, own_hosts

HEALTHY_WITHIN_SECONDS = 120


def main() -> None:
    parser = ArgumentParser(prog="./oceanus up", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port of the console (default: 8000)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanus_console.settings")
    os.umask(0o077)
    # Whatever the locale of who starts it: else Java can't open a home whose path is not ASCII.
    os.environ["LC_ALL"] = "C.UTF-8"
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal without the frame's letters must show the password still.
        sys.stdout.reconfigure(errors="replace")
    home = Home(settings.HOME)
    try:
        with home.ours():
            await_free(options.host, options.port)
            Console(home, options.host, options.port).run()
    except (InUse, Unusable, Failed, embedded.NotInstalled) as error:
        sys.exit(str(error))


def await_free(host: str, port: int) -> None:
    """Wait a moment for the last console's web server to be gone. Raise InUse if the port stays taken, Unusable if it can't be had."""
    deadline = time.monotonic() + 6
    try:
        while not is_free(host, port):
            if time.monotonic() > deadline:
                raise InUse(f"Port {port} on {host} is in use. Stop what uses it, or choose another with --port.")
            time.sleep(0.2)
    except OSError as error:
        raise Unusable(f"Nobody can listen on port {port} of {host} here: {error.strerror}.") from error


def hosts_of(listens_on: str) -> list[str]:
    """Return by which names others may call the console, besides localhost: those it was told, else those of this machine."""
    if told := os.environ.get("OCEANUS_ALLOWED_HOSTS"):
        return told.split(",")
    if listens_on in ("127.0.0.1", "localhost", "::1"):
        return []
    return own_hosts() if listens_on in ("0.0.0.0", "::") else [bracketed(listens_on)]


class Console:
    """All processes of one console, and where they are."""

    def __init__(self, home: Home, host: str, port: int) -> None:
        self.home, self.host, self.port = home, host, port
        self.started_at = time.monotonic()
        self.log = Log(sys.stdout)
        self.url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else bracketed(host)}:{port}"
        self.credentials, self.users = home.credentials(self.url)
        ports = home.ports("flink", "zookeeper")
        self.flink = LocalFlink(
            home=home.path / "flink",
            distribution=embedded.flink_distribution(),
            java=embedded.java(),
            rest_port=ports["flink"],
            zookeeper_port=ports["zookeeper"],
        )
        self.further_flinks = embedded.further_flinks(home)

    def run(self) -> None:
        services = []
        embedded_at = {}
        if not os.environ.get("DATABASE_URL"):
            postgres = embedded.Postgres(self.home.path)
            services.append(postgres.child())
            embedded_at["DATABASE_URL"] = postgres.url
        if not os.environ.get("CELERY_BROKER_URL"):
            valkey = embedded.Valkey(self.home.path)
            services.append(valkey.child())
            embedded_at["CELERY_BROKER_URL"] = valkey.url
        self.home.write_environment(embedded_at)
        environment = {**self._environment(), **embedded_at}
        needed = [service.name for service in services if service.name == "postgres"]
        flinks = embedded.flink_children(self.flink)
        for version, flink in self.further_flinks.items():
            flinks += embedded.flink_children(flink, f"-{version}")
        children = [*services, *flinks, *self._applications(environment, needed)]
        self.log.write("oceanus", f"starting on {self.home.path}; Ctrl-C ends it")
        supervisor = Supervisor(children, self.log, pids=self.home.run / "pids.json")
        threading.Thread(target=self._announce, args=[supervisor], daemon=True).start()
        supervisor.run()
        self.log.write("oceanus", "ended")

    def _environment(self) -> Mapping[str, str]:
        hosts = hosts_of(self.host)
        if hosts:
            self.log.write("oceanus", f"answers to {', '.join(hosts)}; OCEANUS_ALLOWED_HOSTS names others")
        return {
            "OCEANUS_HOME": str(self.home.path),
            "OCEANUS_SECRET_KEY": os.environ.get("OCEANUS_SECRET_KEY") or self.home.secret_key(),
            # Our own question for the health comes to 127.0.0.1.
            "OCEANUS_ALLOWED_HOSTS": ",".join([*hosts, "localhost", "127.0.0.1", "[::1]", ".localhost"]),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(settings.BASE_DIR),
            # Else glibc gives each thread a heap of its own, which keeps what it once needed.
            "MALLOC_ARENA_MAX": "2",
        }

    def _applications(self, environment: Mapping[str, str], database: list[str]) -> list[Child]:
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        commands: dict[str, Sequence[str]] = {
            "migrate": [*manage, "migrate", "--no-input", "--verbosity", "0"],
            "sample": [
                *(*manage, "load_sample", "--flink-url", self.flink.url, "--credentials", str(self.credentials)),
                *(f"--extra-flink={version}={flink.url}" for version, flink in self.further_flinks.items()),
                *(f"--removed-flink={version}" for version, runs in self.home.flink_versions().items() if not runs),
            ],
            "web": web_command(f"{bracketed(self.host)}:{self.port}"),
            "worker": worker_command(),
            "beat": beat_command(),
        }
        # The web server answers when there is somebody who can sign in.
        needs = {"migrate": database, "sample": ["migrate"], "web": ["sample"]}
        children = [
            Child(
                name=name,
                command=lambda command=command: command,  # type: ignore[misc]
                env=environment,
                needs=needs.get(name, ["migrate"]),
                once=name in ("migrate", "sample"),
                is_ready=(lambda: self._health() is not None) if name == "web" else None,
                stage=30,
                orphan_signal=signal.SIGTERM if name == "web" else signal.SIGKILL,
            )
            for name, command in commands.items()
        ]
        data = Path(sys.prefix) / "sample-data" / "vega_datasets" / "_data"
        if data.exists():
            feeder = [sys.executable, str(settings.BASE_DIR / "sample" / "feeder.py"), "--data", str(data),
                      "--to", str(settings.DATA_DIRECTORY / "sample" / "temperatures")]  # fmt: skip
            children.append(Child(name="feeder", command=lambda: feeder, stage=20))
        return children

    def _health(self) -> Mapping[str, Any] | None:
        """Return what /healthz says, or None if nobody answers."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        connection = http.client.HTTPConnection(host, self.port, timeout=5)
        try:
            # The second header: else the console would send us to HTTPS where it is set to.
            connection.request("GET", "/healthz", headers={"Host": "localhost", "X-Forwarded-Proto": "https"})
            return json.loads(connection.getresponse().read() or b"{}")
        except ValueError:
            return {"missing": ["web: it answers, but not with its health"]}
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _announce(self, supervisor: Supervisor) -> None:
        """Say where to go and who to be, as soon as one can sign in; Flink may need some seconds more."""
        while not supervisor.tasks_done:
            time.sleep(0.1)
        missing = self._await_health(besides={"cluster"})
        lines = [f"Oceanus Console is up, after {self._seconds()}.", "", self.url, ""]
        lines += [f"{user['username']:<12} {user['password']}    ({user['role']})" for user in self.users]
        lines += ["", f"Also in {self.credentials}. Ctrl-C ends it."]
        if missing:
            lines += ["", "Flink is still starting." if missing == ["cluster"] else f"Missing: {', '.join(missing)}"]
        self.log.box(lines)
        if missing and not (missing := self._await_health()):
            self.log.write("oceanus", f"all is well, after {self._seconds()}")
        elif missing:
            self.log.write("oceanus", f"still missing: {', '.join(missing)}. The messages above may say why.")

    def _await_health(self, besides: Set[str] = frozenset()) -> list[str]:
        """Wait until nothing is missing besides those, or for too long. Return what is missing then."""
        deadline = time.monotonic() + HEALTHY_WITHIN_SECONDS
        while True:
            missing: list[str] = (self._health() or {"missing": ["web"]})["missing"]
            if not set(missing) - besides or time.monotonic() > deadline:
                return missing
            time.sleep(0.2)

    def _seconds(self) -> str:
        return f"{time.monotonic() - self.started_at:.0f} s"


if __name__ == "__main__":
    main()
