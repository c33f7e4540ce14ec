"""Pin the fake Flink: what it answers over HTTP is what clusters were measured to answer."""

import io
import socket
import threading
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from tests.fake_flink import FakeFlink

JOB, OTHER, TRIGGER = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture
def flink() -> Iterator[FakeFlink]:
    with FakeFlink(slots_total=8) as fake:
        yield fake


class Client:
    """Keep connections alive, as the console does."""

    def __init__(self, flink: FakeFlink) -> None:
        self.flink = flink
        self.http = urllib3.PoolManager(maxsize=16, retries=False, timeout=5)
        self.jar = ""

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        if body is not None:
            more["json"] = body
        answer = self.http.request(method, self.flink.url + path, **more)
        return answer.status, answer.json()

    def get(self, path: str) -> Any:
        status, data = self.ask("GET", path)
        assert status == 200, data
        return data

    def upload(self) -> str:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nMain-Class: console.SqlRunner\r\n")
        fields = {"jarfile": ("runner.jar", file.getvalue(), "application/x-java-archive")}
        answer = self.http.request("POST", self.flink.url + "/jars/upload", fields=fields)
        assert answer.status == 200
        return answer.json()["filename"].rsplit("/", 1)[-1]

    def run(self, job_id: str = JOB, **more: Any) -> tuple[int, Any]:
        self.jar = self.jar or self.upload()
        return self.ask("POST", f"/jars/{self.jar}/run", {"jobId": job_id, "parallelism": 2, **more})

    def stop(self, directory: Path | str, job_id: str = JOB, trigger_id: str = TRIGGER) -> tuple[int, Any]:
        body = {"targetDirectory": f"file://{directory}", "triggerId": trigger_id}
        return self.ask("POST", f"/jobs/{job_id}/stop", body)

    def trigger(self, job_id: str = JOB, trigger_id: str = TRIGGER) -> Any:
        return self.get(f"/jobs/{job_id}/savepoints/{trigger_id}")

    def failure(self) -> str:
        return self.trigger()["operation"]["failure-cause"]["stack-trace"]


@pytest.fixture
def client(flink: FakeFlink) -> Iterator[Client]:
    one = Client(flink)
    yield one
    one.http.clear()


def error(answer: tuple[int, Any], status: int) -> str:
    assert answer[0] == status
    return "\n".join(answer[1]["errors"])


# --- the cluster and its jars ---


def test_it_shows_the_cluster(flink: FakeFlink, client: Client) -> None:
    overview = client.get("/overview")
    assert (overview["flink-version"], overview["taskmanagers"]) == ("2.2.1", 1)
    assert (overview["slots-total"], overview["slots-available"]) == (8, 8)
    client.run()
    assert client.get("/overview")["slots-available"] == 6
    assert client.get("/taskmanagers")["taskmanagers"][0]["freeSlots"] == 6
    assert client.get("/config")["flink-version"] == "2.2.1"
    assert error(client.ask("GET", "/nosuch"), 404) == "Not found: /nosuch"


def test_jars_are_uploaded_and_listed(client: Client) -> None:
    jar = client.upload()
    (row,) = client.get("/jars")["files"]
    assert uuid.UUID(jar.split("_")[0])
    assert (row["id"], row["name"], row["entry"][0]["name"]) == (jar, "runner.jar", "console.SqlRunner")
    assert client.ask("DELETE", f"/jars/{jar}")[0] == 200
    assert f"{jar} does not exist" in error(client.ask("POST", f"/jars/{jar}/run", {}), 500)


def test_a_plan_starts_nothing(flink: FakeFlink, client: Client) -> None:
    path = f"/jars/{client.upload()}/plan"
    status, data = client.ask("POST", path, {"jobId": JOB, "parallelism": 3})
    assert (status, data["plan"]["nodes"][1]["parallelism"]) == (200, 3)
    flink.refuse_next_plan("x.SqlParserException: SQL parse failed.")
    text = error(client.ask("POST", path, {}), 500)
    assert text.startswith("Internal server error.\n<Exception on server side:\n")
    assert "Caused by: x.SqlParserException: SQL parse failed." in text
    assert not flink.jobs


# --- running ---


