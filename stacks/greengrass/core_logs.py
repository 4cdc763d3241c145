"""The logs of cores in CloudWatch: what uploads them, and how long they are kept.

The classic nucleus has a log manager; Nucleus Lite has a forwarder of the system's journal, where everything
of it goes. Both write below /aws/greengrass, where the cores' role lets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_logs
from constructs import Construct

from fleet.settings.cores import CoreLogs

LOG_MANAGER = "aws.greengrass.LogManager"
LOG_MANAGER_VERSION = "2.3.10"
"""Since 2.3.5 it does not wear out a core's disk with its own bookkeeping (developer guide, log manager)."""

LOG_FORWARDER = "aws.greengrass.SystemLogForwarder"
LOG_FORWARDER_VERSION = "2.1.0"

FORWARDED = "/aws/greengrass/systemLogs"


class CoreLogGroups(Construct):
    """The log groups of the cores, with an end to what they keep. Cores would make them without one.

    They outlive their stack, and must not be there before it: `cdk import` takes over those that are.

    Attributes:
        arns: Of the groups.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, logs: CoreLogs, components: Sequence[str], lite: bool
    ) -> None:
        """Make the groups.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            logs: Of `cores.logs`.
            components: Names of our components on cores with the classic nucleus.
            lite: Whether there are cores with Nucleus Lite.
        """
        super().__init__(scope, construct_id)
        region = cdk.Stack.of(self).region
        names = {name: f"/aws/greengrass/UserComponent/{region}/{name}" for name in components}
        if components:
            names["System"] = f"/aws/greengrass/GreengrassSystemComponent/{region}/System"
        if lite:
            names["Forwarded"] = FORWARDED
        groups = [
            aws_logs.CfnLogGroup(self, name, log_group_name=group, retention_in_days=logs.retention_days)
            for name, group in names.items()
        ]
        for group in groups:
            group.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self.arns: list[str] = [group.attr_arn for group in groups]


def log_component(logs: CoreLogs, *, nucleus: str, component: str) -> tuple[str, str, dict[str, Any]]:
    """What uploads the logs of a site's cores: a component, its version, and its configuration.

    Args:
        logs: Of `cores.logs`.
        nucleus: `classic` or `lite`.
        component: Ours, whose log is wanted beside the nucleus' own.
    """
    if nucleus == "lite":
        # Its default takes all services that begin with ggl., which all components' do.
        return (
            LOG_FORWARDER,
            LOG_FORWARDER_VERSION,
            {"maxUploadIntervalSec": logs.every_s, "logGroup": FORWARDED},
        )
    one = {"minimumLogLevel": logs.level, "diskSpaceLimit": str(logs.disk_mb), "diskSpaceLimitUnit": "MB"}
    return (
        LOG_MANAGER,
        LOG_MANAGER_VERSION,
        {
            "logsUploaderConfiguration": {
                "systemLogsConfiguration": {"uploadToCloudWatch": "true", **one},
                "componentLogsConfigurationMap": {component: one},
            },
            "periodicUploadIntervalSec": str(logs.every_s),
        },
    )
