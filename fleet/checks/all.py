"""All checks of a fleet, in the order in which their mistakes are reported."""

from __future__ import annotations

from edgecam.errors import Mistake
from fleet.bucket_parts import mistakes_of_parts
from fleet.camera_secrets import mistakes_of_secrets
from fleet.checks.cores import mistakes_of_cores
from fleet.checks.devices import mistakes_of_devices, mistakes_of_registry, mistakes_of_same_devices
from fleet.checks.images import mistakes_of_images
from fleet.checks.pipelines import mistakes_of_pipelines
from fleet.checks.placement import mistakes_of_placement
from fleet.checks.sites import (
    mistakes_of_core_files,
    mistakes_of_groups_of_one,
    mistakes_of_other_variants,
    mistakes_of_output_names,
    mistakes_of_own_names,
    mistakes_of_targets,
    mistakes_of_unused_bucket,
)
from fleet.checks.sizes import mistakes_of_sizes
from fleet.checks.waves import mistakes_of_waves
from fleet.settings.fleet import Fleet


def mistakes_of(fleet: Fleet) -> list[Mistake]:
    """Every mistake of a fleet whose settings are right one by one."""
    checks = (
        mistakes_of_targets(fleet.sites),
        mistakes_of_groups_of_one(fleet.sites),
        mistakes_of_output_names(fleet.sites),
        mistakes_of_core_files(fleet.sites),
        mistakes_of_own_names(fleet),
        mistakes_of_pipelines(fleet.sites),
        mistakes_of_other_variants(fleet.sites),
        mistakes_of_unused_bucket(fleet),
        mistakes_of_parts(fleet),
        mistakes_of_registry(fleet),
        mistakes_of_devices(fleet),
        mistakes_of_same_devices(fleet),
        mistakes_of_placement(fleet),
        mistakes_of_secrets(fleet),
        mistakes_of_cores(fleet),
        mistakes_of_images(fleet),
        mistakes_of_waves(fleet),
        mistakes_of_sizes(fleet),
    )
    return [mistake for check in checks for mistake in check]
