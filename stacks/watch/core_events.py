"""What Greengrass sends to EventBridge about cores: broken components and failed deployments.

Each core sends an event once, when it happens, with best effort. The events are kept in a log,
where the dashboard finds which core and why; their number is a metric of the rule itself. No event
notifies by itself: a bad version on ten thousand cores would be ten thousand mails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs
from constructs import Construct

from fleet.physical_names import PhysicalNames

SOURCE = "aws.greengrass"
COMPONENT_CHANGE = "Greengrass V2 Installed Component Status Change"
DEPLOYMENT_CHANGE = "Greengrass V2 Effective Deployment Status Change"
"""https://docs.aws.amazon.com/greengrass/v2/developerguide/deployment-health-notifications.html"""


class CoreEvents(Construct):
    """Two rules, and the log that they write.

    Attributes:
        failed_deployments: Name of the rule whose matches are cores that a deployment failed on.
        log_group_name: Where the events are.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: PhysicalNames) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        log = aws_logs.CfnLogGroup(self, "Log", log_group_name=names.core_events_log, retention_in_days=30)
        log.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        self.log_group_name: str = log.ref
        self._let_write(log)
        self._rule(
            "Components",
            COMPONENT_CHANGE,
            {
                "components": {
                    # This fleet's, and those of Amazon that they stand on.
                    "componentName": [*names.components, {"prefix": "aws.greengrass."}],
                    "lifecycleState": ["ERRORED", "BROKEN"],
                }
            },
        )
        self.failed_deployments: str = self._rule(
            "Deployments", DEPLOYMENT_CHANGE, {"coreDeviceExecutionStatus": ["FAILED", "REJECTED"]}
        ).ref

    def _rule(self, construct_id: str, change: str, detail: Mapping[str, Any]) -> events.CfnRule:
        log_group = cdk.Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=self._names.core_events_log,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return events.CfnRule(
            self,
            construct_id,
            description=f"edgecam: {change}",
            event_pattern={"source": [SOURCE], "detail-type": [change], "detail": dict(detail)},
            targets=[events.CfnRule.TargetProperty(id="Log", arn=log_group)],
        )

    def _let_write(self, log: aws_logs.CfnLogGroup) -> None:
        statement = iam.PolicyStatement(
            sid="EventBridgeWritesCoreEvents",
            principals=[
                iam.ServicePrincipal("events.amazonaws.com"),
                iam.ServicePrincipal("delivery.logs.amazonaws.com"),
            ],
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[log.attr_arn],
        )
        aws_logs.CfnResourcePolicy(
            self,
            "LogPolicy",
            policy_name=self._names.core_events_policy,
            policy_document=cdk.Stack.of(self).to_json_string(
                iam.PolicyDocument(statements=[statement]).to_json()
            ),
        )
