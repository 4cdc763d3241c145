"""The logs of cores in CloudWatch: what uploads them, and how long they are kept.

The classic nucleus has a log manager; Nucleus Lite has a forwarder of the system's journal, where everything
of it goes. Both write below /aws/greengrass, where the cores' role lets them.
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.settings.cores import CoreLogs
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.nag import acknowledge_wildcard

_TIMEOUT = cdk.Duration.minutes(5)


class CoreLogGroups(Construct):
    """The log groups of the cores, with an end to what they keep. Cores would make them without one.

    Their names are the nuclei's, and they outlive their stack: the next one finds them there, as one does
    where a core was faster. A custom resource adopts them, which `AWS::Logs::LogGroup` cannot.

    Attributes:
        arns: Of what is in the groups.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        logs: CoreLogs,
        components: Sequence[str],
        forwarded: str | None,
    ) -> None:
        """Make the groups.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            logs: Of `cores.logs`.
            components: Names of our components on cores with the classic nucleus.
            forwarded: Where cores with Nucleus Lite forward to; None where there are none.
        """
        super().__init__(scope, construct_id)
        region = cdk.Stack.of(self).region
        names = [f"/aws/greengrass/UserComponent/{region}/{name}" for name in components]
        if components:
            names.append(f"/aws/greengrass/GreengrassSystemComponent/{region}/System")
        if forwarded is not None:
            names.append(forwarded)
        groups = [_group_arn(self, name) for name in names]
        self.arns: list[str] = [f"{group}:*" for group in groups]
        function = self._function([*groups, *self.arns])
        resource = cdk.CustomResource(
            self,
            "Groups",
            resource_type="Custom::EdgecamLogGroups",
            service_token=function.function.attr_arn,
            service_timeout=_TIMEOUT,
            properties={"Names": names, "RetentionDays": str(logs.retention_days)},
        )
        resource.node.add_dependency(function)

    def _function(self, groups: Sequence[str]) -> HandlerFunction:
        function = HandlerFunction(
            self,
            "Keeper",
            FunctionSpec(
                description="Makes the log groups of the cores, and sets how long they keep a line.",
                code=FunctionCode(module="greengrass.log_groups"),
                timeout=_TIMEOUT,
                statements=[
                    iam.PolicyStatement(
                        sid="KeepGroups",
                        actions=["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
                        resources=list(groups),
                    )
                ],
            ),
        )
        for arn in self.arns:
            acknowledge_wildcard(
                function.policy,
                arn,
                "CloudWatch Logs ends the ARN of a group so, and checks actions on a group by it.",
            )
        return function


def _group_arn(scope: Construct, name: str) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="logs",
        resource="log-group",
        resource_name=name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
