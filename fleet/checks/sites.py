"""Checks between sites, and between a site and its variant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from container.image.inputs import FRAME_GRABBER, GCS_UPLOADER
from edgecam.errors import Mistake
from edgecam.launch.paths import mistakes_on_core
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site
from fleet.settings.target import OWN_GROUP, GroupOfOne

MOST_NAME_CHARACTERS = 128
"""Of a thing group's name (AWS IoT's API reference, CreateThingGroup)."""

_UPLOADERS_OWN = ("bucket", "writers", "spool", "upload", "google", "latest", "status")
"""Settings of a node without a meaning where nothing is recorded."""


def mistakes_of_targets(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    """Two deployments to one target would replace each other at every deploy."""
    first: dict[str, str] = {}
    for name, site in sites.items():
        owners = [first.setdefault(claimed, name) for claimed in _claims(site)]
        owner = next((owner for owner in owners if owner != name), name)
        if owner == name:
            continue
        expected, found = "a target that no other site has", f"which is also the target of sites.{owner}"
        if sites[owner].variant != site.variant:
            expected += f" ({GCS_UPLOADER} contains the {FRAME_GRABBER}: one site with all cameras does both)"
            found += f", a {sites[owner].variant}"
        yield Mistake(f"sites.{name}.{site.target.setting}", expected, f'"{site.target.name}", {found}')


def _claims(site: Site) -> set[str]:
    """What no other site may have: its target, and its core, which any nucleus is one target of."""
    return {str(site.target)} | ({f"thing/{site.thing}"} if site.thing is not None else set())


def mistakes_of_groups_of_one(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    """AWS IoT would refuse the name in the middle of a deployment."""
    most = MOST_NAME_CHARACTERS - len(OWN_GROUP)
    for name, site in sites.items():
        if isinstance(site.target, GroupOfOne) and len(site.target.name) > most:
            expected = (
                f"at most {most} characters with nucleus: lite, whose thing group is named "
                f"{OWN_GROUP}… (or thing_group, with a group of your own)"
            )
            yield Mistake(f"sites.{name}.thing", expected, f"{len(site.target.name)} characters")


def mistakes_of_output_names(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    """Outputs are named after sites, and CloudFormation allows no hyphens there."""
    first: dict[str, str] = {}
    for name in sites:
        if (owner := first.setdefault(name.replace("-", ""), name)) != name:
            yield Mistake(
                f"sites.{name}", "a name that differs by more than hyphens", f"sites.{owner} beside it"
            )


def mistakes_of_core_files(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    for name, site in sites.items():
        for mistake in mistakes_on_core(site):
            yield Mistake(f"sites.{name}.{mistake.path}", mistake.expected, mistake.found)


def mistakes_of_own_names(fleet: Fleet) -> Iterator[Mistake]:
    names = names_of(fleet)
    for name, site in fleet.sites.items():
        for extra in site.components:
            if names.is_component(extra):
                expected = f"components that are not edgecam's own ({names.component('…')})"
                yield Mistake(f"sites.{name}.components", expected, extra)


def mistakes_of_other_variants(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    for name, site in sites.items():
        if site.variant == FRAME_GRABBER:
            for path in _uploader_settings(site):
                # Without the bucket, the next look would ask for it.
                bucket = " and a bucket" if path.startswith("cameras") and site.bucket is None else ""
                expected = f"it only with variant: {GCS_UPLOADER}{bucket}, which records and uploads"
                yield Mistake(f"sites.{name}.{path}", expected, f"variant: {FRAME_GRABBER}")
        elif not any(camera.recording.enabled for camera in site.cameras):
            yield Mistake(
                f"sites.{name}.cameras",
                f"at least one with recording: {{enabled: true}} (or variant: {FRAME_GRABBER})",
                f"variant: {GCS_UPLOADER} and nothing to upload",
            )


def _uploader_settings(site: Site) -> Iterator[str]:
    """Paths of the site's settings of recording that differ from the default."""
    for name in _UPLOADERS_OWN:
        if getattr(site, name) != type(site).model_fields[name].default:
            yield name
    for index, camera in enumerate(site.cameras):
        if camera.recording != type(camera).model_fields["recording"].default:
            yield f"cameras[{index}].recording"


def mistakes_of_unused_bucket(fleet: Fleet) -> Iterator[Mistake]:
    """Most likely a typing error: one bucket would be made, and another written to."""
    if fleet.gcp is None or fleet.gcp.bucket is None:
        return
    name = fleet.gcp.bucket.name
    used = sorted({site.bucket for site in fleet.sites.values() if site.bucket is not None})
    if not any(uri.removeprefix("gs://").split("/")[0] == name for uri in used if uri.startswith("gs://")):
        found = f'"{name}", while sites name {", ".join(used) or "none"}'
        yield Mistake("gcp.bucket.name", "the bucket of a site, as in bucket: gs://NAME", found)
