"""A small fake Flink over real HTTP, for what the real one won't do on demand: shapes, codes, texts of 2.2.1.

    with FakeFlink() as flink:
        flink.hold_savepoints()
        flink.fault(("POST", r"/jobs/.*/stop"), "drop_answer")
        engine = connect(flink.url, runner_jar)

Jobs do nothing. Time passes only by looking: whatever is under way (a start, a savepoint, a cancellation) is done at
the next request, or at the next look at `.jobs`, unless it is held. Paths are matched whole, without host and query.
"""

import io
import json
import re
import socket
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

Json = dict[str, Any]
Match = tuple[str, str]
Kind = Literal["drop_answer", "reset_before", "status", "html", "garbage", "truncated", "hang", "delay"]

OVER = {"FAILED", "CANCELED", "FINISHED"}
RUNTIME = "org.apache.flink.runtime"
NO_JOB = RUNTIME + ".messages.FlinkJobNotFoundException: Could not find Flink job ({})"
SUPPRESSED = RUNTIME + ".JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy"
NOT_EXECUTED = RUNTIME + ".rest.handler.RestHandlerException: Could not execute application."
STOPPED_BADLY = (
    RUNTIME
    + ".scheduler.stopwithsavepoint.StopWithSavepointStoppingException: A savepoint has been created at: {}, but "
    "the corresponding job {} failed during stopping. The savepoint is consistent, but might have uncommitted "
    "transactions. If you want to commit the transaction please restart a job from this savepoint."
)
TASKS_NOT_UP = (
    RUNTIME + ".checkpoint.CheckpointException: Checkpoint triggering task Source: src (1/1) of job {} is not being "
    "executed at the moment. Aborting checkpoint. Failure reason: Not all required tasks are currently running."
)
NO_SCHEME = (
    "org.apache.flink.core.fs.UnsupportedFileSystemSchemeException: "
    "Could not find a file system implementation for scheme '{}'."
)


def trace(*causes: str) -> str:
    """Write a Java stack trace of these causes, the root cause last."""
    return "\nCaused by: ".join(
        f"{cause}\n\tat org.apache.flink.Fake.run(Fake.java:1)\n\t... 3 more" for cause in causes
    )


class Request(NamedTuple):
    """One request as it arrived; `body` is the parsed JSON, None, or the bytes if it was something else."""

    method: str
    path: str
    body: Any

    def fits(self, match: Match) -> bool:
        return match[0] in ("*", self.method) and re.fullmatch(match[1], self.path) is not None


@dataclass
class FakeJob:
    job_id: str
    name: str
    state: str
    parallelism: int
    tasks_total: int
    tasks_up: int = 0
    restored_from: str = ""
    config: dict[str, str] = field(default_factory=dict)
    body: Json = field(default_factory=dict)
    exceptions: list[Json] = field(default_factory=list)  # newest first, as Flink shows them
    checkpoints: list[Json] = field(default_factory=list)  # and savepoints; newest first
    timestamps: dict[str, int] = field(default_factory=dict)  # state -> milliseconds
    heading: str = ""  # the state it takes at the next look
    # Name of a vertex -> metric -> value, the same for each of its subtasks; "NaN" is what Flink writes for what it can't tell.
    metrics: dict[str, dict[str, float | str]] = field(default_factory=dict)
    runs_on: list[str] = field(default_factory=lambda: ["fake-tm-0"])  # ids of TaskManagers

    @property
    def savepoints(self) -> list[str]:
        """List the locations of its completed savepoints, newest first."""
        return [one["external_path"] for one in self.checkpoints if one["is_savepoint"]]

    def enter(self, state: str, tasks_up: int = 0) -> None:
        self.state, self.tasks_up, self.heading = state, tasks_up, ""
        self.timestamps[state] = _now()

    def add_exception(self, cause: str, **where: Any) -> None:
        """Remember one more; `where`: taskName, endpoint and taskManagerId if a task threw it, and its concurrentExceptions."""
        entry = {"exceptionName": cause.split(":")[0], "stacktrace": cause, "timestamp": _now(), "failureLabels": {}}
        entry |= {"taskName": None, "endpoint": None, "taskManagerId": None, "concurrentExceptions": []} | where
        self.exceptions.insert(0, entry)

    def add_checkpoint(self, path: str, kind: str) -> None:
        entry = {
            "className": "completed",
            "id": len(self.checkpoints) + 1,
            "status": "COMPLETED",
            "external_path": path,
        }
        entry |= {"is_savepoint": kind != "CHECKPOINT", "checkpoint_type": kind, "trigger_timestamp": _now()}
        entry |= {"latest_ack_timestamp": _now() + 7}
        entry |= {"discarded": False, "end_to_end_duration": 7, "state_size": 1024, "checkpointed_size": 1024}
        self.checkpoints.insert(0, entry)


@dataclass
class Operation:
    """A savepoint or a disposal that somebody triggered."""

    job_id: str
    directory: str
    then: str = ""  # the job's state afterwards; "" = it runs on
    location: str = ""
    failure: str = ""
    done: bool = False

    def fail(self, *causes: str) -> None:
        self.failure, self.done = trace("java.util.concurrent.CompletionException: failed", *causes), True


