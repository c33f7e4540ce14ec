"""Whatever a super admin's browser sends to the administration: it answers without an error of ours, and forges no record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.urls import URLPattern, URLResolver, reverse

from jobs.models import Batch, BatchItem, Operation, OperationStep, Problem, Version
from oceanus_console.models import Seal
from tests.test_fuzz import NASTY, QUERY_STRINGS, encoded, send
from tests.test_roles import signed_in, world
from workspaces.models import Event

pytestmark = pytest.mark.django_db
__all__ = ["world"]

NOWHERE = ["9" * 30, "-1", "abc", "_00", "_5F", "%00", "%ff", "é", "x" * 3000, "1/2"]
SITE = admin.site


def names(patterns: Any = None) -> Iterator[tuple[str, list[str]]]:
    """Walk all addresses of the administration: name, and names of the arguments."""
    for one in SITE.get_urls() if patterns is None else patterns:
        if isinstance(one, URLResolver):
            yield from names(one.url_patterns)
        elif isinstance(one, URLPattern) and one.name not in (None, "logout", "login", "app_list"):
            yield str(one.name), list(one.pattern.converters)


def hostile_queries() -> list[str]:
    fields = [
        "q",
        "p",
        "o",
        "all",
        "e",
        "_popup",
        "_to_field",
        "_changelist_filters",
        "app_label",
        "model_name",
        "field_name",
        "term",
        "page",
    ]
    nasty = [one for one in NASTY if len(one) < 2000]
    return [
        *QUERY_STRINGS,
        *(encoded([(name, nasty[(at * 7 + n) % len(nasty)]) for n, name in enumerate(fields)]) for at in range(12)),
    ]


WRONG = [
    ("", "\0"),
    ("__exact", "9" * 40),
    ("__year", "99999"),
    ("__regex", "("),
    ("__in", "-1,٣"),
    ("__isnull", "maybe"),
]


def own_queries(model: type[models.Model]) -> Iterator[str]:
    """Name every column of a model, and what its lookups would do, with values that no column takes."""
    for field in model._meta.concrete_fields:
        for lookup, value in WRONG:
            yield encoded([(field.name + lookup, value)])


def test_the_walk_finds_every_model() -> None:
    found = {name for name, _arguments in names()}
    for model in SITE._registry:
        for act in ("changelist", "add", "change", "delete", "history"):
            assert f"{model._meta.app_label}_{model._meta.model_name}_{act}" in found


def test_no_address_and_no_query_breaks_it(world: dict[Any, Any]) -> None:
    client = signed_in(world, "root")
    queries = hostile_queries()
    posted = encoded([("_save", "x"), ("action", "delete_selected"), ("_selected_action", "\0"), ("post", "yes")])
    for position, (name, arguments) in enumerate(names()):
        if arguments not in ([], ["object_id"], ["id"]):
            continue
        path = reverse(f"admin:{name}", args=["1"] * len(arguments))
        # Lists read the query; other addresses are tried with some.
        for query in queries if name.endswith("changelist") else queries[position % 9 :: 9]:
            send(client, "GET", path, QUERY_STRING=query.encode("utf-8", "surrogateescape").decode("latin-1"))
        send(client, "POST", path, posted)
        for nowhere in NOWHERE if arguments else []:
            send(client, "GET", path.replace("/1/", f"/{nowhere}/"))
            send(client, "POST", path.replace("/1/", f"/{nowhere}/"), posted)


@pytest.mark.parametrize("model", SITE._registry, ids=lambda one: one._meta.label)
def test_no_filter_breaks_a_list(model: type[models.Model], world: dict[Any, Any]) -> None:
    client = signed_in(world, "root")
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for query in own_queries(model):
        send(client, "GET", path, QUERY_STRING=query)


RECORD = [Event, Operation, OperationStep, Problem, Version, Batch, BatchItem, Seal]


@pytest.mark.parametrize("model", RECORD, ids=lambda one: one.__name__)
def test_nobody_forges_the_record_there(model: type[models.Model], world: dict[Any, Any], rf: Any, root: Any) -> None:
    request = rf.get("/")
    request.user = root
    own = SITE._registry.get(model)
    inside = [part(one.model, SITE) for one in SITE._registry.values() for part in one.inlines if part.model is model]
    for page in [*([own] if own else []), *inside]:
        assert not page.has_add_permission(request, *([] if page is own else [None]))
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)
    assert not own or not own.get_actions(request)
