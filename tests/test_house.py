"""The house is kept: what every newcomer may rely on."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from clusters.engine import JobState
from jobs.states import TABLE, Action, RunEnd, Status, status_after

ROOT = Path(settings.BASE_DIR)
APPS = ["workspaces", "clusters", "jobs", "api", "oceanus_console"]
# A file may import from its own app and from those before it.
SOURCES = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]


@pytest.mark.django_db
def test_migrations_are_complete() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_imports_point_one_way() -> None:
    for path in SOURCES:
        app = path.relative_to(ROOT).parts[0]
        if app == "oceanus_console":
            continue
        for module in imported(path):
            other = module.split(".")[0]
            # Tasks say that their worker is there; nothing else of the project is known below.
            if other in APPS and module != "oceanus_console.heartbeat":
                assert APPS.index(other) <= APPS.index(app), f"{path.name} imports {module}"


def test_states_and_engine_know_little() -> None:
    assert not [
        one for one in imported(ROOT / "clusters" / "engine.py") if one.startswith(("django", "clusters", "jobs"))
    ]
    assert not [
        one for one in imported(ROOT / "clusters" / "flink.py") if one.startswith(("django", "jobs", "clusters.models"))
    ]
    assert not [
        one for one in imported(ROOT / "jobs" / "states.py") if one.startswith(("jobs", "clusters", "workspaces"))
    ]


def imported(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def test_files_are_short_and_named_for_what_they_are_about() -> None:
    drawers = {
        "utils",
        "helpers",
        "common",
        "core",
        "services",
        "selectors",
        "managers",
        "constants",
        "exceptions",
        "signals",
    }
    for path in SOURCES:
        assert path.stem not in drawers, path
        if "migrations" not in path.parts and path.name != "known_errors.py":  # data
            assert len(path.read_text().splitlines()) <= 300, path


def test_every_act_has_a_rule_and_every_status_a_way_out() -> None:
    assert set(TABLE) == set(Action)
    for status in Status:
        assert any(
            status in TABLE[act].starts_from
            for act in (Action.RUN, Action.STOP, Action.PUBLISH, Action.CANCEL, Action.SAVE)
        )


def test_every_end_of_a_run_leads_to_a_status() -> None:
    assert {status_after(end) for end in RunEnd} == {Status.STOPPED, Status.PAUSED, Status.FAILED}


def test_every_state_of_flink_is_known() -> None:
    # org.apache.flink.api.common.JobStatus
    assert {str(one) for one in JobState} == {
        "INITIALIZING", "CREATED", "RUNNING", "FAILING", "FAILED", "CANCELLING", "CANCELED", "FINISHED", "RESTARTING",
        "SUSPENDED", "RECONCILING",
    }  # fmt: skip


def test_no_import_hides_in_a_function() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                inner = [one for one in ast.walk(node) if isinstance(one, (ast.Import, ast.ImportFrom))]
                assert not inner, f"{path}: {node.name}"


def test_templates_have_no_inline_script_or_style() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text()
        inline = r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son(click|load|change|submit|input|key\w+|focus|blur|error|mouse\w+)=|javascript:"
        assert not re.search(inline, text), path


def test_the_environment_is_in_the_readme() -> None:
    used = set(re.findall(r'env\.\w+\(\s*"(\w+)"', (ROOT / "oceanus_console" / "settings.py").read_text()))
    readme = (ROOT / "README.md").read_text()
    assert not [name for name in sorted(used) if f"`{name}`" not in readme]


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_the_requirements_are_those_of_the_lock(name: str) -> None:
    lock = {one["name"]: one for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)(?:\[[\w,]+\])?==([^\s;]+)", text, re.MULTILINE))
    assert {package: lock[package]["version"] for package in pinned} == pinned
    wanted = lock["oceanus-console"]["dependencies"] + lock["oceanus-console"]["optional-dependencies"]["embedded"]
    if name == "dev":
        wanted += lock["oceanus-console"]["dev-dependencies"]["dev"]
    assert {one["name"] for one in wanted} <= set(pinned)


def test_no_host_but_the_public_registry_is_named() -> None:
    hosts = set(re.findall(r'https?://([^/"]+)', (ROOT / "uv.lock").read_text()))
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}
    for path in [*(ROOT / "requirements").glob("*.txt"), ROOT / "pyproject.toml"]:
        assert not re.search(r"index-url|find-links|file://|\[\[tool\.uv\.index", path.read_text()), path
