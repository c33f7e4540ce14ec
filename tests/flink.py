"""A pytest plugin: the real Flinks of the tests, started when the first test asks for them."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.local import LocalFlink
from oceanus_console import embedded
from oceanus_console.child import Log
from oceanus_console.home import Home
from oceanus_console.supervisor import running

SECOND_VERSION = "1.20.5"  # ./oceanus test installs it


@pytest.fixture(scope="session")
def flink() -> Iterator[LocalFlink]:
    """Run a Flink without high availability (it starts sooner): `.url` is its JobManager, `.home` where it may write."""
    home = Path(os.environ["OCEANUS_HOME"])
    port = Home(home).ports("flink")["flink"]
    cluster = LocalFlink(
        home=home / "flink",
        distribution=embedded.flink_distribution(),
        java=embedded.java(),
        rest_port=port,
    )
    output = io.StringIO()
    with running(embedded.flink_children(cluster), Log(output)):
        yield cluster


@pytest.fixture(scope="module")
def second_flink() -> Iterator[LocalFlink]:
    """Run a Flink of another version as `up` would; it ends with the module that asked for it, to leave room for others."""
    home = Home(Path(os.environ["OCEANUS_HOME"]))
    home.choose_flink(SECOND_VERSION, True)
    try:
        cluster = embedded.further_flinks(home)[SECOND_VERSION]
    except embedded.NotInstalled as error:
        pytest.skip(str(error))
    with running(embedded.flink_children(cluster, f"-{SECOND_VERSION}"), Log(io.StringIO())):
        yield cluster