def test_a_job_runs_at_the_next_look(flink: FakeFlink, client: Client) -> None:
    config = {"pipeline.name": "orders"}
    assert client.run(flinkConfiguration=config) == (200, {"jobid": JOB})
    (row,) = client.get("/jobs/overview")["jobs"]
    assert (row["jid"], row["name"], row["state"], row["end-time"]) == (JOB, "orders", "RUNNING", -1)
    assert (row["tasks"]["running"], row["tasks"]["total"]) == (4, 4)
    assert client.get("/jobs") == {"jobs": [{"id": JOB, "status": "RUNNING"}]}
    assert client.get(f"/jobs/{JOB}/status") == {"status": "RUNNING"}
    details = client.get(f"/jobs/{JOB}")
    assert [(v["parallelism"], v["tasks"]["RUNNING"]) for v in details["vertices"]] == [(2, 2), (2, 2)]
    assert flink.jobs[JOB].config == config
    assert set(details["timestamps"]) == {"CREATED", "RUNNING"}


def test_held_starts_wait(flink: FakeFlink, client: Client) -> None:
    flink.hold_starts("RUNNING")
    client.run()
    (row,) = client.get("/jobs/overview")["jobs"]
    assert (row["state"], row["tasks"]["scheduled"], row["tasks"]["running"]) == ("RUNNING", 4, 0)
    client.stop("/nowhere")
    assert "Not all required tasks are currently running." in client.failure()
    flink.release_starts()
    assert flink.jobs[JOB].tasks_up == 4


def test_unknown_jobs(client: Client) -> None:
    assert f"Job {JOB} not found" in error(client.ask("GET", f"/jobs/{JOB}"), 404)
    assert "FlinkJobNotFoundException" in error(client.ask("GET", f"/jobs/{JOB}/status"), 500)
    assert f"Job {JOB} not found" in error(client.ask("GET", f"/jobs/{JOB}/exceptions"), 404)
    assert f"Job {JOB} not found" in error(client.ask("PATCH", f"/jobs/{JOB}?mode=cancel"), 404)
    assert "parse" in error(client.ask("GET", "/jobs/xyz"), 400)


def test_an_id_is_good_for_one_job(flink: FakeFlink, client: Client) -> None:
    client.jar = client.upload()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.run(), range(8)))
    assert sorted(status for status, _ in answers) == [200] + [400] * 7
    assert len(flink.submissions(JOB)) == 1
    flink.finish_job(JOB)
    assert "DuplicateJobSubmissionException: Job has already been submitted." in error(client.run(), 400)
    flink.forget_job(JOB)
    assert client.ask("GET", f"/jobs/{JOB}")[0] == 404
    assert "DuplicateJobSubmissionException" in error(client.run(), 400)


def test_a_refused_run_leaves_the_id_unused(flink: FakeFlink, client: Client) -> None:
    flink.refuse_next_run("x.ValidationException: Object 'nosuch' not found")
    assert "Caused by: x.ValidationException: Object 'nosuch' not found" in error(client.run(), 400)
    assert client.ask("GET", f"/jobs/{JOB}")[0] == 404
    assert client.run()[0] == 200


def test_a_missing_savepoint_burns_the_id(flink: FakeFlink, client: Client, tmp_path: Path) -> None:
    text = error(client.run(savepointPath=f"file://{tmp_path}/gone"), 400)
    assert "FileNotFoundException: Cannot find checkpoint or savepoint file/directory" in text
    assert flink.jobs[JOB].state == "FAILED"
    assert "Duplicate" in error(client.run(), 400)
    assert "scheme 's3'" in error(client.run(OTHER, savepointPath="s3://bucket/x"), 400)


def test_too_few_slots(flink: FakeFlink, client: Client) -> None:
    assert client.run(parallelism=9)[0] == 200
    assert client.get(f"/jobs/{JOB}")["state"] == "FAILED"
    (entry,) = client.get(f"/jobs/{JOB}/exceptions?maxExceptions=5")["exceptionHistory"]["entries"]
    assert "NoResourceAvailableException: Could not acquire" in entry["stacktrace"]


