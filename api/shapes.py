"""What a request may look like, declared field by field as the official table does, and checked in one place.

A shape is asked to `read` what was sent and gives back Python values under the official names; what was not sent (or was
null) is absent. Whatever does not fit raises ApiError with the official code, and names the field: `Filters.0.Name`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from api.errors import ApiError, Code

# A limit may be a setting, and is then asked for when the request comes.
Limit = int | Callable[[], int]
WHOLE = re.compile(r"-?[0-9]{1,19}")
NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,19})?")
# What PostgreSQL and UTF-8 don't take.
NO_TEXT = re.compile("[\0\ud800-\udfff]")


def api_limit() -> int:
    """Return how many jobs a call may name."""
    limit: int = settings.API_BATCH_LIMIT
    return limit


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a request. `code` is the official code for a value out of range, where there is a finer one."""

    required: bool = False
    code: Code = Code.INVALID_PARAMETER_VALUE

    # The official name of the type.
    kind = ""

    def read(self, sent: Any, path: str) -> Any:
        """Return the value of what JSON brought. Raise ApiError."""
        raise NotImplementedError

    def read_text(self, sent: Any, path: str) -> Any:
        """Return the value of what a query string brought: text, or lists and objects of texts. Raise ApiError."""
        return self.read(sent, path)

    def mistyped(self, path: str) -> ApiError:
        return ApiError(
            Code.INVALID_PARAMETER, _("The parameter %(name)s is not of the type %(kind)s."), name=path, kind=self.kind
        )

    def out_of_range(self, path: str, sentence: object, **values: object) -> ApiError:
        return ApiError(self.code, sentence, name=path, **values)

    def one_of_these(self, value: Any, path: str, these: Collection[Any] | None) -> Any:
        """Return `value` if it is one of these, or if there is no such list."""
        if these is None or value in these:
            return value
        told = ", ".join(str(one) for one in these)
        raise self.out_of_range(path, _("The parameter %(name)s must be one of: %(these)s."), these=told)


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    least: int = 0
    most: int | None = None
    one_of: Collection[str] | None = None
    kind = "string"

    def read(self, sent: Any, path: str) -> str:
        if not isinstance(sent, str):
            raise self.mistyped(path)
        if NO_TEXT.search(sent):
            raise self.out_of_range(path, _("The parameter %(name)s has characters that are no text."))
        if len(sent) < self.least:
            raise self.out_of_range(
                path, _("The parameter %(name)s is too short: at least %(least)s."), least=self.least
            )
        if self.most is not None and len(sent) > self.most:
            raise self.out_of_range(path, _("The parameter %(name)s is too long: at most %(most)s."), most=self.most)
        return str(self.one_of_these(sent, path, self.one_of))


@dataclass(frozen=True, kw_only=True)
class Whole(Field):
    """A whole number of 64 bits; `least=0` where the official type is uint64."""

    least: int = -(2**63)
    most: int = 2**63 - 1
    one_of: Collection[int] | None = None
    kind = "int"

    def read(self, sent: Any, path: str) -> int:
        if not isinstance(sent, int) or isinstance(sent, bool):
            raise self.mistyped(path)
        in_range(self, sent, path)
        return int(self.one_of_these(sent, path, self.one_of))

    def read_text(self, sent: Any, path: str) -> int:
        if not isinstance(sent, str) or not WHOLE.fullmatch(sent):
            raise self.mistyped(path)
        return self.read(int(sent), path)


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    least: float = -math.inf
    most: float = math.inf
    one_of: Collection[float] | None = None
    kind = "float"

    def read(self, sent: Any, path: str) -> float:
        if not isinstance(sent, int | float) or isinstance(sent, bool) or abs(sent) > 2**63:
            raise self.mistyped(path)
        in_range(self, sent, path)
        return float(self.one_of_these(sent, path, self.one_of))

    def read_text(self, sent: Any, path: str) -> float:
        if not isinstance(sent, str) or not NUMBER.fullmatch(sent):
            raise self.mistyped(path)
        return self.read(float(sent), path)


@dataclass(frozen=True, kw_only=True)
class Flag(Field):
    kind = "bool"

    def read(self, sent: Any, path: str) -> bool:
        if not isinstance(sent, bool):
            raise self.mistyped(path)
        return sent

    def read_text(self, sent: Any, path: str) -> bool:
        # Python's SDK writes True, the others true.
        if sent not in ("true", "True", "false", "False"):
            raise self.mistyped(path)
        return sent in ("true", "True")


