"""The CloudWatch dashboard: how many cameras have problems, and which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from fleet.physical_names import PhysicalNames

_WIDTH = 24
"""Columns of a dashboard."""

_GRAPHS = (
    ("Cameras", ("Cameras", "ConnectedCameras"), "Maximum"),
    (
        "In trouble",
        ("SilentCameras", "StalledCameras", "DisconnectedCameras", "NotRecordingCameras", "OddStates"),
        "Maximum",
    ),
    ("Chunks", ("RecordedChunks", "LostChunks"), "Sum"),
    ("Waiting for the bucket", ("WaitingChunks",), "Maximum"),
    ("Largest spool, bytes", ("LargestSpoolBytes",), "Maximum"),
    ("Cores", ("UnhealthyCores", "FillingSpools"), "Maximum"),
)

_TROUBLE = (
    "fields @timestamp, name, trouble, reason, for_s | filter ispresent(trouble) "
    "| stats latest(trouble) as now, latest(reason) as why, latest(for_s) as seconds, "
    "max(@timestamp) as seen by name | sort seen desc | limit 200"
)
_EVENTS = (
    "fields time, `resources.0` as core, `detail-type` as what, "
    "coalesce(detail.reason, `detail.components.0.lifecycleStateDetails`) as why "
    "| sort @timestamp desc | limit 100"
)
_REFUSED = "fields @timestamp, @message | sort @timestamp desc | limit 20"


def make_dashboard(
    scope: Construct,
    construct_id: str,
    *,
    names: PhysicalNames,
    alarms: Sequence[str],
    every_min: int,
    watch_log: str,
    event_log: str,
    error_log: str,
) -> cloudwatch.CfnDashboard:
    """One dashboard.

    Args:
        scope: The stack.
        construct_id: The construct's id.
        names: Of the fleet.
        alarms: ARNs of what stands at its top.
        every_min: Minutes between two runs.
        watch_log: Log group that names the cameras in trouble.
        event_log: Log group with what Greengrass reported.
        error_log: Log group with what AWS IoT could not write.
    """
    stack = cdk.Stack.of(scope)
    widgets = [_at(0, 0, _WIDTH, 3, "alarm", {"title": names.title, "alarms": list(alarms)})]
    for number, (title, metrics, statistic) in enumerate(_GRAPHS):
        properties = {
            "title": title,
            "region": stack.region,
            "view": "timeSeries",
            "stat": statistic,
            "period": 60 * every_min,
            "metrics": [[names.metric_namespace, metric] for metric in metrics],
            "yAxis": {"left": {"min": 0}},
        }
        widgets.append(_at(8 * (number % 3), 3 + 6 * (number // 3), 8, 6, "metric", properties))
    tables = (
        ("Cameras and cores in trouble", watch_log, _TROUBLE),
        ("What cores reported", event_log, _EVENTS),
        ("States that could not be kept", error_log, _REFUSED),
    )
    for number, (title, group, query) in enumerate(tables):
        properties = {
            "title": title,
            "region": stack.region,
            "view": "table",
            "query": f"SOURCE '{group}' | {query}",
        }
        widgets.append(_at(0, 15 + 6 * number, _WIDTH, 6, "log", properties))
    return cloudwatch.CfnDashboard(
        scope,
        construct_id,
        dashboard_name=names.dashboard(stack.region),
        dashboard_body=stack.to_json_string({"widgets": widgets}),
    )


def _at(x: int, y: int, width: int, height: int, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": y, "width": width, "height": height, "properties": properties}
