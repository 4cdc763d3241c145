"""What tests do with the deployed sandbox: wait for its cores, look at its containers, copy its tree."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.aws.clients import listed
from sandbox.aws.environment import REPOSITORY
from sandbox.checks import frame_files as pictures
from sandbox.checks import waiting
from sandbox.settings import CoreSpec
from sandbox.system import System

FRAME_TIMEOUT_S = 300.0
PARTS = ("app.py", "cdk.json", "container", "fleet", "pyproject.toml", "recipes", "stacks", "uv.lock")
"""What is deployed: the rest of the tree may change meanwhile."""


def until(condition: Callable[[], Any], what: str, system: System) -> Any:
    """The first true value of `condition`, or a failure with the last words of core and component."""
    return waiting.wait_until(system, lambda: condition() or None, what, FRAME_TIMEOUT_S)


def wait_for_width(system: System, camera: str, width: int) -> pictures.Picture:
    """The camera's newest picture once it is fresh and `width` wide."""

    def there() -> pictures.Picture | None:
        found = pictures.look(system.settings.data_dir / camera)
        fresh = found is not None and found.age_s < float(found.described["stale_after_s"])
        return found if found is not None and fresh and found.width == width else None

    picture: pictures.Picture = until(there, f"{camera} delivers pictures of width {width}", system)
    return picture


def settle(system: System, core: CoreSpec | None = None) -> dict[str, Any]:
    """The execution of the newest deployment once the core is done with it."""
    execution: dict[str, Any] = until(
        lambda: (
            found
            if (found := system.execution(core)).get("coreDeviceExecutionStatus") in ("SUCCEEDED", "FAILED")
            else None
        ),
        "the core is done with its deployment",
        system,
    )
    assert execution["coreDeviceExecutionStatus"] == "SUCCEEDED", execution
    return execution


def versions(system: System) -> list[str]:
    """All versions of the frame grabber's component, newest first."""
    assert system.aws is not None
    greengrass = system.aws.client("greengrassv2")
    known = listed(greengrass, "list_components")
    (component,) = (each for each in known if each["componentName"].endswith(".frame-grabber"))
    found = listed(greengrass, "list_component_versions", arn=component["arn"])
    return [entry["componentVersion"] for entry in found]


def running_image(system: System) -> str:
    """The image of the frame grabber's running container, by name and tag."""
    done = subprocess.run(
        ["docker", "inspect", "--format", "{{.Config.Image}}", system.settings.grabber.container],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def container_is_there(system: System) -> bool:
    done = subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", f"name=^/{system.settings.grabber.container}$"],
        capture_output=True,
        text=True,
        check=True,
    )
    return bool(done.stdout.strip())


def copy_tree(source: Path, target: Path) -> Path:
    """A copy of what is deployed, with this tree's environment and its built images."""
    target.mkdir()
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source / part, target / part)
    for shared in (".venv", "build"):
        (target / shared).symlink_to(REPOSITORY / shared)
    return target
