"""Who may see and do what: every address of the console x every method x every kind of visitor, from the URL configuration itself.

A new address makes this fail until TABLE says who may use it, and ARGUMENTS how to fill in what it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from api.keys import make_key
from clusters.models import Cluster
from jobs import operations
from jobs.models import Job
from jobs.states import Action
from tests.conftest import Console, make_job, make_user
from workspaces import variables
from workspaces.models import ROLE_MAY, May, Member, Role, Workspace

pytestmark = pytest.mark.django_db

# DESIGN.md section 8. A super admin may all of it, and is the only one who rules clusters and workspaces.
MATRIX = {
    Role.ADMIN: {May.SEE, May.OPERATE, May.MANAGE_MEMBERS},
    Role.DEVELOPER: {May.SEE, May.OPERATE},
    Role.VIEWER: {May.SEE},
}
METHODS = ("GET", "POST", "PUT", "DELETE")


class Who(Enum):
    """Who may use an address with a method; all others get 403, or 404 where they don't even see what it is about."""

    NOBODY = "nobody: 405"
    SIGNED_IN = "everybody who has signed in"
    SEE = "the members of the workspace"
    OPERATE = "its developers and admins"
    MANAGE = "its admins"
    OWN = "whoever it belongs to; for others it does not exist"
    RULE = "super admins"


LOOK = (Who.SEE, Who.NOBODY)
ACT = (Who.OPERATE, Who.OPERATE)
MANAGE = (Who.MANAGE, Who.MANAGE)
RULE = (Who.RULE, Who.RULE)

# Name of the address -> who may GET it, who may POST to it.
TABLE: dict[str, tuple[Who, Who]] = {
    "home": (Who.SIGNED_IN, Who.NOBODY),
    "password": (Who.SIGNED_IN, Who.SIGNED_IN),
    # Workspaces and members.
    "workspaces": (Who.SIGNED_IN, Who.NOBODY),
    "new-workspace": RULE,
    "edit-workspace": RULE,
    "delete-workspace": RULE,
    "members": LOOK,
    "add-member": MANAGE,
    "change-role": MANAGE,
    "remove-member": MANAGE,
    # Variables.
    "variables": LOOK,
    "new-variable": ACT,
    "edit-variable": ACT,
    "delete-variable": ACT,
    # Clusters.
    "clusters": LOOK,
    "all-clusters": (Who.RULE, Who.NOBODY),
    "new-cluster": RULE,
    "cluster": (Who.RULE, Who.NOBODY),
    "edit-cluster": RULE,
    "delete-cluster": RULE,
    "bind-cluster": RULE,
    "unbind-cluster": RULE,
    "add-endpoint": RULE,
    "edit-endpoint": RULE,
    "remove-endpoint": RULE,
    "test-endpoint": (Who.NOBODY, Who.RULE),
    # One's own access keys.
    "api-clients": (Who.SIGNED_IN, Who.NOBODY),
    "access-keys": (Who.SIGNED_IN, Who.NOBODY),
    "new-access-key": (Who.SIGNED_IN, Who.SIGNED_IN),
    "revoke-access-key": (Who.OWN, Who.OWN),
    # Jobs of a workspace.
    "jobs": LOOK,
    "poll-jobs": LOOK,
    "new-job": ACT,
    "records": LOOK,
    "problems": LOOK,
    # One job.
    "job": LOOK,
    "poll-job": LOOK,
    "results": LOOK,
    "monitoring": LOOK,
    "figures": LOOK,
    "logs": LOOK,
    "log-lines": LOOK,
    "download-log": LOOK,
    "exceptions": LOOK,
    "why": LOOK,
    "versions": LOOK,
    "version": LOOK,
    "restore-version": ACT,
    "delete-version": ACT,
    "compare": LOOK,
    "snapshots": LOOK,
    "runs": LOOK,
    "events": LOOK,
    "operations": LOOK,
    "next-step": LOOK,
    "draft": (Who.SEE, Who.OPERATE),
    "publish": ACT,
    "run": ACT,
    "stop": ACT,
    "snapshot": ACT,
    "cancel": ACT,
    "delete": ACT,
    "copy": ACT,
    "move": ACT,
    "rename": ACT,
    "describe": ACT,
    "recovery": (Who.NOBODY, Who.OPERATE),
    # Folders.
    "new-folder": ACT,
    "rename-folder": ACT,
    "move-folder": ACT,
    "delete-folder": ACT,
    # Batches.
    "batches": LOOK,
    "new-batch": ACT,
    "batch": LOOK,
    "poll-batch": LOOK,
    "retry-batch": (Who.NOBODY, Who.OPERATE),
    "restart-batch": (Who.NOBODY, Who.OPERATE),
    "cancel-batch": (Who.NOBODY, Who.OPERATE),
}
# Not for users at all, but for whoever has the token (tests/test_metrics.py).
MACHINES = {"metrics"}
# Open to everybody, on purpose: what is needed to come in, to go, and to see whether the console lives.
OPEN = {"login", "admin-door", "logout", "set_language", "healthz", "livez", "readyz", "former-file"}

