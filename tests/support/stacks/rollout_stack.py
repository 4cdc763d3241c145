"""The stack of a small fleet in an embedded AWS: sites, waves, removal and going back, as they are made."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.environment import REPOSITORY

ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
ENDED = ("COMPLETE", "FAILED")
STACK_S = 300.0
"""For what takes ten seconds on a quiet machine."""

Eventually = Callable[..., Any]


def new_component() -> str:
    """The name of a component of its own, as a site of variant frame-grabber has it."""
    return f"com.example.c{uuid.uuid4().hex[:8]}.frame-grabber"


class RolloutStack:
    """Its sites get one version after another."""

    def __init__(
        self,
        aws: Any,
        folder: Path,
        eventually: Eventually,
        component: str,
        sites: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Nothing is deployed yet; `sites` are settings beside the cameras, by the site's name."""
        self.name = f"Rollout-{uuid.uuid4().hex[:8]}"
        self._aws = aws
        self._folder = folder
        self._eventually = eventually
        self._component = component
        self._sites = sites
        self._client = aws.client("cloudformation")

    def deploy(self, version: str, *waves: str, call_s: int | None = None) -> str:
        """Deploy a version to all sites, in waves of one; returns the status that the stack ends in.

        With `call_s` the function that waits may run for that long at a time.
        """
        template = self._template(version, waves)
        for resource in template["Resources"].values() if call_s else ():
            if resource["Properties"].get("Handler") == "handlers.greengrass.wave.handler":
                resource["Properties"]["Timeout"] = call_s
        known = [stack["StackName"] for stack in self._client.describe_stacks()["Stacks"]]
        act = self._client.update_stack if self.name in known else self._client.create_stack
        arn = act(
            StackName=self.name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
        )["StackId"]
        return self._ended(arn)

    def destroy(self) -> str:
        """Delete the stack; returns how that ended."""
        arn = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self._client.delete_stack(StackName=self.name)
        return self._ended(arn)

    def reasons(self) -> str:
        """Why resources failed."""
        events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def output(self, name: str) -> str:
        """An output's value."""
        (stack,) = self._client.describe_stacks(StackName=self.name)["Stacks"]
        (value,) = [one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == name]
        return str(value)

    def calls(self) -> int:
        """How often the function that waits was called."""
        logs = self._aws.client("logs")
        groups = self._client.describe_stack_resources(StackName=self.name)["StackResources"]
        (group,) = (
            each["PhysicalResourceId"]
            for each in groups
            if each["LogicalResourceId"].startswith("WavesWaiterLog")
        )
        events = logs.filter_log_events(logGroupName=group)["events"]
        return sum(event["message"].startswith("START ") for event in events)

    def _ended(self, arn: str) -> str:
        def ended() -> str | None:
            status: str = self._client.describe_stacks(StackName=arn)["Stacks"][0]["StackStatus"]
            return status if status.endswith(ENDED) and "CLEANUP" not in status else None

        found: str = self._eventually(ended, within_s=STACK_S)
        return found

    def _template(self, version: str, waves: Sequence[str]) -> dict[str, Any]:
        # Imported here: it takes seconds, and the other tests of this folder do without.
        import aws_cdk as cdk
        from aws_cdk import aws_s3 as s3

        from fleet.settings.fleet import Fleet
        from stacks.rollout.site_stacks import SiteStacks
        from stacks.rollout.waves import Waves

        camera = {"id": "a", "uri": "test://"}
        fleet = Fleet.model_validate(
            {
                "aws": {"component_prefix": self._component.rpartition(".")[0]},
                "sites": {
                    name: {"rollout": {"remove_on_destroy": True}, **site, "cameras": [camera]}
                    for name, site in self._sites.items()
                },
                "waves": [{"sites": [site], "within_min": 2} for site in waves],
            }
        )
        app = cdk.App(outdir=str(self._folder / uuid.uuid4().hex), analytics_reporting=False)
        stack = cdk.Stack(app, self.name)
        # The version is registered already: what registers it is not what this is about.
        there = cdk.CfnWaitConditionHandle(stack, "There")
        component: Any = SimpleNamespace(name=self._component, version=version, resource=there)
        bucket = s3.Bucket.from_bucket_name(stack, "Artifacts", "artifacts")
        sites = SiteStacks(stack, fleet=fleet, bucket=bucket)
        deployments = sites.deploy(fleet.sites, component)
        removing = sites.remove_with_stack(fleet.sites, deployments)
        sites.go_back(fleet.sites, deployments, removing)
        if fleet.waves:
            Waves(stack, "Waves", fleet=fleet, deployments=deployments, removing=removing)
        made: dict[str, Any] = app.synth().get_stack_by_name(self.name).template
        made["Resources"] = {key: {"Properties": {}, **found} for key, found in made["Resources"].items()}
        self._upload_handlers(made)
        return {name: made[name] for name in ("Resources", "Outputs")}

    def _upload_handlers(self, template: dict[str, Any]) -> None:
        content = io.BytesIO()
        handlers = REPOSITORY / "stacks" / "handlers"
        with zipfile.ZipFile(content, "w") as archive:
            for path in handlers.rglob("*.py"):
                archive.write(path, path.relative_to(handlers.parent))
        s3 = self._aws.client("s3")
        s3.create_bucket(Bucket=ASSETS)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                s3.put_object(
                    Bucket=ASSETS, Key=resource["Properties"]["Code"]["S3Key"], Body=content.getvalue()
                )
