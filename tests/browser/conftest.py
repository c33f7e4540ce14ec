"""A real Chromium for the tests in here: the system's own, so nothing is downloaded."""

import os
import shutil
from typing import Any

import pytest

# Playwright's synchronous API leaves an event loop in this thread, which Django would otherwise refuse to work beside.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if not chromium:
        pytest.fail("The browser tests need Chromium. On Debian and Ubuntu: apt-get install chromium")
    return browser_type_launch_args | {"executable_path": chromium, "args": ARGS}
