"""Waves: the sites of a later one are deployed when those of the earlier ones run the new version.

Between two waves is a custom resource that depends on the deployments of the one, and that those of the next
depend on (stacks/handlers/greengrass/wave.py waits). When it fails, CloudFormation stops and rolls back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.settings.fleet import Fleet
from fleet.wave_plan import waves_of
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.greengrass.deployment import SiteDeployment
from stacks.rollout.grants import acknowledge_rights, deploy_to, follow_deployments

_CALL_TIMEOUT = cdk.Duration.minutes(15)
"""Lambda's longest; the function calls itself again when a wave takes longer."""

_WAVE_TIMEOUT = cdk.Duration.hours(1)
"""The longest that CloudFormation waits for a custom resource, and more than `within_min` may be."""


class Waves(Construct):
    """The waves of a variant's sites, one after another.

    Attributes:
        gates: The custom resource after each wave, by the wave's number; waves that have no site of this
            variant have none.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, fleet: Fleet, deployments: Mapping[str, SiteDeployment]
    ) -> None:
        """Put the deployments in order.

        Args:
            scope: The stack of the variant.
            construct_id: The construct's id.
            fleet: Whose `waves` are the order.
            deployments: Of all sites of the variant, by their names.
        """
        super().__init__(scope, construct_id)
        self._fleet = fleet
        self.gates: dict[int, cdk.CustomResource] = {}
        planned = {name: wave for name, wave in waves_of(fleet).items() if name in deployments}
        if not planned:
            return
        self._function = self._make_function(list(planned))
        for number in sorted(set(planned.values())):
            members = {name: deployments[name] for name, wave in planned.items() if wave == number}
            self._follow(members.values())
            self.gates[number] = self._gate(number, members)
        self._follow(deployed for name, deployed in deployments.items() if name not in planned)

    def _follow(self, deployments: Iterable[SiteDeployment]) -> None:
        """These come after the newest gate; in another stack, that stack comes after this one anyway."""
        if not self.gates:
            return
        gate = self.gates[max(self.gates)]
        for deployed in deployments:
            if cdk.Stack.of(deployed) is cdk.Stack.of(self):
                deployed.deployment.node.add_dependency(gate)

    def _make_function(self, names: list[str]) -> HandlerFunction:
        sites = [self._fleet.sites[name] for name in names]
        function = HandlerFunction(
            self,
            "Waiter",
            FunctionSpec(
                description="Waits until a wave of sites runs its new deployment.",
                code=FunctionCode(module="greengrass.wave"),
                timeout=_CALL_TIMEOUT,
                statements=[*follow_deployments(self, sites), *deploy_to(self, sites)],
            ),
        )
        acknowledge_rights(function.policy, sites)
        # A policy of its own, since this one names the function, which is made after its rights.
        again = iam.PolicyStatement(
            sid="GoOnWaiting", actions=["lambda:InvokeFunction"], resources=[function.function.attr_arn]
        )
        self._goes_on = iam.Policy(self, "GoesOn", roles=[function.role], statements=[again])
        return function

    def _gate(self, number: int, members: Mapping[str, SiteDeployment]) -> cdk.CustomResource:
        wave = self._fleet.waves[number]
        gate = cdk.CustomResource(
            self,
            f"Wave{number}",
            resource_type="Custom::EdgecamWave",
            service_token=self._function.function.attr_arn,
            service_timeout=_WAVE_TIMEOUT,
            properties={
                "Wave": str(number),
                "Percent": f"{wave.percent:g}",
                "AtLeast": str(wave.at_least),
                "WithinMin": f"{wave.within_min:g}",
                "Sites": [
                    {
                        "Name": name,
                        "TargetArn": deployed.deployment.target_arn,
                        "DeploymentId": deployed.deployment.attr_deployment_id,
                    }
                    for name, deployed in sorted(members.items())
                ],
            },
        )
        gate.node.add_dependency(self._function, self._goes_on)
        return gate