def test_failed_finished_and_other_states(flink: FakeFlink, client: Client) -> None:
    client.run()
    flink.set_state(JOB, "RESTARTING")
    assert client.get("/jobs/overview")["jobs"][0]["tasks"]["scheduled"] == 4
    flink.set_state(JOB, "RUNNING", tasks_up=1)
    assert client.get("/jobs/overview")["jobs"][0]["tasks"]["running"] == 1
    flink.fail_job(JOB, "java.lang.ArithmeticException: / by zero")
    (entry,) = client.get(f"/jobs/{JOB}/exceptions")["exceptionHistory"]["entries"]
    assert "Recovery is suppressed" in entry["stacktrace"]
    assert "Caused by: java.lang.ArithmeticException: / by zero" in entry["stacktrace"]
    client.run(OTHER)
    flink.finish_job(OTHER)
    states = {job["jid"]: (job["state"], job["end-time"] > 0) for job in client.get("/jobs/overview")["jobs"]}
    assert states == {JOB: ("FAILED", True), OTHER: ("FINISHED", True)}
    assert client.get("/overview")["slots-available"] == 8


def test_cancel(flink: FakeFlink, client: Client) -> None:
    client.run()
    flink.hold_cancels()
    assert client.ask("PATCH", f"/jobs/{JOB}?mode=cancel") == (202, {})
    assert client.get(f"/jobs/{JOB}/status") == {"status": "CANCELLING"}
    flink.release_cancels()
    assert client.get(f"/jobs/{JOB}/status") == {"status": "CANCELED"}
    assert client.ask("PATCH", f"/jobs/{JOB}?mode=cancel") == (202, {})


# --- savepoints ---


def test_stop_with_savepoint_and_restore(flink: FakeFlink, client: Client, tmp_path: Path) -> None:
    client.run()
    assert client.stop(tmp_path) == (202, {"request-id": TRIGGER})
    assert client.stop(tmp_path) == (202, {"request-id": TRIGGER})
    done = client.trigger()
    location = done["operation"]["location"]
    assert done["status"] == {"id": "COMPLETED"}
    (folder,) = tmp_path.iterdir()
    assert location == f"file:{folder}"
    assert folder.name.startswith("savepoint-aaaaaa-")
    assert (folder / "_metadata").is_file()
    assert client.get(f"/jobs/{JOB}/status") == {"status": "FINISHED"}
    latest = client.get(f"/jobs/{JOB}/checkpoints")["latest"]
    assert latest["savepoint"]["external_path"] == location
    assert latest["savepoint"]["checkpoint_type"] == "SYNC_SAVEPOINT"
    assert latest["restored"] is None

    assert client.run(OTHER, savepointPath=f"file://{folder}")[0] == 200
    assert client.get(f"/jobs/{OTHER}/checkpoints")["latest"]["restored"]["external_path"] == location
    assert flink.jobs[OTHER].restored_from == f"file://{folder}"


def test_a_forgotten_trigger(flink: FakeFlink, client: Client, tmp_path: Path) -> None:
    client.run()
    client.stop(tmp_path)
    flink.forget_triggers()
    text = error(client.ask("GET", f"/jobs/{JOB}/savepoints/{TRIGGER}"), 404)
    assert f"There is no savepoint operation with triggerId={TRIGGER}" in text
    client.stop(tmp_path)
    assert "FlinkJobNotFoundException" in client.failure()
    assert len(flink.jobs[JOB].savepoints) == 1


def test_savepoint_without_stop_held(flink: FakeFlink, client: Client, tmp_path: Path) -> None:
    client.run()
    flink.hold_savepoints()
    body = {"target-directory": f"file://{tmp_path}", "cancel-job": False, "triggerId": TRIGGER}
    assert client.ask("POST", f"/jobs/{JOB}/savepoints", body)[0] == 202
    assert client.trigger() == {"status": {"id": "IN_PROGRESS"}, "operation": None}
    assert not list(tmp_path.iterdir())
    flink.release_savepoints()
    assert client.trigger()["operation"]["location"] == flink.jobs[JOB].savepoints[0]
    assert flink.jobs[JOB].state == "RUNNING"


def test_savepoints_that_fail_leave_the_job_running(flink: FakeFlink, client: Client, tmp_path: Path) -> None:
    client.run()
    flink.fail_next_savepoint("java.io.IOException: No space left on device")
    client.stop(tmp_path)
    assert "Caused by: java.io.IOException: No space left on device" in client.failure()
    (tmp_path / "file").touch()
    for directory, text in (
        (f"file://{tmp_path}/file", "Failed to create savepoint directory at file:"),
        ("s3://x/y", "Could not find a file system implementation for scheme 's3'"),
        ("", "No savepoint directory configured"),
    ):
        flink.forget_triggers()
        client.ask("POST", f"/jobs/{JOB}/stop", {"targetDirectory": directory, "triggerId": TRIGGER})
        assert text in client.failure()
    assert client.get(f"/jobs/{JOB}/status") == {"status": "RUNNING"}


