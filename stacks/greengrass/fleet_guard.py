"""Refuses to deploy one fleet's file over the stacks of another."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.identity import REPLACE_CONTEXT, RESOURCE_TYPE, identity_of
from fleet.settings.fleet import Fleet
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction

_TIMEOUT = cdk.Duration.minutes(1)


class FleetGuard(Construct):
    """A custom resource with the fleet's identity, which fails when it becomes another one's.

    Attributes:
        resource: The custom resource.
    """

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet) -> None:
        super().__init__(scope, construct_id)
        # Which also says whether it is being rolled back.
        see = iam.PolicyStatement(
            sid="SeeOwnStack",
            actions=["cloudformation:DescribeStacks"],
            resources=[cdk.Stack.of(self).stack_id],
        )
        function = HandlerFunction(
            self,
            "Comparer",
            FunctionSpec(
                description="Refuses a deploy of another fleet's file.",
                code=FunctionCode(module="greengrass.fleet_identity"),
                timeout=_TIMEOUT,
                statements=[see],
            ),
        )
        identity = identity_of(fleet)
        properties = {"Targets": identity.targets, "Examples": identity.examples}
        if str(self.node.try_get_context(REPLACE_CONTEXT)).lower() == "true":
            properties["Replace"] = "true"
        self.resource = cdk.CustomResource(
            self,
            "Fleet",
            resource_type=RESOURCE_TYPE,
            service_token=function.function.attr_arn,
            service_timeout=_TIMEOUT,
            properties=properties,
        )
        self.resource.node.add_dependency(function)

    def precede_the_stack(self) -> None:
        """Everything that the stack has by now is made and changed after the comparison."""
        within = f"{self.node.path}/"
        for found in cdk.Stack.of(self).node.find_all():
            if cdk.CfnResource.is_cfn_resource(found) and not found.node.path.startswith(within):
                found.node.add_dependency(self.resource)
