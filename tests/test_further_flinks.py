"""`./oceanus flink`: which further versions of Flink a console runs, and what becomes of their clusters."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from clusters.models import Cluster
from oceanus_console import embedded
from oceanus_console.home import Home
from workspaces.models import Workspace


@pytest.fixture
def home(tmp_path: Path, settings: Any) -> Home:
    settings.HOME = tmp_path / "home"
    return Home(settings.HOME)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have 1.20.5 installed, as far as anybody looks before it is started."""
    (tmp_path / "flink" / "1.20.5" / "pyflink").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))


def flink(*words: str) -> str:
    output = StringIO()
    call_command("flink", *words, stdout=output)
    return output.getvalue()


def test_a_version_is_added_listed_and_removed(home: Home, installed: None) -> None:
    assert "the cluster flink-1.20.5" in (said := flink("add", "1.20.5"))
    assert "Ctrl-C" in said
    assert home.flink_versions() == {"1.20.5": True}
    assert flink("list").splitlines() == [
        "2.2.1    the default, always runs",
        "1.20.5   runs with the console",
        "2.3.0    can be added",
    ]
    assert "added before" in flink("add", "1.20.5")
    assert "come back" in flink("remove", "1.20.5")
    assert home.flink_versions() == {"1.20.5": False}
    assert "1.20.5   can be added" in flink("list")


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["add"], "Which version"),
        (["remove"], "Which version"),
        (["add", "9.9.9"], "Those that can: 1.20.5, 2.3.0"),
        (["add", "../runtime"], "can't be added"),
        (["add", "2.3.0"], "not installed"),
        (["add", "2.2.1"], "is the default"),
        (["remove", "2.2.1"], "is the default"),
        (["remove", "1.20.5"], "not among those"),
        (["list", "1.20.5"], "takes no version"),
        (["install", "1.20.5"], "invalid choice"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Home, installed: None, words: list[str], refusal: str) -> None:
    with pytest.raises(CommandError, match=refusal):
        flink(*words)
    assert home.flink_versions() == {}


@pytest.mark.parametrize(
    ("words", "refusal"), [(["flink", "install"], "invalid choice"), (["flink", "add", "1", "2"], "unknown: 2")]
)
def test_the_command_line_refuses_before_it_installs_anything(words: list[str], refusal: str, tmp_path: Path) -> None:
    ours = os.environ | {"OCEANUS_HOME": str(tmp_path)}
    result = subprocess.run([settings.BASE_DIR / "oceanus", *words], env=ours, capture_output=True, text=True)
    assert (result.returncode, refusal in result.stderr) == (2, True)


def test_each_further_version_is_a_small_cluster_of_its_own(home: Home, installed: None) -> None:
    flink("add", "1.20.5")
    (found,) = embedded.further_flinks(home).values()
    assert (found.home, found.slots) == (home.path / "flink-1.20.5", embedded.FURTHER_SLOTS)
    assert found == embedded.further_flinks(home)["1.20.5"]  # the same ports again
    assert len({found.rest_port, found.zookeeper_port, *home.ports("flink", "zookeeper").values()}) == 4
    children = embedded.flink_children(found, "-1.20.5")
    assert [child.name for child in children] == ["zookeeper-1.20.5", "jobmanager-1.20.5", "taskmanager-1.20.5"]
    assert [list(child.needs) for child in children] == [[], ["zookeeper-1.20.5"], ["zookeeper-1.20.5"]]
    flink("remove", "1.20.5")
    assert embedded.further_flinks(home) == {}


def load_sample(home: Home, *words: str) -> None:
    home.path.mkdir(exist_ok=True)
    credentials, _users = home.credentials("http://console")
    call_command("load_sample", "--flink-url", "http://flink", "--credentials", str(credentials), *words)


@pytest.mark.django_db
def test_a_further_version_becomes_a_cluster_that_the_sample_workspace_may_use(home: Home) -> None:
    load_sample(home, "--extra-flink=1.20.5=http://one", "--extra-flink=2.3.0=http://two")
    for version, url in (("1.20.5", "http://one"), ("2.3.0", "http://two")):
        cluster = Cluster.objects.get(name=f"flink-{version}")
        endpoint = cluster.endpoints.get()
        assert (endpoint.flink_version, endpoint.rest_url, endpoint.is_default) == (version, url, True)
        assert list(cluster.workspaces.all()) == [Workspace.objects.get()]
    load_sample(home, "--extra-flink=1.20.5=http://elsewhere")
    assert Cluster.objects.get(name="flink-1.20.5").endpoints.get().rest_url == "http://elsewhere"
    # /healthz looks at this one.
    assert Cluster.objects.get(is_embedded=True).endpoints.get().rest_url == "http://flink"


@pytest.mark.django_db
def test_the_cluster_of_a_removed_version_is_under_maintenance_until_it_is_added_again(home: Home) -> None:
    load_sample(home, "--extra-flink=1.20.5=http://one")
    load_sample(home, "--removed-flink=1.20.5")
    cluster = Cluster.objects.get(name="flink-1.20.5")
    assert cluster.is_under_maintenance
    assert "./oceanus flink add" in cluster.maintenance_reason
    load_sample(home, "--extra-flink=1.20.5=http://one")
    cluster.refresh_from_db()
    assert (cluster.is_under_maintenance, cluster.maintenance_reason) == (False, "")


@pytest.mark.django_db
def test_a_maintenance_that_an_administrator_began_stays(home: Home) -> None:
    load_sample(home, "--extra-flink=1.20.5=http://one")
    Cluster.objects.filter(name="flink-1.20.5").update(is_under_maintenance=True, maintenance_reason="disks")
    for words in ("--removed-flink=1.20.5", "--extra-flink=1.20.5=http://one"):
        load_sample(home, words)
        cluster = Cluster.objects.get(name="flink-1.20.5")
        assert (cluster.is_under_maintenance, cluster.maintenance_reason) == (True, "disks")


def test_the_choice_is_kept_where_oceanus_looks_for_it(home: Home) -> None:
    home.choose_flink("1.20.5", True)
    home.choose_flink("2.3.0", False)
    assert json.loads((home.path / "flink-versions.json").read_text()) == {"1.20.5": True, "2.3.0": False}
