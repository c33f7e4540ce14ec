"""What is left of a set-up that was stopped is not trusted, and what it had done is not done again."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "oceanus"
# As it is while pip is being unpacked: there, but of no use.
HALF_A_VENV = """#!/bin/sh
"{python}" -m venv --without-pip "$3"
for site in "$3"/lib/python*/site-packages; do mkdir "$site/pip"; touch "$site/pip/__init__.py"; done
exit 1
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Any]:
    """The script in a checkout of its own, while nobody else sets it up."""
    loader = SourceFileLoader("a_copy_of_oceanus", str(shutil.copy(SCRIPT, tmp_path)))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    script = module_from_spec(spec)
    loader.exec_module(script)
    with script.only_one():
        yield script


def wheel(place: Path, name: str) -> str:
    """Make a package of a module and a file; return the line that asks for it."""
    files = {
        f"{name}/__init__.py": "",
        f"{name}/data.txt": "whole",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,{len(text)}\n" for path, text in files.items()) + f"{name}-1.0.dist-info/RECORD,,\n"
    path = place / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**files, f"{name}-1.0.dist-info/RECORD": record}.items():
            archive.writestr(member, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def make_environment(script: Any) -> None:
    script.step("Environment", ["a Python"], [script.PYTHON], script.make_environment)


def test_what_pip_left_half_unpacked_is_installed_again_and_nothing_else(script: Any, tmp_path: Path) -> None:
    names = ("whole", "cut_off", "not_yet_recorded", "gone_in_part")
    wanted = tmp_path / "wanted.txt"
    wanted.write_text(f"--no-index\n--find-links {tmp_path}\n" + "".join(wheel(tmp_path, name) for name in names))
    make_environment(script)
    install = script.install_packages(wanted)
    script.step("Python packages", [wanted], [], install)
    (site,) = script.VENV.glob("lib/python*/site-packages")
    before = (site / "whole" / "data.txt").stat()

    (site / "cut_off" / "data.txt").write_text("wh")
    about = site / "not_yet_recorded-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "not_yet_recorded-1.0-py3-none-any.whl") as archive:
        archive.extract(f"{about.name}/RECORD", site)  # as it is before pip writes its own
    (about / "INSTALLER").unlink()
    (site / "not_yet_recorded" / "data.txt").unlink()
    (site / "gone_in_part" / "data.txt").unlink()
    (site / "~old").mkdir()
    script.HALF_INSTALLED.touch()

    (script.STAMPS / "python-packages").unlink()
    script.step("Python packages", [wanted], [], install)
    assert [(site / name / "data.txt").read_text() for name in names] == ["whole"] * 4
    after = (site / "whole" / "data.txt").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (site / "~old").exists()
    assert not script.HALF_INSTALLED.exists()


def test_an_environment_that_was_left_half_made_is_made_anew(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = tmp_path / "python"
    stopped.write_text(HALF_A_VENV.format(python=sys.executable))
    stopped.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(stopped))
        with pytest.raises(script.SetupFailed):
            make_environment(script)
    assert subprocess.run([script.PYTHON, "-c", "import pip"]).returncode == 0  # it looks as if it were there
    make_environment(script)
    assert subprocess.run([script.PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0
    # One that is whole, but was not made by this script, is taken as it is.
    (script.STAMPS / "environment").unlink()
    before = script.PYTHON.lstat()
    make_environment(script)
    assert script.PYTHON.lstat().st_ino == before.st_ino
