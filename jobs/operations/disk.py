"""What can be seen of snapshots and checkpoints on the file systems of this machine, without asking Flink.

A folder that we may not enter, or that fails us, tells no more than one on another machine: nothing in here raises an OSError.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Found:
    """A complete savepoint or checkpoint on disk: it has its `_metadata`, which Flink writes last."""

    location: str
    written_at: datetime


def local_path(uri: str) -> Path | None:
    """Return where a file URI points to here; None for every other file system."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def is_to_be_seen(root: str) -> bool:
    """Tell whether what we don't find below `root` is surely not there; an empty `root` may be a mount that is away."""
    path = local_path(root)
    try:
        return path is not None and path.is_dir() and any(path.iterdir())
    except OSError:
        return False


def is_open(uri: str) -> bool:
    """Tell whether a folder is there, and what lies in it ours to see."""
    path = local_path(uri)
    try:
        return path is not None and not any(_is_closed(one) for one in path.iterdir())
    except OSError:
        return False


def is_closed(location: str) -> bool:
    """Tell whether something may lie there that is not ours to see: Flink, as another user, may have written it for itself."""
    path = local_path(location)
    return path is not None and _is_closed(path)


def _is_closed(path: Path) -> bool:
    try:
        (path / "_metadata").stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return False


def found_at(location: str) -> Found | None:
    """Return what lies at `location` if it is complete."""
    path = local_path(location)
    try:
        status = (path / "_metadata").stat() if path else None
    except OSError:
        return None
    if status is None or not status.st_size:
        return None
    return Found(location, datetime.fromtimestamp(status.st_mtime, UTC))


def find_on_disk(directory: str) -> str:
    """Return the URI of the complete savepoint below `directory`, when we can see that file system, else ""."""
    named = sorted(one for one in _within(local_path(directory)) if one.name.startswith("savepoint-"))
    return next((f"file:{one}" for one in named if os.path.exists(one / "_metadata")), "")


def newest_checkpoint(directory: str) -> Found | None:
    """Return the newest complete checkpoint of the Flink job whose checkpoints lie in `directory`."""
    named = (one for one in _within(local_path(directory)) if one.name.startswith("chk-"))
    numbered = {int(one.name[4:]): one for one in named if one.name[4:].isdecimal()}
    for number in sorted(numbered, reverse=True):
        if found := found_at(f"file:{numbered[number]}"):
            return found
    return None


def size_on_disk(location: str) -> int | None:
    """Return the bytes of a savepoint; None when its file system is not ours to see."""
    path = local_path(location)
    try:
        if path is None or not path.is_dir():
            return None
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) or None
    except OSError:
        return None


def _within(path: Path | None) -> Iterator[Path]:
    try:
        yield from path.iterdir() if path else ()
    except OSError:
        return
