"""Whatever is sent to the console, by hand or by a broken client: no address answers with an error of ours, and no text is lost.

The addresses come from the URL configuration, the fields from the forms, the templates and the pages themselves, so a new one
is tried without a word here. An unhandled exception comes out of the test client as itself.
"""

from __future__ import annotations

import html
import random
import re
import socket
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import pytest
from django import forms
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import forms as api_forms
from clusters import connection
from clusters.forms import BindForm, ClusterForm, EndpointForm
from clusters.models import FlinkEndpoint
from jobs import batch_forms, folder_forms, operations
from jobs import forms as job_forms
from jobs.models import Draft, Job, Version
from jobs.preview import sink_directories
from jobs.sql import ScriptError, split
from oceanus_console import wsgi
from tests.conftest import SQL, Console
from tests.fake_flink import FakeFlink
from tests.test_roles import ALL, FIELDS, QUERIES, Address, path_of, signed_in, world
from workspaces import forms as workspace_forms

pytestmark = pytest.mark.django_db
__all__ = ["world"]

URLENCODED = "application/x-www-form-urlencoded"
HTMX = {"HX-Request": "true"}
# These take nothing from anybody, and wait for the broker.
ADDRESSES = [one for one in ALL if one.name not in ("healthz", "metrics")]
KINDS = ["developer", "root"]

# What breaks parsers: of numbers, UUIDs, addresses, JSON, lists, dates, templates, and texts that no database takes.
NASTY = [
    *("", " ", "\0", "a\0b", "-1", "0", "9" * 5000, "-" + "9" * 5000, "1e999999", "1e-999999", "NaN", "sNaN", "-Infinity"),
    *("1_000", "٣", "²", "0x10", "1.5", "2147483648", "9223372036854775808", "x" * 20_000, "é" * 3000, "\ud800", "a\udfff\udbff"),
    *("<script>alert(1)</script>", "' OR 1=1 --", "%s %(x)s %", "{0.__class__}", "{}", "[1,2", "null", '"', "\\", "true"),
    *("../../../etc/passwd", "http://[", "https://[::1", "//evil.example/", "javascript:alert(1)", "file:///etc/passwd"),
    *("a: b", ":", "a:", ": b", "key: value\nkey: value", "\r\n\r\n", "\u2028\u0085", "\x1b[0m", "\ufeff\ufffe", "\u202e"),
    *(",,,", "00000000-0000-0000-0000-000000000000", "urn:uuid:{}", "f" * 32, "٣" * 32, "2026-13-45", "plan", "save", "on"),
]  # fmt: skip
nasty = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=30), st.integers().map(str), st.text("\0\ud800'\"%\n,:9-", max_size=9)
)
HEADERS: list[dict[str, str]] = [
    {},
    HTMX,
    HTMX | {"HX-Target": "listing"},
    HTMX | {"HX-Target": "batches-live", "HX-Current-URL": "http://testserver/spaces/x/jobs/?q=%ff"},
    HTMX | {"HX-Target": "records", "HX-Current-URL": "http://["},
    HTMX | {"HX-Current-URL": "//[::1", "HX-Trigger": "%00", "HX-Prompt": "x" * 5000},
    HTMX | {"HX-Current-URL": "http://testserver/spaces/%0d%0aX: y", "HX-Current-URL-URI-AutoEncoded": "true"},
    HTMX | {"HX-Current-URL": "http://testserver/jobs/" + "x" * 9000},
    {"HX-Request": "\x01", "HX-Target": "\xff", "HX-Boosted": "maybe"},
    {"Accept-Language": "x" * 600 + ";q=NaN", "Referer": "http://[", "Accept": "\xff"},
]

quiet = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=3,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def field_names() -> list[str]:
    """Return all names that a form or a template knows, and some that none does."""
    modules = [api_forms, job_forms, folder_forms, batch_forms, workspace_forms]
    kinds = [one for module in modules for one in vars(module).values() if isinstance(one, type)]
    kinds += [ClusterForm, EndpointForm, BindForm]
    names = {name for one in kinds if issubclass(one, forms.BaseForm) for name in getattr(one, "base_fields", {})}
    for template in (Path(django_settings.BASE_DIR) / "templates").rglob("*.html"):
        names |= set(re.findall(r'\bname="(\w+)"', template.read_text()))
    return sorted(names | set(FIELDS) | set(QUERIES) | {"over", "all", "order", "rows", "place", "", "\0", "__class__"})


