"""People at the console's pages: a session of their own, and what came of each click."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import urllib3


@dataclass
class Click:
    """One form that a person sent. `status` 0: no answer came. `target`: where the answer led; `key`: of a batch."""

    by: str
    action: str
    job: str
    sent_at: datetime
    answered_at: datetime | None = None
    status: int = 0
    target: str = ""
    key: str = ""
    error: str = ""
    page: str = ""

    @property
    def has_succeeded(self) -> bool:
        return self.status == 302

    def __str__(self) -> str:
        took = f"{(self.answered_at - self.sent_at).total_seconds():.2f} s" if self.answered_at else "-"
        what = self.status or self.error or "?"
        return f"{self.sent_at:%H:%M:%S.%f}  {self.by}: {self.action} {self.job} {self.key} -> {what} {self.target} ({took})"


class Person:
    """Somebody with a session. `post` may be called from several threads: people have several windows."""

    def __init__(self, name: str, password: str, url: str) -> None:
        self.name, self.password, self.url = name, password, url
        self.cookies: dict[str, str] = {}
        self.clicks: list[Click] = []
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(maxsize=8, retries=False, timeout=urllib3.Timeout(connect=3, read=15))

    def sign_in(self) -> None:
        self._keep_cookies(self._send("GET", "/login/"))
        fields = {"username": self.name, "password": self.password, "next": "/"}
        answer = self._send("POST", "/login/", fields)
        self._keep_cookies(answer)
        assert answer.status == 302, f"{self.name} was not let in: {answer.status}"

    def get(self, path: str) -> int:
        """Return the status of a page."""
        return self._send("GET", path).status

    def read(self, path: str) -> str:
        """Return the page that somebody sees who goes there; "" of a poll that has nothing new. Raise RuntimeError if there is none."""
        answer = self._send("GET", path)
        if answer.status in (301, 302):
            return self.read(answer.headers["Location"])
        if answer.status not in (200, 204):
            raise RuntimeError(f"{path} answers {answer.status}")
        return answer.data.decode()

    def click(self, action: str, job: str, path: str, fields: Mapping[str, str], key: str = "") -> Click:
        """Send a form; what came of it is kept, also that nothing did."""
        click = Click(self.name, action, job, datetime.now(UTC), key=key)
        with self._lock:
            self.clicks.append(click)
        try:
            answer = self._send("POST", path, fields)
        except urllib3.exceptions.HTTPError as error:
            click.error = type(error).__name__
        else:
            click.status, click.target = answer.status, answer.headers.get("Location", "")
            if answer.status >= 400:
                click.page = answer.data[:20_000].decode(errors="replace")
        click.answered_at = datetime.now(UTC)
        return click

    def _send(
        self, method: str, path: str, fields: Mapping[str, str] | None = None
    ) -> urllib3.response.BaseHTTPResponse:
        headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in self.cookies.items())}
        body = None
        if fields is not None:
            headers |= {"X-CSRFToken": self.cookies["csrftoken"], "Content-Type": "application/x-www-form-urlencoded"}
            body = urlencode(fields)
        return self._http.request(method, self.url + path, body=body, headers=headers, redirect=False)

    def _keep_cookies(self, answer: urllib3.response.BaseHTTPResponse) -> None:
        for line in answer.headers.getlist("Set-Cookie"):
            if found := re.match(r"(\w+)=([^;]*)", line):
                self.cookies[found[1]] = found[2]
