"""The ground that real trials stand on: a console, people with roles, jobs, the network before Flink, Flink's archive."""

import time
from collections.abc import Iterator, Mapping

from django.contrib.auth.models import User
from django.db import connection, connections
from environ import Env

from clusters.models import Cluster, FlinkEndpoint
from jobs.models import Batch, Draft, Job, Operation, Version
from jobs.states import Status
from trials.checks import definition_of
from trials.console import Console
from trials.evidence import Archive
from trials.load import Load
from trials.people import Person
from trials.proxy import Proxy
from trials.schedule import PEOPLE
from workspaces.models import Member, Role, Workspace

PASSWORD = "only for trials, on this machine"
STRANGER = "eve"
SQL = {
    "stateless": """CREATE TABLE src (id INT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');
CREATE TABLE snk (id INT) WITH ('connector' = 'blackhole');
INSERT INTO snk SELECT id FROM src;
""",
    "counting": """CREATE TABLE src (id INT) WITH ('connector' = 'datagen', 'rows-per-second' = '10',
  'fields.id.min' = '1', 'fields.id.max' = '20');
CREATE TABLE snk (id INT, n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO snk SELECT id, COUNT(*) FROM src GROUP BY id;
""",
}
AT_MOST_JOBS = 9


class Ground:
    """`definitions`: version id -> what it said when it was first seen (G7)."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.definitions: dict[int, str] = {}
        self.archive = Archive(console.home / "flink" / "archive")
        self.proxy = Proxy(console.flink_port)

    def prepare(self) -> None:
        """Let people and jobs be there, and the console reach Flink through the network of ours."""
        open_database(self.console.services()["DATABASE_URL"])
        self.proxy.start()
        workspace = Workspace.objects.get()
        for name in PEOPLE:
            user = User.objects.create_user(name, password=PASSWORD)
            Member.objects.create(workspace=workspace, user=user, role=Role.DEVELOPER)
        stranger = User.objects.create_user(STRANGER, password=PASSWORD)
        Member.objects.create(workspace=Workspace.objects.create(name="Elsewhere"), user=stranger, role=Role.ADMIN)
        # From here on we only read: whatever is written, the console has written.
        make_read_only()
        self.people: Mapping[str, Person] = {name: self._person(name, PASSWORD) for name in PEOPLE}
        self.stranger = self._person(STRANGER, PASSWORD)
        self._lead_through_the_network()
        self.load = Load(workspace.serial, Cluster.objects.get().serial, self.people)
        for name, sql in SQL.items():
            for number in (1, 2):
                self._make_job(workspace, f"{name}-{number}", sql)
        self.remember_definitions()

    def _person(self, name: str, password: str) -> Person:
        person = Person(name, password, self.console.url)
        person.sign_in()
        return person

    def _lead_through_the_network(self) -> None:
        admin = self._person("admin", self.console.users()["admin"])
        endpoint = FlinkEndpoint.objects.select_related("cluster").get()
        path = f"/clusters/{endpoint.cluster.serial}/endpoints/{endpoint.pk}/edit/"
        fields = {"flink_version": endpoint.flink_version, "rest_url": self.proxy.url, "is_default": "on"}
        self._must(admin, "endpoint", "", path, fields)

    def _make_job(self, workspace: Workspace, name: str, sql: str) -> None:
        ann = self.people[PEOPLE[0]]
        endpoint = FlinkEndpoint.objects.get()
        self._must(
            ann, "create", "", f"/spaces/{workspace.serial}/jobs/new/", {"name": name, "endpoint": str(endpoint.pk)}
        )
        serial = Job.objects.get(name=name).serial
        fields = {"revision": "0", "sql": sql, "parallelism": "1", "checkpoint_interval_seconds": "1", "properties": ""}
        self._must(ann, "save", serial, f"/jobs/{serial}/draft/",
                   fields | {"jobmanager_spec": "0.25", "taskmanager_spec": "1", "do": "save"})  # fmt: skip
        assert Draft.objects.filter(job__serial=serial).exists()
        self._must(ann, "publish", serial, f"/jobs/{serial}/publish/", {"note": "first"})

    def _must(self, person: Person, action: str, serial: str, path: str, fields: Mapping[str, str]) -> None:
        click = person.click(action, serial, path, fields)
        assert click.has_succeeded, f"{click}\n{click.page}"

    def jobs(self) -> list[str]:
        """Return the serials of the jobs of trials: those that are published, without the samples."""
        ours = Job.objects.filter(deleted_at=None, created_by__username__in=PEOPLE).exclude(status=Status.UNPUBLISHED)
        return list(ours.order_by("pk").values_list("serial", flat=True))

    def jobs_for_a_trial(self, count: int) -> list[str]:
        """Return some: two of the first ones, and the newest, which are copies as soon as there are any."""
        self.remember_definitions()
        jobs = self.jobs()
        return [*jobs[: count // 2], *jobs[count // 2 :][-(count - count // 2) :]]

    def remember_definitions(self) -> None:
        for version in Version.objects.exclude(pk__in=self.definitions):
            self.definitions[version.pk] = definition_of(version)

    def tidy(self) -> None:
        """Stop all and delete the copies when there are many; through the pages, like everything."""
        jobs = self.jobs()
        if len(jobs) > AT_MOST_JOBS:
            ann = self.people[PEOPLE[0]]
            self.load.batch(ann, "stop", jobs, {})
            self.await_calm()
            self.load.batch(ann, "delete", jobs[4:], {})
            self.await_calm()

    def await_calm(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while Batch.objects.filter(ended_at=None).exists() or Operation.objects.filter(ended_at=None).exists():
            assert time.monotonic() < deadline, "a batch of the tidying does not end"
            time.sleep(0.3)

    def strangers_see_nothing(self) -> Iterator[str]:
        """G8: what is of another workspace does not exist."""
        for serial in self.jobs()[-2:]:
            if (status := self.stranger.get(f"/jobs/{serial}/")) != 404:
                yield f"G8: a stranger who asked for {serial} was answered {status}"


def open_database(url: str) -> None:
    """Let Django's connection lead to the database of the console under trial."""
    connections.settings["default"].update(Env.db_url_config(url))


def make_read_only() -> None:
    connections.settings["default"].setdefault("OPTIONS", {})["options"] = "-c default_transaction_read_only=on"
    connection.close()
