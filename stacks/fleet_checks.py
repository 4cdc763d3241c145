"""What is wrong between sites, or between a site and its variant: what no single setting can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from container.image_inputs import FRAME_GRABBER, GCS_UPLOADER
from edgecam.config import NodeConfig
from edgecam.config_status import is_device_id
from edgecam.core_paths import mistakes_on_core
from edgecam.errors import ConfigurationError, Mistake
from edgecam.validation import validate
from stacks.camera_secrets import mistakes_of_secrets
from stacks.core_checks import mistakes_of_cores
from stacks.devices import devices_of, node_of
from stacks.gcp.parts import mistakes_of_parts
from stacks.placement import mistakes_of_placement
from stacks.wave_plan import mistakes_of_waves

if TYPE_CHECKING:
    from stacks.settings import Fleet, Site

_UPLOADERS_OWN = ("bucket", "writers", "spool", "upload", "google", "latest", "status")
"""Settings of a node that mean nothing where nothing is recorded."""


def mistakes_of(fleet: Fleet) -> list[Mistake]:
    """Every mistake of a fleet whose settings are right one by one."""
    checks = (
        _twins(fleet.sites),
        _namesakes(fleet.sites),
        _on_cores(fleet.sites),
        _own_names(fleet),
        _other_variants(fleet.sites),
        _unused_bucket(fleet),
        mistakes_of_parts(fleet),
        _registry(fleet),
        _devices(fleet),
        _same_devices(fleet),
        mistakes_of_placement(fleet),
        mistakes_of_secrets(fleet),
        mistakes_of_cores(fleet),
        mistakes_of_waves(fleet),
    )
    return [mistake for check in checks for mistake in check]


def _twins(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    """Two deployments to one target would replace each other at every deploy."""
    first: dict[str, str] = {}
    for name, site in sites.items():
        owner = first.setdefault(site.target, name)
        if owner == name:
            continue
        key = "thing" if site.thing is not None else "thing_group"
        expected, found = "a target that no other site has", f"which is also the target of sites.{owner}"
        if sites[owner].variant != site.variant:
            expected += f" ({GCS_UPLOADER} contains the {FRAME_GRABBER}: one site with all cameras does both)"
            found += f", a {sites[owner].variant}"
        yield Mistake(f"sites.{name}.{key}", expected, f'"{site.thing or site.thing_group}", {found}')


def _namesakes(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    """Outputs are named after sites, and CloudFormation allows no hyphens there."""
    first: dict[str, str] = {}
    for name in sites:
        if (owner := first.setdefault(name.replace("-", ""), name)) != name:
            yield Mistake(
                f"sites.{name}", "a name that differs by more than hyphens", f"sites.{owner} beside it"
            )


def _on_cores(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    for name, site in sites.items():
        for mistake in mistakes_on_core(site):
            yield Mistake(f"sites.{name}.{mistake.path}", mistake.expected, mistake.found)


def _own_names(fleet: Fleet) -> Iterator[Mistake]:
    prefix = f"{fleet.aws.component_prefix}."
    for name, site in fleet.sites.items():
        for extra in site.components:
            if extra.startswith(prefix):
                expected = f"components that are not edgecam's own ({prefix}…)"
                yield Mistake(f"sites.{name}.components", expected, extra)


def _other_variants(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    for name, site in sites.items():
        if site.variant == FRAME_GRABBER:
            for path in _uploader_settings(site):
                expected = f"it only with variant: {GCS_UPLOADER}, which records and uploads"
                yield Mistake(f"sites.{name}.{path}", expected, f"variant: {FRAME_GRABBER}")
        elif not any(camera.recording.enabled for camera in site.cameras):
            yield Mistake(
                f"sites.{name}.cameras",
                f"at least one with recording: {{enabled: true}} (or variant: {FRAME_GRABBER})",
                f"variant: {GCS_UPLOADER} and nothing to upload",
            )


def _uploader_settings(site: Site) -> Iterator[str]:
    """Paths of what a site says about recording; what says the default again does no harm."""
    for name in _UPLOADERS_OWN:
        if getattr(site, name) != type(site).model_fields[name].default:
            yield name
    for index, camera in enumerate(site.cameras):
        if camera.recording != type(camera).model_fields["recording"].default:
            yield f"cameras[{index}].recording"


def _unused_bucket(fleet: Fleet) -> Iterator[Mistake]:
    """Most likely a slip of the pen: one bucket would be made, and another written to."""
    if fleet.gcp is None or fleet.gcp.bucket is None:
        return
    name = fleet.gcp.bucket.name
    used = sorted({site.bucket for site in fleet.sites.values() if site.bucket is not None})
    if not any(uri.removeprefix("gs://").split("/")[0] == name for uri in used if uri.startswith("gs://")):
        found = f'"{name}", while sites name {", ".join(used) or "none"}'
        yield Mistake("gcp.bucket.name", "the bucket of a site, as in bucket: gs://NAME", found)


def _registry(fleet: Fleet) -> Iterator[Mistake]:
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


def _devices(fleet: Fleet) -> Iterator[Mistake]:
    """Names that the registry, or AWS Secrets Manager, would refuse in the middle of a deployment."""
    for device in devices_of(fleet):
        path = f"sites.{device.site}"
        if not is_device_id(device.id):
            expected = f"device_ids: {{{device.camera}: …}}, 3 to 255 characters, a letter first, not goog…"
            yield Mistake(path, expected, f'"{device.id}"')
        if ":" in device.thing:
            expected = "a name without a colon, as part of the name of a secret, or no devices: true"
            yield Mistake(f"{path}.thing", expected, f'"{device.thing}"')


def _same_devices(fleet: Fleet) -> Iterator[Mistake]:
    """Two nodes that are the same device would throw each other out of the bridge for ever."""
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
    """What the node of a site will read; None when it is wrong, which is said elsewhere."""
    site = fleet.sites[name]
    if not site.devices:
        return site
    try:
        document = node_of(fleet, name, secrets="arn:aws:secretsmanager:us-east-1:123456789012:secret:")
        return validate(NodeConfig, document)
    except ConfigurationError:
        return None
