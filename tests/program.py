"""A program at the API's door: signs with the code of the official Python SDK, and sends through Django's test client."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.oceanus.v20190422.oceanus_client import OceanusClient

from api.keys import make_key

HOST = "testserver"


class Program:
    """Calls actions with a key of `user`; what it sends can be changed after it was signed."""

    def __init__(
        self,
        user: User,
        *,
        method: str = "POST",
        host: str = HOST,
        language: str = "en-US",
        region: str = "",
        **profile: Any,
    ) -> None:
        self.key, self.secret = make_key(user, "a script")
        http = HttpProfile(protocol="http", endpoint=host, reqMethod=method)
        self.profile = ClientProfile(httpProfile=http, language=language)
        for name, value in profile.items():
            setattr(self.profile, name, value)
        self.host, self.region = host, region

    def signed(self, action: str, params: dict[str, Any] | None = None, secret: str = "") -> RequestInternal:
        """Return the request that the SDK would send."""
        credential = Credential(self.key.secret_id, secret or self.secret)
        client = OceanusClient(credential, self.region, self.profile)
        request = RequestInternal(self.host, self.profile.httpProfile.reqMethod, "/", header={})
        client._build_req_inter(action, params or {}, request)
        return request

    def send(self, request: RequestInternal, path: str = "/", client: Client | None = None) -> Any:
        """Send it, and return the whole HTTP answer."""
        headers = {name: value for name, value in request.header.items() if name != "Host"}
        kind = headers.pop("Content-Type", "")
        more: dict[str, Any] = {"headers": headers, "HTTP_HOST": request.header.get("Host", self.host)}
        if request.method == "GET":
            more |= {"QUERY_STRING": request.data, "CONTENT_TYPE": kind}
            return (client or Client()).generic("GET", path, **more)
        return (client or Client()).generic(request.method, path, request.data, kind, **more)

    def call(self, action: str, params: dict[str, Any] | None = None, **instead: str) -> dict[str, Any]:
        """Return the `Response`, and see that it is one that clients can read. `instead` replaces headers: x_tc_action="..."."""
        request = self.signed(action, params)
        names = {name.lower().replace("-", "_"): name for name in request.header}
        request.header |= {names.get(name, name.replace("_", "-")): value for name, value in instead.items()}
        return response_of(self.send(request))

    def refused(self, action: str, params: dict[str, Any] | None = None, **instead: str) -> str:
        """Return the code of the error."""
        return str(self.call(action, params, **instead)["Error"]["Code"])


def response_of(answer: Any) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json"), answer.content[:300]
    assert not answer.cookies
    response: dict[str, Any] = json.loads(answer.content)["Response"]
    assert len(response["RequestId"]) == 36
    if "Error" in response:
        assert set(response) == {"Error", "RequestId"}
        assert response["Error"]["Code"]
        assert response["Error"]["Message"]
    return response


def code_of(answer: Any) -> str:
    return str(response_of(answer)["Error"]["Code"])
