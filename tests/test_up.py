"""`up`: the whole console in its own home, with each of its processes killed in turn."""

import http.cookiejar
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from clusters import flink
from clusters.engine import Engine, EngineError, Statement, Submission
from oceanus_console.home import Home, is_free, make_passable

pytestmark = pytest.mark.flink

CHILDREN = ["postgres", "valkey", "zookeeper", "jobmanager", "taskmanager", "web", "worker", "beat", "feeder"]


class Console:
    """A console of its own, outside the test run's services."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.url = f"http://127.0.0.1:{port}"
        self.output = home.with_name("up.log")
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        return [sys.executable, "-m", "oceanus_console.up", "--port", str(self.port)]

    def environment(self) -> dict[str, str]:
        ours = {"DATABASE_URL", "CELERY_BROKER_URL"}
        # The locale of a bare machine, for a home whose path is not ASCII.
        told = {"OCEANUS_HOME": str(self.home), "LC_ALL": "C"}
        return {key: value for key, value in os.environ.items() if key not in ours} | told

    def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command(), env=self.environment(), stdout=output, stderr=output, start_new_session=True
            )

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(timeout=90)

    def health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)
        except OSError:
            return {"missing": ["web"]}

    @property
    def flink_url(self) -> str:
        return f"http://127.0.0.1:{Home(self.home).kept_ports()['flink']}"

    @property
    def flink(self) -> Engine:
        return flink.connect(self.flink_url, settings.SQL_RUNNER_JAR)

    def is_up(self, job_id: str) -> bool:
        try:
            return self.flink.job(job_id).is_up
        except EngineError:
            return False

    def pids(self) -> dict[str, int]:
        try:
            return json.loads((self.home / "run" / "pids.json").read_text())
        except FileNotFoundError:
            return {}

    def starts(self, name: str) -> int:
        return len(re.findall(rf"^{name} +\| ready after", self.output.read_text(errors="replace"), re.MULTILINE))

    def data_port(self) -> int | None:
        """Return where the TaskManager listens: another port after each start."""
        try:
            with urllib.request.urlopen(f"{self.flink_url}/taskmanagers", timeout=5) as response:
                return next((one["dataPort"] for one in json.load(response)["taskmanagers"]), None)
        except OSError:
            return None

    def processes(self) -> list[str]:
        """Return the command lines of all processes that have anything to do with this home."""
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                words = (directory / "cmdline").read_bytes() + (directory / "environ").read_bytes()
                if os.fsencode(self.home) in words:
                    found.append(words.split(b"\0")[0].decode())
            except OSError:
                continue
        return found

    def until(self, condition: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{self.health()}\n{self.output.read_text()[-5000:]}"
            time.sleep(0.1)

    def until_healthy(self, seconds: float = 150) -> None:
        self.until(lambda: not self.health()["missing"], seconds)


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    # Not pytest's temporary directory: another test run makes that private again, and PostgreSQL runs as nobody if we are root.
    base = Path(tempfile.mkdtemp(prefix="oceanus-up-"))
    make_passable(base)
    port = next(port for port in range(18200, 18999) if is_free("127.0.0.1", port))
    console = Console(base / "家 home", port)
    console.start()
    try:
        console.until_healthy()
        yield console
    finally:
        if console.process and console.process.poll() is None:
            console.stop()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="module")
def job(console: Console) -> str:
    """Start a job on the console's Flink, past the console; return its id."""
    job_id = uuid4().hex
    statements = [
        Statement("other", "CREATE TABLE s (id INT) WITH ('connector'='datagen', 'rows-per-second'='1')", 1),
        Statement("other", "CREATE TABLE t (id INT) WITH ('connector'='blackhole')", 2),
        Statement("insert", "INSERT INTO t SELECT id FROM s", 3),
    ]
    options = {"execution.checkpointing.interval": "1s"}
    console.flink.submit(Submission(job_id, "steady", statements, parallelism=1, options=options))
    console.until(lambda: console.is_up(job_id), 60)
    return job_id


def test_credentials_are_for_the_owner_only_and_let_in(console: Console) -> None:
    path = console.home / "credentials.json"
    content = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert content["url"] == console.url
    assert {user["username"]: user["role"] for user in content["users"]} == {
        "admin": "super admin",
        "developer": "developer",
    }
    for user in content["users"]:
        assert len(user["password"]) >= 16
        assert user["username"] in sign_in(console, user["username"], user["password"])
    with pytest.raises(AssertionError):
        sign_in(console, "admin", "wrong")


def test_nothing_in_the_home_is_for_others(console: Console) -> None:
    readable = [
        path
        for path in console.home.iterdir()
        if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH)
    ]
    assert readable == []


def test_the_sample_is_fed(console: Console) -> None:
    console.until(lambda: list((console.home / "data" / "sample" / "temperatures").glob("*.csv")), 30)


def test_a_second_console_on_the_home_is_refused(console: Console) -> None:
    second = subprocess.run(console.command(), env=console.environment(), capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"already runs on {console.home} (process {console.process and console.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    console.until_healthy(10)


def test_a_busy_port_is_said_so(console: Console, tmp_path: Path) -> None:
    other = Console(tmp_path / "home", console.port)
    result = subprocess.run(other.command(), env=other.environment(), capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert f"Port {console.port} on 127.0.0.1 is in use" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("home", "host", "said"),
    [
        ("file/home", "127.0.0.1", "The home {home} can't be used: Not a directory. Make it usable, or choose another"),
        ("home", "192.0.2.1", "Nobody can listen on port 18200 of 192.0.2.1 here: Cannot assign requested address."),
        ("home", "no.such.host.invalid", "Nobody can listen on port 18200 of no.such.host.invalid here: "),
    ],
)
def test_a_home_or_an_address_of_no_use_is_said_so(tmp_path: Path, home: str, host: str, said: str) -> None:
    (tmp_path / "file").touch()
    other = Console(tmp_path / home, 18200)
    command = [*other.command(), "--host", host]
    result = subprocess.run(command, env=other.environment(), capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr.startswith(said.format(home=other.home))


@pytest.mark.parametrize("port", ["0", "65536", "-5", "abc"])
def test_a_port_that_is_none_is_refused_before_anything_is_installed(port: str) -> None:
    command = [sys.executable, settings.BASE_DIR / "oceanus", "up", f"--port={port}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert f"argument --port: '{port}' is not a number from 1 to 65535" in result.stderr


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_comes_back_and_so_does_a_running_job(console: Console, job: str, name: str) -> None:
    pid, starts, data_port = console.pids()[name], console.starts(name), console.data_port()
    os.kill(pid, signal.SIGKILL)
    console.until(lambda: console.starts(name) > starts, 90)
    if name == "taskmanager":  # until the JobManager notices, the dead one still counts
        console.until(lambda: console.data_port() not in (None, data_port), 60)
    console.until(lambda: console.is_up(job), 120)
    console.until_healthy()


def test_ctrl_c_leaves_no_process_and_the_next_start_finds_all_data(console: Console, job: str) -> None:
    credentials = json.loads((console.home / "credentials.json").read_text())
    ports = Home(console.home).kept_ports()
    assert console.stop() == 0
    assert console.processes() == []
    console.start()
    console.until_healthy(90)
    assert json.loads((console.home / "credentials.json").read_text()) == credentials
    assert Home(console.home).kept_ports() == ports
    console.until(lambda: console.is_up(job), 60)
    user = credentials["users"][1]
    sign_in(console, user["username"], user["password"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_kill_9_leaves_no_process_either(console: Console) -> None:
    console.until_healthy()
    assert console.process
    console.process.kill()
    console.process.wait()
    console.until(lambda: console.processes() == [], 20)
    console.start()
    console.until_healthy()


def sign_in(console: Console, username: str, password: str) -> str:
    """Sign in as a browser would, and return the page that comes after it."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with opener.open(f"{console.url}/", timeout=10) as response:
        address, page = response.url, response.read().decode()
    assert "/login" in address
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": username, "password": password}
    request = urllib.request.Request(address, urllib.parse.urlencode(form).encode(), {"Referer": address})
    with opener.open(request, timeout=10) as response:
        assert "/login" not in response.url
        return response.read().decode()