NAMES = field_names()


class Filled(HTMLParser):
    """The values that a page's forms would send, by name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and given.get("type") in ("checkbox", "radio"):
            if "checked" in given or name not in self.values:
                self.values[name] = given.get("value") or "on"
        elif tag in ("input", "textarea", "select") and name:
            self.values[name] = given.get("value") or ""
            self._open = name if tag != "input" else ""
        elif tag == "option" and self._open and ("selected" in given or not self.values[self._open]):
            self.values[self._open] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._open and self.lasttag == "textarea":
            self.values[self._open] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select"):
            self._open = ""


def encoded(pairs: list[tuple[str, str]]) -> str:
    """Write a form as a careless client does: lone surrogates go out as what UTF-8 would make of them."""
    return "&".join("=".join(quote(part.encode("utf-8", "surrogatepass")) for part in pair) for pair in pairs)


def send(client: Client, method: str, path: str, body: Any = b"", kind: str = URLENCODED, **more: Any) -> Any:
    """Send bytes as they are, take back whatever they did, and see that the console did not break."""
    with transaction.atomic():
        answer = client.generic(method, path, body, kind, **more)
        transaction.set_rollback(True)
    assert answer.status_code < 500, (method, path, body[:300], more, answer.status_code)
    return answer


def defaults_of(client: Client, path: str) -> dict[str, str]:
    answer = send(client, "GET", path, headers=HTMX)
    return Filled(answer.text).values if answer.status_code == 200 else {}


@pytest.mark.parametrize("kind", KINDS)
def test_no_form_and_no_query_breaks_an_address(kind: str, world: dict[Any, Any]) -> None:
    """Forms that are right but for some fields get further than forms that are all wrong: both are sent."""
    client = signed_in(world, kind)
    for address in ADDRESSES:
        path = path_of(address, world)
        right = defaults_of(client, path) | {"key": "00000000-0000-0000-0000-00000000000a"}
        own = sorted(right)

        @quiet
        @given(
            wrong=st.lists(st.tuples(st.one_of(st.sampled_from(own), st.sampled_from(NAMES)), nasty), max_size=5),
            # Not repeated fields only: the last of several counts, so what is wrong stands last.
            headers=st.sampled_from(HEADERS),
            keep=st.booleans(),
        )
        def try_it(
            path: str, right: dict[str, str], wrong: list[tuple[str, str]], headers: dict[str, str], keep: bool
        ) -> None:
            form = encoded([*(right.items() if keep else ()), *wrong])
            send(client, "POST", path, form, headers=headers)
            if len(form) < 60_000:
                send(client, "GET", path, QUERY_STRING=form, headers=headers)
            client.force_login(User.objects.get(username=world["visitors"][kind]))

        try_it(path, right)


@pytest.mark.parametrize("kind", KINDS)
def test_no_single_field_breaks_an_otherwise_right_form(kind: str, world: dict[Any, Any]) -> None:
    """Every field of every form, with values drawn for it from all that is nasty; the draw is always the same."""
    drawn = random.Random(20261122)
    client = signed_in(world, kind)
    for address in ADDRESSES:
        path = path_of(address, world)
        right = defaults_of(client, path)
        for name in right:
            if name in ("csrfmiddlewaretoken", "language", "next"):
                continue
            for value in drawn.sample(NASTY, 3):
                send(client, "POST", path, encoded([*(right | {name: value}).items()]), headers=drawn.choice(HEADERS))
                if address.name == "logout":
                    client.force_login(User.objects.get(username=world["visitors"][kind]))


BROKEN: list[tuple[str, bytes]] = [
    ("multipart/form-data", b"name=x"),
    ("multipart/form-data; boundary=", b"--\r\n"),
    ("multipart/form-data; boundary=\xe9", b"--x\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name="),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="sql"; filename="a"\r\n\r\nhi\r\n--x--'),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--x--'),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\x00\xed\xa0\x80\r\n--x--'),
    (URLENCODED, b"name=\xff\xfe&sql=%ED%A0%80&%=%&&&=&q=%zz&name[]=1"),
    (URLENCODED, b"&".join(b"f%d=1" % number for number in range(1200))),
    ("application/json", b'{"name": 1'),
    ("text/plain", b"name=x"),
    ("", b"\x00\x01"),
    (";;;=", b"name=x"),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_body_breaks_an_address(kind: str, world: dict[Any, Any]) -> None:
    client = signed_in(world, kind)
    for address in ADDRESSES:
        for number, (content, body) in enumerate(BROKEN):
            headers = HEADERS[number % 2]
            send(client, "POST", path_of(address, world), body, content, headers=headers)
            if address.name == "logout":
                client.force_login(User.objects.get(username=world["visitors"][kind]))


QUERY_STRINGS = [
    "q=%ff%fe&page=%", "page=9" + "9" * 5000, "page=-1&size=1e9&sort=-", "=&&;&%00=%00", "q=\xff\udc80", "a=%ED%A0%80&b=%00",
    "before=" + "9" * 5000 + "&after=" + "9" * 17, "before=٣&after=²", "seen=nan-&row=%00&row=x", "seen=1e999-0&rows=٣,²,1e9,%00",
    "&".join(f"job=x{number}" for number in range(1200)), "a=" + "9" * 8 + "&b=٣", "version=" + "9" * 8, "next=" + "9" * 8,
    "tab=__class__&state=%00", "all=1&q=%00&status=x&folder=%00&sort=__class__", "job=%00&job=a,b&job=" + "x" * 5000,
]  # fmt: skip


READERS = {
    "jobs",
    "poll-jobs",
    "records",
    "compare",
    "batch",
    "poll-batch",
    "new-batch",
    "poll-job",
    "run",
    "stop",
    "copy",
    "new-job",
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_query_string_breaks_an_address(kind: str, world: dict[Any, Any]) -> None:
    client = signed_in(world, kind)
    for position, address in enumerate(ADDRESSES):
        for number, query in enumerate(QUERY_STRINGS):
            # An address that reads no query is tried with some of them only.
            if address.name not in READERS and (number + position) % 6:
                continue
            raw = query.encode("utf-8", "surrogateescape").decode("latin-1")
            send(client, "GET", path_of(address, world), QUERY_STRING=raw, headers=HEADERS[number % len(HEADERS)])
            if address.name == "logout":
                client.force_login(User.objects.get(username=world["visitors"][kind]))


@pytest.mark.parametrize("kind", [*KINDS, "nobody"])
def test_no_path_breaks_the_console(kind: str, world: dict[Any, Any]) -> None:
    client = Client() if kind == "nobody" else signed_in(world, kind)

    @settings(quiet, max_examples=60)
    @given(
        address=st.sampled_from(ADDRESSES),
        instead=st.one_of(
            st.sampled_from(["9" * 5000, "-1", "%00", "..", "%2e%2e", "%ff", "//", "x" * 5000]), st.text()
        ),
        tail=st.sampled_from(["", "x", "%00", "%ff/", "//", "?", "/../", ";a=b", "%ED%A0%80"]),
    )
    def try_it(address: Address, instead: str, tail: str) -> None:
        part = instead if instead.isascii() and instead.isprintable() else quote(instead)
        parts = dict.fromkeys(re.findall(r":(\w+)>", address.route), part)
        send(client, "GET", path_of(address, world, **parts).replace("#", "") + tail)
        send(client, "POST", path_of(address, world) + tail)
        if address.name == "logout" and kind != "nobody":
            client.force_login(User.objects.get(username=world["visitors"][kind]))

    try_it()


COOKIES = [
    "",
    "\0",
    "x" * 5000,
    r'"\000aaaaaaaaaaaa"',
    r'"\377\376aaaaaaaa"',
    '"',
    "a" * 32,
    "é" * 12,
    ";=;,",
    "zh-hans-" * 99,
]


@pytest.mark.parametrize("cookie", COOKIES)
def test_no_cookie_breaks_the_console(cookie: str, job: Job) -> None:
    client = Client()
    for name in ("sessionid", "csrftoken", "messages", "django_language", "\0"):
        for path in ("/", "/login/", f"/jobs/{job.serial}/"):
            send(client, "GET", path, HTTP_COOKIE=f"{name}={cookie}")
            send(client, "POST", path, HTTP_COOKIE=f"{name}={cookie}")


# --- nothing that somebody wrote is lost ---


def draft_form(**changes: str) -> dict[str, str]:
    return {"do": "save", "revision": "1", "sql": SQL, "parallelism": "1", "checkpoint_interval_seconds": "60",
            "jobmanager_spec": "1", "taskmanager_spec": "1", "properties": ""} | changes  # fmt: skip


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60).map(lambda text: "\nSELECT " + text)


def sql_shown_by(answer: Any) -> str:
    """Return the text of the editor, as a browser reads it: it takes the first line end after the tag for decoration."""
    found = re.search(r'<textarea[^>]* id="id_sql"[^>]*>(.*?)</textarea>', answer.text, re.DOTALL)
    assert found
    return html.unescape(found[1]).removeprefix("\n")


def test_a_bad_form_brings_the_text_back(job: Job, alice: User, client: Client) -> None:
    client.force_login(alice)
    path = f"/jobs/{job.serial}/draft/"

    @settings(quiet, max_examples=30)
    @given(
        sql=texts,
        name=st.sampled_from(["parallelism", "checkpoint_interval_seconds", "jobmanager_spec", "properties"]),
        value=nasty,
    )
    def try_it(sql: str, name: str, value: str) -> None:
        # To HTML the odd control character is no text; what counts is what can be typed.
        sql = re.sub(r"[\x00-\x08\x0b-\x1f]", "", sql).replace("\r", "")
        form = encoded([*draft_form(sql=sql, **{name: value}).items()])
        answer = send(client, "POST", path, form)
        if answer.status_code != 302:
            assert sql_shown_by(answer) == sql
        answer = send(client, "POST", path, form, headers=HTMX)
        # htmx swaps what is around the editor, never the text in it.
        assert 'name="sql"' not in answer.text

    try_it()


@pytest.mark.parametrize(
    "instead", [{"sql": "\0 SELECT 1"}, {"revision": "9" * 5000}, {"revision": "x"}, {"over": "9" * 5000}]
)
def test_a_text_that_can_not_be_saved_comes_back(
    instead: dict[str, str], job: Job, alice: User, client: Client
) -> None:
    client.force_login(alice)
    answer = send(
        client,
        "POST",
        f"/jobs/{job.serial}/draft/",
        encoded(
            [*draft_form(sql="SELECT 'mine'", **{"revision": "7"} | instead).items()]
            if "sql" not in instead
            else [*draft_form(**instead).items()]
        ),
    )
    assert answer.status_code in (409, 422)
    assert "SELECT" in sql_shown_by(answer)
    assert Draft.objects.get().sql == SQL


@pytest.mark.parametrize("shown", ["\n\nSELECT 1", "\nSELECT 1\n", "SELECT 1"])
def test_the_editor_keeps_the_first_line_end(shown: str, job: Job, alice: User, client: Client) -> None:
    client.force_login(alice)
    operations.save_draft(alice, job, 1, {"sql": shown})
    assert sql_shown_by(client.get(f"/jobs/{job.serial}/draft/")) == shown


def test_a_form_without_the_text_does_not_empty_the_draft(job: Job, alice: User, client: Client) -> None:
    client.force_login(alice)
    form = draft_form()
    del form["sql"]
    assert client.post(f"/jobs/{job.serial}/draft/", form).status_code == 422
    assert Draft.objects.get().sql == SQL


@pytest.mark.parametrize("revision", [{"revision": "5"}, {"over": "5"}])
def test_a_first_draft_is_saved_whatever_revision_it_names(
    revision: dict[str, str], job: Job, alice: User, client: Client, endpoint: FlinkEndpoint
) -> None:
    client.force_login(alice)
    new = operations.create_job(alice, job.workspace, "new", endpoint.cluster, endpoint)
    assert client.post(f"/jobs/{new.serial}/draft/", draft_form(**{"revision": "0"} | revision)).status_code == 302
    assert Draft.objects.get(job=new).sql == SQL


# --- what was found ---


@pytest.mark.parametrize("shown", ["http://[", "//[::1", "http://testserver/jobs/x\r\ny", "\0"])
def test_a_page_that_is_no_address(shown: str, console: Console, alice: User, client: Client) -> None:
    client.force_login(alice)
    headers = HTMX | {"HX-Current-URL": quote(shown, safe=""), "HX-Current-URL-URI-AutoEncoded": "true"}
    path = f"/jobs/{console.job.serial}/"
    assert client.post(path + "move/", {"folder": ""}, headers=headers).status_code == 200
    assert client.post(path + "run/", {"version": 1, "start": "none"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("charset", "status"),
    [*((one, 400) for one in ("rot13", "unicode_escape", "utf-7", "undefined", "idna", "x" * 500)), ("UTF-8", 302)],
)
def test_texts_come_in_utf_8_or_not_at_all(charset: str, status: int) -> None:
    told: list[str] = []
    environ = (
        RequestFactory().generic("GET", "/?q=%ff", b"", f"{URLENCODED}; charset={charset}").environ
        if status == 302
        else {"CONTENT_TYPE": f"{URLENCODED}; charset={charset}"}
    )
    list(wsgi.application(environ, lambda line, headers: told.append(line)))
    assert [int(line[:3]) for line in told] == [status]


def test_a_session_of_nonsense_is_none(job: Job, client: Client) -> None:
    answer = send(client, "GET", f"/jobs/{job.serial}/", HTTP_COOKIE=r'sessionid="\000aaaaaaaaaaaa"')
    assert answer.headers["Location"].startswith("/login/")


@pytest.mark.parametrize("path", ["file:///%00", "http://[", "file://[::1/", "/" + "x" * 5000, "{data}/" + "x" * 5000])
def test_a_script_may_name_any_path(path: str, job: Job, alice: User, client: Client) -> None:
    path = path.replace("{data}", str(django_settings.DATA_DIRECTORY))
    sql = f"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '{path}'); INSERT INTO t SELECT 1;"
    operations.save_draft(alice, job, 1, {"sql": sql})
    operations.publish(alice, job, "second")
    assert sink_directories(Version.objects.latest("number")) == []
    client.force_login(alice)
    assert client.get(f"/jobs/{job.serial}/results/").status_code == 200


SCRIPT = ["SET", "'a'", "=", ";", "INSERT INTO", "BEGIN", "STATEMENT", "EXECUTE", "END", "/*", "*/", "--", "`", "'", "1e", "\n", "0x", "$$", "\0"]  # fmt: skip


@settings(quiet, max_examples=200)
@given(script=st.one_of(st.text(), st.lists(st.sampled_from(SCRIPT)).map(" ".join)))
def test_any_text_is_split_or_refused(script: str) -> None:
    try:
        assert split(script)
    except ScriptError as error:
        assert 1 <= error.line <= script.count("\n") + 1  # noqa: PT017


PROPERTIES = st.lists(st.sampled_from(["a", "b.c", ":", " ", "\n", "#", "\0", "\u2028", "'", "é", "{", "9" * 50])).map(
    "".join
)


@settings(quiet, max_examples=150)
@given(text=st.one_of(st.text(), PROPERTIES))
def test_any_text_is_properties_or_refused(text: str) -> None:
    field = job_forms.PropertiesField(required=False)
    try:
        found = field.clean(text)
    except forms.ValidationError:
        return
    assert not [
        key for key in found if key in job_forms.FORBIDDEN_PROPERTIES or not key.strip() or " " in key or "\0" in key
    ]
    # What was read can be shown, and is read again as the same.
    assert field.clean(field.prepare_value(found)) == found


# --- nobody is led or sent elsewhere ---

FOREIGN = [
    *("https://evil.example/", "//evil.example/", "///evil.example", "http:///evil.example", "\\\\evil.example", "/\\evil.example"),
    *("https:evil.example", "javascript:alert(1)", "http://testserver@evil.example/", "http://testserver.evil.example/", "\thttps://evil.example"),
    *("http://[", "\0", "/\0", "%2f%2fevil.example", "data:text/html,x", "/" + "x" * 9000),
]  # fmt: skip


@pytest.mark.parametrize("target", FOREIGN)
def test_no_answer_leads_elsewhere(target: str, console: Console, alice: User) -> None:
    def location_of(answer: Any) -> str:
        return str(answer.headers.get("Location", "") or answer.headers.get("HX-Redirect", "")).replace(
            "http://testserver/", "/"
        )

    asks: list[Callable[[Client], Any]] = [
        lambda one: send(one, "POST", "/language/", encoded([("language", "en"), ("next", target)])),
        lambda one: send(one, "POST", "/language/", encoded([("language", "en")]), HTTP_REFERER=target),
        lambda one: send(one, "POST", "/login/", encoded([("username", "alice"), ("password", "a long sentence"), ("next", target)])),
        lambda one: send(one, "GET", "/login/", QUERY_STRING=encoded([("next", target)])),
        lambda one: send(one, "POST", "/logout/", encoded([("next", target)])),
        lambda one: send(one, "POST", f"/jobs/{console.job.serial}/move/", b"folder=", headers=HTMX | {
            "HX-Current-URL": quote(target, safe=""), "HX-Current-URL-URI-AutoEncoded": "true"}),
    ]  # fmt: skip
    for ask in asks:
        client = Client()
        client.force_login(alice)
        for one in (client, Client()):
            found = location_of(ask(one))
            assert urljoin("http://testserver/language/", found).startswith("http://testserver/"), (target, found)
            assert not found.startswith(("//", "/\\", "\\")), (target, found)


def test_the_console_fetches_no_address_that_a_developer_typed(
    world: dict[Any, Any], fake: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send addresses in every field of every form; whatever is connected to is the Flink that the super admin named."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        trap = f"127.0.0.1:{listener.getsockname()[1]}"
        asked: set[tuple[str, int]] = set()
        connect = socket.socket.connect

        def watched(self: socket.socket, address: Any) -> None:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                asked.add((str(address[0]), int(address[1])))
            connect(self, address)

        monkeypatch.setattr(socket.socket, "connect", watched)
        client = signed_in(world, "developer")
        for address in ADDRESSES:
            path = path_of(address, world)
            if address.name == "logout":
                continue
            right = defaults_of(client, path)
            bait = f"http://{trap}/{{}}"
            for name in {*right, "rest_url", "dashboard_url", "snapshot_directory"} - {"csrfmiddlewaretoken"}:
                send(client, "POST", path, encoded([*(right | {name: bait.format(name)}).items()]), headers=HTMX)
            send(client, "POST", path, encoded([(name, bait.format(name)) for name in NAMES]))
            send(client, "GET", path, QUERY_STRING=encoded([(name, bait.format(name)) for name in NAMES]))
        script = SQL.replace("'blackhole'", f"'filesystem', 'path' = 'http://{trap}/out'") + f"-- http://{trap}/"
        properties = f"pipeline.jars: http://{trap}/a.jar\nrest.address: {trap}\nstate.savepoints.dir: http://{trap}/s"
        for do in ("check", "save"):
            form = draft_form(do=do, sql=script, properties=properties)
            send(client, "POST", f"/jobs/{world['job'].serial}/draft/", encoded([*form.items()]))
    flink = fake.url.removeprefix("http://").rstrip("/").rsplit(":", 1)
    assert {f"{host}:{port}" for host, port in asked} <= {":".join(flink), f"127.0.0.1:{flink[1]}"}


ADDRESSES_OF_FLINK = [
    "http://[",
    "http://::::",
    "http://a:99999",
    "http://-",
    "http://[::1]:x",
    "http://a..b:1/%00",
    "http://" + "a" * 290,
]


@pytest.mark.parametrize("url", ADDRESSES_OF_FLINK)
def test_an_odd_address_of_a_flink_is_one_that_does_not_answer(
    url: str, endpoint: FlinkEndpoint, root: User, client: Client
) -> None:
    client.force_login(root)
    path = f"/clusters/{endpoint.cluster.serial}/endpoints/{endpoint.pk}"
    answer = client.post(f"{path}/edit/", {"flink_version": "2.2.1", "rest_url": url, "is_default": "on"})
    if answer.status_code == 302:
        endpoint.refresh_from_db()
        assert connection.ask(endpoint).level == "bad"
        assert client.post(f"{path}/test/", headers=HTMX).status_code == 200
        operations.watch(endpoint.pk)
