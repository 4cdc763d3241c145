"""What each site gets, read from templates: those of the present fleet file, or the deployed ones.

Both sides of a comparison come from templates, so that it shows what a deploy does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.image.inputs import VARIANTS
from fleet.devices import core_and_camera_of
from fleet.identity import RESOURCE_TYPE, FleetIdentity, identity_of_targets
from fleet.physical_names import site_of
from fleet.settings.target import thing_of

Template = Mapping[str, Any]

_DEPLOYMENT = "AWS::GreengrassV2::Deployment"
_GROUP = "AWS::IoT::ThingGroup"
_REMOVAL = "Custom::EdgecamRemoval"
_DEVICE = "Custom::EdgecamCloudIotDevice"

_SETTINGS = "edgecam:settings"
"""The settings of a site, which travel compressed, as its deployment's metadata (the same module)."""


@dataclass(frozen=True)
class SiteState:
    """A site, as its deployment has it.

    Attributes:
        name: Its name in the fleet file.
        target: `thing/NAME` or `thinggroup/NAME`.
        variant: Which of ours runs there.
        version: Of that component.
        stack: The stack of the deployment.
        group_stack: Where the thing group is made; empty when it is not ours.
        leaves_cores: Whether our components are taken from the cores when the site goes.
        camera_ids: Its cameras.
        settings: What reaches the cores, by the path of a setting: `cameras.door.uri`, `docker.memory`,
            `components.NAME.version`, `rollout.…`.
        devices: The devices that are made of its cameras, each with the stack in which it is.
    """

    name: str
    target: str
    variant: str
    version: str
    stack: str
    group_stack: str
    leaves_cores: bool
    camera_ids: frozenset[str]
    settings: Mapping[str, Any]
    devices: Mapping[str, str] = field(default_factory=dict)


States = dict[str, SiteState]

Devices = Mapping[tuple[str, str], tuple[str, str]]
"""By core and camera: its device, and in which stack that is."""


def templates_in(folder: Path) -> dict[str, Template]:
    """The templates of a cloud assembly, by stack."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.template.json"))
    }


def identity_in(templates: Mapping[str, Template]) -> FleetIdentity | None:
    """The fleet whose stacks these are; None where no site is among them.

    Stacks that were deployed before their foundation kept an identity have that of their sites.
    """
    found = [
        resource["Properties"]
        for template in templates.values()
        for resource in template.get("Resources", {}).values()
        if resource["Type"] == RESOURCE_TYPE
    ]
    if found:
        return FleetIdentity(targets=found[0]["Targets"], examples=found[0]["Examples"])
    targets = [state.target for state in states_of(templates.items()).values()]
    things = [thing_of(target) for target in targets]
    named = [f"thing/{thing}" if thing else target for thing, target in zip(things, targets, strict=True)]
    return identity_of_targets(named) if named else None


def states_of(templates: Iterable[tuple[str, Template]]) -> States:
    """The sites of these stacks."""
    resources = [
        (stack, resource["Type"], {**resource.get("Properties", {}), _SETTINGS: _readable(resource)})
        for stack, template in templates
        for resource in template.get("Resources", {}).values()
    ]
    groups = {
        f"thinggroup/{each['ThingGroupName']}": stack for stack, kind, each in resources if kind == _GROUP
    }
    leaving = {each["Site"] for _, kind, each in resources if kind == _REMOVAL}
    devices = _devices((stack, each) for stack, kind, each in resources if kind == _DEVICE)
    states = [
        _state(stack, each, groups, leaving, devices)
        for stack, kind, each in resources
        if kind == _DEPLOYMENT and site_of(str(each.get("DeploymentName")))
    ]
    return {state.name: state for state in states}


def _readable(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = resource.get("Metadata", {}).get(_SETTINGS, {})
    return found


def _devices(found: Iterable[tuple[str, Mapping[str, Any]]]) -> Devices:
    """By core and camera, from the name of the secret with the key."""
    devices: dict[tuple[str, str], tuple[str, str]] = {}
    for stack, properties in found:
        devices[core_and_camera_of(properties["Secret"])] = (properties["Device"], stack)
    return devices


def _state(
    stack: str,
    properties: Mapping[str, Any],
    groups: Mapping[str, str],
    leaving: Collection[str],
    devices: Devices,
) -> SiteState:
    name = site_of(properties["DeploymentName"]) or ""
    components = properties.get("Components", {})
    own = own_component(components)
    configuration = properties[_SETTINGS]
    target = text_of(properties["TargetArn"]).rpartition(":")[2]
    core = thing_of(target) or ""
    camera_ids = frozenset(camera["id"] for camera in configuration.get("node", {}).get("cameras", []))
    return SiteState(
        name=name,
        target=target,
        variant=own.rpartition(".")[2],
        version=text_of(components.get(own, {}).get("ComponentVersion", "")),
        stack=stack,
        group_stack=groups.get(target, ""),
        leaves_cores=name in leaving,
        camera_ids=camera_ids,
        settings={
            **dict(_flat(_as_settings(configuration))),
            **{
                path: value
                for extra in components
                if extra != own
                for path, value in _extra(extra, components)
            },
            **dict(_flat({"rollout": {**properties.get("DeploymentPolicies", {}), **_jobs(properties)}})),
        },
        devices=dict(devices[core, camera] for camera in camera_ids if (core, camera) in devices),
    )


def _as_settings(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What a site configures as it was written: the node's settings at the top, cameras by their ids."""
    settings = {key: each for key, each in configuration.items() if key != "node"}
    node = configuration.get("node", {})
    cameras = {camera["id"]: camera for camera in node.get("cameras", [])}
    return {**settings, **node, "cameras": cameras}


def _extra(name: str, components: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    path = f"components.{name}"
    yield f"{path}.version", text_of(components[name].get("ComponentVersion", ""))
    yield from _flat(merge_of(components[name]), f"{path}.merge")


def _jobs(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    jobs: Mapping[str, Any] = properties.get("IotJobConfiguration", {})
    return jobs


def deployment_of(site: str, templates: Mapping[str, Template]) -> Mapping[str, Any]:
    """The properties of a site's deployment.

    Raises:
        KeyError: the templates have none.
    """
    for template in templates.values():
        for resource in template.get("Resources", {}).values():
            properties: Mapping[str, Any] = resource.get("Properties", {})
            if resource["Type"] == _DEPLOYMENT and site_of(str(properties.get("DeploymentName"))) == site:
                return properties
    raise KeyError(site)


def own_component(components: Iterable[str]) -> str:
    """Which of a deployment's components is ours; empty where none is."""
    return next((name for name in components if name.rpartition(".")[2] in VARIANTS), "")


def merge_of(component: Mapping[str, Any]) -> dict[str, Any]:
    """What a deployment merges into a component's configuration."""
    text = text_of(component.get("ConfigurationUpdate", {}).get("Merge", "{}"))
    merge: dict[str, Any] = json.loads(text)
    return merge


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their paths; lists whole, empty mappings not at all."""
    for key, each in value.items():
        below = f"{path}.{key}" if path else str(key)
        if isinstance(each, Mapping):
            yield from _flat(each, below)
        else:
            yield below, each


def text_of(value: Any) -> str:
    """A text of a template; values that CloudFormation fills in are between braces."""
    if not isinstance(value, Mapping):
        return str(value)
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return str(argument[0]).join(map(text_of, argument[1]))
    if function == "Fn::Sub" and isinstance(argument, str):
        return argument
    return f"${{{re.sub('[^A-Za-z0-9:.]', '', str(argument))}}}"
