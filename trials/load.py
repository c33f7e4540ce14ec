"""Turns wishes of a schedule into clicks at the real pages."""

import contextlib
import uuid
from collections.abc import Mapping, Sequence

from django.db import DatabaseError, InterfaceError, close_old_connections

from jobs.models import Job, Snapshot
from jobs.states import Status
from trials import schedule
from trials.people import Person


class Load:
    """Clicks in one workspace. `jobs`: the serials that a trial works on, in the order of its schedule."""

    def __init__(self, workspace: str, cluster: str, people: Mapping[str, Person]) -> None:
        self.workspace, self.cluster, self.people = workspace, cluster, people
        self.jobs: Sequence[str] = []
        self.known: dict[str, str] = {}  # serial -> the status last seen

    def choose(self, jobs: Sequence[str]) -> None:
        self.jobs = jobs
        self.known = dict(Job.objects.filter(serial__in=jobs).values_list("serial", "status"))

    def click(self, click: schedule.Click, by: str) -> None:
        """Do what `by` wants; ends when the answer is there, or surely won't come."""
        person, serial = self.people[by], self.jobs[click.job % len(self.jobs)]
        if click.wish.startswith("batch-"):
            self._batch(person, click.wish.removeprefix("batch-"), click)
        elif click.wish.startswith("toggle"):
            self._toggle(person, serial, click.wish == "toggle-with-snapshot")
        else:
            self.act(person, click.wish, serial)

    def act(self, person: Person, action: str, serial: str, **fields: str) -> None:
        if action == "publish":
            fields = {"note": "by a trial"}
        elif action == "snapshot":
            fields = {"description": "by a trial"}
        elif action == "copy":
            fields = {"cluster": self.cluster, "name": f"copy-{uuid.uuid4().hex[:12]}", "folder": ""}
        person.click(action, serial, f"/jobs/{serial}/{action}/", fields)

    def _toggle(self, person: Person, serial: str, with_snapshot: bool) -> None:
        if self._status(serial) in (Status.RUNNING, Status.OPERATING):
            self.act(person, "stop", serial, **({"with_snapshot": "on"} if with_snapshot else {}))
        else:
            start = "latest" if with_snapshot and self._has_snapshot(serial) else "none"
            self.act(person, "run", serial, version=str(self._last_version(serial)), start=start)

    def _batch(self, person: Person, action: str, click: schedule.Click) -> None:
        some = [self.jobs[(click.job + step) % len(self.jobs)] for step in range(3)]
        fields = {"run": {"start": "latest"}, "stop": {"with_snapshot": "on"}, "publish": {"note": "by a trial"},
                  "copy": {"cluster": self.cluster}}.get(action, {})  # fmt: skip
        self.batch(person, action, some, fields)

    def batch(self, person: Person, action: str, serials: Sequence[str], fields: Mapping[str, str]) -> None:
        key = str(uuid.uuid4())
        path = f"/spaces/{self.workspace}/batch/{action}/"
        person.click(action, "", path, {"key": key, "jobs": ",".join(dict.fromkeys(serials)), **fields}, key=key)

    # The database may be away: then people click by what they saw last.

    def _status(self, serial: str) -> str:
        with contextlib.suppress(DatabaseError, InterfaceError):
            close_old_connections()
            self.known[serial] = Job.objects.values_list("status", flat=True).get(serial=serial)
        return self.known[serial]

    def _has_snapshot(self, serial: str) -> bool:
        with contextlib.suppress(DatabaseError, InterfaceError):
            return Snapshot.objects.filter(job__serial=serial, state=Snapshot.State.COMPLETED).exists()
        return False

    def _last_version(self, serial: str) -> int:
        with contextlib.suppress(DatabaseError, InterfaceError):
            return Job.objects.values_list("last_version_number", flat=True).get(serial=serial)
        return 1
