"""Requests are checked against the official field table: every field is declared as it is there, and nothing else gets through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from api.errors import ApiError, Code
from api.shapes import Field, Flag, Ignored, Many, Number, Object, One, Shape, Text, Whole, api_limit
from api.table import ACTIONS, Call
from tests.official import API
from tests.program import Program
from tests.test_fuzz import quiet

HERE: dict[str, Call] = {name: call for name, call in ACTIONS.items() if call}
each_action = pytest.mark.parametrize("name", HERE)
WRONG: dict[str, Any] = {"string": 7, "int": "7", "float": "0.5", "bool": 1, "list": {}, "object": []}


# --- the oracle ---


def members_of(structure: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in API["objects"][structure]["members"]}


def bare(field: Field) -> Field:
    return field.each if isinstance(field, Ignored) else field


def differences(shape: Shape, structure: str, path: str = "") -> Iterator[str]:
    """Tell where a shape is not what the official structure of this name is."""
    official = members_of(structure)
    yield from (f"{path}{name} is not declared" for name in official.keys() - shape.fields.keys())
    yield from (f"{path}{name} is not official" for name in shape.fields.keys() - official.keys())
    for name in official.keys() & shape.fields.keys():
        field, member = bare(shape.fields[name]), official[name]
        if shape.fields[name].required != member["required"]:
            yield f"{path}{name} is {'' if member['required'] else 'not '}required"
        if field.kind != member["type"]:
            yield f"{path}{name} is of the type {member['type']}"
        else:
            yield from inner_differences(field, member, f"{path}{name}.")


def inner_differences(field: Field, member: dict[str, Any], path: str) -> Iterator[str]:
    if isinstance(field, Many):
        field, kind = bare(field.each), member["member"]
        if field.kind != {"int64": "int", "uint64": "int"}.get(kind, "object" if kind in API["objects"] else kind):
            yield f"{path} is a list of {kind}"
    if isinstance(field, Whole) and member["member"] == "uint64" and field.least < 0:
        yield f"{path} is not negative"
    if isinstance(field, One):
        yield from differences(field.of, member["member"], path)


@each_action
def test_the_request_is_declared_as_it_officially_is(name: str) -> None:
    assert list(differences(HERE[name].takes, API["actions"][name]["input"])) == []


def test_the_comparison_finds_what_differs() -> None:
    shape = Shape(Name=Text(), Values=Many(Whole()), Other=Text())
    assert sorted(differences(shape, "Filter")) == [
        "Name is required",
        "Other is not official",
        "Values is required",
        "Values. is a list of string",
    ]


# --- every field of every action ---


def example(field: Field) -> Any:
    """Return a right value for a field."""
    match field:
        case Ignored():
            return example(field.each) if not field.only else next(iter(field.only))
        case Many():
            return [example(field.each)]
        case One():
            return least_request(field.of)
        case Text() | Whole() | Number() if field.one_of:
            return next(iter(field.one_of))
        case Text():
            return "x" * max(1, field.least)
        case Whole() | Number():
            return max(1, field.least) if field.most > 0 else field.most
        case Flag():
            return True
    return {}


def least_request(shape: Shape) -> dict[str, Any]:
    return {name: example(field) for name, field in shape.fields.items() if field.required}


def places(shape: Shape, way: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Field]]:
    """Walk all fields of a shape, also those of objects and of lists of objects within it."""
    for name, field in shape.fields.items():
        yield (*way, name), field
        inner = bare(field)
        if isinstance(inner, Many) and isinstance(bare(inner.each), One):
            yield from places(bare(inner.each).of, (*way, name, 0))
        elif isinstance(inner, One):
            yield from places(inner.of, (*way, name))


def request_with(shape: Shape, way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a right request but for the value at one place; ABSENT takes it away."""
    request = least_request(shape)
    here: Any = request
    fields: Any = shape
    for step in way[:-1]:
        if isinstance(step, str):
            field = bare(fields.fields[step])
            here = here.setdefault(step, example(field))
            fields = bare(field.each).of if isinstance(field, Many) else field.of
        else:
            here = here[step]
    if value is ABSENT:
        here.pop(way[-1], None)
    else:
        here[way[-1]] = value
    return request


ABSENT = object()


