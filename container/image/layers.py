"""The layers of an image, built by Docker, and the image that is loaded from them."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from container.image.archive import REBUILD_LABEL, put_together
from container.image.docker import BuildError, docker, docker_build
from container.image.progress import BuildProgress, stage_alone, stages_of

_LOG = logging.getLogger(__name__)

REBUILDS = ("picked", "all")
"""What can be built again: what comes after compiling and installing, or everything."""


def layers_stage(variant: str) -> str:
    """The stage of the Dockerfile that holds a variant's layers as tar files."""
    return f"{variant}-layers"


@dataclass(frozen=True)
class LayersBuild:
    """A build of one variant's layers.

    Attributes:
        context: The folder that `write_context` has filled.
        variant: Whose layers.
        arguments: Of `docker build`, for all stages.
        away: Whether another builder than Docker's own makes it, and hands it over.
        rebuild: One of `REBUILDS`, or nothing.
    """

    context: Path
    variant: str
    arguments: Sequence[str]
    away: bool = False
    rebuild: str = ""

    @contextlib.contextmanager
    def run(self, label: str, image: str, report: Callable[[str], None]) -> Iterator[str]:
        """Build; yield the name under which Docker has the layers meanwhile.

        Args:
            label: For the image, NAME=VALUE.
            image: What is reported as being built.
            report: Gets what the build is doing.

        Raises:
            BuildError: a step fails, with its last words.
        """
        number = uuid.uuid4().hex[:12]
        layers = f"edgecam/layers:{number}"
        variables = {"": (), "picked": ("REBUILD",), "all": ("REBUILD", "REBUILD_ALL")}[self.rebuild]
        arguments = [*self.arguments]
        for name in variables:
            arguments += ["--build-arg", f"{name}={number}"]
        dockerfile = (self.context / "Dockerfile").read_text(encoding="utf-8")
        target = layers_stage(self.variant)
        stages = stages_of(dockerfile, target)
        progress = BuildProgress(image, stages, report=report, log=functools.partial(_LOG.info, "%s"))
        final = ["--target", target, "--tag", layers, "--label", label]
        final += ["--load"] if self.away else []
        try:
            if not self.away:
                self._stages_side_by_side(arguments, dockerfile, progress)
            self._build(*arguments, *final, progress=progress)
            yield layers
        finally:
            with contextlib.suppress(BuildError):  # which it is when there is none yet
                docker("image", "rm", "--no-prune", layers)  # its parents are the next build's cache
            if self.rebuild:
                _remove_stages(number)

    def _stages_side_by_side(
        self, arguments: Sequence[str], dockerfile: str, progress: BuildProgress
    ) -> None:
        """Compile while packages are fetched and installed: Docker's own builder does one after the other."""
        alone = self.context.with_name("Dockerfile.ffmpeg")
        alone.write_text(stage_alone(dockerfile, "ffmpeg"), encoding="utf-8")
        compiling = ("--target", "ffmpeg", "--file", str(alone))
        with ThreadPoolExecutor(max_workers=2) as pool:
            builds = [
                pool.submit(self._build, *arguments, *stage, progress=progress)
                for stage in (compiling, ("--target", "python"))
            ]
        for build in builds:
            build.result()

    def _build(self, *arguments: str, progress: BuildProgress) -> None:
        # Docker's own builder would keep the container of a step that fails.
        arguments = arguments if self.away else ("--force-rm", *arguments)
        environment = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        with progress.reading() as read:
            docker_build(*arguments, str(self.context), environment=environment, read=read)


def _remove_stages(number: str) -> None:
    """Remove what a rebuild has made on its way, and nothing of the cache that it began from."""
    before: set[str] = set()
    listing = ("image", "ls", "--all", "--quiet", "--filter", f"label={REBUILD_LABEL}={number}")
    while (found := {*docker(*listing).split()}) != before:
        for image in found:
            with contextlib.suppress(BuildError):  # another one is made of it, and has to go first
                docker("image", "rm", "--no-prune", image)
        before = found


def load(layers: str, name: str, folder: Path) -> None:
    """Give Docker the image `name`, put together from what was built as `layers`; `folder` has room for it.

    Raises:
        BuildError: there are no layers, or Docker cannot save or load.
    """
    saved, archive = folder / "saved.tar", folder / "image.tar"
    docker("save", "--output", str(saved), layers)
    put_together(saved, archive, name)
    docker("load", "--quiet", "--input", str(archive))
