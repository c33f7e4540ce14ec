"""The official description of the API, from the installed official client, and how an answer is compared with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tccli

API: dict[str, Any] = json.loads((Path(tccli.__file__).parent / "services/oceanus/v20190422/api.json").read_text())
PLAIN = {"int": int, "string": str, "bool": bool, "float": (int, float)}


def departures(action: str, response: dict[str, Any]) -> list[str]:
    """Return where an answer is otherwise than declared: unknown, missing or mistyped fields, each by its path."""
    return list(_of_object(API["actions"][action]["output"], response, ""))


def _of_object(name: str, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: no object"
        return
    members = {one["name"]: one for one in API["objects"][name]["members"]}
    yield from (f"{path}.{key}: unknown" for key in value if key not in members)
    for key, member in members.items():
        is_needed = member.get("output_required") or member.get("required")
        if key in value:
            yield from _of_member(member, value[key], f"{path}.{key}")
        elif is_needed:
            yield f"{path}.{key}: missing"


def _of_member(member: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    if value is None:
        if not member.get("value_allowed_null"):
            yield f"{path}: null"
    elif member["type"] == "list":
        if not isinstance(value, list):
            yield f"{path}: no list"
            return
        for number, one in enumerate(value):
            if member["member"] in API["objects"]:
                yield from _of_object(member["member"], one, f"{path}.{number}")
            else:
                yield from _of_plain(member["member"], one, f"{path}.{number}")
    elif member["type"] == "object":
        yield from _of_object(member["member"], value, path)
    else:
        yield from _of_plain(member["type"], value, path)
        if member["member"] == "uint64" and isinstance(value, int) and value < 0:
            yield f"{path}: below zero"


def _of_plain(kind: str, value: Any, path: str) -> Iterator[str]:
    kind = {"int64": "int", "uint64": "int"}.get(kind, kind)
    is_flag = isinstance(value, bool)
    if not isinstance(value, PLAIN[kind]) or is_flag != (kind == "bool"):
        yield f"{path}: {value!r} is no {kind}"
