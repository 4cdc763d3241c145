"""The stack that watches the fleet: alarms, one dashboard, and what they are made of."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from fleet.settings.watch import Watch
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec
from stacks.functions.nag import acknowledge_wildcard
from stacks.functions.service_function import ServiceFunction
from stacks.watch.alarms import WatchAlarms
from stacks.watch.camera_table import CameraTable
from stacks.watch.cloudwatch_dashboard import make_dashboard
from stacks.watch.core_events import CoreEvents
from stacks.watch.topic import topic_arn_of

LEAST_NO_CHUNKS_S = 300
CHUNKS_OVERDUE = 3
"""The time of this number of its chunks is what a recording is given."""

_MOST_NAMED = 10
"""Sites in one message."""

_RUN_TIMEOUT = cdk.Duration.seconds(60)
"""A run over ten thousand cameras takes a few seconds."""


class WatchStack(cdk.Stack):
    """States of cameras → table → a run every few minutes → metrics → alarms and dashboard."""

    def __init__(
        self, scope: Construct, construct_id: str, *, fleet: Fleet, watch: Watch, **stack: Any
    ) -> None:
        super().__init__(scope, construct_id, description="edgecam: alarms and dashboard", **stack)
        self._report_unwatched(fleet)
        self._names = names_of(fleet)
        cameras = CameraTable(self, "Cameras", names=self._names)
        events_of_cores = CoreEvents(self, "Cores", names=self._names)
        function = self._function(cameras, limits_of(fleet, watch))
        self._schedule(function, watch.every_min)
        alarms = WatchAlarms(
            self,
            "Alarms",
            names=self._names,
            limits=watch.alarms,
            every_min=watch.every_min,
            failed_deployments=events_of_cores.failed_deployments,
            topic_arn=topic_arn_of(self, watch, self._names.title),
        )
        dashboard = make_dashboard(
            self,
            "Dashboard",
            names=self._names,
            alarms=alarms.arns(),
            every_min=watch.every_min,
            watch_log=function.log_group_name,
            event_log=events_of_cores.log_group_name,
            error_log=cameras.error_log_group_name,
        )
        cdk.CfnOutput(self, "DashboardName", value=dashboard.ref, description="In CloudWatch.")
        cdk.CfnOutput(
            self, "CameraTableName", value=cameras.table.ref, description="The last state of every camera."
        )

    def _report_unwatched(self, fleet: Fleet) -> None:
        names = [name for name, site in fleet.sites.items() if not site.aws_iot.enabled]
        if names:
            some = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
            cdk.Annotations.of(self).add_info_v2(
                "edgecam:not-watched",
                f"{len(names)} of {len(fleet.sites)} sites are not watched, since their cores do not tell "
                f"the states of cameras (aws_iot: {{enabled: true}}): {some}",
            )

    def _function(self, cameras: CameraTable, limits: dict[str, float | None]) -> ServiceFunction:
        publish = iam.PolicyStatement(
            sid="TellMetrics",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": self._names.metric_namespace}},
        )
        find = iam.PolicyStatement(
            sid="FindUnhealthyCores", actions=["greengrass:ListCoreDevices"], resources=["*"]
        )
        read = iam.PolicyStatement(
            sid="ReadStates",
            # PutItem is for its own memory, DeleteItem for cameras that were silent for too long.
            actions=["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Scan"],
            resources=[cameras.table.attr_arn],
        )
        function = ServiceFunction(
            self,
            "Watch",
            FunctionSpec(
                description="Looks at the states of all cameras and tells CloudWatch how many are in "
                "trouble.",
                code=FunctionCode(module="watch.watch"),
                timeout=_RUN_TIMEOUT,
                statements=[read, publish, find],
                environment={
                    "CAMERA_TABLE": cameras.table.ref,
                    "LIMITS": json.dumps(limits),
                    "METRIC_NAMESPACE": self._names.metric_namespace,
                },
            ),
        )
        acknowledge_wildcard(
            function.policy,
            "*",
            "PutMetricData and ListCoreDevices know no resources; a condition names the metrics' namespace.",
        )
        return function

    def _schedule(self, function: ServiceFunction, every_min: int) -> None:
        unit = "minute" if every_min == 1 else "minutes"
        rule = events.CfnRule(
            self,
            "Schedule",
            description="edgecam: a look at all cameras",
            schedule_expression=f"rate({every_min} {unit})",
            targets=[events.CfnRule.TargetProperty(id="Watch", arn=function.function.attr_arn)],
        )
        function.let_call("events.amazonaws.com", rule.attr_arn)


def limits_of(fleet: Fleet, watch: Watch) -> dict[str, float | None]:
    """What handlers/watch/problems.py calls `Limits`, as plain values."""
    chunks = [
        camera.recording.chunk_s
        for site in fleet.sites.values()
        for camera in site.cameras
        if camera.recording.enabled
    ]
    usual_s = max([LEAST_NO_CHUNKS_S, *(CHUNKS_OVERDUE * chunk_s for chunk_s in chunks)])
    return {
        "late_s": watch.late_s,
        "trouble_after_s": watch.trouble_after_s,
        "no_chunks_after_s": usual_s if watch.no_chunks_after_s is None else watch.no_chunks_after_s,
        "spool_bytes": watch.spool_bytes,
        "forget_after_s": 86_400 * watch.forget_after_days,
    }