VISITORS = {
    "stranger": set(),
    "viewer": {Who.SIGNED_IN, Who.SEE},
    "developer": {Who.SIGNED_IN, Who.SEE, Who.OPERATE, Who.OWN},
    "admin": {Who.SIGNED_IN, Who.SEE, Who.OPERATE, Who.MANAGE},
    "root": {Who.SIGNED_IN, Who.SEE, Who.OPERATE, Who.MANAGE, Who.RULE},
}
# Addresses that lead to one workspace or to what belongs to it: a stranger must not learn that it exists.
OWNED = tuple(f"{what}/<slug:serial>/" for what in ("spaces", "jobs", "clusters", "folders", "batches", "access-keys"))


@dataclass(frozen=True)
class Address:
    name: str
    route: str

    @property
    def is_owned(self) -> bool:
        return self.route.startswith(OWNED)


def addresses(patterns: Any = None, route: str = "") -> Iterator[Address]:
    """Walk the URL configuration through every include; the admin has tests of its own."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        whole = route + str(one.pattern)
        if isinstance(one, URLResolver):
            if one.app_name != "admin":
                yield from addresses(one.url_patterns, whole)
        elif isinstance(one, URLPattern):
            assert one.name, f"{whole} has no name"
            yield Address(one.name, whole)


ALL = list(addresses())


@pytest.fixture
def world(console: Console, workspace: Workspace, vera: User, charlie: User, root: User) -> dict[str, Any]:
    """Everything that an address can name, and one visitor of each kind."""
    make_user("anna", workspace, Role.ADMIN)
    bob = make_user("bob", workspace, Role.DEVELOPER)
    cluster = Cluster.objects.get(name="cluster-a")
    # The second job is for the batch, so that nothing of the first one is under way.
    other = make_job(bob, workspace, console.endpoint, "payments")
    batch = operations.request_batch(bob, workspace, Action.RUN, Job.objects.filter(pk=other.pk))
    return {
        "job": console.job,
        "visitors": {"stranger": "charlie", "viewer": "vera", "developer": "alice", "admin": "anna", "root": "root"},
        # (what stands before it in the route, its name) -> value
        ("spaces", "serial"): workspace.serial,
        ("members", "member"): Member.objects.get(user=bob).pk,
        ("variables", "variable"): variables.create(bob, workspace, "data", "file:///data", is_hidden=False).serial,
        ("clusters", "serial"): cluster.serial,
        ("endpoints", "endpoint"): console.endpoint.pk,
        ("bindings", "binding"): cluster.bindings.get().pk,
        ("jobs", "serial"): console.job.serial,
        ("folders", "serial"): operations.create_folder(bob, workspace, "risk", None).serial,
        ("batches", "serial"): batch.serial,
        ("access-keys", "serial"): make_key(console.user, "a script")[0].serial,
        ("batch", "action"): "run",
        ("versions", "number"): 1,
        ("next", "number"): 1,
        ("static", "path"): "css/pages.0123456789ab.css",
    }


def path_of(address: Address, world: dict[Any, Any], **instead: Any) -> str:
    """Write an address down. Fails loudly for an argument that nobody has said how to fill in."""

    def value(found: re.Match[str]) -> str:
        key = (found["before"], found["name"])
        if key not in world:
            pytest.fail(f"{address.route}: add {key} to the fixture `world`")
        return f"{found['before']}/{instead.get(found['name'], world[key])}{found['end']}"

    path = re.sub(r"(?P<before>[\w-]+)/<(?:\w+:)?(?P<name>\w+)>(?P<end>/|$)", value, address.route)
    assert "<" not in path, f"{path}: this kind of route is not known here"
    return "/" + path


def expected(address: Address, method: str, may: set[Who]) -> set[int]:
    rule = dict(zip(METHODS, TABLE[address.name], strict=False)).get(method, Who.NOBODY)
    if rule == Who.NOBODY:
        return {405}
    if rule in may or rule == Who.SIGNED_IN:
        # Shown, done, nothing new, gone elsewhere, in conflict, or the form lacks something.
        return {200, 204, 302, 409, 422}
    return {404} if rule == Who.OWN or (address.is_owned and Who.SEE not in may) else {403}


def ask(client: Client, method: str, path: str, data: dict[str, Any] | None = None, **headers: Any) -> Any:
    """Ask, and take back whatever it did."""
    with transaction.atomic():
        answer = getattr(client, method.lower())(path, data or {}, headers=headers)
        transaction.set_rollback(True)
    return answer


def signed_in(world: dict[Any, Any], kind: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=world["visitors"][kind]))
    return client


def test_the_roles_are_those_of_the_design() -> None:
    assert {role: set(may) for role, may in ROLE_MAY.items()} == MATRIX
    assert set(ROLE_MAY) == set(Role)


def test_every_address_is_classified() -> None:
    names = [one.name for one in ALL]
    assert sorted(set(names)) == sorted(names), "two addresses have one name"
    missing, gone = set(names) - set(TABLE) - OPEN - MACHINES, (set(TABLE) | OPEN | MACHINES) - set(names)
    assert not missing, f"say in TABLE who may use {sorted(missing)}"
    assert not gone, f"TABLE knows addresses that there are no more: {sorted(gone)}"


def test_the_walk_goes_through_includes() -> None:
    assert Address("change-role", "spaces/<slug:serial>/members/<int:member>/role/") in ALL


def test_an_argument_that_nobody_explained_fails_loudly(world: dict[Any, Any]) -> None:
    with pytest.raises(pytest.fail.Exception, match="add"):
        path_of(Address("new", "moons/<slug:serial>/"), world)


CLASSIFIED = [one for one in ALL if one.name in TABLE]
each_address = pytest.mark.parametrize("address", CLASSIFIED, ids=lambda one: one.name)


@each_address
def test_everybody_gets_what_the_table_says(address: Address, world: dict[Any, Any]) -> None:
    path = path_of(address, world)
    for kind, may in VISITORS.items():
        client = signed_in(world, kind)
        for method in METHODS:
            for headers in ({}, {"HX-Request": "true"}) if method in ("GET", "POST") else ({},):
                answer = ask(client, method, path, **headers)
                told = f"{kind}: {method} {path} {headers} answers {answer.status_code}"
                assert answer.status_code in expected(address, method, may), told
                assert not answer.headers.get("Location", "").startswith("/login/"), told


@each_address
def test_whoever_has_not_signed_in_is_sent_to_do_so(client: Client, address: Address, world: dict[Any, Any]) -> None:
    path = path_of(address, world)
    for method in METHODS:
        answer = ask(client, method, path)
        assert answer.status_code == 302, f"{method} {path}"
        assert answer.headers["Location"].startswith("/login/?next="), f"{method} {path}"


@each_address
def test_nonsense_in_an_address_or_a_form_is_no_error_of_the_console(address: Address, world: dict[Any, Any]) -> None:
    path = path_of(address, world)
    # Who may do all gets furthest; the others must not get into a way of their own.
    tried = [("root", nonsense) for nonsense in ("abc", "\0", "9" * 30, "é" * 3000)]
    for kind, nonsense in [*tried, *((kind, "\u202e\0") for kind in VISITORS if kind != "root")]:
        client = signed_in(world, kind)
        may_refuse = {200, 204, 302, 400, 404, 405, 409, 422} | ({403} if kind != "root" else set())
        for method, names in (("GET", QUERIES), ("POST", FIELDS)):
            answer = ask(client, method, path, dict.fromkeys(names, nonsense))
            assert answer.status_code in may_refuse, (kind, method, path, nonsense)


QUERIES = [
    *("page", "q", "status", "sort", "size", "seen", "row", "tab", "next", "version", "a", "b", "act", "outcome"),
    *("user", "before", "after", "kind", "run", "range", "show", "folder", "job", "outcome", "state"),
    *("problem", "line", "start", "allow", "snapshot"),
]
FIELDS = [
    *("name", "value", "is_hidden", "description", "username", "role", "is_sure", "workspace"),
    *("flink_version", "rest_url", "total_cu"),
    *("snapshot_directory", "endpoint", "note", "version", "start", "snapshot", "with_snapshot", "do", "sql", "over"),
    *("revision", "parallelism", "properties", "jobmanager_spec", "checkpoint_interval_seconds"),
    *("folder", "target", "cluster", "job", "jobs", "parent", "key", "scope", "with_snapshot", "suffix", "q", "status"),
]


@pytest.mark.parametrize("address", [one for one in CLASSIFIED if one.is_owned], ids=lambda one: one.name)
@pytest.mark.parametrize("kind", ["admin", "root"])
def test_what_does_not_exist_is_not_found(address: Address, world: dict[Any, Any], kind: str) -> None:
    client = signed_in(world, kind)
    method = "GET" if TABLE[address.name][0] != Who.NOBODY else "POST"
    for serial in ("none-00000000", "9" * 200):
        assert ask(client, method, path_of(address, world, serial=serial)).status_code == 404
    for name in re.findall(r"<int:(\w+)>", address.route):
        for number in (0, 10**9, 10**25):
            told = ask(client, method, path_of(address, world, **{name: number})).status_code
            # Whoever may not do it at all need not learn that there is no such thing.
            assert told == 404 or (kind == "admin" and told == 403)


def test_what_belongs_to_another_workspace_is_not_found_under_ones_own(world: dict[Any, Any], charlie: User) -> None:
    own = charlie.memberships.get().workspace
    client = Client()
    client.force_login(charlie)
    foreign = world["members", "member"]
    assert client.post(f"/spaces/{own.serial}/members/{foreign}/remove/").status_code == 404
    assert client.post(f"/spaces/{own.serial}/members/{foreign}/role/", {"role": "viewer"}).status_code == 404


def test_the_open_addresses_tell_nothing(client: Client, job: Job) -> None:
    assert client.get(reverse("login")).status_code == 200
    assert client.post(reverse("login"), {"username": "\0", "password": "x"}).status_code == 200
    assert client.get(reverse("set_language")).status_code == 302
    assert client.post(reverse("logout")).headers["Location"].startswith("/login/")
    told = client.get(reverse("healthz"))
    assert told.status_code in (200, 503)
    assert job.name not in told.text
    assert client.get(reverse("livez")).text == "ok\n"
    assert client.get(reverse("readyz")).text == "ok\n"


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_no_user_may_read_what_is_for_machines(name: str, world: dict[Any, Any]) -> None:
    for client in [Client(), *(signed_in(world, kind) for kind in VISITORS)]:
        assert client.get(reverse(name), REMOTE_ADDR="203.0.113.9").status_code == 403
        assert client.post(reverse(name), REMOTE_ADDR="203.0.113.9").status_code == 405
