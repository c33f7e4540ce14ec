"""A real Flink session cluster on this machine: ZooKeeper, JobManager, one TaskManager or more, out of Flink's PyPI distribution.

All that the cluster stores is below one directory. With ZooKeeper (high availability) jobs outlive the death of every process:
they come back under the same ids from their last checkpoint.
"""

import hashlib
import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAIN_CLASSES = {
    "zookeeper": "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.quorum.QuorumPeerMain",
    "jobmanager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}
# Measured on 2 cores: with these the JobManager takes half the CPU time until its first jobs run. It compiles much Java once and
# is idle afterwards; the TaskManager needs the better compiler. Heaps are too small for a garbage collector with many threads.
# A job may fill the TaskManager's heap: then it must end, to be started again, rather than collect garbage for ever with all jobs
# hanging. Only the parallel collector gives up when it gets nowhere, with an OutOfMemoryError; with its own limits (98 % of the
# time, less than 2 % of the heap free) it did not, as each collection freed the records just read.
JVM_OPTIONS = {
    "zookeeper": ["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
    "jobmanager": ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
    "taskmanager": [
        "-XX:+UseParallelGC",
        "-XX:ParallelGCThreads=1",
        "-XX:GCTimeLimit=50",
        "-XX:GCHeapFreeLimit=50",
        "-XX:+ExitOnOutOfMemoryError",
    ],
}
MEMORY_QUESTIONS = {"jobmanager": "GET_JM_RESOURCE_PARAMS", "taskmanager": "GET_TM_RESOURCE_PARAMS"}

# Without these a cluster on Java 17 or later starts but refuses every job (env.java.opts.all in Flink's own config.yaml).
OPENED = {
    "--add-exports": ["java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5", "java.base/sun.net.util"],
    "--add-opens": [
        f"java.base/{package}"
        for package in (
            "java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect", "java.text", "java.time",
            "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks",
        )
    ],
}  # fmt: skip

# Sizes are capped: a job that fails again and again writes megabytes a minute.
LOG4J = """\
monitorInterval=30
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = File
appender.file.name = File
appender.file.type = RollingFile
appender.file.append = true
appender.file.fileName = ${sys:log.file}
appender.file.filePattern = ${sys:log.file}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
logger.zookeeper.name = org.apache.flink.shaded.zookeeper3
logger.zookeeper.level = WARN
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""

ZOO_CFG = """\
tickTime=2000
dataDir={data}
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
autopurge.snapRetainCount=3
autopurge.purgeInterval=1
"""


@dataclass(frozen=True)
class Daemon:
    """One JVM. `command` empties its temporary directory, so call it before each start; stdout belongs into `output`."""

    name: str
    command: Callable[[], Sequence[str]]
    answers: Callable[[], bool]
    output: Path
    needs: Sequence[str] = ()
    may_hang: bool = False


@dataclass(frozen=True)
class LocalFlink:
    """Describe the cluster: its directory, the unpacked distribution (with lib/), the Java, and its ports.

    `zookeeper_port` 0 means no high availability: faster to start, and no job survives the JobManager. `slots` are those of each
    TaskManager; `hosts` are the addresses of the TaskManagers: with one that is not enough for all jobs, they die together.
    """

    home: Path
    distribution: Path
    java: Path
    rest_port: int
    zookeeper_port: int = 0
    slots: int = 32
    hosts: Sequence[str] = ("127.0.0.1",)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}"

    def daemons(self) -> list[Daemon]:
        """Return what to start, in this order; stop it in the other order (a JVM hangs when ZooKeeper goes first)."""
        after = ["zookeeper"] if self.zookeeper_port else []
        daemons = [
            self._daemon("jobmanager", self.rest_answers, needs=after, may_hang=True),
            *(self._daemon(name, self.taskmanagers_answer, needs=after) for name in self._taskmanagers),
        ]
        return [self._daemon("zookeeper", self.zookeeper_answers)] * len(after) + daemons

    def _daemon(
        self, name: str, answers: Callable[[], bool], needs: Sequence[str] = (), may_hang: bool = False
    ) -> Daemon:
        output = self._log(name).with_suffix(".out")  # next to the .log: Flink shows it as the TaskManager's stdout
        return Daemon(name, lambda: self._command(name), answers, output, needs, may_hang)

    @property
    def _taskmanagers(self) -> dict[str, str]:
        """The name of each TaskManager's process, and its address."""
        return {f"taskmanager-{n}" if n > 1 else "taskmanager": host for n, host in enumerate(self.hosts, start=1)}

    # --- Whether it is there ---

    def rest_answers(self) -> bool:
        return bool(self._get("/overview"))

    def taskmanagers_answer(self) -> bool:
        overview = self._get("/overview")
        return bool(overview and overview["taskmanagers"] >= len(self.hosts))

    def zookeeper_answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.zookeeper_port), timeout=3) as connection:
            connection.sendall(b"srvr")
            return connection.recv(32).startswith(b"Zookeeper version")

    def _get(self, path: str) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return json.loads(response.read()) if response.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    # --- How it is started ---

    @property
    def class_path(self) -> str:
        return ":".join(str(jar) for jar in sorted((self.distribution / "lib").glob("*.jar")))

    def _log(self, name: str) -> Path:
        return self.home / "log" / name / f"{name}.log"

    def _command(self, name: str) -> list[str]:
        role = name.partition("-")[0]
        # A JVM that was killed leaves 40 MB of unpacked planner behind.
        temporary = self.home / "tmp" / name
        shutil.rmtree(temporary, ignore_errors=True)
        for directory in (temporary, self._log(name).parent, self._configuration.parent):
            directory.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        # No archive of Flink's classes (-XX:SharedArchiveFile), though it would save a third of the start: with one, Java's
        # reflection returned null among a class's members, and the compiler inside Flink failed on plain SQL (JDK 21).
        common = [
            f"-Dlog.file={self._log(name)}",
            f"-Dlog4j.configurationFile=file:{self._configuration.with_name('log4j.properties')}",
            f"-Djava.io.tmpdir={temporary}",
            *("-cp", self.class_path, MAIN_CLASSES[role]),
        ]
        if role == "zookeeper":
            return [str(self.java), *JVM_OPTIONS[role], "-Dzookeeper.preAllocSize=1024", "-Dzookeeper.4lw.commands.whitelist=srvr",
                    "-Dzookeeper.jmx.log4j.disable=true", *common, str(self._configuration.with_name("zoo.cfg"))]  # fmt: skip
        jvm, dynamic = self._memory_parameters(name, role)
        dynamic = [*dynamic, *self._own_address(name), "-D", f"io.tmp.dirs={temporary}"]
        opened = [f"{option}={package}=ALL-UNNAMED" for option, packages in OPENED.items() for package in packages]
        # The security manager is what lets Flink turn System.exit() in a user's job into an error of that job.
        return [str(self.java), *JVM_OPTIONS[role], *jvm, "-Djava.security.manager=allow", *opened, *common,
                "--configDir", str(self._configuration.parent), *dynamic]  # fmt: skip

    def _own_address(self, name: str) -> list[str]:
        """Return what is different for each TaskManager. Its id stays: the JobManager drops a dead one when the new one reports."""
        host = self._taskmanagers.get(name)
        own = {"host": host, "bind-host": host, "resource-id": name.replace("taskmanager", "local")} if host else {}
        return [word for key, value in own.items() for word in ("-D", f"taskmanager.{key}={value}")]

    def _memory_parameters(self, name: str, role: str) -> tuple[list[str], list[str]]:
        """Ask Flink for the JVM options and the dynamic properties that follow from the configuration; keep the answer."""
        asked = hashlib.sha256(f"{self.class_path}\n{self._configuration.read_text()}".encode()).hexdigest()
        kept = self._configuration.with_name(f"{name}-memory.json")
        if kept.exists() and (answer := json.loads(kept.read_text()))["asked"] == asked:
            return answer["jvm"], answer["dynamic"]
        class_path = f"{self.distribution / 'bin' / 'bash-java-utils.jar'}:{self.class_path}"
        result = subprocess.run(
            [self.java, "-XX:TieredStopAtLevel=1", "-cp", class_path,
             "org.apache.flink.runtime.util.bash.BashJavaUtils", MEMORY_QUESTIONS[role],
             "--configDir", str(self._configuration.parent)],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        prefix = "BASH_JAVA_UTILS_EXEC_RESULT:"
        lines = [line.split(prefix)[1].split() for line in result.stdout.splitlines() if prefix in line]
        if len(lines) != 2:
            raise RuntimeError(f"Flink can't work out its memory: {(result.stderr or result.stdout).strip()[-2000:]}")
        kept.write_text(json.dumps({"asked": asked, "jvm": lines[0], "dynamic": lines[1]}))
        return lines[0], lines[1]

    @property
    def _configuration(self) -> Path:
        return self.home / "conf" / "config.yaml"

    def _write_configuration(self) -> None:
        # A JSON string is a YAML string, whatever is in the path.
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in self.configuration().items()]
        files = {
            "config.yaml": "".join(lines),
            "log4j.properties": LOG4J,
            "zoo.cfg": ZOO_CFG.format(data=self.home / "zookeeper", port=self.zookeeper_port),
        }
        for name, text in files.items():
            path = self._configuration.with_name(name)
            if not path.exists() or path.read_text() != text:
                path.write_text(text)

    def configuration(self) -> Mapping[str, str | int]:
        """Return config.yaml, key by key. No checkpoint interval: a job could not switch it off."""
        keys: dict[str, str | int] = {
            "jobmanager.rpc.address": "127.0.0.1",
            # Without ZooKeeper the TaskManager must know where the JobManager is.
            "jobmanager.rpc.port": 0 if self.zookeeper_port else self.rest_port + 1,
            "jobmanager.bind-host": "127.0.0.1",
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": self.rest_port,
            "taskmanager.numberOfTaskSlots": self.slots,
            # 4 MB of managed memory a slot is what a window needs; without it the job restarts for ever.
            "taskmanager.memory.managed.size": f"{4 * self.slots}m",
            "taskmanager.memory.task.heap.size": "320m",
            "taskmanager.memory.framework.heap.size": "64m",
            "taskmanager.memory.framework.off-heap.size": "64m",
            "taskmanager.memory.network.min": "96m",
            "taskmanager.memory.network.max": "96m",
            "taskmanager.memory.jvm-metaspace.size": "256m",
            "taskmanager.memory.jvm-overhead.min": "64m",
            "taskmanager.memory.jvm-overhead.max": "64m",
            "jobmanager.memory.heap.size": "512m",
            "jobmanager.memory.off-heap.size": "64m",
            "jobmanager.memory.jvm-metaspace.size": "256m",
            "jobmanager.memory.jvm-overhead.min": "64m",
            "jobmanager.memory.jvm-overhead.max": "64m",
            "cluster.registration.error-delay": 1000,  # a TaskManager that comes first asks again after 1 s, not 10 s
            "cluster.registration.refused-registration-delay": 2000,
            "heartbeat.interval": 2000,
            "heartbeat.timeout": 8000,
            "resourcemanager.standalone.start-up-time": 15000,
            "slot.request.timeout": "60s",
            "cluster.intercept-user-system-exit": "THROW",
            "web.upload.dir": str(self.home / "upload"),  # else uploaded jars vanish with the temporary directory
            "web.refresh-interval": 1000,
            "metrics.fetcher.update-interval": 3000,
            "jobmanager.archive.fs.dir": f"file://{self.home / 'archive'}",
            "execution.checkpointing.dir": f"file://{self.home / 'checkpoints'}",
            "execution.checkpointing.savepoint-dir": f"file://{self.home / 'savepoints'}",
            "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        }
        if self.zookeeper_port:
            keys |= {
                "high-availability.type": "zookeeper",
                "high-availability.storageDir": f"file://{self.home / 'ha'}",
                "high-availability.cluster-id": "/oceanus",
                "high-availability.zookeeper.quorum": f"127.0.0.1:{self.zookeeper_port}",
                "high-availability.zookeeper.path.root": "/flink",
                "high-availability.zookeeper.client.session-timeout": 10000,
                "high-availability.zookeeper.client.connection-timeout": 5000,
                # A ZooKeeper that is back within the session's time is no reason to restart all jobs.
                "high-availability.zookeeper.client.tolerate-suspended-connections": "true",
                # Else a job id that has ended could be submitted again after a restart.
                "job-result-store.storage-path": f"file://{self.home / 'job-results'}",
                "job-result-store.delete-on-commit": "false",
            }
        return keys
