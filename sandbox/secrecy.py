"""Search for a camera's password wherever it must not stand."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil

from sandbox.preflight import CONTAINER
from sandbox.system import System


def places(system: System) -> Iterator[tuple[str, str]]:
    """Where a password could leak to, by name and content: all but the secret and the cameras' file."""
    settings = system.settings
    yield "the rendered fleet.yaml", (settings.folder / "fleet.yaml").read_text()
    for folder in (settings.logs, settings.folder / "core" / "logs", settings.folder / "cdk.out"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size < 50_000_000:
                yield str(path.relative_to(settings.folder)), path.read_text(errors="replace")
    for path in sorted(settings.data_dir.rglob("*.json")):
        yield str(path.relative_to(settings.folder)), path.read_text(errors="replace")
    yield "the process list", "\n".join(_command_lines())
    yield "docker inspect", _docker("inspect", CONTAINER)
    yield "docker logs", _docker("logs", CONTAINER)
    for page in ("", "metrics", "healthz"):
        yield f"the page's /{page}", _page(settings.page_port, page)
    yield from _cloud(system)


def leaks(system: System) -> tuple[int, list[str]]:
    """How many places were searched, and those that hold the password."""
    searched = list(places(system))
    return len(searched), [name for name, content in searched if system.password in content]


def _command_lines() -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            yield " ".join(process.cmdline())
        except psutil.Error:
            continue  # it ended while we looked, or is not ours to see


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


def _cloud(system: System) -> Iterator[tuple[str, str]]:
    assert system.aws is not None
    greengrass = system.aws.client("greengrassv2")
    for deployment in greengrass.list_deployments(historyFilter="ALL")["deployments"]:
        identifier = deployment["deploymentId"]
        yield f"deployment {identifier}", str(greengrass.get_deployment(deploymentId=identifier))
    for component in greengrass.list_components()["components"]:
        arn = component["latestVersion"]["arn"]
        yield f"the recipe of {arn}", greengrass.get_component(arn=arn)["recipe"].decode()
    cloudformation = system.aws.client("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        yield (
            f"the template of {stack['StackName']}",
            str(cloudformation.get_template(StackName=stack["StackName"])["TemplateBody"]),
        )
