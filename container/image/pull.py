"""A released image in place of a built one: pulled by its digest, and looked at before it has a name here."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from container.image.build_lock import only_build
from container.image.docker import BuildError, docker
from container.image.inputs import PROJECT, image_name, image_tag
from container.image.released import ReleasedImage
from container.image.tarball import save, tarball_holds

_LOG = logging.getLogger(__name__)

VARIANT_LABEL = "edgecam.variant"
"""Of every image of ours (container/Dockerfile)."""


def released_tarball(
    variant: str, architecture: str, image: ReleasedImage, tag: str | None = None, output: Path | None = None
) -> Path:
    """Make the tarball of a released image, unless it is there, and return its absolute path.

    Raises:
        BuildError: what is in the way, and what to do about it.
    """
    expected_tag = _check_tag(variant, architecture, image, tag)
    name = image_name(variant, expected_tag)
    output = (
        output or PROJECT / "build" / f"edgecam-{variant}-{architecture}-{expected_tag}.tar.gz"
    ).absolute()
    with only_build(f"the tarball of {variant} for {architecture}"):
        if tarball_holds(output, name):
            _LOG.info("%s is already in %s", name, output)
        else:
            save(ensure_released(variant, architecture, image), output)
    return output


def pull_released(variant: str, architecture: str, image: ReleasedImage, tag: str | None = None) -> str:
    """Have Docker have a released image, and return its name here.

    Raises:
        BuildError: what is in the way, and what to do about it.
    """
    _check_tag(variant, architecture, image, tag)
    return ensure_released(variant, architecture, image)


def _check_tag(variant: str, architecture: str, image: ReleasedImage, tag: str | None) -> str:
    expected = image_tag(image.content_hash(variant, architecture))
    if tag not in (None, expected):
        raise BuildError(
            f"expected tag {expected}, which is that of {image}, found {tag}: another image was released "
            "than the stacks were synthesized for. Synthesize again."
        )
    return expected


def ensure_released(variant: str, architecture: str, image: ReleasedImage) -> str:
    """Pull the image, unless Docker has it under its name here, and return that name.

    Docker's own settings say how the registry is reached, and with which login.

    Raises:
        BuildError: it cannot be pulled, or is not what it stands for.
    """
    name = image_name(variant, image_tag(image.content_hash(variant, architecture)))
    # Of an index Docker has one image at a time under the index's digest: nobody else pulls meanwhile.
    with only_build(docker("info", "--format", "{{.ID}}")) as report:
        if docker("image", "ls", "--quiet", name):
            _LOG.info("%s is already here", name)
            return name
        report(f"{name}, pulling {image}")
        _LOG.info("pulling %s for %s", image, architecture)
        was_here = bool(docker("image", "ls", "--quiet", str(image)))
        try:
            docker("pull", "--quiet", "--platform", f"linux/{architecture}", str(image))
        except BuildError as error:
            raise BuildError(
                f"The released image {image} cannot be pulled: {error}\nSee whether this machine reaches the "
                "registry, and may pull (docker login); without image.released it is built here."
            ) from error
        try:
            _expect(image, variant, architecture)
            docker("tag", str(image), name)
        finally:
            if not was_here:
                docker("image", "rm", "--no-prune", str(image))
    return name


def _expect(image: ReleasedImage, variant: str, architecture: str) -> None:
    """See to it that an image, which anybody may have put there, is what a core is to run."""
    described = json.loads(docker("image", "inspect", "--format", "{{json .}}", str(image)))
    labels = described["Config"].get("Labels") or {}
    for what, expected, found in (
        ("of the variant", variant, labels.get(VARIANT_LABEL)),
        ("for", architecture, described["Architecture"]),
    ):
        if found != expected:
            raise BuildError(
                f"The released image {image}: expected one {what} {expected}, found one {what} "
                f"{found or '(none)'}. See image.released and image.architectures."
            )
