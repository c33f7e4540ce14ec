"""The way in for programs: who is let in, what they are told, and that nothing happens before it is known who asks."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.test import Client
from django.utils import timezone, translation
from django.utils.translation import gettext
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.common.sign import Sign
from tencentcloud.oceanus.v20190422 import errorcodes
from tencentcloud.oceanus.v20190422.oceanus_client import OceanusClient

from api import signing
from api.caller import Caller
from api.errors import ApiError, Code
from api.gate import limit_of
from api.keys import make_key, revoke
from api.models import AccessKey, CallCount, UsedSignature
from api.shapes import Many, Number, Shape, Text, Whole
from api.signing import Authorization, Malformed
from api.table import ACTIONS, NOT_HERE, Call
from tests.official import API
from tests.program import Program, code_of, response_of
from workspaces.models import Workspace
from workspaces.refusal import Refusal

pytestmark = pytest.mark.django_db

# An action of the table that is not ours, for the length of a test with something behind it.
READ, CHANGE = "ParseConnector", "ModifyConnector"
TAKES = Shape(
    Text=Text(),
    Whole=Whole(),
    Number=Number(),
    Filters=Many(Shape(Name=Text(required=True), Values=Many(Text()))),
)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Caller, dict[str, Any]]]:
    """Put an action behind two names; gives what was asked of it."""
    asked: list[tuple[Caller, dict[str, Any]]] = []

    def act(caller: Caller, values: dict[str, Any]) -> dict[str, Any]:
        asked.append((caller, values))
        return {"TotalCount": len(asked)}

    monkeypatch.setitem(ACTIONS, READ, Call(TAKES, act, changes=False))
    monkeypatch.setitem(ACTIONS, CHANGE, Call(TAKES, act, changes=True))
    return asked


def behind(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def act(caller: Caller, values: dict[str, Any]) -> dict[str, Any]:
        raise error

    monkeypatch.setitem(ACTIONS, READ, Call(TAKES, act, changes=False))


# --- let in ---


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    "host",
    [
        "testserver",
        "testserver:8000",
        "http://testserver:8000",
        "https://testserver",
        "testserver:8000/api/tc3",
        "LocalHost:1",
    ],
)
def test_the_sdk_is_let_in_whatever_it_takes_for_the_host(alice: User, done: list[Any], host: str, method: str) -> None:
    program = Program(alice, host=host, method=method)
    filters = [{"Name": "Status", "Values": ["4", "运行中"]}]
    response = program.call(READ, {"Text": "流计算 & more", "Whole": -7, "Number": 0.25, "Filters": filters})
    assert response == {"TotalCount": 1, "RequestId": response["RequestId"]}
    caller, values = done[0]
    assert (caller.user, caller.language, caller.region, caller.request_id) == (alice, "en", "", response["RequestId"])
    assert values == {"Text": "流计算 & more", "Whole": -7, "Number": 0.25, "Filters": filters}


def test_an_endpoint_with_a_path_leads_here_too(alice: User, done: list[Any]) -> None:
    program = Program(alice, host="testserver/api/tc3")
    for path in ("/api/tc3", "/api/tc3/"):
        assert "Error" not in response_of(program.send(program.signed(READ), path=path))


def test_the_payload_may_go_unsigned(alice: User, done: list[Any]) -> None:
    assert "Error" not in Program(alice, unsignedPayload=True).call(READ, {"Text": "x"})


def signed_as_node_does(program: Program, host: str, path: str) -> Any:
    """Sign like the Node SDK: the host without its port, the real path, and the first label of the host for the service."""
    request = program.signed(READ)
    request.header["Host"] = host
    date, service = Authorization.parse(request.header["Authorization"]).date, host.split(".")[0]
    headers = f"content-type:application/json\nhost:{host.split(':')[0]}\n"
    payload = hashlib.sha256(request.data.encode()).hexdigest()
    canonical = f"POST\n{path}\n\n{headers}\ncontent-type;host\n{payload}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"TC3-HMAC-SHA256\n{request.header['X-TC-Timestamp']}\n{date}/{service}/tc3_request\n{hashed}"
    request.header["Authorization"] = (
        f"TC3-HMAC-SHA256 Credential={program.key.secret_id}/{date}/{service}/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={Sign.sign_tc3(program.secret, date, service, text)}"
    )
    return request


def test_node_signs_the_host_without_its_port_and_the_real_path(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    request = signed_as_node_does(program, "localhost:8000", "/api/tc3")
    assert "Error" not in response_of(program.send(request, path="/api/tc3"))
    assert len(done) == 1


def test_the_signature_of_the_official_documentation() -> None:
    """The worked example of the specification: other headers may be signed, with values in lower case."""
    body = '{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
    headers = {
        "content-type": "application/json; charset=utf-8",
        "host": "cvm.tencentcloudapi.com",
        "x-tc-action": "DescribeInstances",
    }
    sent = signing.Sent("POST", "/", "", lambda name: headers.get(name, ""), body.encode())
    authorization = Authorization("AKID", "2019-02-25", "cvm", ("content-type", "host", "x-tc-action"), "")
    texts = list(signing.strings_to_sign(sent, authorization, "1551113065"))
    expected = "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"
    assert any(text.endswith(expected) for text in texts)


# --- not let in ---


def test_another_secret_does_not_open(alice: User, bob: User, done: list[Any]) -> None:
    program, other = Program(alice), Program(bob)
    assert code_of(program.send(program.signed(READ, secret=other.secret))) == Code.SIGNATURE_FAILURE
    assert done == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("Host", "localhost"), ("Content-Type", "application/json;x=1"), ("X-TC-Timestamp", None)],
)
def test_what_was_signed_can_not_be_changed(alice: User, done: list[Any], name: str, value: str | None) -> None:
    program = Program(alice)
    request = program.signed(READ)
    request.header[name] = value or str(int(request.header[name]) - 1)
    assert code_of(program.send(request)) == Code.SIGNATURE_FAILURE


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_body_can_not_be_changed(alice: User, done: list[Any], method: str) -> None:
    program = Program(alice, method=method)
    request = program.signed(READ, {"Text": "mine"})
    request.data = request.data.replace("mine", "ours")
    assert code_of(program.send(request)) == Code.SIGNATURE_FAILURE
    # Neither by saying afterwards that it was not signed.
    request.header["X-TC-Content-SHA256"] = signing.UNSIGNED
    assert code_of(program.send(request)) == Code.SIGNATURE_FAILURE
    assert done == []


@pytest.mark.parametrize("seconds", [-400, -301 - 5, 301 + 5, 90_000])
def test_a_wrong_clock_is_told(alice: User, done: list[Any], monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    program = Program(alice)
    now = time.time()
    with monkeypatch.context() as clients:
        clients.setattr(time, "time", lambda: now + seconds)
        request = program.signed(READ)
    assert code_of(program.send(request)) == Code.SIGNATURE_EXPIRE


@pytest.mark.parametrize("seconds", [-290, 290])
def test_a_clock_may_be_some_minutes_off(
    alice: User, done: list[Any], monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    program = Program(alice)
    now = time.time()
    with monkeypatch.context() as clients:
        clients.setattr(time, "time", lambda: now + seconds)
        request = program.signed(READ)
    assert "Error" not in response_of(program.send(request))


def test_the_date_must_be_that_of_the_time(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    request = program.signed(READ)
    date = Authorization.parse(request.header["Authorization"]).date
    request.header["Authorization"] = request.header["Authorization"].replace(date, "2020-01-01")
    assert code_of(program.send(request)) == Code.SIGNATURE_FAILURE


def test_keys_that_open_nothing(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    assert "Error" not in program.call(READ)
    revoke(alice, program.key)
    assert program.refused(READ) == Code.SECRET_ID_NOT_FOUND
    other = Program(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert other.refused(READ) == Code.SECRET_ID_NOT_FOUND
    program.key.secret_id = "AKIDunknown"
    assert program.refused(READ) == Code.SECRET_ID_NOT_FOUND
    assert len(done) == 1


def test_a_key_that_can_not_be_read_any_more_is_told(alice: User, done: list[Any], settings: Any) -> None:
    program = Program(alice)
    settings.SECRET_KEY = "another one"
    response = program.call(READ)
    assert response["Error"]["Code"] == Code.SECRET_ID_NOT_FOUND
    assert "can't read this key" in response["Error"]["Message"]


def test_a_session_is_no_way_in(alice: User, done: list[Any], client: Client) -> None:
    client.force_login(alice)
    headers = {"X-TC-Action": READ, "X-TC-Version": "2019-04-22", "X-TC-Timestamp": str(int(time.time()))}
    answer = client.post("/", "{}", "application/json", headers=headers)
    assert code_of(answer) == Code.MISSING_PARAMETER
    assert done == []


@pytest.mark.parametrize(
    ("instead", "code"),
    [
        ({"x_tc_action": ""}, Code.MISSING_PARAMETER),
        ({"x_tc_action": "FormatDisk"}, Code.INVALID_ACTION),
        ({"x_tc_action": "__class__"}, Code.INVALID_ACTION),
        ({"x_tc_version": ""}, Code.MISSING_PARAMETER),
        ({"x_tc_version": "2018-04-22"}, Code.NO_SUCH_VERSION),
        ({"x_tc_timestamp": ""}, Code.MISSING_PARAMETER),
        ({"x_tc_timestamp": "soon"}, Code.INVALID_PARAMETER),
        ({"x_tc_timestamp": "9" * 11}, Code.SIGNATURE_EXPIRE),
        ({"x_tc_timestamp": "٣"}, Code.INVALID_PARAMETER),
        ({"authorization": ""}, Code.MISSING_PARAMETER),
        ({"authorization": "SKIP"}, Code.INVALID_AUTHORIZATION),
        ({"authorization": "Bearer x"}, Code.INVALID_AUTHORIZATION),
        ({"x_tc_token": "temporary"}, Code.TOKEN_FAILURE),
    ],
)
def test_headers_that_lack_or_are_wrong(alice: User, done: list[Any], instead: dict[str, str], code: Code) -> None:
    assert Program(alice).refused(READ, **instead) == code
    assert done == []


@pytest.mark.parametrize(
    "header",
    [
        "TC3-HMAC-SHA256 Credential=a/2026-01-01/x/tc3_request, SignedHeaders=host, Signature=" + "0" * 64,
        "TC3-HMAC-SHA256 Credential=a/2026-01-01/x/tc3_request, SignedHeaders=content-type, Signature=" + "0" * 64,
        "TC3-HMAC-SHA256 Credential=a/2026-01-01/x/tc3_request, SignedHeaders=content-type;host, Signature=" + "0" * 63,
        "TC3-HMAC-SHA256 Credential=a\0/2026-01-01/x/tc3_request, SignedHeaders=content-type;host, Signature="
        + "0" * 64,
        "",
    ],
)
def test_no_authorization_of_this_kind(header: str) -> None:
    with pytest.raises(Malformed):
        Authorization.parse(header)


@pytest.mark.parametrize("kind", ["HmacSHA1", "HmacSHA256"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_older_signatures_are_told_so(alice: User, done: list[Any], kind: str, method: str) -> None:
    program = Program(alice, method=method, signMethod=kind)
    response = response_of(program.send(program.signed(READ, {"Text": "x"})))
    assert response["Error"]["Code"] == Code.INVALID_AUTHORIZATION
    assert "TC3-HMAC-SHA256" in response["Error"]["Message"]


def test_other_methods_are_told_so(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    for method in ("PUT", "DELETE", "OPTIONS"):
        request = program.signed(READ)
        request.method = method
        assert code_of(program.send(request)) == Code.UNSUPPORTED_PROTOCOL
    assert done == []


def test_a_name_that_is_not_ours_is_told_so(alice: User, done: list[Any], settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["console.example"]
    assert Program(alice, host="elsewhere:8000").refused(READ) == Code.INVALID_AUTHORIZATION
    assert "Error" not in Program(alice, host="http://console.example:8000").call(READ)


def test_where_https_is_on_it_must_be_used(alice: User, done: list[Any], settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    program = Program(alice)
    assert program.refused(READ) == Code.UNSUPPORTED_PROTOCOL
    assert "Error" not in program.call(READ, x_forwarded_proto="https")


# --- once and not too often ---


def test_a_recorded_request_changes_nothing_a_second_time(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    request = program.signed(CHANGE, {"Text": "x"})
    assert "Error" not in response_of(program.send(request))
    assert code_of(program.send(request)) == Code.SIGNATURE_FAILURE
    request.header["X-TC-Region"] = "ap-guangzhou"  # not signed, and of no help
    assert code_of(program.send(request)) == Code.SIGNATURE_FAILURE
    assert len(done) == 1


def test_whoever_sends_the_same_within_a_second_is_told_what_to_do(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    request = program.signed(CHANGE, {"Text": "x"})
    program.send(request)
    told = response_of(program.send(request))["Error"]
    assert told["Message"].endswith("sign it anew with a later X-TC-Timestamp.")


def test_looking_twice_is_no_offence(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    request = program.signed(READ)
    assert "Error" not in response_of(program.send(request))
    assert "Error" not in response_of(program.send(request))
    assert not UsedSignature.objects.exists()


def test_a_refused_request_does_not_use_its_signature_up(alice: User, done: list[Any]) -> None:
    assert Program(alice).refused(CHANGE, {"Unknown": 1}) == Code.UNKNOWN_PARAMETER
    assert not UsedSignature.objects.exists()


def test_signatures_are_kept_as_long_as_they_are_good(alice: User, done: list[Any]) -> None:
    UsedSignature.objects.create(signature="old", expires_at=timezone.now() - timedelta(seconds=1))
    Program(alice).call(CHANGE)
    (kept,) = UsedSignature.objects.all()
    assert timedelta(seconds=290) < kept.expires_at - timezone.now() <= timedelta(seconds=301)


def test_more_requests_per_second_than_allowed_are_refused(
    alice: User, bob: User, done: list[Any], settings: Any
) -> None:
    settings.API_REQUESTS_PER_SECOND = 2
    program, other = Program(alice), Program(bob)

    def codes() -> list[str]:
        calls = [(program, READ), (program, READ), (program, READ), (program, CHANGE), (other, READ)]
        return [one.call(action).get("Error", {}).get("Code", "") for one, action in calls]

    second, told = 0, [""]
    while second != int(time.time()):  # until all five fall into one second
        CallCount.objects.all().delete()
        UsedSignature.objects.all().delete()  # of a change in this very second, by the round before
        second, told = int(time.time()), codes()
    assert told == ["", "", Code.REQUEST_LIMIT_EXCEEDED, "", ""]


@pytest.mark.parametrize(("per_second", "setting", "most"), [(None, 20, 20), (30, 20, 30), (50, 40, 100), (30, 2, 3)])
def test_the_limits_of_the_table_go_with_the_setting(
    settings: Any, alice: User, per_second: int | None, setting: int, most: int
) -> None:
    settings.API_REQUESTS_PER_SECOND = setting
    action = Call(TAKES, lambda caller, asked: {}, changes=False, per_second=per_second)
    assert limit_of(action) == most


def test_calls_are_counted_by_the_second(alice: User) -> None:
    CallCount.count(alice.pk, READ)
    CallCount.objects.update(calls=500)
    CallCount.objects.update(second=1)
    assert CallCount.count(alice.pk, READ) == 1


def test_the_use_of_a_key_is_noted_once_a_minute(alice: User, done: list[Any]) -> None:
    program = Program(alice)
    program.call(READ)
    key = AccessKey.objects.get()
    assert key.last_used_at is not None
    assert key.last_used_from == "127.0.0.1"
    program.call(READ)
    assert AccessKey.objects.get().last_used_at == key.last_used_at
    AccessKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    program.call(READ)
    assert timezone.now() - AccessKey.objects.get().last_used_at < timedelta(minutes=1)


# --- what is asked for ---


@pytest.mark.parametrize(
    "body", [" ", "[]", "null", "{", '{"Number": NaN}', "[" * 100_000, '{"Whole": ' + "9" * 5000 + "}", "\ufeff{}", "1"]
)
def test_bodies_that_are_no_objects(alice: User, done: list[Any], body: str) -> None:
    assert told_of(alice, body.encode()) == Code.INVALID_PARAMETER
    assert done == []


def told_of(user: User, body: bytes) -> str:
    """Send a body as it is, unsigned so that any can be sent."""
    program = Program(user, unsignedPayload=True)
    request = program.signed(READ)
    request.data = body
    return code_of(program.send(request))


def test_a_body_that_is_no_text(alice: User, done: list[Any]) -> None:
    assert told_of(alice, b'{"Text": "\xff"}') == Code.INVALID_PARAMETER
    assert told_of(alice, '{"Text": "x"}'.encode("utf-16")) == Code.INVALID_PARAMETER


def test_a_body_that_is_too_large(alice: User, done: list[Any], settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert Program(alice).refused(READ, {"Text": "x" * 1001}) == Code.REQUEST_SIZE_LIMIT_EXCEEDED


@pytest.mark.parametrize(
    "query",
    [
        *("Filters.0=1&Filters.0.Name=x", "Filters.0.Name=x&Filters.0=1", "Filters.1.Name=x", "Filters.00.Name=x"),
        *(
            "Text=1&Text=2",
            ".".join("a" * 50) + "=1",
            "Text=%ff",
            "&".join(f"f{n}=1" for n in range(1100)),
            "a..b=1&a.=2",
        ),
    ],
)
def test_queries_that_do_not_fit_together(alice: User, done: list[Any], query: str) -> None:
    program = Program(alice, method="GET")
    client = OceanusClient(Credential(program.key.secret_id, program.secret), "", program.profile)
    request = program.signed(READ)
    request.data = query
    scope = Authorization.parse(request.header["Authorization"])
    signature = client._get_tc3_signature({}, request, scope.date, scope.service, program.secret)
    request.header["Authorization"] = request.header["Authorization"].replace(scope.signature, signature)
    assert code_of(program.send(request)) in (Code.INVALID_PARAMETER, Code.UNKNOWN_PARAMETER)
    assert done == []


# --- what is answered ---


def test_refusals_of_acts_get_an_official_code(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(alice)
    for error, code in (
        (Refusal("Not %(what)s.", what="now"), Code.FAILED_OPERATION),
        (PermissionDenied(), Code.UNAUTHORIZED_OPERATION),
        (Http404(), Code.RESOURCE_NOT_FOUND),
        (ApiError(Code.INVALID_PARAMETER_VALUE, "No"), Code.INVALID_PARAMETER_VALUE),
    ):
        behind(monkeypatch, error)
        assert program.refused(READ) == code


def test_a_bug_is_told_under_a_number_and_logged(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    behind(monkeypatch, ZeroDivisionError("the very secret reason"))
    response = Program(alice).call(READ)
    assert response["Error"]["Code"] == Code.INTERNAL_ERROR
    assert "very secret" not in str(response)
    assert response["RequestId"] in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_while_the_database_is_away_it_says_so(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    behind(monkeypatch, OperationalError("server closed the connection unexpectedly"))
    response = Program(alice).call(READ)
    assert response["Error"]["Code"] == Code.INTERNAL_ERROR
    assert "database is away" in response["Error"]["Message"]


def test_an_answer_that_is_no_json_is_a_bug_too(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIONS, READ, Call(TAKES, lambda caller, asked: {"Cu": float("nan")}, changes=False))
    assert Program(alice).refused(READ) == Code.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("header", "language"), [("en-US", "en"), ("zh-CN", "zh-hans"), ("", "zh-hans"), ("fr", "zh-hans")]
)
def test_messages_are_in_the_language_that_is_asked_for(
    alice: User, monkeypatch: pytest.MonkeyPatch, header: str, language: str
) -> None:
    def act(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
        assert caller.language == language == translation.get_language()
        raise Refusal(gettext("The workspace was changed."))

    monkeypatch.setitem(ACTIONS, READ, Call(TAKES, act, changes=False))
    message = Program(alice).call(READ, x_tc_language=header)["Error"]["Message"]
    with translation.override(language):
        assert message == gettext("The workspace was changed.")


def test_every_official_action_is_in_the_table() -> None:
    assert set(ACTIONS) == set(API["actions"])
    assert len(ACTIONS) == 54


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action is NOT_HERE])
def test_what_is_not_here_says_so(alice: User, name: str) -> None:
    assert Program(alice).refused(name) == Code.UNSUPPORTED_OPERATION


def test_all_codes_are_official() -> None:
    # The common ones of all products, which the clients' list of this product leaves out.
    common = {
        *("AuthFailure.InvalidAuthorization", "AuthFailure.SecretIdNotFound", "AuthFailure.SignatureExpire"),
        *(
            "AuthFailure.SignatureFailure",
            "AuthFailure.TokenFailure",
            "InvalidAction",
            "MissingParameter",
            "NoSuchVersion",
        ),
        *("RequestLimitExceeded", "RequestSizeLimitExceeded", "UnsupportedProtocol"),
    }
    official = {value for value in vars(errorcodes).values() if isinstance(value, str)}
    assert {str(code) for code in Code} <= official | common


# --- beside the pages ---


def test_the_pages_are_as_ever(client: Client, alice: User, workspace: Workspace) -> None:
    assert client.get("/").headers["Location"].startswith("/login/")
    assert client.get("/", HTTP_HOST="http://testserver").status_code == 400
    assert client.get("/", HTTP_HOST="elsewhere").status_code == 400
    client.force_login(alice)
    assert client.get("/").headers["Location"] == f"/spaces/{workspace.serial}/jobs/"
    assert client.post("/", {"Action": "x"}).status_code == 405
    # On other addresses the header means nothing.
    assert client.get("/login/", headers={"X-TC-Action": READ}).status_code == 302


# --- the real client over HTTP ---


def sdk(url: str, user: User, **http: Any) -> OceanusClient:
    key, secret = make_key(user, "")
    profile = HttpProfile(protocol="http", endpoint=url.removeprefix("http://"), **http)
    return OceanusClient(Credential(key.secret_id, secret), "", ClientProfile(httpProfile=profile, language="en-US"))


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.usefixtures("no_proxy", "done")
def test_the_real_sdk_gets_answers_and_errors(live_server: Any, alice: User, method: str) -> None:
    client = sdk(live_server.url, alice, reqMethod=method)
    assert json.loads(client.call(READ, {"Text": "流计算"}))["Response"]["TotalCount"] == 1
    with pytest.raises(TencentCloudSDKException) as told:
        client.call(READ, {"Filters": [{"Values": ["x"]}]})
    assert (told.value.code, told.value.message) == (Code.MISSING_PARAMETER, "The parameter Filters.0.Name is missing.")
    assert len(told.value.requestId) == 36
