"""CloudFormation's limits of a template, checked at synth and not half-way in a deploy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecam.errors import EdgecamError
from fleet.devices import core_and_camera_of
from fleet.physical_names import site_of
from fleet.stack_placement import (
    MAIN,
    OUTPUT_LIMIT,
    RESOURCE_LIMIT,
    TEMPLATE_LIMIT_BYTES,
)

_DEPLOYMENT = "AWS::GreengrassV2::Deployment"
_DEVICE = "Custom::EdgecamCloudIotDevice"
_LARGEST = 3

_MOVE = (
    "Say stack: NAME in new sites, or "
    f"aws.site_stacks (and stack: {MAIN} in the sites that are deployed already)"
)


def check_templates(folder: Path) -> None:
    """Look at all templates of the cloud assembly in `folder`.

    Raises:
        EdgecamError: some are beyond a limit; the message names stack, what was expected and found, and what
            helps, a line each.
    """
    lines = [line for path in sorted(folder.glob("*.template.json")) for line in _beyond_limits(path)]
    if lines:
        raise EdgecamError("\n".join(lines))


def _beyond_limits(path: Path) -> Iterator[str]:
    stack = path.name.removesuffix(".template.json")
    size = path.stat().st_size  # as it is uploaded
    template = json.loads(path.read_text(encoding="utf-8"))
    found = {"resources": len(template.get("Resources", {})), "outputs": len(template.get("Outputs", {}))}
    for what, limit in (("resources", RESOURCE_LIMIT), ("outputs", OUTPUT_LIMIT)):
        if found[what] > limit:
            yield f"stack {stack}: expected at most {limit} {what}, found {found[what]}{_advice(template)}"
    if size > TEMPLATE_LIMIT_BYTES:
        yield (
            f"stack {stack}: expected a template of at most {TEMPLATE_LIMIT_BYTES:,} bytes, found {size:,}"
            f"{_advice(template)}"
        )


def _advice(template: dict[str, Any]) -> str:
    """Which sites take most, and how to move them."""
    if devices := _devices_by_core(template):
        named = ", ".join(f"{core} ({count:,})" for core, count in devices.most_common(_LARGEST))
        return f"; of its {devices.total():,} devices most are those of the cores {named}. {_MOVE}"
    sizes = {
        found["Properties"]["DeploymentName"]: len(json.dumps(found, indent=1))
        for found in template.get("Resources", {}).values()
        if found["Type"] == _DEPLOYMENT
    }
    if not sizes:
        return ""
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:_LARGEST]
    named = ", ".join(f"{site_of(name)} ({sizes[name]:,} bytes)" for name in largest)
    return f"; of its {len(sizes)} sites the largest are {named}. {_MOVE}"


def _devices_by_core(template: dict[str, Any]) -> Counter[str]:
    """A core is known by the names of its devices' secrets."""
    return Counter(
        core_and_camera_of(found["Properties"]["Secret"])[0]
        for found in template.get("Resources", {}).values()
        if found["Type"] == _DEVICE
    )
