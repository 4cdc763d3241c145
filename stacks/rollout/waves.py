"""Waves: the sites of a later one are deployed when those of the earlier ones run the new version.

Between two waves is a custom resource that depends on the deployments of the one, and that those of the next
depend on (stacks/handlers/greengrass/wave.py waits). When it fails, CloudFormation stops and rolls back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from constructs import Construct

from fleet.settings.fleet import Fleet
from fleet.wave_plan import waves_of
from stacks.greengrass.deployment import SiteDeployment
from stacks.rollout.removal import end_before
from stacks.rollout.waiting_function import RESOURCE_TIMEOUT, make_waiting_function, property_of


class Waves(Construct):
    """The waves of a variant's sites, one after another.

    Attributes:
        gates: The custom resource after each wave, by the wave's number; waves that have no site of this
            variant have none.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        deployments: Mapping[str, SiteDeployment],
        removing: Mapping[str, cdk.CustomResource],
    ) -> None:
        """Put the deployments in order.

        Args:
            scope: The stack of the variant.
            construct_id: The construct's id.
            fleet: Whose `waves` are the order.
            deployments: Of all sites of the variant, by their names.
            removing: What takes components from the cores of sites that go, likewise.
        """
        super().__init__(scope, construct_id)
        self._fleet = fleet
        self.gates: dict[int, cdk.CustomResource] = {}
        planned = {name: wave for name, wave in waves_of(fleet).items() if name in deployments}
        if not planned:
            return
        self._function = make_waiting_function(
            self,
            description="Waits until a wave of sites runs its new deployment.",
            module="greengrass.wave",
            sites=[fleet.sites[name] for name in planned],
        )
        for number in sorted(set(planned.values())):
            members = {name: deployments[name] for name, wave in planned.items() if wave == number}
            self._follow(members.values())
            self.gates[number] = self._gate(number, members)
            end_before(self.gates[number], removing, members)
        self._follow(deployed for name, deployed in deployments.items() if name not in planned)

    def _follow(self, deployments: Iterable[SiteDeployment]) -> None:
        """These come after the newest gate; in another stack, that stack comes after this one anyway."""
        if not self.gates:
            return
        gate = self.gates[max(self.gates)]
        for deployed in deployments:
            if cdk.Stack.of(deployed) is cdk.Stack.of(self):
                deployed.deployment.node.add_dependency(gate)

    def _gate(self, number: int, members: Mapping[str, SiteDeployment]) -> cdk.CustomResource:
        wave = self._fleet.waves[number]
        gate = cdk.CustomResource(
            self,
            f"Wave{number}",
            resource_type="Custom::EdgecamWave",
            service_token=self._function.function.attr_arn,
            service_timeout=RESOURCE_TIMEOUT,
            properties={
                "Wave": str(number),
                "Percent": f"{wave.percent:g}",
                "AtLeast": str(wave.at_least),
                "WithinMin": f"{wave.within_min:g}",
                "Sites": [property_of(name, deployed) for name, deployed in sorted(members.items())],
            },
        )
        gate.node.add_dependency(self._function, self._function.goes_on)
        return gate
