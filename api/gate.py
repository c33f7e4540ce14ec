"""The way in for programs: from a signed request to an action and back, as the official clients expect it.

Every answer has status 200 and exactly the content type application/json; what went wrong stands in the body, with a RequestId.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from axes.helpers import get_client_ip_address
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from api import signing
from api.asked import asked_by
from api.caller import Caller
from api.errors import ApiError, Code
from api.models import AccessKey, CallCount, UsedSignature
from api.signing import Authorization, Malformed, Sent
from api.table import ACTIONS, VERSION, Call
from workspaces import clock
from workspaces.away import is_away
from workspaces.refusal import NameTaken, Refusal
from workspaces.sealed import Unreadable, unseal

log = logging.getLogger(__name__)

# Endpoints are given to clients without a path, or with this one.
PATHS = ("/", "/api/tc3", "/api/tc3/")
LANGUAGES = {"en-US": "en"}
USUAL_LANGUAGE = "zh-hans"  # the product's, for clients that don't say
USUAL_PER_SECOND = 20  # what the limits in the table are relative to


class Gate:
    """Middleware, the first of all: takes the calls of programs out of the way of the console's pages.

    Nothing that pages need touches them: no session, no cookie, no redirect, and no refusal of the Host header of tccli,
    which is the endpoint as typed, with scheme and path.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return call(request) if is_call(request) else self.get_response(request)


def is_call(request: HttpRequest) -> bool:
    """Tell whether a request, maybe a wrong one, comes from a client of the API."""
    if request.path not in PATHS:
        return False
    if request.path != "/" or "X-TC-Action" in request.headers:
        return True
    return request.headers.get("Authorization", "").startswith(signing.ALGORITHM) or _is_of_old(request)


def _is_of_old(request: HttpRequest) -> bool:
    """Tell whether it is signed in the older way, in a form: these deserve an answer that their clients can read."""
    if request.method != "GET" and request.content_type != "application/x-www-form-urlencoded":
        return False
    try:
        sent = request.GET if request.method == "GET" else request.POST
        return "Signature" in sent and "Action" in sent
    except (SuspiciousOperation, OSError, ValueError):
        return False


def call(request: HttpRequest) -> HttpResponse:
    """Do what a request asks for, and answer; whatever happens, the answer is one that the clients understand."""
    request_id = str(uuid.uuid4())
    language = LANGUAGES.get(request.headers.get("X-TC-Language", ""), USUAL_LANGUAGE)
    with translation.override(language):
        try:
            text = _enveloped(_answered(request, request_id, language), request_id)
        except ApiError as no:
            text = _enveloped({"Error": {"Code": no.code, "Message": no.message}}, request_id)
        except Exception as error:
            log.exception("API request %s (%s) failed", request_id, request.headers.get("X-TC-Action", "")[:100])
            text = _enveloped(_failed(is_away(error)), request_id)
    return _answer(text)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Answer a call while the database hangs."""
    with translation.override(LANGUAGES.get(request.headers.get("X-TC-Language", ""), USUAL_LANGUAGE)):
        return _answer(_enveloped(_failed(database_is_away=True), str(uuid.uuid4())))


def _failed(database_is_away: bool) -> dict[str, Any]:
    if database_is_away:
        told = _("The console's database is away. Try again in some seconds.")
    else:
        told = _("Something went wrong in the console. Its log tells more under this RequestId.")
    return {"Error": {"Code": Code.INTERNAL_ERROR, "Message": str(told)}}


def _answer(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="application/json", headers={"Cache-Control": "no-store"})


def _enveloped(fields: dict[str, Any], request_id: str) -> str:
    return json.dumps({"Response": fields | {"RequestId": request_id}}, allow_nan=False)


def _answered(request: HttpRequest, request_id: str, language: str) -> dict[str, Any]:
    """Pass a request through all checks, the cheap ones first, and return the fields of the answer. Raise ApiError."""
    sent = _sent(request)
    name = _action(request)
    signature, expires_at, key = _sign_in(request, sent)
    action = ACTIONS[name]
    _count(key.user_id, name, action)
    if action is None:
        raise ApiError(Code.UNSUPPORTED_OPERATION, _("This console does not support %(action)s."), action=name)
    asked = asked_by(request, sent.body, action.takes)
    if action.changes and not UsedSignature.is_new(signature, expires_at):
        # Signed twice within a second, a request is the same one.
        sentence = _("This request was sent before. To have it done again, sign it anew with a later X-TC-Timestamp.")
        raise ApiError(Code.SIGNATURE_FAILURE, sentence)
    return _done(action, Caller(key.user, language, request.headers.get("X-TC-Region", ""), request_id), asked)


def _sent(request: HttpRequest) -> Sent:
    """Return the request as it came over the wire. Raise ApiError if the console doesn't take it."""
    if raw := request.META.get("HTTP_HOST", ""):
        request.META["HTTP_HOST"] = signing.plain_host(raw)
    try:
        request.get_host()
        body = request.body
    except DisallowedHost:
        sentence = _("The console does not answer to this name (OCEANUS_ALLOWED_HOSTS).")
        raise ApiError(Code.INVALID_AUTHORIZATION, sentence) from None
    except RequestDataTooBig:
        raise ApiError(Code.REQUEST_SIZE_LIMIT_EXCEEDED, _("The request is too large.")) from None
    except (OSError, ValueError):  # the client went away, or its Content-Length is no number
        raise ApiError(Code.INVALID_PARAMETER, _("The body of the request could not be read.")) from None
    if request.method not in ("GET", "POST"):
        raise ApiError(Code.UNSUPPORTED_PROTOCOL, _("Send the request by POST or GET."))
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise ApiError(Code.UNSUPPORTED_PROTOCOL, _("Send the request over HTTPS."))

    def header(name: str) -> str:
        return raw if name == "host" else str(request.headers.get(name, ""))

    return Sent(request.method, request.path, request.META.get("QUERY_STRING", ""), header, body)


