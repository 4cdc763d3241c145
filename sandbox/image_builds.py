"""Both images, built while the sandbox starts its other parts, and what their build is doing.

`cdk deploy` asks for them late and one beside the other, and shows nothing of what a build says. What was
begun here it finds made, or waits for (`container.image.build_lock`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from container.image.build_lock import under_way
from container.image.docker import BuildError, docker
from container.image.inputs import (
    PROJECT,
    VARIANTS,
    image_hash,
    image_tag,
    tarball_path,
)
from sandbox.aws.server import inherited_environment
from sandbox.deploy import PACKAGE_SETTINGS
from sandbox.errors import StartError
from sandbox.process import Process


class ImageBuilds:
    """The builds of both variants for this machine's Docker."""

    def __init__(self, logs: Path) -> None:
        """Begin; what they say goes to files in `logs`.

        Nobody waits for them, and a failure is reported where the image is asked for again: in `cdk deploy`.

        Raises:
            StartError: Docker does not answer.
        """
        try:
            self._engine = docker("info", "--format", "{{.ID}}")
            architecture = docker("version", "--format", "{{.Server.Arch}}")
        except BuildError as error:
            raise StartError(str(error)) from error
        settings = {name: value for name, value in os.environ.items() if name.startswith(PACKAGE_SETTINGS)}
        self._processes = [
            Process(
                f"the build of {variant}",
                [sys.executable, "container/build", *_arguments(variant, architecture)],
                log=logs / f"image-{variant}.log",
                env=inherited_environment() | settings,
                cwd=PROJECT,
            )
            for variant in VARIANTS
        ]

    def state(self) -> str:
        """What is being built; empty where nothing is."""
        return under_way(self._engine)

    def stop(self) -> None:
        """End what still runs."""
        for process in self._processes:
            process.stop()


def _arguments(variant: str, architecture: str) -> list[str]:
    """As the CDK asks for it."""
    tarball = tarball_path(variant, image_tag(image_hash(variant, architecture)), architecture)
    return ["--variant", variant, "--architecture", architecture, "--output", tarball]
