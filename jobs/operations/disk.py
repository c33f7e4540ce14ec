"""What can be seen of snapshots and checkpoints on the file systems of this machine, without asking Flink."""

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


def is_folder(uri: str) -> bool:
    """Tell whether a folder is there, and ours to see."""
    path = local_path(uri)
    return path is not None and path.is_dir()


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
    path = local_path(directory)
    if path is None or not path.is_dir():
        return ""
    return next((f"file:{one.parent}" for one in sorted(path.glob("savepoint-*/_metadata"))), "")


def newest_checkpoint(directory: str) -> Found | None:
    """Return the newest complete checkpoint of the Flink job whose checkpoints lie in `directory`."""
    path = local_path(directory)
    if path is None or not path.is_dir():
        return None
    numbered = {
        int(one.name.removeprefix("chk-")): one
        for one in path.glob("chk-*")
        if one.name.removeprefix("chk-").isdecimal()
    }
    for number in sorted(numbered, reverse=True):
        if found := found_at(f"file:{numbered[number]}"):
            return found
    return None


def size_on_disk(location: str) -> int | None:
    """Return the bytes of a savepoint; None when its file system is not ours to see."""
    path = local_path(location)
    if path is None or not path.is_dir():
        return None
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
