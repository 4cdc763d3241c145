"""The examples' consumer as a user makes it his own: image, artifact, component, and what the core may do."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployed_system import until

from container.image.context import write_network_settings
from container.image.inputs import DEFAULT_BASE_IMAGE, PROJECT
from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.topics import Topics
from sandbox.settings import CoreSpec
from sandbox.system import System

FOLDER = PROJECT / "examples/consumer"
NAME, VERSION = "com.example.motion", "1.0.0"
ARTIFACT = "motion.tar.gz"


@dataclass(frozen=True)
class Consumer:
    """The component under a name that no other run uses: its container and its image have it, too."""

    name: str
    archive: Path

    def component(self, **merge: str) -> str:
        """What stands in `components` of a site, as JSON."""
        return json.dumps({self.name: {"version": VERSION, "merge": merge}})

    def register(self, system: System) -> None:
        """Put the artifact into a bucket, let the cores' role read it, and make the component version."""
        assert system.aws is not None
        bucket, key = self.name.replace(".", "-"), f"{self.name}/{VERSION}/{ARTIFACT}"
        s3 = system.aws.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.upload_file(str(self.archive), bucket, key)
        aliases = system.aws.client("iot").list_role_aliases()["roleAliases"]
        alias = system.aws.client("iot").describe_role_alias(roleAlias=aliases[0])["roleAliasDescription"]
        system.aws.client("iam").put_role_policy(
            RoleName=alias["roleArn"].rpartition("/")[2],
            PolicyName="MotionArtifacts",
            PolicyDocument=_allow("s3:GetObject", f"arn:aws:s3:::{bucket}/{self.name}/*"),
        )
        recipe = (FOLDER / "recipe.yaml").read_text().replace(NAME, self.name).replace("BUCKET", bucket)
        if platform.machine() == "aarch64":
            recipe = recipe.replace("architecture: amd64", "architecture: aarch64")
        system.aws.client("greengrassv2").create_component_version(inlineRecipe=recipe.encode())

    def let_publish(self, system: System, thing: str) -> None:
        """A second policy for each certificate of the thing: the topics of the consumer."""
        assert system.aws is not None
        iot, policy = system.aws.client("iot"), f"Motion-{uuid.uuid4().hex[:8]}"
        topics = f"arn:aws:iot:{REGION}:{ACCOUNT}:topic/motion/{thing}/*"
        iot.create_policy(policyName=policy, policyDocument=_allow("iot:Publish", topics))
        for certificate in iot.list_thing_principals(thingName=thing)["principals"]:
            iot.attach_policy(policyName=policy, target=certificate)

    def mounts(self) -> dict[str, bool]:
        """Of the running container: by the folder within, whether it may be written."""
        asked = ["docker", "inspect", "--format", "{{json .Mounts}}", self.name]
        found = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
        return {each["Destination"]: each["RW"] for each in found}

    def is_running(self) -> bool:
        """Whether its container is there."""
        asked = ["docker", "ps", "--quiet", "--filter", f"name=^/{self.name}$"]
        return bool(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())


@contextlib.contextmanager
def built(folder: Path, build: str, save: str) -> Iterator[Consumer]:
    """The image built and saved in `folder`; Docker has nothing of it then, and nothing afterwards.

    Args:
        folder: An empty one.
        build: The command that builds it, as it is documented.
        save: The command that makes the artifact, as it is documented.
    """
    name = f"{NAME}-{uuid.uuid4().hex[:8]}"
    image = f"{name}:{VERSION}"
    (folder / "examples").symlink_to(FOLDER.parent)
    with _base() as base:
        _type(build.replace(NAME, name) + f" --build-arg BASE_IMAGE={base}", folder)
    _type(save.replace(NAME, name), folder)
    _docker("image", "rm", "--no-prune", image)
    try:
        yield Consumer(name, folder / ARTIFACT)
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        subprocess.run(["docker", "image", "rm", "--no-prune", image], capture_output=True, check=False)


@contextlib.contextmanager
def _base() -> Iterator[str]:
    """A base image from which pip reaches its index on this machine."""
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory() as folder:
        write_network_settings(Path(folder) / "network", os.environ)
        dockerfile = Path(folder) / "Dockerfile"
        dockerfile.write_text(
            f"FROM {DEFAULT_BASE_IMAGE}\nCOPY network /network\nCOPY network/pip.conf /etc/pip.conf\n"
        )
        _docker("build", "--tag", name, folder)
    try:
        yield name
    finally:
        _docker("image", "rm", "--no-prune", name)


def reported(topics: Topics, thing: str, camera: str) -> dict[str, Any]:
    """The consumer's newest message of a camera; empty before the first."""
    payload = topics.newest(f"motion/{thing}/{camera}")
    found: dict[str, Any] = json.loads(payload) if payload is not None else {}
    return found


def check_reports(system: System, core: CoreSpec, consumer: Consumer) -> None:
    """It runs beside edgecam on this core, looks at its frames, and is heard in the cloud."""
    assert system.aws is not None

    def all_are(**expected: object) -> bool:
        found = [reported(topics, core.thing, camera) for camera in ("lobby", "yard")]
        return all(expected.items() <= message.items() for message in found)

    with Topics(system.aws.url, f"motion/{core.thing}/+") as topics:
        until(lambda: all_are(fresh=True, moving=True, status="connected"), "both cameras move", system)
        assert consumer.mounts()["/frames"] is False
        system.running_cameras.freeze()
        try:
            until(lambda: all_are(fresh=False, moving=False, status="stalled"), "both are away", system)
        finally:
            system.running_cameras.release()
        until(lambda: all_are(fresh=True, moving=True), "both are back", system)


def _allow(action: str, resource: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _docker(*arguments: str) -> None:
    _type(shlex.join(["docker", *arguments]), PROJECT)


def _type(command: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
