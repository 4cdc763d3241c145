"""An embedded AWS for the whole run, and cores that each have a thing of their own."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sandbox.aws import environment
from sandbox.aws.clients import ACCOUNT, REGION, listed
from sandbox.aws.server import EmbeddedAws, client_environment
from sandbox.aws.thing import Device, enrol
from sandbox.ports import free_port
from sandbox.process import Process
from stacks.greengrass.core_policy import core_policy

T = TypeVar("T")

WAIT_S = 60.0
ROLE_ALIAS = "SandboxTestRoleAlias"


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """A started embedded AWS with a role alias for cores."""
    folder = tmp_path_factory.mktemp("embedded-aws")
    with EmbeddedAws(port=free_port(), folder=folder, iot_port=free_port()) as aws:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "credentials.iot.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        role = aws.client("iam").create_role(
            RoleName="SandboxTestCore", AssumeRolePolicyDocument=json.dumps(trust)
        )
        aws.client("iam").put_role_policy(
            RoleName="SandboxTestCore",
            PolicyName="Artifacts",
            PolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "s3:GetObject",
                            "Resource": "arn:aws:s3:::com.example.*",
                        },
                        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
                        {
                            "Effect": "Allow",
                            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                            "Resource": "arn:aws:ecr:*:*:repository/com.example.*",
                        },
                    ],
                }
            ),
        )
        aws.client("iot").create_role_alias(
            roleAlias=ROLE_ALIAS, roleArn=role["Role"]["Arn"], credentialDurationSeconds=3600
        )
        yield aws


def core_policy_text(thing: str, role_alias: str = ROLE_ALIAS) -> str:
    """The IoT policy of a core, as the stacks make it."""

    def arn(kind: str, name: str) -> str:
        return f"arn:aws:iot:{REGION}:{ACCOUNT}:{kind}/{name}"

    return json.dumps(core_policy(thing, arn=arn, role_alias_arn=arn("rolealias", role_alias)))


@pytest.fixture
def device_of(embedded_aws: EmbeddedAws, tmp_path: Path) -> Callable[..., Device]:
    """Gives a thing, made where there is none, its certificate, by default with the policy of a core."""

    def make(thing: str, role_alias: str = ROLE_ALIAS, policy: str | None = None) -> Device:
        embedded_aws.client("iot").create_thing(thingName=thing)
        policy = policy or core_policy_text(thing, role_alias)
        return enrol(embedded_aws, thing, policy, tmp_path / uuid.uuid4().hex)

    return make


def recipe_text(name: str, version: str, run: Any, **parts: Any) -> str:
    """A recipe with one manifest; `parts` are Lifecycle steps in lower case, or top-level members."""
    lifecycle = {key: value for key, value in parts.items() if key.islower()}
    return json.dumps(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            **{key: value for key, value in parts.items() if not key.islower() and key != "Artifacts"},
            "Manifests": [
                {
                    "Platform": {"os": "linux", "architecture": "*", "runtime": "*"},
                    "Lifecycle": {**lifecycle, **({} if run is None else {"run": run})},
                    "Artifacts": parts.get("Artifacts", []),
                }
            ],
        }
    )


def until(condition: Callable[[], T], what: str) -> T:
    """The first true value of `condition`."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    pytest.fail(f"not within {WAIT_S:.0f} s: {what}")


