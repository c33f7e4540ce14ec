"""The variables of a workspace."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from api.caller import Caller
from api.errors import ApiError, Code
from api.lookup import may, workspace_of, workspaces_of
from api.shapes import Ignored, Shape, Text, Whole
from api.spelling import clock
from workspaces import variables
from workspaces.models import VALUE_LENGTH, Variable, valid_variable_name

VISIBLE, HIDDEN = 1, 2
OWN_VALUE = 0

CREATE_VARIABLE = Shape(
    Name=Text(required=True),
    Value=Text(required=True, most=VALUE_LENGTH),
    Type=Whole(required=True, one_of=(VISIBLE, HIDDEN)),
    Remark=Text(most=200),
    WorkSpaceId=Text(),
    ValueType=Ignored(Whole(), only=(OWN_VALUE,)),
    SecretRegion=Ignored(Text(), only=("",)),
    SecretName=Ignored(Text(), only=("",)),
    SecretVersionId=Ignored(Text(), only=("",)),
    SecretValueMd5=Ignored(Text(), only=("",)),
)
DESCRIBE_VARIABLES = Shape(WorkSpaceId=Text())


def create_variable(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Give a workspace a variable. A hidden one's value is sealed, and nothing tells it again."""
    workspace = workspace_of(caller, asked)
    may(caller, workspace)
    name = asked["Name"]
    try:
        valid_variable_name(name)
    except ValidationError as error:
        raise ApiError(Code.INVALID_VARIABLE_NAME, error.messages[0]) from error
    if workspace.variables.filter(name=name).exists():
        raise ApiError(Code.TAKEN_VARIABLE_NAME, _("There is already a variable with this name in the workspace."))
    made = variables.create(
        caller.user,
        workspace,
        name,
        asked["Value"],
        is_hidden=asked["Type"] == HIDDEN,
        description=asked.get("Remark", ""),
    )
    return {"VariableId": made.serial}


def describe_variables(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    seen = Variable.objects.filter(workspace__in=workspaces_of(caller, asked))
    rows = seen.select_related("created_by").order_by("workspace__name", "name")
    return {"VariableSet": [_described(one) for one in rows]}


def _described(variable: Variable) -> dict[str, Any]:
    return {
        "SerialId": variable.serial,
        "Name": variable.name,
        "Value": "" if variable.is_hidden else variable.value,
        "ValueType": OWN_VALUE,
        "Type": HIDDEN if variable.is_hidden else VISIBLE,
        "Remark": variable.description,
        "CreateTime": clock(variable.created_at),
        "CreatorUin": variable.created_by.get_username() if variable.created_by else "",
    }
