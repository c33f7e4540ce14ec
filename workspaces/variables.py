"""The variables of a workspace: what is done to them, and who mentions them.

Every act takes who asks for it first, raises Refusal with a sentence for the user, and puts itself on record: never a value.
"""

from __future__ import annotations

import re
from collections import defaultdict

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, FilteredRelation, Func, Q, TextField, Value
from django.db.models.functions import Cast, Coalesce, Concat
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from workspaces.acts import hold, record
from workspaces.models import Event, RetiredValue, Variable, Workspace
from workspaces.refusal import NameTaken, Refusal
from workspaces.sealed import Unreadable, seal, unseal

# How a text names a variable: ${name}. With one more dollar sign before it, it stands for itself.
REFERENCE = re.compile(r"\$(\$?)\{([^{}\n]*)\}")


@transaction.atomic
def create(
    user: User, workspace: Workspace, name: str, value: str, *, is_hidden: bool, description: str = ""
) -> Variable:
    """Give a workspace a variable. Raise Refusal for a taken name."""
    hold(workspace.pk)
    try:
        with transaction.atomic():
            made = Variable.objects.create(
                workspace=workspace,
                name=name,
                value=seal(value) if is_hidden else value,
                is_hidden=is_hidden,
                description=description,
                created_by=user,
                changed_by=user,
            )
    except IntegrityError as error:
        raise NameTaken(_("There is already a variable with this name in the workspace.")) from error
    record(user, workspace.serial, Event.Code.VARIABLE_CREATED, name=name)
    return made


@transaction.atomic
def change(user: User, variable: Variable, value: str | None, description: str) -> None:
    """Give a variable another value (None: the same) and description. What is hidden stays hidden. Raise Refusal."""
    now = _locked(variable)
    is_same = value is None or (value == now.value and not now.is_hidden)
    if is_same and description == now.description:
        return
    if value is not None and not is_same:
        _retire(now)
        now.value = seal(value) if now.is_hidden else value
        record(user, now.workspace.serial, Event.Code.VARIABLE_CHANGED, name=now.name)
    if description != now.description:
        now.description = description
        record(user, now.workspace.serial, Event.Code.VARIABLE_DESCRIBED, name=now.name)
    now.changed_by, now.changed_at = user, timezone.now()
    now.save()


@transaction.atomic
def delete(user: User, variable: Variable) -> None:
    """Take a variable away. Jobs that mention it can't be started until it is back. Raise Refusal."""
    now = _locked(variable)
    _retire(now)
    record(user, now.workspace.serial, Event.Code.VARIABLE_DELETED, name=now.name)
    now.delete()


def hidden_values(workspace_id: int) -> set[str]:
    """Return the values that nobody must read: those of hidden variables, now and formerly."""
    kept = Variable.objects.filter(workspace_id=workspace_id, is_hidden=True).values_list("value")
    tokens = kept.union(RetiredValue.objects.filter(workspace_id=workspace_id).values_list("value"), all=True)
    found = set()
    for (token,) in tokens:
        try:
            found.add(unseal(token))
        except Unreadable:
            continue  # sealed under a key that is gone: no job can have been started with it since
    return found


def mentions(workspace: Workspace) -> dict[str, list[str]]:
    """Return variable name -> names of the jobs whose draft, latest version or running version mentions it."""
    texts = [
        F("draft__sql"),
        Cast("draft__properties", TextField()),
        F("latest__sql"),
        Cast("latest__properties", TextField()),
        F("current_run__version__sql"),
        Cast("current_run__version__properties", TextField()),
    ]
    whole = Concat(*(Coalesce(text, Value("", TextField())) for text in texts), output_field=TextField())
    name = Func(
        whole, Value(r"(?<!\$)\$\{([^{}\n]*)\}"), Value("g"), function="regexp_matches", output_field=TextField()
    )
    name.set_returning = True
    jobs = workspace.jobs.filter(deleted_at=None).annotate(
        latest=FilteredRelation("versions", condition=Q(versions__number=F("last_version_number")))
    )
    found: dict[str, set[str]] = defaultdict(set)
    for job, names in jobs.order_by().values_list("name", name):
        found[names[0]].add(job)
    return {variable: sorted(names) for variable, names in found.items()}


def _retire(variable: Variable) -> None:
    """Keep a hidden value that jobs may still run with, sealed as it is, so that it goes on being masked."""
    if variable.is_hidden:
        RetiredValue.objects.create(workspace_id=variable.workspace_id, value=variable.value)


def _locked(variable: Variable) -> Variable:
    rows = Variable.objects.select_for_update(of=("self",)).select_related("workspace")
    if now := rows.filter(pk=variable.pk).first():
        return now
    raise Refusal(_("This variable has been deleted."))