def test_a_savepoint_after_which_the_job_fails(flink: FakeFlink, client: Client, tmp_path: Path) -> None:
    client.run()
    flink.savepoint_then_fail(state="FAILED")
    client.stop(tmp_path)
    text = client.failure()
    (folder,) = tmp_path.iterdir()
    assert f"A savepoint has been created at: file:{folder}, but the corresponding job {JOB}" in text
    assert client.get(f"/jobs/{JOB}/checkpoints")["latest"]["savepoint"]["external_path"] == f"file:{folder}"
    assert flink.jobs[JOB].state == "FAILED"


def test_disposal(flink: FakeFlink, client: Client, tmp_path: Path) -> None:
    client.run()
    client.stop(tmp_path)
    body = {"savepoint-path": client.trigger()["operation"]["location"]}
    first = client.ask("POST", "/savepoint-disposal", body)[1]["request-id"]
    assert client.get(f"/savepoint-disposal/{first}") == {"status": {"id": "COMPLETED"}, "operation": {}}
    assert not list(tmp_path.iterdir())
    second = client.ask("POST", "/savepoint-disposal", body)[1]["request-id"]
    failure = client.get(f"/savepoint-disposal/{second}")["operation"]["failure-cause"]
    assert "FileNotFoundException" in failure["stack-trace"]
    assert client.ask("GET", f"/savepoint-disposal/{TRIGGER}")[0] == 404


# --- the JobManager away and back ---


def test_stop_and_start_on_the_same_port(flink: FakeFlink, client: Client) -> None:
    client.run()
    url = flink.url
    flink.stop()
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        Client(flink).get("/overview")
    flink.start()
    assert flink.url == url
    assert client.get(f"/jobs/{JOB}/status") == {"status": "RUNNING"}


def test_restart_without_high_availability_forgets_everything(flink: FakeFlink, client: Client) -> None:
    client.run()
    flink.restart(keep_jobs=False)
    assert client.get("/jobs/overview") == {"jobs": []}
    assert client.run()[0] == 200
    assert len(flink.submissions(JOB)) == 2


def test_restart_with_high_availability_keeps_what_was_not_over(
    flink: FakeFlink, client: Client, tmp_path: Path
) -> None:
    client.run()
    client.run(OTHER)
    client.stop(tmp_path)
    client.trigger()
    flink.hold_starts()
    flink.restart(keep_jobs=True)
    assert client.get("/jobs") == {"jobs": [{"id": OTHER, "status": "INITIALIZING"}]}
    assert client.ask("GET", f"/jobs/{JOB}/savepoints/{TRIGGER}")[0] == 404
    assert "Duplicate" in error(client.run(), 400)
    flink.release_starts()
    assert client.get(f"/jobs/{OTHER}/status") == {"status": "RUNNING"}


# --- faults and hooks ---

RUN = ("POST", r"/jars/.*/run")


@pytest.mark.parametrize(("kind", "made"), [("drop_answer", 1), ("reset_before", 0), ("truncated", 1)])
def test_a_lost_answer(flink: FakeFlink, client: Client, kind: Any, made: int) -> None:
    flink.fault(RUN, kind)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.run()
    assert (flink.seen(*RUN), len(flink.submissions())) == (1, made)
    assert client.run()[0] == (400 if made else 200)


def test_answers_that_are_not_flinks(flink: FakeFlink, client: Client) -> None:
    flink.fault(RUN, "status", status=503)
    assert "leader election" in error(client.run(), 503)
    flink.fault(RUN, "status", status=500)
    assert error(client.run(), 500).startswith("Internal server error.")
    flink.fault(RUN, "status", status=429, body={"errors": ["slow down"]})
    assert error(client.run(), 429) == "slow down"
    path = f"{flink.url}/jars/{client.jar}/run"
    flink.fault(RUN, "html", status=502)
    answer = client.http.request("POST", path)
    assert (answer.status, answer.headers["Content-Type"][:9], answer.data[:9]) == (502, "text/html", b"<!doctype")
    flink.fault(RUN, "garbage")
    with pytest.raises(ValueError, match=r"."):
        client.http.request("POST", path).json()
    assert not flink.jobs
    flink.fault(RUN, "html", status=504, carried_out=True)
    client.http.request("POST", path, json={"jobId": JOB})
    assert list(flink.jobs) == [JOB]


