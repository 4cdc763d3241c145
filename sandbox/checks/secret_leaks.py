"""Search for what must not leak: a camera's password, the devices' private keys, upload sessions."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil

from sandbox.aws.clients import listed
from sandbox.fleet import BUCKET, DEVICES
from sandbox.system import System

_SESSION = re.compile(r"upload_id=[\w-]{8,}")
"""A session URL: who has it can write that object. The spool alone keeps them, for the next start."""


def places(system: System) -> Iterator[tuple[str, str]]:
    """Where a password could leak to, by name and content: all but the secret and the cameras' file."""
    settings = system.settings
    yield "the rendered fleet.yaml", (settings.folder / "fleet.yaml").read_text()
    roots = [core.root / "logs" for core in settings.cores]
    for folder in (settings.logs, *roots, settings.folder / "cdk.out", settings.spool):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size < 50_000_000:
                yield str(path.relative_to(settings.folder)), path.read_text(errors="replace")
    for path in sorted(path for core in settings.cores for path in core.data_dir.rglob("*.json")):
        yield str(path.relative_to(settings.folder)), path.read_text(errors="replace")
    yield "the process list", "\n".join(_command_lines())
    yield "the processes' environments", "\n".join(_environments())
    for core in settings.cores:
        yield f"docker inspect {core.container}", _docker("inspect", core.container)
        yield f"docker logs {core.container}", _docker("logs", core.container)
        for page in ("", "cameras", "metrics", "healthz"):
            yield f"the page's /{page} at {core.page_port}", _page(core.page_port, page)
    yield from _images(system)
    yield from _cloud(system)
    yield from _states(system)
    yield from _bucket(system)


def private_keys(system: System) -> dict[str, str]:
    """A line of each device's private key that no other key has, by the name of its secret."""
    assert system.aws is not None
    manager = system.aws.client("secretsmanager")
    names = [entry["Name"] for entry in listed(manager, "list_secrets")]
    return {
        name: _own_line(json.loads(manager.get_secret_value(SecretId=name)["SecretString"])["private_key"])
        for name in names
        if name.startswith("edgecam/devices/")
    }


def _own_line(pem: str) -> str:
    """The second line of the key: the first begins alike in all keys of a kind."""
    return pem.splitlines()[2]


def leaks(system: System) -> tuple[int, list[str]]:
    """How many places were searched, and those that hold the password, a private key or a session URL."""
    count, found = 0, []
    secrets = (system.password, *private_keys(system).values())
    for name, content in places(system):  # one at a time: recordings are among them
        count += 1
        kept = name.startswith(f"{system.settings.spool.name}/")
        if any(secret in content for secret in secrets) or (not kept and _SESSION.search(content)):
            found.append(name)
    return count, found


def _command_lines() -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            yield " ".join(process.cmdline())
        except psutil.Error:
            continue  # it ended while we looked, or is not ours to see


def _environments() -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            yield "\n".join(f"{name}={value}" for name, value in process.environ().items())
        except psutil.Error:
            continue


def _images(system: System) -> Iterator[tuple[str, str]]:
    """Every file of the nodes' images, as their containers have them."""
    for core in system.settings.cores:
        command = ["docker", "export", core.container]
        exported = subprocess.run(command, capture_output=True, timeout=60, check=True)
        yield f"the image of {core.container}", exported.stdout.decode("latin-1")


def _states(system: System) -> Iterator[tuple[str, str]]:
    assert system.iot is not None
    for device in DEVICES:
        states = " ".join(state.data.decode("latin-1") for state in system.iot.states(device))
        yield f"the states of {device}", states
        yield f"what is known of {device}", json.dumps(system.iot.device(device))


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout + done.stderr


def _page(port: int, path: str) -> str:
    """What the page says, be it a refusal: /healthz says 503 and why while a camera is not delivering."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            text: str = answer.read().decode(errors="replace")
            return text
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.read().decode(errors="replace")


def _bucket(system: System) -> Iterator[tuple[str, str]]:
    """Objects as they lie in the store, recordings included."""
    assert system.gcs is not None
    for stored in system.gcs.objects("", BUCKET):
        content = system.gcs.content(stored.name, BUCKET).decode("latin-1")
        yield f"the object {stored.name}", f"{stored.name} {stored.metadata} {content}"


def _cloud(system: System) -> Iterator[tuple[str, str]]:
    assert system.aws is not None
    greengrass = system.aws.client("greengrassv2")
    for deployment in listed(greengrass, "list_deployments", historyFilter="ALL"):
        identifier = deployment["deploymentId"]
        yield f"deployment {identifier}", str(greengrass.get_deployment(deploymentId=identifier))
    for component in listed(greengrass, "list_components"):
        arn = component["latestVersion"]["arn"]
        yield f"the recipe of {arn}", greengrass.get_component(arn=arn)["recipe"].decode()
    cloudformation = system.aws.client("cloudformation")
    for stack in listed(cloudformation, "describe_stacks"):
        yield (
            f"the template of {stack['StackName']}",
            str(cloudformation.get_template(StackName=stack["StackName"])["TemplateBody"]),
        )
