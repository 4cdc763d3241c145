"""Templates as `cdk deploy` hands them to CloudFormation, functions as it uploads them, without its CLI."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from unittest import mock

from fleets import PROJECT

ASSETS = "cdk-hnb659fds-assets-123456789012-us-east-1"
ENDED = ("COMPLETE", "FAILED")
TIMEOUT_S = 60.0

T = TypeVar("T")


def patiently(condition: Callable[[], T]) -> T:
    """As the fixture `eventually`, for fixtures that live longer than one test."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not (outcome := condition()):
        assert time.monotonic() < deadline_s, f"not within {TIMEOUT_S:g} s"
        time.sleep(0.02)
    return outcome


def synthesized(fleet: Path, outdir: Path, context: Mapping[str, str] = MappingProxyType({})) -> Path:
    """The cloud assembly of a fleet, with what `cdk -c` says; what the images are made of does not matter."""
    import aws_cdk as cdk

    from app import build
    from fleet.load import load_fleet

    settings = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = cdk.App(outdir=str(outdir), context={**settings, **context}, analytics_reporting=False)
    with (
        mock.patch("stacks.delivery.container_image.image_hash", return_value="0" * 64),
        mock.patch("stacks.gcp.bucket.content_hash", return_value="0" * 64),
    ):
        build(app, load_fleet(fleet))
    app.synth()
    return outdir


class DeployedStack:
    """A stack in an embedded AWS."""

    def __init__(self, client: Callable[[str], Any], assembly: Path, name: str) -> None:
        """Deploy `name` of an assembly, and wait for its end."""
        self.name = name
        self._cloudformation = client("cloudformation")
        self._s3 = client("s3")
        self._cloudformation.create_stack(**self._request(assembly))
        status = patiently(self._ended)
        assert status == "CREATE_COMPLETE", self.reasons()

    def update(self, assembly: Path) -> str:
        """Deploy what another assembly has for this stack; the status in which that ended."""
        self._cloudformation.update_stack(**self._request(assembly))
        return patiently(self._ended)

    def _request(self, assembly: Path) -> dict[str, Any]:
        _upload(self._s3, assembly, self.name)
        template = json.loads((assembly / f"{self.name}.template.json").read_text())
        # Of `cdk bootstrap`, which these tests do without.
        body = {key: value for key, value in template.items() if key not in ("Parameters", "Rules")}
        return {
            "StackName": self.name,
            "TemplateBody": json.dumps(body),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }

    def destroy(self) -> None:
        """As `cdk destroy` does."""
        (stack,) = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        self._cloudformation.delete_stack(StackName=self.name)
        status = patiently(lambda: self._ended(stack["StackId"]))
        assert status == "DELETE_COMPLETE", self.reasons(stack["StackId"])

    def output(self, name: str) -> str:
        """An output's value."""
        (stack,) = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        (value,) = [one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == name]
        return str(value)

    def physical_id(self, kind: str, containing: str = "") -> str:
        """The id of the one resource of a type whose logical id contains a text."""
        resources = self._cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        (found,) = [
            one["PhysicalResourceId"]
            for one in resources
            if one["ResourceType"] == kind and containing in one["LogicalResourceId"]
        ]
        return str(found)

    def _ended(self, stack_id: str = "") -> str:
        (stack,) = self._cloudformation.describe_stacks(StackName=stack_id or self.name)["Stacks"]
        status: str = stack["StackStatus"]
        return status if status.endswith(ENDED) else ""

    def reasons(self, stack_id: str = "") -> list[str]:
        """Why resources failed, the newest first."""
        events = self._cloudformation.describe_stack_events(StackName=stack_id or self.name)["StackEvents"]
        return [event["ResourceStatusReason"] for event in events if "ResourceStatusReason" in event]


def _upload(s3: Any, assembly: Path, name: str) -> None:
    s3.create_bucket(Bucket=ASSETS)
    files = json.loads((assembly / f"{name}.assets.json").read_text())["files"]
    for file in files.values():
        source = file["source"]
        (destination,) = file["destinations"].values()
        # Images and packed functions, which take minutes to make: these stacks run none of them.
        content = b"made by a program"
        if "path" in source:
            path = assembly / source["path"]
            content = _zipped(path) if source["packaging"] == "zip" else path.read_bytes()
        s3.put_object(Bucket=ASSETS, Key=destination["objectKey"], Body=content)


def _zipped(folder: Path) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in sorted(folder.rglob("*")):
            zipped.write(path, path.relative_to(folder))
    return archive.getvalue()
