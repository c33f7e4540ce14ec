"""The tree of a workspace's folders: what is below what, how it is indented, and how many jobs each holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.models import Folder
from workspaces.kept import key_of
from workspaces.models import Workspace

# So many levels of folders may be below each other.
DEEPEST = 10


@dataclass(slots=True, eq=False)
class Branch:
    """One folder in its place. `count`: its jobs and those of all folders below."""

    pk: int
    serial: str
    name: str
    parent: Branch | None = None
    children: list[Branch] = field(default_factory=list)
    count: int = 0
    is_open: bool = False

    @property
    def path(self) -> list[Branch]:
        """The folders from the root down to this one."""
        path = [self]
        while above := path[-1].parent:
            path.append(above)
        return path[::-1]

    @property
    def below(self) -> list[Branch]:
        """This folder and all below it, in the order of the tree."""
        found, left = [], [self]
        while left:
            one = left.pop()
            found.append(one)
            left += reversed(one.children)
        return found

    @property
    def height(self) -> int:
        """How many levels there are from this folder down, its own counted."""
        return max(len(one.path) for one in self.below) - len(self.path) + 1

    def listed(self, level: int) -> list[Branch]:
        """Return the folders to show below this one, which is shown on `level`: on the last, all that are deeper in one list."""
        if level < DEEPEST:
            return self.children
        return self.below[1:] if level == DEEPEST else []

    def told(self, level: int = 1) -> dict[str, Any]:
        """Return what the page shows of it, plain."""
        return {
            "serial": self.serial,
            "name": self.name,
            "count": self.count,
            "is_open": self.is_open,
            "children": [one.told(level + 1) for one in self.listed(level)],
        }


class Tree:
    """All folders of a workspace. `rows`: id, serial, name, parent, in the order of names; `jobs_in`: folder id -> jobs.

    Should folders be below each other in a ring, one of them is shown at the root, from where it can be moved.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], jobs_in: Mapping[int | None, int], current: str = "") -> None:
        rows = list(rows)
        found = {row["id"]: Branch(row["id"], row["serial"], row["name"]) for row in rows}
        for row in rows:
            branch, parent = found[row["id"]], found.get(row["parent"])
            if parent and parent.path[0] is not branch:
                branch.parent = parent
                parent.children.append(branch)
        self._found = found
        self.branches = [branch for branch in found.values() if branch.parent is None]
        for pk, branch in found.items():
            for one in branch.path:
                one.count += jobs_in.get(pk, 0)
        self.count = sum(jobs_in.values())
        self.current = next((one for one in found.values() if one.serial == current), None)
        if self.current:
            for one in self.current.path:
                one.is_open = True

    def __iter__(self) -> Iterator[Branch]:
        return (one for top in self.branches for one in top.below)

    def find(self, pk: int) -> Branch | None:
        """Return the folder with this id."""
        return self._found.get(pk)

    @property
    def path(self) -> list[dict[str, str]]:
        """The folders from the root down to the current one, plain."""
        return [{"serial": one.serial, "name": one.name} for one in self.current.path] if self.current else []

    def told(self) -> list[dict[str, Any]]:
        """Return what the page shows of the folders, plain."""
        return [one.told() for one in self.branches]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """The serial of each folder with the number of its jobs."""
        return [(one.serial, one.count) for one in self]

    @property
    def mark(self) -> str:
        """What stands for all counts: a page that was told it is not told them again."""
        return key_of(self.count, self.counts)

    def chosen(self) -> list[int] | None:
        """Return the ids of the current folder and of all below it; None at the root."""
        return [one.pk for one in self.current.below] if self.current else None


def tree_of(workspace: Workspace) -> Tree:
    """Return the tree without counts, for choosing a folder."""
    return Tree(Folder.objects.filter(workspace=workspace).values("id", "serial", "name", "parent"), {})


def indented(tree: Tree) -> list[tuple[str, str]]:
    """Return serial and name of each folder, deeper ones moved in, for a select."""
    return [(one.serial, "\u2003" * len(one.path) + one.name) for one in tree]