def told(shape: Shape, request: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as no:
        shape.read(request)
    return no.value


def out_of_range(field: Field) -> Iterator[Any]:
    """Give values of the right type that a field does not take."""
    field = bare(field)
    if isinstance(field, Text | Whole | Number) and field.one_of:
        yield {"string": "nonsense", "int": 4711, "float": 0.4711}[field.kind]
    elif isinstance(field, Text):
        yield "\0"
        yield "\ud800"
        if field.most is not None:
            yield "x" * (field.most + 1)
        if field.least:
            yield "x" * (field.least - 1)
    elif isinstance(field, Whole):
        yield field.most + 1
        yield field.least - 1
    elif isinstance(field, Many):
        most = field.most() if callable(field.most) else field.most
        if most is not None:
            yield [example(field.each)] * (most + 1)
        if field.required and field.least is None:
            yield []


@each_action
def test_the_least_request_is_read(name: str) -> None:
    request = least_request(HERE[name].takes)
    assert HERE[name].takes.read(request) == request


@each_action
def test_each_required_field_is_missed(name: str) -> None:
    for way, field in places(HERE[name].takes):
        if field.required:
            for value in (ABSENT, None):
                error = told(HERE[name].takes, request_with(HERE[name].takes, way, value))
                assert (error.code, ".".join(map(str, way)) in error.message) == (Code.MISSING_PARAMETER, True), way


@each_action
def test_each_field_of_a_wrong_type_is_named(name: str) -> None:
    for way, field in places(HERE[name].takes):
        error = told(HERE[name].takes, request_with(HERE[name].takes, way, WRONG[field.kind]))
        assert (error.code, ".".join(map(str, way)) in error.message) == (Code.INVALID_PARAMETER, True), way


@each_action
def test_each_field_out_of_range_is_named(name: str) -> None:
    for way, field in places(HERE[name].takes):
        for value in out_of_range(field):
            error = told(HERE[name].takes, request_with(HERE[name].takes, way, value))
            assert (error.code, ".".join(map(str, way)) in error.message) == (bare(field).code, True), way


@each_action
def test_unknown_fields_are_named(name: str) -> None:
    shape = HERE[name].takes
    assert told(shape, least_request(shape) | {"Unheard": 1}).code == Code.UNKNOWN_PARAMETER
    for way, field in places(shape):
        if isinstance(bare(field), One):
            inner = request_with(shape, (*way, "Unheard"), 1)
            error = told(shape, inner)
            assert (error.code, "Unheard" in error.message) == (Code.UNKNOWN_PARAMETER, True)


@pytest.mark.django_db
def test_the_gate_reads_requests_with_the_shape_of_the_action(alice: User) -> None:
    program = Program(alice)
    for name, action in HERE.items():
        assert program.refused(name, {"Unheard": 1}) == Code.UNKNOWN_PARAMETER
        if any(field.required for field in action.takes.fields.values()):
            assert program.refused(name, {}) == Code.MISSING_PARAMETER


# --- the engine itself ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Name", "Values", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
SOME = Shape(
    Name=Text(required=True, most=3),
    Values=Many(Number(least=0, most=1)),
    Inner=One(Shape(Flag=Flag(), Deeper=Many(Shape(Number=Whole(one_of=(1, 2)))))),
    Loose=Object(),
    Kept=Ignored(Many(Text()), only=([],)),
)


@given(sent=st.dictionaries(st.sampled_from(sorted(SOME.fields)), JSON, max_size=6))
@quiet
def test_whatever_is_sent_is_read_or_refused(sent: dict[str, Any]) -> None:
    for from_text in (False, True):
        # Any other error is one of ours.
        with suppress(ApiError):
            assert SOME.read(sent, from_text=from_text).keys() == {name for name in sent if sent[name] is not None}


def test_texts_of_a_query_become_values() -> None:
    sent = {
        "Name": "x",
        "Values": ["0.5", "1"],
        "Inner": {"Flag": "True", "Deeper": [{"Number": "2"}]},
    }
    expected = {"Name": "x", "Values": [0.5, 1.0], "Inner": {"Flag": True, "Deeper": [{"Number": 2}]}}
    assert SOME.read(sent, from_text=True) == expected
    for wrong in (
        {"Values": ["1e-1"]},
        {"Inner": {"Flag": "yes"}},
        {"Inner": {"Deeper": [{"Number": "٢"}]}},
        {"Name": ["x"]},
    ):
        with pytest.raises(ApiError):
            SOME.read({"Name": "x"} | wrong, from_text=True)


def test_what_can_not_be_ignored_is_not_supported() -> None:
    shape = Shape(Mode=Ignored(Flag(), only=(False,)), Graph=Ignored(Object(), only=()), Tag=Ignored(Text()))
    assert shape.read({"Mode": False, "Tag": "x"}) == {"Mode": False, "Tag": "x"}
    for sent in ({"Mode": True}, {"Graph": {}}):
        assert told(shape, sent).code == Code.UNSUPPORTED_OPERATION


def test_the_limit_of_jobs_is_a_setting(settings: Any) -> None:
    shape = Shape(JobIds=Many(Text(), most=api_limit))
    settings.API_BATCH_LIMIT = 1
    assert told(shape, {"JobIds": ["a", "b"]}).message == "The parameter JobIds takes at most 1."
    settings.API_BATCH_LIMIT = 2
    assert shape.read({"JobIds": ["a", "b"]})


def test_a_finer_code_is_used_for_the_range_only() -> None:
    shape = Shape(Limit=Whole(least=0, code=Code.INVALID_LIMIT))
    assert told(shape, {"Limit": -1}).code == Code.INVALID_LIMIT
    assert told(shape, {"Limit": "x"}).code == Code.INVALID_PARAMETER


def test_whole_numbers_are_not_truths_and_the_other_way_round() -> None:
    shape = Shape(Whole=Whole(), Number=Number(), Flag=Flag())
    for sent in ({"Whole": True}, {"Whole": 1.0}, {"Number": False}, {"Number": 10**400}, {"Flag": 0}):
        assert told(shape, sent).code == Code.INVALID_PARAMETER