def _action(request: HttpRequest) -> str:
    """Return the name of an official action. Raise ApiError."""
    if "X-TC-Action" not in request.headers and _is_of_old(request):
        sentence = _("Signatures of this kind are not supported. Use %(algorithm)s.")
        raise ApiError(Code.INVALID_AUTHORIZATION, sentence, algorithm=signing.ALGORITHM)
    name = _required(request, "X-TC-Action")
    if name not in ACTIONS:
        raise ApiError(Code.INVALID_ACTION, _("There is no such action."))
    if _required(request, "X-TC-Version") != VERSION:
        raise ApiError(Code.NO_SUCH_VERSION, _("The version of the API is %(version)s."), version=VERSION)
    return name


def _required(request: HttpRequest, name: str) -> str:
    if value := request.headers.get(name, ""):
        return str(value)
    raise ApiError(Code.MISSING_PARAMETER, _("The header %(name)s is missing."), name=name)


def _sign_in(request: HttpRequest, sent: Sent) -> tuple[str, datetime, AccessKey]:
    """Return the signature, until when it is good, and the key that made it. Raise ApiError."""
    timestamp = _required(request, "X-TC-Timestamp")
    try:
        authorization = Authorization.parse(_required(request, "Authorization"))
    except Malformed:
        sentence = _("The Authorization header is not one of %(algorithm)s that signs content-type and host.")
        raise ApiError(Code.INVALID_AUTHORIZATION, sentence, algorithm=signing.ALGORITHM) from None
    signed_at = _in_time(timestamp, authorization)
    if request.headers.get("X-TC-Token"):
        raise ApiError(Code.TOKEN_FAILURE, _("There are no temporary credentials here: leave X-TC-Token out."))
    key = AccessKey.objects.live().select_related("user").filter(secret_id=authorization.secret_id).first()
    if key is None or not key.user.is_active:
        raise ApiError(Code.SECRET_ID_NOT_FOUND, _("There is no such SecretId, or it was revoked."))
    if not signing.is_signed(sent, authorization, timestamp, _secret_of(key)):
        raise ApiError(Code.SIGNATURE_FAILURE, _("The signature does not fit the request: is it the right SecretKey?"))
    key.note_use(get_client_ip_address(request))
    expires_at = datetime.fromtimestamp(signed_at + signing.SKEW_SECONDS + 1, UTC)
    return authorization.signature, expires_at, key


def _in_time(timestamp: str, authorization: Authorization) -> int:
    """Return when the request was signed. Raise ApiError if that is too long ago, or yet to come."""
    if not re.fullmatch(r"[0-9]{1,11}", timestamp):
        raise ApiError(Code.INVALID_PARAMETER, _("X-TC-Timestamp must be a time in seconds."))
    if abs(int(timestamp) - clock.now().timestamp()) > signing.SKEW_SECONDS:
        sentence = _("The request was signed more than %(seconds)s s ago or ahead of our time: check the clock.")
        raise ApiError(Code.SIGNATURE_EXPIRE, sentence, seconds=signing.SKEW_SECONDS)
    if not signing.is_of_its_day(authorization, int(timestamp)):
        raise ApiError(Code.SIGNATURE_FAILURE, _("The date of the credential is not that of X-TC-Timestamp in UTC."))
    return int(timestamp)


def _secret_of(key: AccessKey) -> str:
    try:
        return unseal(key.sealed_secret)
    except Unreadable:
        sentence = _("The console can't read this key any more, as its own secret key was changed. Make a new one.")
        raise ApiError(Code.SECRET_ID_NOT_FOUND, sentence) from None


def limit_of(action: Call | None) -> int:
    """Return how often a user may call an action per second. The setting raises and lowers all limits together."""
    relative = (action and action.per_second) or USUAL_PER_SECOND
    return int(settings.API_REQUESTS_PER_SECOND * relative // USUAL_PER_SECOND)


def _count(user_id: int, name: str, action: Call | None) -> None:
    """Raise ApiError if the user has called this action too often within a second."""
    most = limit_of(action)
    if CallCount.count(user_id, name) > most:
        sentence = _("At most %(most)s requests of this kind per second.")
        raise ApiError(Code.REQUEST_LIMIT_EXCEEDED, sentence, most=most)


def _done(action: Call, caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Let the action do it; how acts say no becomes an official code here."""
    try:
        return action.act(caller, asked)
    except NameTaken as no:
        raise ApiError(action.taken, no.message) from no
    except Refusal as no:
        raise ApiError(action.refused, no.message) from no
    except PermissionDenied:
        raise ApiError(Code.UNAUTHORIZED_OPERATION, _("Your role does not allow this.")) from None
    except Http404:
        raise ApiError(Code.RESOURCE_NOT_FOUND, _("There is no such thing, or you may not see it.")) from None