@dataclass
class Fault:
    """What `FakeFlink.fault` returns: wait until it holds a request, then release it."""

    match: Match
    kind: Kind
    left: int | None
    status: int
    body: object
    carried_out: bool
    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float = 10) -> None:
        """Return as soon as a request is held or spoiled here (`hang`: it was carried out; `delay`: not yet)."""
        assert self.reached.wait(seconds), f"no request came to this fault: {self.match} {self.kind}"

    def release(self) -> None:
        self.released.set()

    def hold(self, gone: Callable[[], bool]) -> None:
        self.reached.set()
        while not self.released.wait(0.02) and not gone():
            pass


@dataclass
class Hook:
    match: Match
    call: Callable[[Request], object]
    when: Literal["before", "after"]
    left: int | None


class _Rejected(Exception):
    def __init__(self, status: int, stack_trace: str) -> None:
        self.status, self.errors = status, [stack_trace]
        if status == 500:
            wrapped = f"<Exception on server side:\n{stack_trace}\nEnd of exception on server side>"
            self.errors = ["Internal server error.", wrapped]


class _Closed(Exception):
    """The JobManager went away before it took the request."""


Handler = Callable[..., tuple[int, Json]]
ROUTES: list[tuple[str, str, Handler]] = []
JOB = r"/jobs/(?P<job_id>[^/]+)"


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        ROUTES.append((method, pattern, handler))
        return handler

    return add


