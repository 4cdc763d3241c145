"""Checks of registries and devices."""

from __future__ import annotations

from collections.abc import Iterator

from edgecam.config.brokers import is_device_id
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.errors import ConfigurationError, Mistake
from fleet.devices import devices_of, node_of
from fleet.settings.fleet import Fleet


def mistakes_of_registry(fleet: Fleet) -> Iterator[Mistake]:
    """Devices and their registry belong together."""
    registry = fleet.gcp.registry if fleet.gcp is not None else None
    wanting = [name for name, site in fleet.sites.items() if site.devices]
    if registry is None:
        for name in wanting:
            yield Mistake(f"sites.{name}.devices", "gcp.registry, which the devices are made in", "none")
    elif not wanting:
        yield Mistake("gcp.registry", "devices: true at one site at least", "none")
    elif registry.ca_file is not None and ":" in registry.ca_file:
        expected = "a path without a colon: docker separates with it"
        yield Mistake("gcp.registry.ca_file", expected, f'"{registry.ca_file}"')


def mistakes_of_devices(fleet: Fleet) -> Iterator[Mistake]:
    """Names that the registry, or AWS Secrets Manager, would refuse in the middle of a deployment."""
    for device in devices_of(fleet):
        path = f"sites.{device.site}"
        if not is_device_id(device.id):
            expected = f"device_ids: {{{device.camera}: …}}, 3 to 255 characters, a letter first, not goog…"
            yield Mistake(path, expected, f'"{device.id}"')
        if ":" in device.thing:
            expected = "a name without a colon, as part of the name of a secret, or no devices: true"
            yield Mistake(f"{path}.thing", expected, f'"{device.thing}"')


def mistakes_of_same_devices(fleet: Fleet) -> Iterator[Mistake]:
    """Two nodes that are the same device would disconnect each other from the bridge for ever."""
    first: dict[tuple[str, ...], str] = {}
    for name, site in fleet.sites.items():
        node = _node(fleet, name)
        if node is None or node.cloud_iot is None:
            continue
        where = (node.cloud_iot.project, node.cloud_iot.region, node.cloud_iot.registry)
        for index, camera in enumerate(node.cameras):
            if camera.device is None:
                continue
            path = f"sites.{name}.cameras[{index}]"
            owner = first.setdefault((*where, camera.device_id), path)
            if owner != path:
                key = "device_ids" if site.devices else "device.id"
                expected = f"a device that no other camera is ({key} names another)"
                yield Mistake(path, expected, f'"{camera.device_id}", which is also {owner}')


def _node(fleet: Fleet, name: str) -> NodeConfig | None:
    """What the node of a site will read; None when it is invalid, which another check reports."""
    site = fleet.sites[name]
    if not site.devices:
        return site
    try:
        return validate(NodeConfig, node_of(fleet, name))
    except ConfigurationError:
        return None
