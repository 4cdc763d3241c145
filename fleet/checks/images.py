"""Checks between the images and the sites that run them."""

from __future__ import annotations

from collections.abc import Iterator

from container.image.inputs import VARIANTS
from edgecam.errors import Mistake
from fleet.settings.fleet import Fleet


def mistakes_of_images(fleet: Fleet) -> Iterator[Mistake]:
    """A fleet takes all its images from a release, or builds all: one text says what its cores run."""
    released = fleet.image.released
    for variant in VARIANTS:
        sites = fleet.sites_of(variant)
        if released and sites and fleet.image.release_of(variant) is None:
            yield Mistake(
                "image.released",
                f"an image of {variant} as well, which sites.{next(iter(sites))} runs",
                f"one of {', '.join(released)} alone",
            )
