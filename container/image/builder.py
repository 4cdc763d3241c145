"""The builder that makes an image: Docker's own, or, where BUILDX_BUILDER names one, another machine's.

An image for arm64 takes a machine of that kind or emulation. With the former at hand this is the fast way:

    docker buildx create --name arm ssh://user@arm-machine
    BUILDX_BUILDER=arm container/build --architecture arm64
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from container.image.docker import BuildError, docker, emulation_advice

VARIABLE = "BUILDX_BUILDER"
"""Docker's own name for the choice; `docker build` hears it too."""

_OWN_DRIVER = "docker"


@dataclass(frozen=True)
class Builder:
    """A builder of buildx that keeps its images to itself, until it is asked to hand them over.

    Attributes:
        name: As buildx lists it.
        driver: How buildx reaches it.
        platforms: What it can build for, as `linux/arm64`.
    """

    name: str
    driver: str
    platforms: frozenset[str]

    def expect(self, architecture: str) -> None:
        """Say so before the build where it cannot build for `architecture`.

        Raises:
            BuildError: with what it can build for, and what to do about it.
        """
        wanted = f"linux/{architecture}"
        if wanted not in self.platforms:
            raise BuildError(
                f"The builder {self.name} ({self.driver}): expected one for {wanted}, found one for "
                f"{', '.join(sorted(self.platforms)) or 'nothing'}. {emulation_advice(architecture)}"
            )


def chosen_builder(environment: Mapping[str, str]) -> Builder | None:
    """The builder that the environment names; None for Docker's own.

    Raises:
        BuildError: Docker has no buildx, or buildx no such builder.
    """
    name = environment.get(VARIABLE)
    if not name:
        return None
    try:
        # Started now, so that what it can build for is known.
        description = docker("buildx", "inspect", "--bootstrap", name)
    except BuildError as error:
        raise BuildError(_explained(name, str(error))) from error
    driver = re.search(r"^Driver: +(\S+)", description, re.MULTILINE)
    # An asterisk marks what a user has set by hand.
    platforms = {
        platform.strip(" *")
        for line in re.findall(r"^Platforms: +(.*)", description, re.MULTILINE)
        for platform in line.split(",")
    }
    found = Builder(name, driver[1] if driver else "unknown", frozenset(platforms))
    return None if found.driver == _OWN_DRIVER else found


def _explained(name: str, output: str) -> str:
    text = output.lower()
    if "not a docker command" in text or "unknown command" in text or "unknown flag" in text:
        return (
            f"{VARIABLE} names the builder {name}, and this Docker has no buildx, which builders belong to. "
            "Install it (Debian's docker-buildx, Docker's docker-buildx-plugin), or leave the variable out "
            "to build here."
        )
    if "no builder" in text:
        return (
            f"{VARIABLE} names the builder {name}, and buildx knows none of that name (docker buildx ls). "
            f"docker buildx create --name {name} ssh://USER@MACHINE makes one of another machine."
        )
    return f"The builder {name} does not start. {output}"