class Shape:
    """An object: the fields that it may have, by their official names."""

    def __init__(self, **fields: Field) -> None:
        self.fields = fields

    def read(self, sent: Mapping[str, Any], path: str = "", from_text: bool = False) -> dict[str, Any]:
        """Return the values by name. Raise ApiError for the first one that is unknown, lacking or wrong."""
        inside = f"{path}." if path else ""
        for name in sent:
            if name not in self.fields:
                told = inside + NO_TEXT.sub("?", name)[:100]
                raise ApiError(Code.UNKNOWN_PARAMETER, _("The parameter %(name)s is unknown."), name=told)
        values = {}
        for name, field in self.fields.items():
            if (value := sent.get(name)) is not None:
                read = field.read_text if from_text else field.read
                values[name] = read(value, inside + name)
            elif field.required:
                raise ApiError(Code.MISSING_PARAMETER, _("The parameter %(name)s is missing."), name=inside + name)
        return values


@dataclass(frozen=True, kw_only=True)
class Object(Field):
    """Any object, for a field that we don't look into."""

    kind = "object"

    def read(self, sent: Any, path: str) -> Any:
        if not isinstance(sent, dict):
            raise self.mistyped(path)
        return sent


@dataclass(frozen=True)
class One(Field):
    """An object within an object."""

    of: Shape
    kind = "object"

    def read(self, sent: Any, path: str, from_text: bool = False) -> dict[str, Any]:
        if not isinstance(sent, dict):
            raise self.mistyped(path)
        return self.of.read(sent, path, from_text)

    def read_text(self, sent: Any, path: str) -> dict[str, Any]:
        return self.read(sent, path, from_text=True)


@dataclass(frozen=True)
class Many(Field):
    """A list of fields or of objects. A required one is not empty unless `least=0`."""

    of: Field | Shape
    least: int | None = None
    most: Limit | None = None
    kind = "list"

    @property
    def each(self) -> Field:
        return One(self.of) if isinstance(self.of, Shape) else self.of

    def read(self, sent: Any, path: str, from_text: bool = False) -> list[Any]:
        if not isinstance(sent, list):
            raise self.mistyped(path)
        least = int(self.required) if self.least is None else self.least
        most = self.most() if callable(self.most) else self.most
        if len(sent) < least:
            raise self.out_of_range(path, _("The parameter %(name)s needs at least %(least)s."), least=least)
        if most is not None and len(sent) > most:
            raise self.out_of_range(path, _("The parameter %(name)s takes at most %(most)s."), most=most)
        each = self.each
        read = each.read_text if from_text else each.read
        return [read(one, f"{path}.{number}") for number, one in enumerate(sent)]

    def read_text(self, sent: Any, path: str) -> list[Any]:
        return self.read(sent, path, from_text=True)


@dataclass(frozen=True)
class Ignored(Field):
    """A field that has no effect here: checked for its type, then passed on.

    Where ignoring a value would be a lie, `only` names those that are all right; with `only=()` there is none.
    """

    of: Field | Shape
    only: Collection[Any] | None = None

    @property
    def each(self) -> Field:
        return One(self.of) if isinstance(self.of, Shape) else self.of

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self.each.kind

    def read(self, sent: Any, path: str) -> Any:
        return self._honoured(self.each.read(sent, path), path)

    def read_text(self, sent: Any, path: str) -> Any:
        return self._honoured(self.each.read_text(sent, path), path)

    def _honoured(self, value: Any, path: str) -> Any:
        if self.only is None or value in self.only:
            return value
        sentence = _("This value of the parameter %(name)s is not supported by this console.")
        raise ApiError(Code.UNSUPPORTED_OPERATION, sentence, name=path)


def in_range(field: Whole | Number, value: float, path: str) -> None:
    """Raise ApiError if a number is below the least or above the most."""
    if value < field.least:
        raise field.out_of_range(path, _("The parameter %(name)s must be at least %(least)s."), least=field.least)
    if value > field.most:
        raise field.out_of_range(path, _("The parameter %(name)s must be at most %(most)s."), most=field.most)
