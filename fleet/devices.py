"""The devices of a fleet: which camera is which device, where its key is, and what the node gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from fleet.settings.registry import Registry


@dataclass(frozen=True, kw_only=True)
class FleetDevice:
    """A camera of a site with `devices: true`.

    Attributes:
        site: Name of the site.
        thing: Its core.
        camera: Id of the camera.
        id: Name of the device in the registry.
        secret: Name of the secret that holds the private key. Each core may read what is under its own name.
    """

    site: str
    thing: str
    camera: str
    id: str
    secret: str


def devices_of(fleet: Fleet) -> Iterator[FleetDevice]:
    """Every device that is made, in the order of the settings."""
    for name in fleet.sites:
        yield from devices_at(fleet, name)


def devices_at(fleet: Fleet, name: str) -> Iterator[FleetDevice]:
    """Those of the site with this name."""
    site, secrets = fleet.sites[name], names_of(fleet).device_secrets
    if site.devices and site.thing is not None:
        for camera in site.cameras:
            yield FleetDevice(
                site=name,
                thing=site.thing,
                camera=camera.id,
                id=site.device_ids.get(camera.id, f"{name}-{camera.id}"),
                secret=f"{secrets}/{site.thing}/{camera.id}/key",
            )


def core_and_camera_of(secret: str) -> tuple[str, str]:
    """The core and the camera whose key the secret of this name holds."""
    _, core, camera, _ = secret.rsplit("/", 3)
    return core, camera


def node_of(fleet: Fleet, name: str) -> dict[str, Any]:
    """The node configuration of a site as plain values, with the site's name, and the fleet's name, registry
    and devices where the site has them.

    A key's secret is named by its name alone, in the account and the Region of the core: what the settings
    hold is compressed at synth, when neither need be known.
    """
    site = fleet.sites[name]
    node = {"site": name, **site.node}
    if site.aws_iot.enabled and fleet.name is not None:
        node["aws_iot"] = {**node["aws_iot"], "fleet": fleet.name}
    if not site.devices or fleet.gcp is None or fleet.gcp.registry is None:
        return node
    found = {device.camera: device for device in devices_at(fleet, name)}
    node["cloud_iot"] = _cloud_iot(fleet.gcp.project, fleet.gcp.registry)
    node["cameras"] = [{**camera, "device": _device(found[camera["id"]])} for camera in node["cameras"]]
    return node


def _cloud_iot(project: str | None, registry: Registry) -> dict[str, Any]:
    """The part of a node configuration that names the registry."""
    values: Mapping[str, Any] = registry.model_dump(
        mode="json",
        include={"port", "ca_file", "token_s", "every_s", "payload"},
        exclude_defaults=True,
    )
    return {
        "project": project,
        "region": registry.region,
        "registry": registry.name,
        "host": registry.bridge,
        **values,
    }


def _device(device: FleetDevice) -> dict[str, Any]:
    return {"id": device.id, "key": {"secret": device.secret}}
