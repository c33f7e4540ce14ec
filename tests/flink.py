"""A pytest plugin: the real Flink of the tests, started when the first test asks for it."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.local import LocalFlink
from oceanus_console import embedded
from oceanus_console.home import Home
from oceanus_console.supervisor import Log, running


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
