"""A setting that can't be understood is told in a sentence, whatever is started, and nothing is assumed in its place."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

NUMBER = "OCEANUS_TRUSTED_PROXIES must be a whole number, not {!r}.\n"
TRUTH = "OCEANUS_HTTPS must be true or false, not {!r}.\n"
ZONE = "OCEANUS_TIME_ZONE must be the name of a time zone, such as Asia/Shanghai, not {!r}.\n"


def start(*command: str, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=settings.BASE_DIR, env=os.environ | values, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        *(("OCEANUS_TRUSTED_PROXIES", value, NUMBER) for value in ("two", "", "1.5")),
        *(("OCEANUS_HTTPS", value, TRUTH) for value in ("maybe", "2x", "ture")),
        *(("OCEANUS_TIME_ZONE", value, ZONE) for value in ("Mars/Olympus", "", "../etc", "/etc/passwd", "Asia")),
    ],
)
def test_what_can_not_be_understood_is_told(name: str, value: str, sentence: str) -> None:
    told = start("manage.py", "check", **{name: value})
    assert (told.returncode, told.stdout, told.stderr) == (1, "", sentence.format(value))


@pytest.mark.parametrize("command", ["oceanus_console.up", "oceanus_console.wsgi", "oceanus_console.celery"])
def test_it_is_told_whatever_is_started(command: str) -> None:
    told = start("-c", f"import {command}; from django.conf import settings; settings.HTTPS", OCEANUS_HTTPS="maybe")
    assert (told.returncode, told.stderr) == (1, TRUTH.format("maybe"))


@pytest.mark.parametrize(
    ("value", "means"), [("true", True), ("1", True), ("off", False), ("False", False), ("", False)]
)
def test_what_is_understood_counts(value: str, means: bool) -> None:
    code = "from oceanus_console import settings; print(settings.HTTPS, settings.TIME_ZONE)"
    told = start("-c", code, OCEANUS_HTTPS=value, OCEANUS_TIME_ZONE="Asia/Shanghai")
    assert told.stdout.split() == [str(means), "Asia/Shanghai"], told.stderr
