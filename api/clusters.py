"""Clusters, as the API tells of them. Money, networks and logs of the cloud are none of this console's: empty."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch

from api.caller import Caller
from api.errors import Code
from api.lookup import workspace_of
from api.shapes import Many, Shape, Text, Whole
from api.spelling import FILTERS, LIMIT, MEMORY_OF_CU, OFFSET, clock, filtered, page, partly, version_name
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint, Reach
from workspaces.models import Workspace

# Of the product: 1 not set up yet, 3 being set up, 2 running; its own samples also have -1.
STATUS = {
    Reach.NONE: 1,
    Reach.UNKNOWN: 3,
    Reach.ANSWERS: 2,
    Reach.OTHER_VERSION: 2,
    Reach.PARTLY: 2,
    Reach.UNREACHABLE: -1,
}
BOUND = 2
DEDICATED = 2

DESCRIBE_CLUSTERS = Shape(
    ClusterIds=Many(Text(), most=100),
    Offset=OFFSET,
    Limit=LIMIT,
    OrderType=Whole(one_of=(0, 1, 2, 3), code=Code.INVALID_ORDER_TYPE),
    Filters=FILTERS,
    WorkSpaceId=Text(),
)


def describe_clusters(caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """Tell of the clusters that the caller may run jobs on, with the CU that are free there."""
    rows = Cluster.objects.visible_to(caller.user)
    if asked.get("WorkSpaceId"):
        rows = rows.filter(workspaces=workspace_of(caller, asked))
    if serials := asked.get("ClusterIds"):
        rows = rows.filter(serial__in=serials)
    rows = filtered(rows, asked, {"Name": partly("name")})
    order = "created_at" if asked.get("OrderType") == 2 else "-created_at"
    mine = ClusterBinding.objects.filter(workspace__in=Workspace.objects.visible_to(caller.user))
    shown = page(rows.with_use().order_by(order, "pk"), asked).prefetch_related(
        Prefetch("bindings", mine.select_related("workspace"), to_attr="bindings_seen")
    )
    return {"TotalCount": rows.count(), "ClusterSet": [_described(one, caller) for one in shown]}


def described_briefly(cluster: Any, caller: Caller) -> dict[str, Any]:
    """Return a cluster (`with_use`) as it is listed in its workspaces."""
    free = cluster.total_cu - cluster.used_cu
    return {
        "ClusterId": cluster.serial,
        "Name": cluster.name,
        "Region": caller.region,
        "Zone": "",
        "AppId": 0,
        "OwnerUin": "",
        "CreatorUin": "",
        "CuNum": int(cluster.total_cu),
        "CuMem": MEMORY_OF_CU,
        "Status": STATUS[cluster.reach],
        "StatusDesc": str(cluster.reach),
        "CreateTime": clock(cluster.created_at),
        "UpdateTime": clock(cluster.created_at),
        "Remark": cluster.description,
        "NetEnvironmentType": 0,
        "FreeCuNum": int(free),
        "FreeCu": float(free),
        "RunningCu": float(cluster.used_cu),
        "PayMode": 0,
        **_cores(cluster),
    }


def _cores(cluster: Any) -> dict[str, float]:
    total, used = float(cluster.total_cu), float(cluster.used_cu)
    return {
        "TotalCpu": total,
        "TotalMem": total * MEMORY_OF_CU,
        "RunningCpu": used,
        "RunningMem": used * MEMORY_OF_CU,
    }


def _described(cluster: Any, caller: Caller) -> dict[str, Any]:
    return described_briefly(cluster, caller) | {
        "CCNs": [],
        "Tags": [],
        "IsolatedTime": "-",
        "ExpireTime": "-",
        "SecondsUntilExpiry": "-",
        "AutoRenewFlag": 0,
        "DefaultCOSBucket": "",
        "CLSLogSet": "",
        "CLSTopicId": "",
        "CLSLogName": "",
        "CLSTopicName": "",
        "Version": _versions(list(cluster.endpoints.all())),
        "DefaultLogCollectConf": "",
        "CustomizedDNSEnabled": 0,
        "Correlations": [_binding(one, cluster) for one in cluster.bindings_seen],
        "IsNeedManageNode": 0,
        "ClusterSessions": [],
        "Type": DEDICATED,
        "MemRatio": MEMORY_OF_CU,
        "ClusterProcessMsg": cluster.maintenance_reason,
    }


def _versions(endpoints: list[FlinkEndpoint]) -> dict[str, Any]:
    names = [version_name(one.flink_version) for one in endpoints]
    return {
        "Flink": next((name for name, one in zip(names, endpoints, strict=True) if one.is_default), ""),
        "SupportedFlink": names,
    }


def _binding(binding: ClusterBinding, cluster: Cluster) -> dict[str, Any]:
    return {
        "ClusterGroupId": cluster.pk,
        "ClusterGroupSerialId": cluster.serial,
        "ClusterName": cluster.name,
        "WorkSpaceId": binding.workspace.serial,
        "WorkSpaceName": binding.workspace.name,
        "Status": BOUND,
        "ProjectId": 0,
        "ProjectIdStr": "",
    }
