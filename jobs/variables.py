"""What a job's text says once the variables of its workspace stand in it. Versions keep ${name}; Flink gets the value of the moment.

Within quotes a value is inserted as it is, outside of them only a number or an identifier may stand. $${name} stands for ${name}.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from clusters.engine import Statement
from jobs.masking import MASK, first_masked
from jobs.pieces import pieces
from jobs.sql import ScriptError, split
from workspaces.models import Variable
from workspaces.sealed import Unreadable
from workspaces.variables import REFERENCE

BARE = re.compile(r"[A-Za-z0-9_.]+")
Read = Callable[[Variable], str]
# Asked for when something is wrong only: to count the lines before each of many variables would take long.
LineOf = Callable[[], int]


class VariableError(ScriptError):
    """A variable that can't be put where a text names it."""

    def __init__(self, reason: str, line: int, name: str, **values: str) -> None:
        super().__init__(reason, line)
        self.values |= {"name": name, **values}


class Values:
    """The values of a workspace's variables, fetched when the first text names one."""

    def __init__(self, workspace_id: int, read: Read = Variable.clear_value) -> None:
        self._workspace_id, self._read = workspace_id, read
        self._variables: dict[str, Variable] | None = None

    def of(self, name: str) -> str:
        """Return a value. Raise KeyError for an unknown variable, Unreadable for one whose key is gone."""
        if self._variables is None:
            rows = Variable.objects.filter(workspace_id=self._workspace_id)
            self._variables = {one.name: one for one in rows}
        return self._read(self._variables[name])


def statements_of(script: str, values: Values) -> list[Statement]:
    """Take a script apart and put the values in; statements keep their line in the user's text. Raise ScriptError."""
    return [_filled(one, values) for one in split(script)]


def options_of(properties: Mapping[str, str], values: Values) -> dict[str, str]:
    """Put the values into Flink options. Raise VariableError."""

    def fill(key: str, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            return _value(found, values, "variable-unknown-in-property", lambda: 0, key=key)

        return REFERENCE.sub(value, text)

    return {key: fill(key, text) for key, text in properties.items()}


def names_of(workspace_id: int) -> Values:
    """Return what tells which variables a workspace has, without reading a value."""
    return Values(workspace_id, read=lambda variable: "x")


def refuse_unknown(script: str, properties: Mapping[str, str], names: Values) -> None:
    """Raise ScriptError for a text that can't be taken apart, names what the workspace does not have, or has masks for secrets."""
    statements_of(script, names)
    options_of(properties, names)
    refuse_masked(script, properties)


def refuse_masked(script: str, properties: Mapping[str, str]) -> None:
    """Raise VariableError for a text in which a secret is masked: with it, the secret itself would be lost."""
    if MASK in script or any(MASK in value for value in properties.values()):
        name, line = first_masked(script, properties) or ("", 0)
        if name:
            raise VariableError("masked" if line else "masked-in-property", line, name)


def _filled(statement: Statement, values: Values) -> Statement:
    if "${" not in statement.text:
        return statement
    if statement.kind == "set":
        return replace(
            statement, text=REFERENCE.sub(lambda one: _plain(one, values, lambda: statement.line), statement.text)
        )
    return replace(statement, text=_filled_text(statement.text, statement.line, values))


def _filled_text(text: str, line: int, values: Values) -> str:
    """Put the values in. The lines that a value adds are taken from the white space after it: what follows keeps its line."""
    filled, surplus, before = "", 0, ""
    for kind, piece in pieces(text):
        new = piece if kind == "comment" else _filled_piece(kind, piece, line, values)
        if kind == "code" and surplus:
            # The line feed that ends a comment stays.
            kept = 1 if before.startswith("--") else 0
            taken = min(surplus, new.count("\n", kept))
            new = new[:kept] + new[kept:].replace("\n", " ", taken)
            surplus -= taken
        else:
            surplus += new.count("\n") - piece.count("\n")
        filled, line, before = filled + new, line + piece.count("\n"), piece
    return filled


def _filled_piece(kind: str, piece: str, line: int, values: Values) -> str:
    def value(found: re.Match[str]) -> str:
        def at() -> int:
            return line + piece.count("\n", 0, found.start())

        text = _plain(found, values, at)
        if kind == "string":
            return text.replace("'", "''")
        if kind == "name":
            return text.replace("`", "``")
        if not found[1] and not BARE.fullmatch(text):
            raise VariableError("variable-unquoted", at(), found[2])
        return text

    return REFERENCE.sub(value, piece)


def _plain(found: re.Match[str], values: Values, line: LineOf) -> str:
    return _value(found, values, "variable-unknown", line)


def _value(found: re.Match[str], values: Values, reason: str, line: LineOf, **more: str) -> str:
    dollar, name = found.groups()
    if dollar:
        return f"${{{name}}}"
    try:
        return values.of(name)
    except KeyError as error:
        raise VariableError(reason, line(), name, **more) from error
    except Unreadable as error:
        raise VariableError("variable-unreadable", line(), name) from error
