"""The newest results of a job that writes files, for its page.

Only files below the directory of the job's own workspace are ever read: it is named by the workspace's ID, in the data directory. A script
may name any path, also one to which jobs of others write.
"""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from jobs.masking import mask
from jobs.models import Job, Version
from jobs.secrets import secret_values
from jobs.sql import ScriptError
from jobs.variables import Values, statements_of
from workspaces.models import Workspace

MAX_FILES, MAX_LINES, MAX_BYTES = 3, 20, 64_000


@dataclass(frozen=True, slots=True)
class Preview:
    path: str  # below the directory of the workspace
    written_at: datetime
    lines: list[str]


def newest_results(job: Job) -> list[Preview]:
    """Return the last lines of the newest files that the job's running (else latest) version has written."""
    version = job.current_run.version if job.current_run else job.versions.first()
    if version is None:
        return []
    newest = nlargest(MAX_FILES, (one for directory in sink_directories(version) for one in _finished(directory)))
    secrets = secret_values(version) if newest else ()
    found = (_preview(Path(path), directory_of(job.workspace), secrets) for _written_at, path in newest)
    return [one for one in found if one]


def directory_of(workspace: Workspace) -> Path:
    """Return where jobs of this workspace write what their pages are to show."""
    return settings.DATA_DIRECTORY.resolve() / workspace.serial


def sink_directories(version: Version) -> list[Path]:
    """Return the directories of the filesystem sinks, those below the directory of the workspace only."""
    try:
        statements = statements_of(version.sql, Values(version.job.workspace_id))
    except ScriptError:
        return []
    written = {name for one in statements if one.kind == "insert" for name in _target(one.text)}
    found, allowed = [], directory_of(version.job.workspace)
    for one in statements:
        table = re.match(
            r"CREATE\s+(?:TEMPORARY\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?`?(\w+)`?", one.text, re.IGNORECASE
        )
        path = re.search(r"'path'\s*=\s*'([^']+)'", one.text)
        if table and path and table.group(1).lower() in written and (directory := _allowed(path.group(1), allowed)):
            found.append(directory)
    return found


def _target(insert: str) -> list[str]:
    found = re.match(r"INSERT\s+(?:INTO|OVERWRITE)\s+`?(\w+)`?", insert, re.IGNORECASE)
    return [found.group(1).lower()] if found else []


def _allowed(uri: str, allowed: Path) -> Path | None:
    try:
        parts = urlsplit(uri)
        path = Path(unquote(parts.path)).resolve()
        return path if parts.scheme in ("", "file") and path.is_relative_to(allowed) and path.is_dir() else None
    except (ValueError, OSError):  # no address, no path, or one too long for a file system
        return None


def _finished(directory: str | Path) -> Iterator[tuple[float, str]]:
    """Yield when each file was written and its path. There may be very many; what is not ours to see is left out."""
    try:
        with os.scandir(directory) as entries:
            for one in entries:
                if one.is_dir(follow_symlinks=False):
                    yield from _finished(one.path)
                # Flink hides what is not committed yet behind a dot or an underscore.
                elif one.is_file(follow_symlinks=False) and one.name[0] not in "._":
                    yield one.stat(follow_symlinks=False).st_mtime, one.path
    except OSError:
        return


def _preview(path: Path, directory: Path, secrets: Collection[str]) -> Preview | None:
    """Return the last lines of a file; None when we may not read it, or somebody cleans up while we look."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_BYTES))
            lines = file.read(MAX_BYTES).decode(errors="replace").splitlines()
        written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
    below = str(path.relative_to(directory))
    return Preview(mask(below, secrets), written_at, [mask(line, secrets) for line in lines[-MAX_LINES:]])
