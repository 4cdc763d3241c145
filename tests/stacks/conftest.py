"""What the stacks' tests share: an embedded AWS and Cloud IoT, and functions packed for them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud_iot_handler import PROVIDERS, Camera, Handler
from core_fleets import EVERYTHING
from deployed_stacks import synthesized
from fleets import PROJECT

from sandbox.iot.server import EmbeddedCloudIot


@pytest.fixture(scope="session")
def assembly(write_fleet: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly of a fleet that has everything, for tests that deploy its stacks."""
    return synthesized(write_fleet(EVERYTHING), tmp_path_factory.mktemp("assembly"))


@pytest.fixture(scope="session")
def packed_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Packs a function that makes devices, as the CDK does, for Lambda's Python or another."""
    done: dict[tuple[str, str | None], Path] = {}

    def pack(name: str, python: str | None = None) -> Path:
        if (name, python) not in done:
            target = done[name, python] = tmp_path_factory.mktemp(name) / "function.zip"
            command = [str(PROJECT / "stacks" / "gcp" / "build"), "--function", name, "--output", str(target)]
            other = ["--python", python] if python is not None else []
            subprocess.run([*command, *other], cwd=PROJECT, check=True, capture_output=True)
        return done[name, python]

    return pack


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of the function that makes buckets, as the CDK makes it: by the command, in a process."""
    target = tmp_path_factory.mktemp("packed") / "function.zip"
    command = [str(PROJECT / "stacks" / "gcp" / "build"), "--output", str(target)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str(target)]
    return target


@pytest.fixture(scope="session")
def cloud_iot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloudIot]:
    """An embedded Cloud IoT."""
    with EmbeddedCloudIot(tmp_path_factory.mktemp("cloud-iot")) as running:
        yield running


@pytest.fixture(scope="session")
def secrets(aws: Callable[[str], Any]) -> Any:
    """The client of AWS Secrets Manager."""
    return aws("secretsmanager")


@pytest.fixture(scope="session")
def lambda_environment(secrets: Any, cloud_iot: EmbeddedCloudIot) -> dict[str, str]:
    """What a function finds around it."""
    return {
        "AWS_ENDPOINT_URL": secrets.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "CLOUD_IOT_ENDPOINT": cloud_iot.url,
    }


@pytest.fixture(scope="session")
def handlers(
    lambda_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Handler]]:
    """The handler of registry and devices, by provider."""
    with contextlib.ExitStack() as stack:
        running = {}
        for provider in PROVIDERS:
            folder = tmp_path_factory.mktemp(provider)
            running[provider] = Handler(provider, folder=folder, environment=lambda_environment)
            stack.callback(running[provider].stop)
        yield running


@pytest.fixture(params=PROVIDERS)
def camera(
    request: pytest.FixtureRequest, handlers: dict[str, Handler], cloud_iot: EmbeddedCloudIot, secrets: Any
) -> Iterator[Camera]:
    """A camera that is to be a device, at each provider."""
    yield Camera(handler=handlers[request.param], cloud=cloud_iot, secrets=secrets)
    cloud_iot.heal()