def test_a_hanging_answer(flink: FakeFlink, client: Client) -> None:
    client.jar = client.upload()
    with ThreadPoolExecutor(1) as pool:
        fault = flink.fault(RUN, "hang")
        answer = pool.submit(client.run)
        fault.wait()
        assert len(flink.submissions(JOB)) == 1
        assert not answer.done()
        fault.release()
        assert answer.result() == (200, {"jobid": JOB})
    flink.fault(("GET", "/jobs"), "hang")
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.ask("GET", "/jobs", timeout=0.05)


@pytest.mark.parametrize(("kind", "made"), [("hang", 1), ("delay", 0)])
def test_a_held_request_ends_with_the_jobmanager(flink: FakeFlink, client: Client, kind: Any, made: int) -> None:
    client.jar = client.upload()
    with ThreadPoolExecutor(1) as pool:
        fault = flink.fault(RUN, kind)
        answer = pool.submit(client.run)
        fault.wait()
        flink.stop()
        assert isinstance(answer.exception(), urllib3.exceptions.ProtocolError)
    assert len(flink.submissions()) == made


def test_a_delayed_request_is_carried_out_after_its_client_left(flink: FakeFlink, client: Client) -> None:
    client.jar = client.upload()
    done = threading.Event()
    flink.on(RUN, lambda request: done.set(), when="after")
    fault = flink.fault(RUN, "delay")
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.ask("POST", f"/jars/{client.jar}/run", {"jobId": JOB}, timeout=0.05)
    assert not flink.jobs
    fault.release()
    assert done.wait(5)
    assert list(flink.jobs) == [JOB]


def test_faults_last_as_long_as_asked(flink: FakeFlink, client: Client) -> None:
    flink.fault(("*", "/overview"), "status", times=2, status=503)
    assert [client.ask("GET", "/overview")[0] for _ in range(3)] == [503, 503, 200]
    flink.fault(("GET", "/over.*"), "status", times=None)
    assert [client.ask("GET", "/overview")[0] for _ in range(3)] == [500] * 3
    flink.clear_faults()
    assert client.ask("GET", "/overview")[0] == 200


def test_hooks_may_ask_this_flink(flink: FakeFlink, client: Client) -> None:
    seen: list[Any] = []
    flink.on(RUN, lambda request: seen.append(("before", request.body["jobId"], client.get("/jobs"))))
    flink.on(RUN, lambda request: seen.append(("after", request.method, client.get("/jobs"))), when="after")
    client.run()
    after = {"jobs": [{"id": JOB, "status": "RUNNING"}]}
    assert seen == [("before", JOB, {"jobs": []}), ("after", "POST", after)]


def test_the_jobmanager_may_die_in_a_hook(flink: FakeFlink, client: Client) -> None:
    flink.on(RUN, lambda request: flink.restart(keep_jobs=False), when="after")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.run()
    assert client.get("/jobs") == {"jobs": []}


def test_an_error_in_a_hook_is_raised_at_the_end() -> None:
    flink = FakeFlink()
    flink.on(("GET", "/jobs"), lambda request: 1 // 0)
    flink.start()
    assert Client(flink).get("/jobs") == {"jobs": []}
    with pytest.raises(ZeroDivisionError):
        flink.__exit__(None, None, None)


def test_connections_are_kept_alive(flink: FakeFlink, client: Client) -> None:
    for _ in range(5):
        client.get("/overview")
    assert client.http.connection_from_url(flink.url).num_connections == 1
    assert flink.seen("GET", "/overview") == 5
    assert flink.requests[0] == ("GET", "/overview", None)


def test_half_a_request_is_not_taken_up(flink: FakeFlink) -> None:
    address = urlsplit(flink.url)
    head = f"POST /jobs/{JOB}/stop HTTP/1.1\r\nHost: flink\r\nContent-Length: 10\r\n\r\n"
    for body, seen in ((b"", 0), (b'{"trig', 0), (b'{"a": 123}', 1)):
        with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
            connection.sendall(head.encode() + body)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
        assert bool(answer) == bool(seen)
        assert flink.seen("POST", "/jobs/.*/stop") == seen
