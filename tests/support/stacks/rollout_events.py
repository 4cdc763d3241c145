"""Sites, cores and deployments in an embedded AWS, for tests of what follows a rollout."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from sandbox.core.cloud import Cloud

Site = dict[str, Any]


class Rollout:
    """An account with one component, made for one test.

    Attributes:
        components: Of the deployment of each new site.
        ids: The deployments made here, in order.
    """

    def __init__(self, aws: Callable[[str], Any]) -> None:
        self.greengrass, self.iot = aws("greengrassv2"), aws("iot")
        self._unique = uuid.uuid4().hex[:8]
        self.stack_id = f"arn:aws:cloudformation:us-east-1:123456789012:stack/Edgecam-{self._unique}/id"
        self.ids: list[str] = []
        self.ours, self.other = f"com.example.ours.{self._unique}", f"com.example.other.{self._unique}"
        self.component_arns = [self._register(name) for name in (self.ours, self.other)]
        self.components = {
            self.ours: {"componentVersion": "1.0.0", "configurationUpdate": {"merge": '{"a":1}'}},
            self.other: {"componentVersion": "1.0.0"},
        }

    def core_site(self, name: str) -> tuple[str, Site]:
        """A core, and a site deployed to it."""
        thing = f"{name}-{self._unique}"
        arn = self.iot.create_thing(thingName=thing)["thingArn"]
        return thing, self._site(name, arn)

    def group_site(self, name: str, count: int) -> tuple[list[str], Site]:
        """Cores in a thing group, and a site deployed to that."""
        group = f"{name}-{self._unique}"
        site = self._site(name, self.iot.create_thing_group(thingGroupName=group)["thingGroupArn"])
        return [self.join(site) for _ in range(count)], site

    def join(self, site: Site) -> str:
        """One more core in the group of a site."""
        thing = f"core-{uuid.uuid4().hex[:8]}"
        self.iot.create_thing(thingName=thing)
        group = site["TargetArn"].rpartition("/")[2]
        self.iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
        return thing

    def deploy(self, target_arn: str, components: dict[str, Any], **more: Any) -> str:
        """The id of a new deployment."""
        created = self.greengrass.create_deployment(targetArn=target_arn, components=components, **more)
        self.ids.append(created["deploymentId"])
        return self.ids[-1]

    def newest(self, target_arn: str) -> dict[str, Any]:
        """The deployment that a target obeys."""
        (found,) = self.greengrass.list_deployments(targetArn=target_arn)["deployments"]
        described: dict[str, Any] = self.greengrass.get_deployment(deploymentId=found["deploymentId"])
        return described

    def report(self, thing: str, site: Site, status: str, reason: str = "") -> None:
        """What a core says about the deployment of a site."""
        cloud = Cloud(url=self.greengrass.meta.endpoint_url, thing_name=thing)
        outcome = {"deploymentId": site["DeploymentId"], "status": status, "reason": reason}
        cloud.report({"os": "linux", "architecture": "amd64"}, [], [outcome])

    def _site(self, name: str, target_arn: str) -> Site:
        deployed = self.deploy(target_arn, self.components)
        return {"Name": name, "TargetArn": target_arn, "DeploymentId": deployed}

    def _register(self, name: str) -> str:
        recipe = {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": "1.0.0",
            "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"run": "true"}}],
        }
        arn: str = self.greengrass.create_component_version(inlineRecipe=json.dumps(recipe).encode())["arn"]
        return arn
