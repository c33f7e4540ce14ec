"""Whatever comes to the API's door: no error of the console, no answer that clients can't read, and nothing done for strangers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from tencentcloud.common.http.request import RequestInternal

from api.errors import Code
from api.keys import revoke
from api.models import UsedSignature
from api.table import ACTIONS
from jobs.models import Folder, Job, Operation, Snapshot, Version
from tests.conftest import Console
from tests.program import Program, response_of
from tests.test_fuzz import NASTY, quiet
from workspaces.models import Event, Member, Variable, Workspace

pytestmark = pytest.mark.django_db

# What a header may be on its way through a web server: no line ends, and one byte per character.
HEADER_TEXTS = [one for one in NASTY if one.isprintable() and one.isascii()] + ["\xff", "\x01", "é", "x" * 9000]
header_texts = st.sampled_from(HEADER_TEXTS) | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
HEADERS = [
    *("X-TC-Action", "X-TC-Version", "X-TC-Timestamp", "X-TC-Region", "X-TC-Language", "X-TC-Token", "Authorization"),
    *(
        "X-TC-Content-SHA256",
        "Content-Type",
        "Host",
        "X-TC-RequestClient",
        "X-Forwarded-For",
        "Cookie",
        "Content-Length",
    ),
]
PARTS = st.sampled_from(
    [
        *(
            "TC3-HMAC-SHA256",
            "tc3_request",
            "Credential=",
            "SignedHeaders=content-type;host",
            "Signature=",
            "/",
            ",",
            " ",
        ),
        *("oceanus", "2026-11-22", "0" * 64, "AKID", ";", "=", "\xff", "host", "9" * 400),
    ]
)
authorizations = st.lists(PARTS, max_size=12).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NASTY) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
NAMES = sorted({name for action in ACTIONS.values() if action for name in action.takes.fields})
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), values, max_size=5)
CHANGING = sorted(name for name, action in ACTIONS.items() if action and action.changes)


def everything() -> dict[str, list[Any]]:
    """Return all that a call could change."""
    kinds = [Job, Folder, Version, Snapshot, Operation, Workspace, Member, Variable, Event, UsedSignature]
    return {kind.__name__: list(kind.objects.order_by("pk").values()) for kind in kinds}


def send(program: Program, request: RequestInternal, path: str = "/") -> dict[str, Any]:
    """Send it, take back whatever it did, and see that the answer can be read."""
    with transaction.atomic():
        answer = program.send(request, path)
        transaction.set_rollback(True)
    return response_of(answer)


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def test_no_header_gets_in_or_breaks_the_gate(alice: User, job: Job) -> None:
    program = Program(alice)
    before = everything()

    @settings(quiet, max_examples=60)
    @given(
        action=st.sampled_from(CHANGING),
        headers=st.dictionaries(st.sampled_from(HEADERS), header_texts, min_size=1, max_size=4),
        authorization=st.none() | authorizations,
        path=st.sampled_from(["/", "/api/tc3", "/api/tc3/"]),
        method=st.sampled_from(["GET", "POST"]),
    )
    def try_it(action: str, headers: dict[str, str], authorization: str | None, path: str, method: str) -> None:
        request = program.signed(action, {"JobIds": [job.serial]}, secret="not the one")
        request.header |= headers | ({} if authorization is None else {"Authorization": authorization})
        request.method = method
        # With neither of the two it is no call; what pages say to that is another matter (tests/test_fuzz.py).
        request.header.setdefault("X-TC-Action", action)
        told = send(program, request, path)
        assert told["Error"]["Code"] != Code.INTERNAL_ERROR

    try_it()
    assert everything() == before


def test_no_signature_is_guessed(alice: User, job: Job) -> None:
    """Right requests but for one thing: the secret, the key, the user, or a character of the signature."""
    program, gone = Program(alice), Program(alice)
    revoke(alice, gone.key)
    before = everything()

    @settings(quiet, max_examples=60)
    @given(
        action=st.sampled_from(CHANGING),
        sent=objects,
        place=st.integers(0, 63),
        by=st.integers(1, 15),
    )
    def try_it(action: str, sent: dict[str, Any], place: int, by: int) -> None:
        request = program.signed(action, {})
        request.data = dumped(sent)
        head, _equals, signature = request.header["Authorization"].rpartition("=")
        wrong = f"{signature[:place]}{(int(signature[place], 16) + by) % 16:x}{signature[place + 1 :]}"
        for authorization in (f"{head}={wrong}", gone.signed(action, {}).header["Authorization"]):
            request.header["Authorization"] = authorization
            assert send(program, request)["Error"]["Code"] in (Code.SIGNATURE_FAILURE, Code.SECRET_ID_NOT_FOUND)

    try_it()
    assert everything() == before


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action])
def test_no_body_breaks_an_action(name: str, console: Console) -> None:
    """Signed as it should be, so that whatever was sent gets as far as it can."""
    program = Program(console.user, unsignedPayload=True)
    action = ACTIONS[name]
    assert action
    own = st.sampled_from(sorted(action.takes.fields))
    serials = st.sampled_from(
        [console.job.serial, console.job.workspace.serial, "root", "none", console.job.cluster.serial]
    )
    fitting = st.one_of(values, serials, serials.map(lambda one: [one]), st.integers(-2, 200))

    @settings(quiet, max_examples=10)
    @given(sent=st.dictionaries(own, fitting, max_size=6))
    def try_it(sent: dict[str, Any]) -> None:
        request = program.signed(name, {})
        request.data = dumped(sent)
        told = send(program, request)
        assert told.get("Error", {}).get("Code") != Code.INTERNAL_ERROR, (name, sent)

    try_it()


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_no_bytes_break_the_reading(alice: User, method: str) -> None:
    program = Program(alice, unsignedPayload=True)

    @settings(quiet, max_examples=40)
    @given(
        body=st.binary(max_size=60) | objects.map(dumped), name=st.sampled_from(["DescribeJobs", "DescribeClusters"])
    )
    def try_it(body: bytes, name: str) -> None:
        request = program.signed(name, {})
        request.method, request.data = method, body if method == "POST" else body.decode("latin-1")
        assert send(program, request).get("Error", {}).get("Code") != Code.INTERNAL_ERROR

    try_it()


def test_a_stranger_changes_nothing(job: Job) -> None:
    """Without a key, with every action that changes something, signed by nobody."""
    before = everything()
    for action in CHANGING:
        for authorization in ("", "SKIP"):
            headers = {"X-TC-Action": action, "X-TC-Version": "2019-04-22", "Authorization": authorization}
            answer = Client().post("/", json.dumps({"JobIds": [job.serial]}), "application/json", headers=headers)
            assert "Error" in response_of(answer)
    assert everything() == before