class CoreUnderTest:
    """A core in a process of its own, and the API calls that a user would make for it."""

    def __init__(
        self,
        aws: EmbeddedAws,
        folder: Path,
        run_as: str | None = None,
        nucleus: str = "classic",
        shell: str = "dash",
        install_limit_s: float = 300.0,
    ) -> None:
        self.thing = f"core-{uuid.uuid4().hex[:8]}"
        self.root = folder / "root"
        self.aws = aws
        self.greengrass = aws.client("greengrassv2")
        self.thing_arn = aws.client("iot").create_thing(thingName=self.thing)["thingArn"]
        self.arn = self.thing_arn if nucleus == "classic" else self.grouped(f"group-of-{self.thing}")
        device = enrol(aws, self.thing, core_policy_text(self.thing), folder / "certificate")
        self._folder, self._starts = folder, 0
        self._command = [
            *(sys.executable, "-m", "sandbox.core", "--thing-name", self.thing),
            *("--certificate", str(device.folder), "--iot-port", str(device.port)),
            *("--root", str(self.root), "--role-alias", ROLE_ALIAS),
            *(["--run-as", run_as] if run_as else []),
            *("--poll-s", "0.2", "--settle-s", "0.5", "--restart-delay-s", "0.2"),
            *("--nucleus", nucleus, "--shell", shell, "--install-limit-s", str(install_limit_s)),
        ]
        self.process = self._started()

    def _started(self) -> Process:
        self._starts += 1
        return Process(
            "the core",
            self._command,
            log=self._folder / f"core-{self._starts}.log",
            env={"PATH": os.environ["PATH"], **client_environment(self.aws.port)},
            cwd=environment.REPOSITORY,
        )

    def reboot(self) -> None:
        """Stop the core as its machine's shutdown does, and start it again."""
        assert self.process.stop()
        self.process = self._started()

    def command(self, name: str) -> None:
        """Have a core with lite make one of its daemons die, and wait until it is dead."""
        path = self.root / "control" / name
        path.touch()
        until(lambda: not path.exists(), f"the core has done {name}")

    def grouped(self, group: str) -> str:
        """Put the thing into a new group; returns the group's ARN."""
        iot = self.aws.client("iot")
        arn = iot.create_thing_group(thingGroupName=group)["thingGroupArn"]
        iot.add_thing_to_thing_group(thingGroupName=group, thingName=self.thing)
        return str(arn)

    def register(self, name: str, version: str, run: Any, **parts: Any) -> None:
        self.greengrass.create_component_version(
            inlineRecipe=recipe_text(name, version, run, **parts).encode()
        )

    def deploy(self, components: dict[str, dict[str, Any]], **more: Any) -> str:
        """Deploy to the core's thing, with lite to its group; returns the deployment's id."""
        answer = self.greengrass.create_deployment(
            **{"targetArn": self.arn, "components": components, **more}
        )
        return str(answer["deploymentId"])

    def execution(self, deployment_id: str) -> dict[str, Any]:
        found = listed(self.greengrass, "list_effective_deployments", coreDeviceThingName=self.thing)
        return next((entry for entry in found if entry["deploymentId"] == deployment_id), {})

    def finished(self, deployment_id: str) -> dict[str, Any]:
        """The deployment's execution once it has succeeded or failed."""

        def ended() -> dict[str, Any] | None:
            assert self.process.exit_code() is None, self.process.tail()
            execution = self.execution(deployment_id)
            return (
                execution if execution.get("coreDeviceExecutionStatus") in ("SUCCEEDED", "FAILED") else None
            )

        return until(ended, f"deployment {deployment_id} has ended:\n{self.process.tail()}")

    def output(self, name: str) -> str:
        """What the component's scripts wrote; with lite `NAME.install` is a log of its own."""
        path = self.root / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def states(self) -> dict[str, str]:
        """The states of the components, as the cloud knows them."""
        try:
            found = listed(self.greengrass, "list_installed_components", coreDeviceThingName=self.thing)
        except self.greengrass.exceptions.ResourceNotFoundException:
            return {}
        return {entry["componentName"]: entry["lifecycleState"] for entry in found}


@pytest.fixture(name="recipe_text")
def recipe_text_fixture() -> Callable[..., str]:
    """Writes recipes."""
    return recipe_text


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], T], str], T]:
    """Waits for a condition."""
    return until


@pytest.fixture
def component_name() -> str:
    """A name that no other test uses: component versions are never taken back."""
    return f"com.example.c{uuid.uuid4().hex[:8]}"


@pytest.fixture
def core_as(
    embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., CoreUnderTest]]:
    """Starts cores whose scripts run as the named user, with the nucleus and shell that a test asks for."""
    started: list[CoreUnderTest] = []

    def start(user: str | None, **more: Any) -> CoreUnderTest:
        folder = tmp_path_factory.mktemp("core")
        folder.chmod(0o755)
        folder.parent.chmod(0o755)
        started.append(CoreUnderTest(embedded_aws, folder, user, **more))
        return started[-1]

    yield start
    for under_test in started:
        under_test.process.stop()


@pytest.fixture
def core(core_as: Callable[..., CoreUnderTest]) -> CoreUnderTest:
    """A running core without a deployment."""
    return core_as(None)
