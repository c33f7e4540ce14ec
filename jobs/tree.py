"""The tree of a workspace's folders: what is below what, how it is indented, and how many jobs each holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.models import Folder
from workspaces.models import Workspace


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
        return [*(self.parent.path if self.parent else []), self]

    @property
    def below(self) -> list[Branch]:
        """This folder and all below it, in the order of the tree."""
        return [self, *(one for child in self.children for one in child.below)]

    def told(self) -> dict[str, Any]:
        """Return what the page shows of it, plain."""
        below = [one.told() for one in self.children]
        return {
            "serial": self.serial,
            "name": self.name,
            "count": self.count,
            "is_open": self.is_open,
            "children": below,
        }


class Tree:
    """All folders of a workspace. `rows`: id, serial, name, parent, in the order of names; `jobs_in`: folder id -> jobs."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], jobs_in: Mapping[int | None, int], current: str = "") -> None:
        rows = list(rows)
        found = {row["id"]: Branch(row["id"], row["serial"], row["name"]) for row in rows}
        for row in rows:
            if row["parent"] in found:
                branch = found[row["id"]]
                branch.parent = found[row["parent"]]
                branch.parent.children.append(branch)
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

    def chosen(self) -> list[int] | None:
        """Return the ids of the current folder and of all below it; None at the root."""
        return [one.pk for one in self.current.below] if self.current else None


def tree_of(workspace: Workspace) -> Tree:
    """Return the tree without counts, for choosing a folder."""
    return Tree(Folder.objects.filter(workspace=workspace).values("id", "serial", "name", "parent"), {})


def indented(tree: Tree) -> list[tuple[str, str]]:
    """Return serial and name of each folder, deeper ones moved in, for a select."""
    return [(one.serial, "\u2003" * len(one.path) + one.name) for one in tree]