class FakeFlink:
    """One JobManager with its slots. Every method may be called from any thread, at any moment."""

    def __init__(self, slots_total: int = 32, version: str = "2.2.1") -> None:
        self.slots_total = slots_total
        self.taskmanagers = 1  # with 0, jobs say RUNNING while all their tasks wait
        self.version = version
        self.high_availability = "zookeeper"  # "NONE": jobs die with their JobManager
        self.savepoint_dir = ""  # of the cluster, for who asks without a directory
        self.requests: list[Request] = []
        self.jars: dict[str, bytes] = {}  # jar id -> content; outlives a restart
        # Process ("" is the JobManager) -> file -> content; "log" and "stdout" are what every process has, all else is listed.
        self.logs: dict[str, dict[str, bytes]] = {"": {}, "fake-tm-0": {}}
        self.broken: list[Exception] = []  # errors of hooks and of this fake; raised when the `with` block ends
        self.port = 0
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._jobs: dict[str, FakeJob] = {}
        self._burned: set[str] = set()
        self._operations: dict[tuple[str, str], Operation] = {}
        self._submissions: list[tuple[str, Json]] = []
        self._faults: list[Fault] = []
        self._hooks: list[Hook] = []
        self._held: set[str] = set()
        self._held_start_state = "CREATED"
        self._refused_runs: list[tuple[str, bool]] = []
        self._refused_plans: list[str] = []
        self._failing_savepoints: list[str] = []
        self._failing_stops: list[tuple[str, str]] = []

    # --- the JobManager comes and goes ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        if self.broken and error is None:
            raise self.broken[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; after `stop` on the same port as before, with everything still known."""
        with self._lock:
            assert self._server is None, "it is running"
            self._server = _Server(self, self.port)
            self.port = self._server.server_port
            threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and all connections; held requests end without an answer. Nothing happens if it is stopped."""
        server = self._close()
        if server:
            server.hang_up()

    def _close(self) -> "_Server | None":
        with self._lock:
            server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
        return server

    def restart(self, keep_jobs: bool) -> None:
        """Replace the JobManager by a new one, which knows no trigger.

        Without `keep_jobs` (no HA) it knows no job and no burned id either. With it (HA, job results kept) the jobs
        that were not over start again under their ids; those that were over are unknown, but their ids stay burned.
        """
        server = self._close()
        with self._lock:
            self._operations.clear()
            self._jobs = {key: job for key, job in self._jobs.items() if keep_jobs and job.state not in OVER}
            self._burned = self._burned if keep_jobs else set()
            for job in self._jobs.values():
                job.timestamps.clear()  # a new JobManager tells when it took the job over
                job.enter("INITIALIZING")
                job.heading = "RUNNING"
        self.start()
        if server:
            server.hang_up()  # now, so that a client that notices at once finds the new one

    # --- jobs ---

    @property
    def jobs(self) -> dict[str, FakeJob]:
        """Look at the jobs: job id -> job, the living objects."""
        with self._lock:
            self._advance()
            return dict(self._jobs)

    def fail_job(self, job_id: str, root_cause: str, state: str = "FAILED") -> None:
        """Let a job fail, with one more entry in its exceptions; state="RESTARTING" when it will try again."""
        with self._lock:
            self.jobs[job_id].add_exception(trace(SUPPRESSED, root_cause) if state == "FAILED" else trace(root_cause))
            self._jobs[job_id].enter(state)

    def finish_job(self, job_id: str) -> None:
        self.set_state(job_id, "FINISHED")

    def set_state(self, job_id: str, state: str, tasks_up: int | None = None) -> None:
        """Put a job into a state to stay in. Unless told, all tasks of RUNNING and FINISHED are up, else none."""
        with self._lock:
            job = self.jobs[job_id]
            default = job.tasks_total if state in ("RUNNING", "FINISHED") else 0
            job.enter(state, default if tasks_up is None else tasks_up)

    def complete_checkpoint(self, job_id: str, path: str) -> None:
        """Let `latest.completed` of a job point to `path`; nothing is written."""
        with self._lock:
            self.jobs[job_id].add_checkpoint(path, "CHECKPOINT")

    def forget_job(self, job_id: str) -> None:
        """Drop a job from the job store, as Flink does an hour after its end; its id stays burned."""
        with self._lock:
            self._advance()
            del self._jobs[job_id]

    # --- what happens next ---

    def hold_starts(self, state: str = "CREATED") -> None:
        """Let new jobs stay in `state` with no task up: CREATED, INITIALIZING, or RUNNING (its tasks are SCHEDULED)."""
        self._hold("starts")
        self._held_start_state = state

    def release_starts(self) -> None:
        self._release("starts")

    def hold_savepoints(self) -> None:
        """Let savepoints stay IN_PROGRESS, and the jobs to be stopped stay RUNNING."""
        self._hold("savepoints")

    def release_savepoints(self) -> None:
        self._release("savepoints")

    def hold_cancels(self) -> None:
        """Let cancelled jobs stay CANCELLING."""
        self._hold("cancels")

    def release_cancels(self) -> None:
        self._release("cancels")

    def refuse_next_run(self, stacktrace: str, burn: bool = False) -> None:
        """Answer the next run 400 with this cause; `burn` leaves a FAILED job under the id, as a bad savepoint does."""
        with self._lock:
            self._refused_runs.append((stacktrace, burn))

    def refuse_next_plan(self, stacktrace: str) -> None:
        """Answer the next plan 500 with this cause."""
        with self._lock:
            self._refused_plans.append(stacktrace)

    def fail_next_savepoint(self, cause: str) -> None:
        """Let the next savepoint to end, end with this failure-cause; its job runs on."""
        with self._lock:
            self._failing_savepoints.append(cause)

    def savepoint_then_fail(self, state: str = "FAILED", cause: str = "java.io.IOException: commit failed") -> None:
        """Let the next stop write its savepoint and then fail: the trigger ends with a failure-cause that names the
        location, the job in `state` (RUNNING: it was restarted)."""
        with self._lock:
            self._failing_stops.append((state, cause))

    def forget_triggers(self) -> None:
        """Forget all completed operations, as Flink does after 5 minutes."""
        with self._lock:
            self._advance()
            self._operations = {key: one for key, one in self._operations.items() if not one.done}

    def _hold(self, what: str) -> None:
        with self._lock:
            self._advance()
            self._held.add(what)

    def _release(self, what: str) -> None:
        with self._lock:
            self._held.discard(what)
            self._advance()

    # --- what was seen ---

    def seen(self, method: str, path_regex: str) -> int:
        """Count the requests that arrived, also those that a fault swallowed. "*" is any method."""
        return sum(request.fits((method, path_regex)) for request in list(self.requests))

    def submissions(self, job_id: str | None = None) -> list[Json]:
        """List the bodies of the runs that really made a job (also a FAILED one), in order."""
        return [body for key, body in list(self._submissions) if job_id in (None, key)]

    # --- faults and hooks ---

    def fault(
        self,
        match: Match,
        kind: Kind,
        times: int | None = 1,
        *,
        status: int = 0,
        body: object = None,
        carried_out: bool | None = None,
    ) -> Fault:
        """Spoil the next `times` requests that match (method, path regex); None is all of them.

        drop_answer    carried out, then the connection is closed without an answer
        reset_before   the connection is closed, not carried out: the client cannot tell it from drop_answer
        truncated      carried out, then half of the answer and the connection is closed
        hang           carried out, then no answer until `release()`, until the client goes away or `stop()`
        delay          not carried out until `release()`; then as usual, even if the client went away
        status         `status` (500) with `body` (a dict or text; else the error JSON Flink has for it)
        html           `status` (200) with a page, as from a proxy
        garbage        `status` (200) with bytes that are no JSON

        The last three are not carried out, unless `carried_out=True` says so.
        """
        if carried_out is None:
            carried_out = kind not in ("status", "html", "garbage", "reset_before")
        fault = Fault(match, kind, times, status, body, carried_out)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget all faults and release what they hold."""
        self.release()
        with self._lock:
            self._faults.clear()

    def release(self) -> None:
        """Release every request held by a `hang` or a `delay`, for good."""
        for fault in list(self._faults):
            fault.release()

    def on(
        self,
        match: Match,
        call: Callable[[Request], object],
        when: Literal["before", "after"] = "before",
        times: int | None = 1,
    ) -> None:
        """Call `call(request)` in the server's thread just before or after a matching request is carried out.

        The answer is not yet sent, and no lock is held: it may ask this Flink, stop it, or click elsewhere.
        """
        with self._lock:
            self._hooks.append(Hook(match, call, when, times))

    # --- one request ---

    def _serve(self, request: Request, wire: "_Wire") -> None:
        with self._lock:
            self.requests.append(request)
            fault = _take(self._faults, lambda one: request.fits(one.match))
        kind = fault.kind if fault else ""
        if fault and kind == "delay":
            fault.hold(lambda: wire.server is not self._server)
        if fault and kind == "reset_before":
            fault.reached.set()
            raise _Closed
        status = 0
        answer: Json = {}
        if not fault or fault.carried_out:
            self._call_hooks(request, "before")
            status, answer = self._carry_out(request, wire)
            self._call_hooks(request, "after")
        if fault and kind == "hang":
            fault.hold(lambda: wire.server is not self._server or wire.is_gone())
        if fault:
            fault.reached.set()
        if kind == "drop_answer":
            raise _Closed
        if fault and kind in ("status", "html", "garbage"):
            return wire.answer(*_spoiled(fault))
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        content_type = "text/plain" if isinstance(answer, bytes) else "application/json"
        wire.answer(status, data, content_type, cut=len(data) // 2 if kind == "truncated" else None)

    def _call_hooks(self, request: Request, when: str) -> None:
        with self._lock:
            hook = _take(self._hooks, lambda one: one.when == when and request.fits(one.match))
        if hook:
            try:
                hook.call(request)
            except Exception as error:
                self.broken.append(error)

    def _carry_out(self, request: Request, wire: "_Wire") -> tuple[int, Json]:
        with self._lock:
            if wire.server is not self._server:
                raise _Closed
            self._advance()
            try:
                return self._dispatch(request)
            except _Rejected as rejected:
                return rejected.status, {"errors": rejected.errors}

    def _dispatch(self, request: Request) -> tuple[int, Json]:
        for method, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                words = found.groupdict()
                for key in {"job_id", "trigger_id"} & words.keys():
                    _check_id(words[key])
                return handler(self, request.body, **words)
        return 404, {"errors": [f"Not found: {request.path}"]}

    # --- time passes ---

    def _advance(self) -> None:
        if "starts" not in self._held:
            for job in [job for job in self._jobs.values() if job.heading == "RUNNING"]:
                self._start_job(job)
        if "savepoints" not in self._held:
            for operation in [one for one in self._operations.values() if not one.done]:
                self._complete(operation)
        if "cancels" not in self._held:
            for job in [job for job in self._jobs.values() if job.heading == "CANCELED"]:
                job.enter("CANCELED")

    def _start_job(self, job: FakeJob) -> None:
        if not self.taskmanagers:
            job.enter("RUNNING")
            job.heading = "RUNNING"
        elif job.parallelism > self._slots_free():
            cause = (
                ".jobmanager.scheduler.NoResourceAvailableException: Could not acquire the minimum required resources."
            )
            job.add_exception(trace(SUPPRESSED, RUNTIME + cause))
            job.enter("FAILED")
        else:
            job.enter("RUNNING", job.tasks_total)

    def _slots_free(self) -> int:
        used = sum(job.parallelism for job in self._jobs.values() if job.tasks_up and job.state not in OVER)
        return max(0, self.slots_total - used) if self.taskmanagers else 0

    def _complete(self, operation: Operation) -> None:
        job = self._jobs.get(operation.job_id)
        if job is None or job.state != "RUNNING":
            return operation.fail(RUNTIME + ".checkpoint.CheckpointException: Checkpoint Coordinator is suspending.")
        if self._failing_savepoints:
            return operation.fail(self._failing_savepoints.pop(0))
        try:
            location = _write_savepoint(job.job_id, operation.directory)
        except OSError as error:
            missing = f"java.io.IOException: Failed to create savepoint directory at {operation.directory}"
            scheme = NO_SCHEME.format(operation.directory.split(":")[0])
            return operation.fail(scheme if isinstance(error, _UnknownScheme) else missing)
        job.add_checkpoint(location, "SYNC_SAVEPOINT" if operation.then else "SAVEPOINT")
        if operation.then and self._failing_stops:
            return self._fail_stop(job, operation, location)
        operation.location, operation.done = location, True
        if operation.then:
            job.enter(operation.then, job.tasks_total if operation.then == "FINISHED" else 0)

    def _fail_stop(self, job: FakeJob, operation: Operation, location: str) -> None:
        state, cause = self._failing_stops.pop(0)
        operation.fail(STOPPED_BADLY.format(location, job.job_id))
        job.add_exception(trace(cause))
        job.enter(state, job.tasks_total if state == "RUNNING" else 0)

    # --- the cluster ---

    @route("GET", "/overview")
    def _overview(self, body: Any) -> tuple[int, Json]:
        words = {"jobs-finished": "FINISHED", "jobs-cancelled": "CANCELED", "jobs-failed": "FAILED"}
        counts = {word: sum(job.state == state for job in self._jobs.values()) for word, state in words.items()}
        return 200, {
            "taskmanagers": self.taskmanagers,
            "slots-total": self.slots_total if self.taskmanagers else 0,
            "slots-available": self._slots_free(),
            "jobs-running": sum(job.state not in OVER for job in self._jobs.values()),
            **counts,
            "flink-version": self.version,
            "flink-commit": "fa4e000",
        }

    @route("GET", "/config")
    def _config(self, body: Any) -> tuple[int, Json]:
        features = {"web-submit": True, "web-cancel": True, "web-rescale": False, "web-history": False}
        return 200, {
            "refresh-interval": 1000,
            "timezone-name": "Coordinated Universal Time",
            "timezone-offset": 0,
            "flink-version": self.version,
            "flink-revision": "fa4e000 @ 2026-01-01T00:00:00+00:00",
            "features": features,
        }

    @route("GET", "/jobmanager/config")
    def _jobmanager_config(self, body: Any) -> tuple[int, Any]:
        options = {"rest.port": str(self.port), "high-availability.type": self.high_availability}
        return 200, [{"key": key, "value": value} for key, value in options.items()]

    @route("GET", "/taskmanagers")
    def _taskmanagers(self, body: Any) -> tuple[int, Json]:
        rows = []
        free = self._slots_free()
        for number in range(self.taskmanagers):
            slots = self.slots_total // self.taskmanagers + (number < self.slots_total % self.taskmanagers)
            row = {"id": f"fake-tm-{number}", "path": "pekko.tcp://flink@127.0.0.1:1/user", "slotsNumber": slots}
            rows.append(row | {"freeSlots": min(slots, free), "timeSinceLastHeartbeat": _now()})
            free -= min(slots, free)
        return 200, {"taskmanagers": rows}

    # --- logs ---

    @route("GET", "/jobmanager/logs")
    def _logs_of_jobmanager(self, body: Any) -> tuple[int, Json]:
        return self._logs_of("")

    @route("GET", "/jobmanager/(?:logs/)?(?P<name>log|stdout|[^/]+)")
    def _log_of_jobmanager(self, body: Any, name: str) -> tuple[int, Any]:
        if unquote(name) not in self.logs[""]:
            return 404, {"errors": ["This file does not exist in JobManager log dir."]}
        return 200, self.logs[""][unquote(name)]

    @route("GET", "/taskmanagers/(?P<id>[^/]+)/logs")
    def _logs_of_taskmanager(self, body: Any, id: str) -> tuple[int, Json]:
        return self._logs_of(unquote(id))

    @route("GET", "/taskmanagers/(?P<id>[^/]+)/(?:logs/)?(?P<name>[^/]+)")
    def _log_of_taskmanager(self, body: Any, id: str, name: str) -> tuple[int, Any]:
        process = unquote(id)
        failed = f"{RUNTIME}.rest.NotFoundException: Failed to transfer file from TaskExecutor {process}"
        if process not in self.logs:
            raise _Rejected(404, trace(failed + " because it was unknown."))
        if unquote(name) not in self.logs[process]:
            missing = f"java.io.FileNotFoundException: The file {unquote(name)} does not exist on the TaskExecutor."
            raise _Rejected(500, trace(f"org.apache.flink.util.FlinkException: {failed}.", missing))
        return 200, self.logs[process][unquote(name)]

    def _logs_of(self, process: str) -> tuple[int, Json]:
        if process not in self.logs:
            raise _Rejected(
                404, trace(f"{RUNTIME}.rest.handler.RestHandlerException: Could not find TaskExecutor {process}")
            )
        files = [(name, text) for name, text in self.logs[process].items() if name not in ("log", "stdout")]
        rows = [
            {"name": name, "size": len(text), "mtime": 1_000 * at} for at, (name, text) in enumerate(files, start=1)
        ]
        return 200, {"logs": rows}

    # --- looking at jobs ---

    @route("GET", "/jobs")
    def _job_ids(self, body: Any) -> tuple[int, Json]:
        return 200, {"jobs": [{"id": job.job_id, "status": job.state} for job in self._jobs.values()]}

    @route("GET", "/jobs/overview")
    def _jobs_overview(self, body: Any) -> tuple[int, Json]:
        rows = [_head(job) | {"tasks": _tasks(job), "pending-operators": 0} for job in self._jobs.values()]
        return 200, {"jobs": rows}

    @route("GET", JOB)
    def _job_details(self, body: Any, job_id: str) -> tuple[int, Json]:
        job = self._job(job_id)
        vertices = _vertices(job)
        counts = {state.upper(): number for state, number in _tasks(job).items() if state != "total"}
        head = {key: value for key, value in _head(job).items() if key != "last-modification"}
        more = {"isStoppable": False, "job-type": "STREAMING", "now": _now(), "timestamps": job.timestamps}
        return 200, head | more | {"vertices": vertices, "status-counts": counts, "plan": _plan(job)}

    @route("GET", JOB + "/status")
    def _job_status(self, body: Any, job_id: str) -> tuple[int, Json]:
        if job_id not in self._jobs:
            raise _Rejected(500, trace(NO_JOB.format(job_id)))
        return 200, {"status": self._jobs[job_id].state}

    @route("GET", JOB + "/exceptions")
    def _job_exceptions(self, body: Any, job_id: str) -> tuple[int, Json]:
        return 200, {"exceptionHistory": {"entries": self._job(job_id).exceptions, "truncated": False}}

    @route("GET", JOB + "/checkpoints")
    def _job_checkpoints(self, body: Any, job_id: str) -> tuple[int, Json]:
        job = self._job(job_id)
        restored = None
        if job.restored_from:
            path = re.sub("^file:/+", "file:/", job.restored_from)
            at = min(job.timestamps.values())
            restored = {"id": 1, "restore_timestamp": at, "is_savepoint": True, "external_path": path}
        done = len(job.checkpoints)
        counts = {"restored": int(bool(restored)), "total": done, "in_progress": 0, "completed": done, "failed": 0}
        latest = {
            "completed": next((one for one in job.checkpoints if not one["is_savepoint"]), None),
            "savepoint": next((one for one in job.checkpoints if one["is_savepoint"]), None),
            "failed": None,
            "restored": restored,
        }
        return 200, {"counts": counts, "summary": {}, "latest": latest, "history": job.checkpoints}

    @route("GET", JOB + "/metrics")
    def _job_metrics(self, body: Any, job_id: str) -> tuple[int, Any]:
        self._job(job_id)
        return 200, [{"id": "numRestarts", "value": "2"}]

    @route("GET", JOB + r"/vertices/(?P<vertex>[^/]+)/subtasks/metrics")
    def _vertex_metrics(self, body: Any, job_id: str, vertex: str) -> tuple[int, Any]:
        job = self._job(job_id)
        row = next(one for one in _vertices(job) if one["id"] == vertex)
        size = row["parallelism"]
        values = job.metrics.get(row["name"], {}).items()
        return 200, [{"id": id, "max": one, "sum": "NaN" if one == "NaN" else size * float(one)} for id, one in values]

    @route("GET", JOB + r"/vertices/(?P<vertex>[^/]+)/taskmanagers")
    def _vertex_taskmanagers(self, body: Any, job_id: str, vertex: str) -> tuple[int, Json]:
        rows = [
            {"endpoint": "127.0.0.1:1", "status": "RUNNING", "taskmanager-id": one} for one in self._job(job_id).runs_on
        ]
        return 200, {"id": vertex, "name": "", "now": _now(), "taskmanagers": rows}

    def _job(self, job_id: str) -> FakeJob:
        if job_id not in self._jobs:
            missing = f"{RUNTIME}.rest.NotFoundException: Job {job_id} not found"
            raise _Rejected(404, trace(missing, NO_JOB.format(job_id)))
        return self._jobs[job_id]

    # --- jars ---

    @route("POST", "/jars/upload")
    def _upload(self, body: Any) -> tuple[int, Json]:
        raw = body if isinstance(body, bytes) else b""
        part = re.search(rb'filename="([^"]+)".*?\r\n\r\n(.*)\r\n--', raw, re.DOTALL)
        name = part[1].decode() if part else ""
        if not part or not name.endswith(".jar"):
            raise _Rejected(400, trace(RUNTIME + ".rest.handler.RestHandlerException: Only Jar files are allowed."))
        jar_id = f"{uuid.uuid4()}_{name}"
        self.jars[jar_id] = part[2]
        return 200, {"filename": f"/flink-web-upload/{jar_id}", "status": "success"}

    @route("GET", "/jars")
    def _list_jars(self, body: Any) -> tuple[int, Json]:
        files = [
            {"id": jar_id, "name": jar_id.split("_", 1)[1], "uploaded": _now(), "entry": _entries(content)}
            for jar_id, content in self.jars.items()
        ]
        return 200, {"address": self.url, "files": files}

    @route("DELETE", "/jars/(?P<jar_id>[^/]+)")
    def _delete_jar(self, body: Any, jar_id: str) -> tuple[int, Json]:
        self._check_jar(jar_id, 400)
        del self.jars[jar_id]
        return 200, {}

    @route("POST", "/jars/(?P<jar_id>[^/]+)/plan")
    def _plan_jar(self, body: Any, jar_id: str) -> tuple[int, Json]:
        self._check_jar(jar_id, 500)
        job = _new_job(_body_of_run(body))
        if self._refused_plans:
            raise _Rejected(500, trace(NOT_EXECUTED, self._refused_plans.pop(0)))
        return 200, {"plan": _plan(job)}

    @route("POST", "/jars/(?P<jar_id>[^/]+)/run")
    def _run_jar(self, body: Any, jar_id: str) -> tuple[int, Json]:
        self._check_jar(jar_id, 500)
        job = _new_job(_body_of_run(body))
        refused, burn = self._refused_runs.pop(0) if self._refused_runs else ("", False)
        if refused and not burn:
            raise _Rejected(400, trace(NOT_EXECUTED, refused))
        if job.job_id in self._burned:
            duplicate = RUNTIME + ".client.DuplicateJobSubmissionException: Job has already been submitted."
            raise _Rejected(400, trace(NOT_EXECUTED, duplicate))
        self._burned.add(job.job_id)
        self._jobs[job.job_id] = job
        self._submissions.append((job.job_id, job.body))
        refused = refused or _restore_error(job.restored_from)
        if refused:
            job.tasks_total = 0
            job.enter("FAILED")
            init = f"{RUNTIME}.client.JobInitializationException: Could not start the JobMaster."
            job.add_exception(trace(init, refused))
            raise _Rejected(400, trace(NOT_EXECUTED, init, refused))
        job.enter(self._held_start_state if "starts" in self._held else "CREATED")
        job.heading = "RUNNING"
        return 200, {"jobid": job.job_id}

    def _check_jar(self, jar_id: str, status: int) -> None:
        if jar_id not in self.jars:
            cause = f"{RUNTIME}.rest.handler.RestHandlerException: Jar file /flink-web-upload/{jar_id} does not exist"
            raise _Rejected(status, trace(cause))

    # --- the end of jobs, savepoints ---

    @route("PATCH", JOB)
    def _cancel(self, body: Any, job_id: str) -> tuple[int, Json]:
        job = self._job(job_id)
        if job.state in ("FAILED", "FINISHED"):  # from Flink's source; not measured
            over = f"Job cancellation failed because the job has already reached another terminal state ({job.state})."
            raise _Rejected(409, trace(f"{RUNTIME}.rest.handler.RestHandlerException: {over}"))
        if job.state != "CANCELED":
            job.enter("CANCELLING", job.tasks_up)
            job.heading = "CANCELED"
        return 202, {}

    @route("POST", JOB + "/stop")
    def _stop_job(self, body: Any, job_id: str) -> tuple[int, Json]:
        return self._trigger(job_id, body or {}, "targetDirectory", "FINISHED")

    @route("POST", JOB + "/savepoints")
    def _savepoint(self, body: Any, job_id: str) -> tuple[int, Json]:
        body = body or {}
        return self._trigger(job_id, body, "target-directory", "CANCELED" if body.get("cancel-job") else "")

    def _trigger(self, job_id: str, body: Json, key: str, then: str) -> tuple[int, Json]:
        trigger_id = _check_id(body.get("triggerId") or uuid.uuid4().hex)
        if (job_id, trigger_id) not in self._operations:
            job = self._jobs.get(job_id)
            default = job.config.get("execution.checkpointing.savepoint-dir", self.savepoint_dir) if job else ""
            operation = Operation(job_id, body.get(key) or default, then)
            self._operations[job_id, trigger_id] = operation
            if job is None or job.state in OVER:
                operation.fail(NO_JOB.format(job_id))
            elif not operation.directory:
                operation.fail("java.lang.IllegalStateException: No savepoint directory configured.")
            elif job.state != "RUNNING" or job.tasks_up < job.tasks_total:
                operation.fail(TASKS_NOT_UP.format(job_id))
        return 202, {"request-id": trigger_id}

    @route("GET", JOB + "/savepoints/(?P<trigger_id>[^/]+)")
    def _savepoint_status(self, body: Any, job_id: str, trigger_id: str) -> tuple[int, Json]:
        operation = self._operations.get((job_id, trigger_id))
        if operation is None:
            forgotten = f"There is no savepoint operation with triggerId={trigger_id} for job {job_id}."
            raise _Rejected(404, trace(f"{RUNTIME}.rest.handler.RestHandlerException: {forgotten}"))
        return 200, _status(operation)

    @route("POST", "/savepoint-disposal")
    def _dispose(self, body: Any) -> tuple[int, Json]:
        body = body or {}
        trigger_id = _check_id(body.get("triggerId") or uuid.uuid4().hex)
        if ("", trigger_id) not in self._operations:
            operation = Operation("", body.get("savepoint-path", ""), done=True)
            self._operations["", trigger_id] = operation
            error = _restore_error(operation.directory)
            if error:
                operation.fail(error)
            else:
                _delete_savepoint(operation.directory)
        return 200, {"request-id": trigger_id}

    @route("GET", "/savepoint-disposal/(?P<trigger_id>[^/]+)")
    def _disposal_status(self, body: Any, trigger_id: str) -> tuple[int, Json]:
        operation = self._operations.get(("", trigger_id))
        if operation is None:
            raise _Rejected(
                404, trace(f"{RUNTIME}.rest.NotFoundException: Operation not found under key: {trigger_id}")
            )
        return 200, _status(operation)


# --- words and shapes ---


def _now() -> int:
    return int(time.time() * 1000)


def _take(waiting: list[Any], fits: Callable[[Any], bool]) -> Any:
    """Return the first fault or hook that fits, and count it down."""
    found = next((one for one in waiting if one.left != 0 and fits(one)), None)
    if found and found.left is not None:
        found.left -= 1
    return found


def _check_id(value: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{32}", value):
        cause = f'Bad request, could not parse parameters: Cannot resolve path parameter from value "{value}".'
        raise _Rejected(400, trace(f"{RUNTIME}.rest.handler.RestHandlerException: {cause}"))
    return value


def _body_of_run(body: Any) -> Json:
    if not isinstance(body, dict | None):
        cause = "Request did not match expected format JarRunRequestBody."
        raise _Rejected(400, trace(f"{RUNTIME}.rest.handler.RestHandlerException: {cause}"))
    return body or {}


def _new_job(body: Json) -> FakeJob:
    config = body.get("flinkConfiguration") or {}
    job_id = _check_id(body.get("jobId") or uuid.uuid4().hex)
    parallelism = int(body.get("parallelism") or config.get("parallelism.default") or 1)
    paths = (config.get("execution.state-recovery.path"), config.get("execution.savepoint.path"))
    job = FakeJob(job_id, config.get("pipeline.name", "insert-into_snk"), "CREATED", parallelism, parallelism * 2)
    job.config, job.body = config, body
    job.restored_from = body.get("savepointPath") or paths[0] or paths[1] or ""
    return job


def _head(job: FakeJob) -> Json:
    start, last = min(job.timestamps.values()), max(job.timestamps.values())
    end = last if job.state in OVER else -1
    times = {"start-time": start, "end-time": end, "duration": (_now() if end < 0 else end) - start}
    return {"jid": job.job_id, "name": job.name, **times, "state": job.state, "last-modification": last}


def _count_tasks(job: FakeJob, up: int, total: int) -> dict[str, int]:
    names = "running canceling canceled created scheduled deploying reconciling finished initializing failed"
    rest = {"INITIALIZING": "created", "CREATED": "created", "RUNNING": "scheduled", "RESTARTING": "scheduled"}
    rest |= {"CANCELLING": "canceling"}
    counts = dict.fromkeys(names.split(), 0)
    counts["finished" if job.state == "FINISHED" else "running"] = up
    counts[rest.get(job.state, "canceled")] += total - up
    return counts


def _tasks(job: FakeJob) -> dict[str, int]:
    return {"total": job.tasks_total, **_count_tasks(job, job.tasks_up, job.tasks_total)}


def _vertices(job: FakeJob) -> list[Json]:
    rows = []
    up = job.tasks_up
    for name, size in (("Source: src", job.tasks_total - job.tasks_total // 2), ("Sink: snk", job.tasks_total // 2)):
        counts = _count_tasks(job, min(up, size), size)
        up -= min(up, size)
        tasks = {state.upper(): number for state, number in counts.items()}
        status = next((state for state, number in tasks.items() if number), "CREATED")
        row = {"id": uuid.uuid5(uuid.NAMESPACE_OID, name).hex, "name": name, "maxParallelism": 128, "parallelism": size}
        rows.append(row | {"status": status, "tasks": tasks, "metrics": {"read-records": 0, "write-records": 0}})
    return [row for row in rows if row["parallelism"]]


def _plan(job: FakeJob) -> Json:
    nodes: list[Json] = []
    for vertex in _vertices(job):
        node = {"id": vertex["id"], "parallelism": vertex["parallelism"], "description": vertex["name"]}
        if nodes:
            node["inputs"] = [{"num": 0, "id": nodes[-1]["id"], "ship_strategy": "HASH"}]
        nodes.append(node)
    return {"jid": job.job_id, "name": job.name, "type": "STREAMING", "nodes": nodes}


def _status(operation: Operation) -> Json:
    if not operation.done:
        return {"status": {"id": "IN_PROGRESS"}, "operation": None}
    outcome: Json = {"location": operation.location} if operation.location else {}
    if operation.failure:
        cause = {"class": "java.util.concurrent.CompletionException", "stack-trace": operation.failure}
        outcome = {"failure-cause": cause | {"serialized-throwable": "rO0ABXNy" * 2000}}
    return {"status": {"id": "COMPLETED"}, "operation": outcome}


def _entries(jar: bytes) -> list[Json]:
    try:
        with zipfile.ZipFile(io.BytesIO(jar)) as archive:
            manifest = archive.read("META-INF/MANIFEST.MF").decode()
    except (zipfile.BadZipFile, KeyError):
        return []
    return [{"name": name.strip(), "description": None} for name in re.findall(r"^Main-Class: (.*)$", manifest, re.M)]


# --- savepoints on disk ---


class _UnknownScheme(OSError):
    pass


def _path_of(uri: str) -> Path:
    if re.match(r"(?!file:)[a-z][a-z0-9+.-]*:", uri):
        raise _UnknownScheme(uri)
    return Path(re.sub("^file:/+", "/", uri))


def _write_savepoint(job_id: str, directory: str) -> str:
    path = _path_of(directory) / f"savepoint-{job_id[:6]}-{uuid.uuid4().hex[:12]}"
    path.mkdir(parents=True)
    (path / "_metadata").write_bytes(b"a savepoint of the fake Flink")
    return f"file:{path}"


def _delete_savepoint(uri: str) -> None:
    path = _path_of(uri)
    (path / "_metadata").unlink()
    path.rmdir()


def _restore_error(uri: str) -> str:
    """Say why Flink cannot restore from there: "" if it can, or if nothing is asked."""
    try:
        if not uri or (_path_of(uri) / "_metadata").is_file():
            return ""
    except _UnknownScheme:
        return NO_SCHEME.format(uri.split(":")[0])
    return (
        "java.io.FileNotFoundException: Cannot find checkpoint or savepoint file/directory "
        f"'{uri}' on file system 'file'."
    )


# --- the wire ---


def _spoiled(fault: Fault) -> tuple[int, bytes, str]:
    """Return status, body and content type of an answer that is not Flink's own."""
    if fault.kind == "html":
        page = fault.body or "<!doctype html><title>Sign in</title><h1>Gateway</h1>"
        return fault.status or 200, str(page).encode(), "text/html"
    if fault.kind == "garbage":
        return fault.status or 200, b"\x00\xff{not json", "application/json"
    status, body = fault.status or 500, fault.body
    if body is None and status == 503:
        body = {"errors": ["Service temporarily unavailable due to an ongoing leader election. Please refresh."]}
    if body is None:
        body = {"errors": _Rejected(status, trace("java.lang.IllegalStateException: the fake was told to fail")).errors}
    return status, (body if isinstance(body, str) else json.dumps(body)).encode(), "application/json"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, flink: FakeFlink, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Wire)
        self.flink = flink
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self.flink.broken.append(error)


class _Wire(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for head and body

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:  # who sent it died over it: Flink does not take up half a request
            self.close_connection = True
            return
        try:
            self.server.flink._serve(Request(self.command, urlsplit(self.path).path, _parsed(raw)), self)
        except _Closed:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve

    def answer(self, status: int, data: bytes, content_type: str = "application/json", cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type + "; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:cut])
        self.close_connection = self.close_connection or cut is not None

    def is_gone(self) -> bool:
        """Tell whether the client closed its connection."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw
