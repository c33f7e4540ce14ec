"""The supervisor: order, restarts, an orderly end, and nothing left behind. With tiny real processes."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oceanus_console.child import Child, Failed, Log
from oceanus_console.supervisor import Supervisor, running

SLEEP = ["sleep", "60"]


def child(name: str, command: list[str] = SLEEP, **more: object) -> Child:
    return Child(name=name, command=lambda: command, **more)  # type: ignore[arg-type]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def until(condition: Callable[[], object], loop: Supervisor | None = None, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        if loop:
            loop.tick()
        time.sleep(0.01)


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@contextmanager
def supervised(*children: Child) -> Iterator[tuple[Supervisor, io.StringIO]]:
    output = io.StringIO()
    loop = Supervisor(children, Log(output))
    try:
        yield loop, output
    finally:
        loop.stop()


def test_a_child_starts_after_those_it_needs_are_ready(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with supervised(child("web", needs=["database"]), child("database", is_ready=flag.exists)) as (loop, _):
        until(lambda: loop.processes["database"].is_running, loop)
        for _ in range(20):
            loop.tick()
        assert not loop.processes["web"].is_running
        flag.touch()
        until(lambda: loop.all_ready, loop)


def test_a_task_is_ready_when_it_is_done(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    task = child("migrate", python(f"open({str(flag)!r}, 'w')"), once=True)
    with supervised(task, child("web", needs=["migrate"])) as (loop, _):
        until(lambda: loop.processes["web"].is_running, loop)
        assert flag.exists()


def test_a_task_that_fails_three_times_ends_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanus_console.child.FIRST_BACK_OFF_SECONDS", 0.01)
    with (
        supervised(child("migrate", python("print('no such table'); exit(3)"), once=True)) as (loop, output),
        pytest.raises(Failed, match="migrate failed 3 times"),
    ):
        until(lambda: False, loop)
    assert output.getvalue().count("ended with exit code 3") == 3
    assert "migrate      | no such table\n" in output.getvalue()


def test_a_dead_child_is_started_again_after_a_growing_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanus_console.child.FIRST_BACK_OFF_SECONDS", 0.05)
    monkeypatch.setattr("oceanus_console.child.LONGEST_BACK_OFF_SECONDS", 0.15)
    with supervised(child("web")) as (loop, output):
        for _ in range(4):
            until(lambda: loop.all_ready, loop)
            pid = loop.processes["web"].pid
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: loop.processes["web"].pid not in (0, pid), loop)  # type: ignore[misc]
    pauses = [line.rpartition(" in ")[2] for line in output.getvalue().splitlines() if "starts again" in line]
    assert pauses == ["0.05 s", "0.1 s", "0.15 s", "0.15 s"]
    assert "ended by SIGKILL" in output.getvalue()


def test_a_child_that_lived_long_starts_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanus_console.child.FIRST_BACK_OFF_SECONDS", 0.05)
    monkeypatch.setattr("oceanus_console.child.SETTLED_SECONDS", 0.0)
    with supervised(child("web")) as (loop, output):
        for _ in range(3):
            until(lambda: loop.all_ready, loop)
            loop.processes["web"].kill()
            until(lambda: not loop.all_ready, loop)
    assert output.getvalue().count("starts again in 0.05 s") == 3


def test_a_child_that_no_longer_answers_is_ended_then_killed_then_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oceanus_console.child.PROBE_EVERY_SECONDS", 0.02)
    flag, marked = tmp_path / "answers", tmp_path / "ignores SIGTERM now"
    stubborn = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(marked)!r}, 'w'); time.sleep(60)"
    hung = child("jobmanager", python(stubborn), is_ready=marked.exists, is_alive=flag.exists, grace_seconds=0.1)
    with supervised(hung) as (loop, output):
        flag.touch()
        until(lambda: loop.all_ready, loop)
        pid = loop.processes["jobmanager"].pid
        flag.unlink()
        until(lambda: not is_there(pid), loop)
        flag.touch()
        until(lambda: loop.all_ready and loop.processes["jobmanager"].pid != pid, loop)
    assert "does not answer any more" in output.getvalue()
    assert "ended by SIGKILL" in output.getvalue()


def test_a_child_that_misses_one_question_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanus_console.child.PROBE_EVERY_SECONDS", 0.01)
    answers = iter([True, False, False, True, False, False] + [True] * 10_000)
    with supervised(child("jobmanager", is_alive=lambda: next(answers))) as (loop, output):
        until(lambda: loop.all_ready, loop)
        until(lambda: next(answers), loop)
        for _ in range(50):
            loop.tick()
            time.sleep(0.005)
    assert "does not answer" not in output.getvalue()


def test_a_command_that_cannot_be_prepared_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanus_console.child.FIRST_BACK_OFF_SECONDS", 0.01)
    commands = iter([OSError("disk full"), SLEEP])

    def command() -> list[str]:
        found = next(commands)
        if isinstance(found, OSError):
            raise found
        return found

    with supervised(Child(name="postgres", command=command)) as (loop, output):
        until(lambda: loop.all_ready, loop)
    assert "could not be prepared: disk full" in output.getvalue()


def test_the_higher_stage_is_stopped_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import pathlib,signal,sys,time\nlog=pathlib.Path(sys.argv[1]).open('a')\n" \
        "def end(*_): time.sleep(.2); log.write(sys.argv[2]+' '); sys.exit()\n" \
        "signal.signal(15, end); pathlib.Path(sys.argv[1]+sys.argv[2]).touch(); time.sleep(60)"  # fmt: skip
    children = [
        child(name, [*python(code), str(log), name], stage=stage, is_ready=Path(f"{log}{name}").exists)
        for name, stage in {"postgres": 0, "web": 30, "zookeeper": 10, "jobmanager": 11}.items()
    ]
    with running(children, Log(io.StringIO())):
        pass
    assert log.read_text() == "web jobmanager zookeeper postgres "


def test_what_a_child_started_goes_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import subprocess, time; p = subprocess.Popen(['sleep', '60']); open({str(note)!r}, 'w').write(str(p.pid)); time.sleep(60)"
    with running(
        [child("web", python(code), is_ready=lambda: note.exists() and bool(note.read_text()))], Log(io.StringIO())
    ):
        grandchild = int(note.read_text())
        assert is_there(grandchild)
    until(lambda: not is_there(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_nothing_is_left_when_the_supervisor_itself_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids.json"
    code = (
        "import pathlib, sys; from oceanus_console.child import Child; from oceanus_console.supervisor import Supervisor;"
        "Supervisor([Child(name=n, command=lambda: ['sleep', '60']) for n in 'ab'], pids=pathlib.Path(sys.argv[1])).run()"
    )
    process = subprocess.Popen([*python(code), pids], stdout=subprocess.DEVNULL)
    until(lambda: pids.exists() and len(json.loads(pids.read_text())) == 2)
    children = json.loads(pids.read_text()).values()
    assert all(map(is_there, children))
    process.kill()
    process.wait()
    until(lambda: not any(map(is_there, children)))


def test_a_disk_that_takes_nothing_ends_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanus_console.child.FIRST_BACK_OFF_SECONDS", 0.01)
    home, output = tmp_path / "home", io.StringIO()
    home.write_text("a file in the way of all others")
    children = [child("web"), child("jobmanager", output=home / "log" / "out")]
    loop = Supervisor(children, Log(output), pids=home / "pids.json")
    try:
        until(lambda: "jobmanager   | could not be prepared: " in output.getvalue(), loop)
        assert loop.processes["web"].is_running
        home.unlink()
        until(lambda: loop.all_ready, loop)
        until((home / "pids.json").exists, loop)
    finally:
        loop.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    pids = tmp_path / "pids.json"
    code = (
        "import pathlib, sys; from oceanus_console.child import Child; from oceanus_console.supervisor import Supervisor;"
        "Supervisor([Child(name=n, command=lambda: ['sleep', '60']) for n in 'ab'], pids=pathlib.Path(sys.argv[1])).run()"
    )
    process = subprocess.Popen([*python(code), pids], stdout=subprocess.PIPE)
    until(lambda: pids.exists() and len(json.loads(pids.read_text())) == 2)
    children = json.loads(pids.read_text()).values()
    process.send_signal(number)
    process.communicate(timeout=15)
    assert process.returncode == 0
    assert not any(map(is_there, children))


def test_a_block_fails_when_a_child_is_not_ready_in_time() -> None:
    with (
        pytest.raises(Failed, match=r"Not ready within 0 s: web"),
        running([child("web", is_ready=lambda: False)], Log(io.StringIO()), seconds=0.3),
    ):
        pass


def test_output_that_grows_too_large_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanus_console.child.LARGEST_OUTPUT_BYTES", 1000)
    monkeypatch.setattr("oceanus_console.child.PROBE_EVERY_SECONDS", 0.02)
    output = tmp_path / "log" / "taskmanager.out"
    code = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(.001)"
    with supervised(child("taskmanager", python(code), output=output)) as (loop, _):
        until(lambda: output.exists() and output.stat().st_size > 300, loop)
        sizes: list[int] = []
        until(
            lambda: sizes.append(output.stat().st_size) or any(b < a for a, b in itertools.pairwise(sizes)),
            loop,
        )
