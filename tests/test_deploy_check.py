"""Ready for production: the checks are clean when all is set, and what is set wrongly is refused with the setting's name."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from oceanus_console.this_machine import own_hosts
from oceanus_console.up import hosts_of

PRODUCTION = {
    "OCEANUS_HTTPS": "true",
    "OCEANUS_SECRET_KEY": "kept-apart-Zq8mV2x9LwR4tB7nC1yD6pF3sG5hJ0kQ-and-long-enough",
    "OCEANUS_ALLOWED_HOSTS": "console.example.com",
}


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("OCEANUS_", "DJANGO_"))}
    given = {"OCEANUS_HOME": os.environ["OCEANUS_HOME"], "DJANGO_SETTINGS_MODULE": "oceanus_console.settings"}
    return subprocess.run(
        [sys.executable, *words], env=ours | given | environment, cwd=settings.BASE_DIR, capture_output=True, text=True
    )


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    return run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION | environment)


def test_production_is_clean() -> None:
    result = check()
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_all_that_is_wrong_is_told() -> None:
    result = check(
        OCEANUS_SECRET_KEY=settings.DEFAULT_SECRET_KEY,
        OCEANUS_DEBUG="true",
        OCEANUS_ALLOWED_HOSTS="*",
        OCEANUS_LOGIN_FAILURES="0",
        OCEANUS_LOGIN_COOL_OFF_MINUTES="0",
        OCEANUS_TRUSTED_PROXIES="-1",
        OCEANUS_BATCH_PARALLEL_PER_ENDPOINT="0",
        OCEANUS_STARTING_SECONDS="-5",
        OCEANUS_LOG_LEVEL="loud",
    )
    assert result.returncode == 1
    for told in (
        "OCEANUS_SECRET_KEY is not set",
        "OCEANUS_DEBUG and OCEANUS_HTTPS exclude each other",
        "OCEANUS_ALLOWED_HOSTS lets in requests for any host",
        "OCEANUS_LOGIN_FAILURES must be at least 1",
        "OCEANUS_LOGIN_COOL_OFF_MINUTES must be at least 1",
        "OCEANUS_TRUSTED_PROXIES must not be negative",
        "OCEANUS_BATCH_PARALLEL_PER_ENDPOINT must be at least 1",
        "OCEANUS_STARTING_SECONDS must be at least 1",
        "OCEANUS_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
    ):
        assert told in result.stderr


def test_commands_tell_of_what_is_wrong_without_being_asked() -> None:
    result = run("manage.py", "check", **PRODUCTION | {"OCEANUS_DEBUG": "true"})
    assert result.returncode == 1
    assert "oceanus.E004" in result.stderr


def test_nothing_is_served_with_the_key_that_everybody_knows() -> None:
    result = run(
        "-c", "import oceanus_console.wsgi", **PRODUCTION | {"OCEANUS_SECRET_KEY": settings.DEFAULT_SECRET_KEY}
    )
    assert result.returncode == 1
    assert "Set OCEANUS_SECRET_KEY" in result.stderr
    assert run("-c", "import oceanus_console.wsgi", **PRODUCTION).returncode == 0


PROBE = """
import django
django.setup()
from django.test import Client
answer = Client().get("/login/", secure=True, headers={"Host": "console.example.com"})
print(answer.status_code, answer.headers.get("Strict-Transport-Security"), answer.cookies["csrftoken"]["secure"])
plain = Client().get("/login/", headers={"Host": "console.example.com"})
print(plain.status_code, plain.headers["Location"])
"""


def test_behind_https_cookies_are_secure_and_plain_http_is_sent_on() -> None:
    result = run("-c", PROBE, OCEANUS_PLAIN_STATIC_FILES="1", **PRODUCTION)
    assert result.stdout.splitlines() == ["200 max-age=31536000 True", "301 https://console.example.com/login/"], (
        result.stderr
    )


# --- by which names the console may be called ---


@pytest.mark.parametrize("path", ["/", "/login/", "/nowhere/"])
def test_a_foreign_name_is_refused_with_the_setting_that_allows_it(path: str, settings: Any, db: None) -> None:
    settings.ALLOWED_HOSTS = ["console.example.com"]
    answer = Client().get(path, headers={"Host": "evil.example:8000"})
    assert answer.status_code == 400
    assert "OCEANUS_ALLOWED_HOSTS" in answer.text
    assert "evil.example" in answer.text
    assert Client().get(path, headers={"Host": "console.example.com"}).status_code != 400


def test_the_page_shows_no_markup_of_the_sender(settings: Any, db: None) -> None:
    settings.ALLOWED_HOSTS = ["console.example.com"]
    answer = Client().get("/", headers={"Host": "<script>alert(1)</script>"})
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    ("listens_on", "told", "expected"),
    [
        ("127.0.0.1", None, []),
        ("10.1.2.3", None, ["10.1.2.3"]),
        ("fd00::5", None, ["[fd00::5]"]),
        ("0.0.0.0", None, own_hosts()),
        ("0.0.0.0", "console.example.com,console", ["console.example.com", "console"]),
    ],
)
def test_up_lets_in_what_it_was_told_or_this_machine(
    listens_on: str, told: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if told:
        monkeypatch.setenv("OCEANUS_ALLOWED_HOSTS", told)
    else:
        monkeypatch.delenv("OCEANUS_ALLOWED_HOSTS", raising=False)
    assert hosts_of(listens_on) == expected
    assert "*" not in expected


def test_this_machine_is_known_by_its_name_and_addresses() -> None:
    assert socket.gethostname().lower() in own_hosts()
    assert all(host and " " not in host and "%" not in host for host in own_hosts())


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({"DATABASE_URL": "postgres://console:opensesame@127.0.0.1:1/console"}, "127.0.0.1"),
        ({"DATABASE_URL": "", "OCEANUS_HOME": "/nowhere"}, "/nowhere/run/postgres"),
    ],
)
def test_a_command_without_a_database_says_so(environment: dict[str, str], where: str) -> None:
    result = run("manage.py", "verify_audit", **environment)
    assert result.returncode == 1
    assert result.stderr.startswith("No success with the database: ")
    assert where in result.stderr
    assert "opensesame" not in result.stderr
    assert ("./oceanus up" in result.stderr) == (not environment["DATABASE_URL"])
