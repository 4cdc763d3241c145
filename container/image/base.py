"""The base image: had already, pulled, or, where no registry can be reached, made from Debian's packages."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from container.image.docker import BuildError, docker, emulation_advice

_LOG = logging.getLogger(__name__)

_DEBIAN = re.compile(r"debian:(?P<suite>[a-z]+)(?:-slim)?")


def ensure_base_image(name: str, architecture: str, server_architecture: str) -> None:
    """See to it that Docker has the base image in this architecture, and can run it.

    Raises:
        BuildError: it can neither be pulled nor made, or this machine cannot run it.
    """
    if not _has(name, architecture):
        _LOG.info("pulling the base image %s", name)
        try:
            docker("pull", "--quiet", "--platform", f"linux/{architecture}", name)
        except BuildError as error:
            try:
                _make(name, architecture, str(error))
            except BuildError as also:
                if architecture == server_architecture:
                    raise
                raise BuildError(f"{also}\n{emulation_advice(architecture)}") from also
    if architecture != server_architecture:
        _try_emulation(name, architecture)


def _has(name: str, architecture: str) -> bool:
    # Docker pulls NAME:TAG@DIGEST, and lists it as NAME@DIGEST only.
    name = re.sub(r":[^:/@]+(?=@)", "", name)
    if not docker("image", "ls", "--quiet", name):
        return False
    return docker("image", "inspect", "--format", "{{.Architecture}}", name) == architecture


def _make(name: str, architecture: str, refusal: str) -> None:
    """Make a base like Debian's own from its packages, under the name that could not be pulled."""
    cause = refusal.splitlines()[-1]
    debian = _DEBIAN.fullmatch(name)
    if not debian:
        raise BuildError(
            f"The base image {name} cannot be pulled: {cause}. "
            "Give one that this machine can reach (--base-image)."
        )
    if not shutil.which("mmdebstrap"):
        raise BuildError(
            f"The base image {name} cannot be pulled: {cause}. Without a registry it can be made from "
            "Debian's packages: apt-get install mmdebstrap, and start again. Or give another base image "
            "(--base-image)."
        )
    _LOG.info("%s cannot be pulled (%s); making it from Debian's packages with mmdebstrap", name, cause)
    with tempfile.TemporaryDirectory(prefix="edgecam-base-") as folder:
        tarball = Path(folder) / "base.tar"
        made = subprocess.run(
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--architectures={architecture}",
                debian["suite"],
                str(tarball),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            last = "\n".join(made.stderr.strip().splitlines()[-5:])
            raise BuildError(
                f"The base image {name} can neither be pulled nor made. mmdebstrap, which needs root or user "
                f"namespaces and Debian's archive keys, says:\n{last}"
            )
        docker("import", "--platform", f"linux/{architecture}", str(tarball), name)


def _try_emulation(name: str, architecture: str) -> None:
    try:
        docker("run", "--rm", "--network=none", "--platform", f"linux/{architecture}", name, "true")
    except BuildError as error:
        raise BuildError(f"{emulation_advice(architecture)}\n{error}") from error
