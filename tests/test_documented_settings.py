"""The tables in both READMEs: settings are what the code reads from the environment, with each plain default, and dependencies what is installed."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
READMES = ["README.md", "README.zh-CN.md"]
NAME = re.compile(r"\bOCEANUS_[A-Z][A-Z_]*[A-Z]\b")
# What may name a setting: code, pages, the launcher, documents.
PLACES = ["*.md", "docs/*.md", "oceanus", *(f"{app}/**/*.py" for app in
          ("oceanus_console", "workspaces", "clusters", "jobs", "api", "sample", "trials", "benchmarks")),
          "templates/**/*.html"]  # fmt: skip


def read_by_the_settings() -> dict[str, ast.expr]:
    """Return name -> default, of each `env.<type>("NAME", default=...)`."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / "oceanus_console" / "settings.py").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env."):
            assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
            for keyword in node.keywords:
                if keyword.arg == "default":
                    found[str(node.args[0].value)] = keyword.value
    return found


def plain(default: ast.expr) -> str | None:
    """Return a default as the tables write it; None where it takes words to say it."""
    match default:
        case ast.Constant(value=bool() as value):
            return str(value).lower()
        case ast.Constant(value=value):
            return str(value)
        case ast.List(elts=[]):
            return ""
    return None


def table(readme: str) -> list[tuple[str, str]]:
    """Return the rows of the table as (name, default); a row may tell of several."""
    rows = []
    for line in (ROOT / readme).read_text().splitlines():
        names = re.findall(r"`([A-Z_]+)`", line.split("|")[1]) if line.startswith("| `") else []
        if names:
            defaults = re.split(r", |、", line.split("|")[2].strip())
            rows += zip(names, defaults if len(defaults) == len(names) else defaults * len(names), strict=True)
    return rows


@pytest.mark.parametrize("readme", READMES)
def test_the_table_names_what_is_read_and_nothing_else(readme: str) -> None:
    names = [name for name, _default in table(readme)]
    assert sorted(names) == sorted(read_by_the_settings())


@pytest.mark.parametrize("readme", READMES)
def test_the_table_tells_the_defaults(readme: str) -> None:
    told = dict(table(readme))
    read = {name: plain(default) for name, default in read_by_the_settings().items()}
    # Where the databases are is said in words: without the variable, they are the embedded ones.
    read |= {"DATABASE_URL": None, "CELERY_BROKER_URL": None}
    assert {name: told[name] for name, default in read.items() if default is not None} == {
        name: default for name, default in read.items() if default is not None
    }
    assert all(told[name] for name, default in read.items() if default is None)


def test_both_tables_have_the_same_order() -> None:
    assert len({tuple(name for name, _default in table(readme)) for readme in READMES}) == 1


def named() -> Iterator[tuple[str, str]]:
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            for name in NAME.findall(path.read_text()):
                yield str(path.relative_to(ROOT)), name


def test_whatever_names_a_setting_names_one_that_there_is() -> None:
    known = read_by_the_settings()
    assert not [(where, name) for where, name in named() if name not in known]


def test_nobody_else_reads_a_setting_that_the_settings_do_not() -> None:
    """`up` looks at some before Django is there; all of them are in the table as well."""
    reading = re.compile(r"""os\.environ(?:\.get\(|\.pop\(|\[)["']([A-Z_]+)["']""")
    known = read_by_the_settings()
    apart = {"HOME", "PATH", "LC_ALL", "DJANGO_SETTINGS_MODULE"}
    found = {
        (path.name, name)
        for pattern in PLACES
        for path in ROOT.glob(pattern)
        for name in reading.findall(path.read_text())
    }
    assert ("up.py", "DATABASE_URL") in found
    assert not {(where, name) for where, name in found if name not in known and name not in apart}


@pytest.mark.parametrize("readme", READMES)
def test_the_table_of_dependencies_names_each_and_nothing_else(readme: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["embedded"],
        *project["dependency-groups"]["dev"],
        *(line for path in (ROOT / "requirements").glob("[fs]*.txt") for line in path.read_text().splitlines()[:1]),
    ]
    _before, head, rows = (ROOT / readme).read_text().partition("| django 5.2 |")
    told = re.findall(r"^\| ([^|]+) \|", head + rows, re.MULTILINE)
    told = ", ".join(told).replace("django 5.2", "django").split(", ")
    assert sorted(told) == sorted({re.split(r"[\[<>=]", one)[0] for one in wanted})
