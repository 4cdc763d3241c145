"""What the stacks' tests share: fleets from YAML text, their templates, an embedded AWS."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cloud_iot_rig import PROVIDERS, Camera, Handler
from core_fleets import EVERYTHING
from deployed_stacks import synthesized
from fleets import DEVICES, FLEET, PROJECT, RECORDED, Synthesize, Templates

from sandbox.iot.server import EmbeddedCloudIot

# Node's age is not what these tests are about, and jsii prints pages about it.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")


def pinned_hash(variant: str, architecture: str, base: str) -> str:
    """Stands in for the hash of the program's files: a template's test is not about their content."""
    return hashlib.sha256(f"{variant} {architecture} {base}".encode()).hexdigest()


@pytest.fixture(scope="session")
def write_fleet(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that writes a fleet file."""

    def write(text: str) -> Path:
        path = tmp_path_factory.mktemp("fleet") / "fleet.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def synthesize(write_fleet: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """A function that turns a fleet's text into templates, with cdk-nag looking on: it fails on findings."""
    done: dict[str, Templates] = {}

    def synthesize(text: str) -> Templates:
        if text not in done:
            done[text] = _templates(write_fleet(text), tmp_path_factory.mktemp("cdk.out"))
        return done[text]

    return synthesize


def _templates(fleet: Path, outdir: Path) -> Templates:
    # Imported here: it takes seconds, and tests of settings and handlers do without.
    import aws_cdk as cdk
    import cdk_nag

    from app import build
    from stacks.settings import load_fleet

    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = cdk.App(outdir=str(outdir), context=context, analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    with (
        mock.patch("stacks.container_image.image_hash", pinned_hash),
        mock.patch("stacks.cloud_iot.image_hash", pinned_hash),
        mock.patch("stacks.gcp.bucket.content_hash", return_value=pinned_hash("gcs-bucket", "", "")),
        mock.patch("stacks.gcp.registry.content_hash", return_value=pinned_hash("cloud-iot", "", "")),
    ):
        build(app, load_fleet(fleet))
    assembly = app.synth()
    return {stack.stack_name: stack.template for stack in assembly.stacks}


@pytest.fixture(scope="session")
def templates(synthesize: Synthesize) -> Templates:
    """The templates of FLEET, by stack."""
    return synthesize(FLEET)


@pytest.fixture(scope="session")
def recorded(synthesize: Synthesize) -> Templates:
    """The templates of RECORDED, by stack."""
    return synthesize(RECORDED)


@pytest.fixture(scope="session")
def devices(synthesize: Synthesize) -> Templates:
    """The templates of DEVICES, by stack."""
    return synthesize(DEVICES)


@pytest.fixture(scope="session")
def assembly(write_fleet: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly of a fleet that has everything, for tests that deploy its stacks."""
    return synthesized(write_fleet(EVERYTHING), tmp_path_factory.mktemp("assembly"))


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """A function that makes clients of an embedded AWS."""
    import boto3

    from sandbox.aws.server import EmbeddedAws, client_environment

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with EmbeddedAws(port=port, folder=tmp_path_factory.mktemp("aws")):
        named = client_environment(port)
        session = boto3.Session(
            aws_access_key_id=named["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=named["AWS_SECRET_ACCESS_KEY"],
            region_name=named["AWS_REGION"],
        )
        yield lambda service: session.client(service, endpoint_url=named["AWS_ENDPOINT_URL"])


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
