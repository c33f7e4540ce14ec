"""Who and what the tests are about: alice (developer), bob (same workspace), charlie (elsewhere); a job and a fake Flink."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.utils import translation

from clusters.local import LocalFlink
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint
from jobs import operations
from jobs.models import Job, Operation, Run, Snapshot
from jobs.operations.follow import STOPS_SHOW_WITHIN_SECONDS
from jobs.states import Action, Step
from tests.fake_flink import FakeFlink
from tests.services import OURS
from tests.worker import empty_lines, running_worker
from workspaces.models import Member, Role, Workspace

SQL = """CREATE TABLE src (id INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');
CREATE TABLE snk (id INT) WITH ('connector' = 'blackhole');
INSERT INTO snk SELECT id FROM src;
"""
PASSWORD = "a long sentence"
REAL_RUNNER = settings.SQL_RUNNER_JAR


def pytest_configure() -> None:
    # Argon2 is slow on purpose; hundreds of test users need none of it.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# The record can't be emptied; between tests that commit it is.
NEVER_EMPTIED = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname LIKE '%\\_is\\_never\\_emptied'"


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Drop the database only where somebody else has given the server; ours goes with all that is in it.

    To drop it, all connections must be closed; those that were used while Playwright's loop ran can't be reached after its end.
    """
    return "DATABASE_URL" in os.environ[OURS].split()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        let_tests_empty_the_record()


def let_tests_empty_the_record() -> None:
    with connection.cursor() as cursor:
        cursor.execute(NEVER_EMPTIED)
        for table, trigger in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="Trading")


@pytest.fixture
def alice(workspace: Workspace) -> User:
    return make_user("alice", workspace, Role.DEVELOPER)


@pytest.fixture
def bob(workspace: Workspace) -> User:
    return make_user("bob", workspace, Role.DEVELOPER)


@pytest.fixture
def vera(workspace: Workspace) -> User:
    return make_user("vera", workspace, Role.VIEWER)


@pytest.fixture
def charlie(db: None) -> User:
    return make_user("charlie", Workspace.objects.create(name="Elsewhere"), Role.ADMIN)


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def make_user(name: str, workspace: Workspace, role: Role) -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    Member.objects.create(workspace=workspace, user=user, role=role)
    return user


@pytest.fixture
def fake() -> Iterator[FakeFlink]:
    with FakeFlink() as flink:
        yield flink


@pytest.fixture
def sent() -> Iterator[list[tuple[Any, ...]]]:
    """The messages that are sent: task and arguments."""
    told: list[tuple[Any, ...]] = []

    def note(sender: str, body: Any, **_more: object) -> None:
        told.append((sender, *body[0]))

    before_task_publish.connect(note)
    yield told
    before_task_publish.disconnect(note)


@pytest.fixture
def cluster(workspace: Workspace, tmp_path: Path) -> Cluster:
    cluster = Cluster.objects.create(name="cluster-a", snapshot_directory=(tmp_path / "snapshots").as_uri())
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    return cluster


@pytest.fixture
def endpoint(cluster: Cluster, fake: FakeFlink) -> FlinkEndpoint:
    return FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=fake.url)


@pytest.fixture(autouse=True)
def lines_of_its_own(request: pytest.FixtureRequest) -> None:
    """Begin without the thousands of messages that earlier tests have sent, which a worker would have to work off first."""
    database = request.node.get_closest_marker("django_db")
    if database and database.kwargs.get("transaction"):  # else no worker sees what the test does
        empty_lines()


@pytest.fixture(autouse=True)
def no_language_of_another_test() -> None:
    """A request leaves its thread in the language of its page."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def runner_jar(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> None:
    """The fake Flink takes any file for the runner."""
    settings.SQL_RUNNER_JAR = tmp_path_factory.mktemp("runner") / "runner.jar"
    settings.SQL_RUNNER_JAR.write_bytes(b"PK")


@pytest.fixture
def job(alice: User, workspace: Workspace, cluster: Cluster, endpoint: FlinkEndpoint) -> Job:
    """A stopped job with one published version."""
    return make_job(alice, workspace, endpoint, "orders")


def make_job(user: User, workspace: Workspace, endpoint: FlinkEndpoint, name: str, **values: Any) -> Job:
    job = operations.create_job(user, workspace, name, endpoint.cluster, endpoint)
    operations.save_draft(user, job, 0, {"sql": SQL, **values})
    operations.publish(user, job, "first")
    return Job.objects.get(pk=job.pk)


class Console:
    """Worker and watcher by hand: what Celery would wake up, the test calls."""

    def __init__(self, job: Job, user: User, endpoint: FlinkEndpoint) -> None:
        self._job, self.user, self.endpoint = job, user, endpoint

    @property
    def job(self) -> Job:
        return Job.objects.select_related("problem", "current_run").get(pk=self._job.pk)

    @property
    def run(self) -> Run:
        return Run.objects.filter(job=self._job).latest("number")

    @property
    def last(self) -> Operation:
        """The newest operation that touched Flink."""
        acts = [Action.RUN, Action.STOP, Action.SNAPSHOT]
        return Operation.objects.filter(job=self._job, action__in=acts).latest("pk")

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot.objects.filter(job=self._job).latest("pk")

    def click_run(self, **kwargs: Any) -> Operation:
        version = self._job.versions.get(number=kwargs.pop("version", 1))
        return operations.run(self.user, self.job, version, **kwargs)

    def click_stop(self, with_snapshot: bool = True) -> Operation:
        return operations.stop(self.user, self.job, with_snapshot)

    def click_snapshot(self) -> Operation:
        return operations.snapshot(self.user, self.job, "before the release")

    def perform(self) -> None:
        operations.perform(self.last.pk)

    def watch(self) -> None:
        # As if some time had passed: what is to be asked again only after a while is asked now.
        Operation.objects.filter(ended_at=None, step=Step.SNAPSHOTTING).update(
            look_at=None, deadline_at=F("deadline_at") - timedelta(seconds=STOPS_SHOW_WITHIN_SECONDS)
        )
        operations.watch(self.endpoint.pk)

    def settle(self, looks: int = 12) -> None:
        """Let worker and watcher go on until no operation is open, or for so many looks."""
        for _look in range(looks):
            if not Operation.objects.filter(job=self._job, ended_at=None).exists():
                break
            self.perform()
            self.watch()

    def start(self) -> Run:
        """Run the job until Flink shows it up."""
        self.click_run()
        self.settle()
        assert self.job.status == "running"
        return self.run


def measured(run: Run) -> None:
    """Measure a run, as a worker does while somebody looks."""
    operations.want_figures(run)
    operations.measure(run.pk)


@pytest.fixture
def console(job: Job, alice: User, endpoint: FlinkEndpoint) -> Console:
    return Console(job, alice, endpoint)


@pytest.fixture
def real(flink: LocalFlink, workspace: Workspace, tmp_path: Path, settings: Any) -> FlinkEndpoint:
    """The real Flink of the test run, as a cluster of the workspace."""
    settings.SQL_RUNNER_JAR = REAL_RUNNER
    cluster = Cluster.objects.create(name="real", snapshot_directory=(tmp_path / "snapshots").as_uri())
    ClusterBinding.objects.create(cluster=cluster, workspace=workspace)
    return FlinkEndpoint.objects.create(cluster=cluster, flink_version="2.2.1", rest_url=flink.url)


@pytest.fixture
def worker(real: FlinkEndpoint) -> Iterator[None]:
    """Real worker and beat, on the test's database, at the real Flink."""
    with running_worker():
        yield
