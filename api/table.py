"""The one table of the API: every official action, and what stands behind it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.caller import Caller
from api.errors import Code
from api.shapes import Shape

VERSION = "2019-04-22"

Act = Callable[[Caller, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """One action: what it takes, and what it does with that."""

    takes: Shape
    # Given the caller and the validated request, returns the answer's fields without RequestId. Raises ApiError or Refusal.
    act: Act
    # Whether it changes anything: then a request that somebody has recorded can't be sent a second time.
    changes: bool
    # The official limit of requests per second and user where it isn't that of all (OCEANUS_API_REQUESTS_PER_SECOND).
    per_second: int | None = None
    # The code for a Refusal of the act.
    refused: Code = Code.FAILED_OPERATION


# An official action that this console does not have.
NOT_HERE = None

# Named as the product names them, in its order.
ACTIONS: dict[str, Call | None] = {
    "CheckConnectorName": NOT_HERE,
    "CreateConnector": NOT_HERE,
    "CreateMetaDatabase": NOT_HERE,
    "CreateMetaTable": NOT_HERE,
    "CreateOceanusCluster": NOT_HERE,
    "CreateResource": NOT_HERE,
    "CreateResourceConfig": NOT_HERE,
    "DeleteOceanusCluster": NOT_HERE,
    "DeleteResourceConfigs": NOT_HERE,
    "DeleteResources": NOT_HERE,
    "DeleteTableConfig": NOT_HERE,
    "DescribeResourceConfigs": NOT_HERE,
    "DescribeResourceRelatedJobs": NOT_HERE,
    "DescribeResources": NOT_HERE,
    "DescribeSystemResources": NOT_HERE,
    "DescribeTreeResources": NOT_HERE,
    "FetchSqlGatewayStatementResult": NOT_HERE,
    "GetMetaTable": NOT_HERE,
    "ModifyConnector": NOT_HERE,
    "ModifyMetaTable": NOT_HERE,
    "ParseConnector": NOT_HERE,
    "RenewOceanusCluster": NOT_HERE,
    "RunSqlGatewayStatement": NOT_HERE,
    "ScaleOceanusCluster": NOT_HERE,
}
