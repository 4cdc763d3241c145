"""Build the edgecam image and save it as the tarball that a core loads.

    container/build --variant frame-grabber --architecture amd64 [--tag TAG] [--output FILE.tar.gz | --image]

With --released REGISTRY/NAME@sha256:… the image is pulled in place of being built, and its bill of materials
is that of the release.

Prints the path of the tarball on stdout (with --image: the name of the image, and makes no tarball), and
nothing else there; what it is doing goes to stderr. What is there already is not made again. Beside the
tarball lies the bill of materials, FILE.cdx.json; with --image it is
build/edgecam-VARIANT-ARCHITECTURE-TAG.cdx.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from container.image.base import ensure_base_image
from container.image.build_lock import only_build
from container.image.builder import chosen_builder
from container.image.contents import ContentsError, read_contents
from container.image.context import write_context
from container.image.docker import BuildError, docker
from container.image.inputs import (
    ARCHITECTURES,
    DEFAULT_BASE_IMAGE,
    PROJECT,
    VARIANTS,
    expect_pinned,
    image_hash,
    image_name,
    image_tag,
)
from container.image.layers import REBUILDS, LayersBuild, load
from container.image.pull import pull_released, released_tarball
from container.image.released import ReleasedImage, released_image
from container.image.sbom import SUFFIX, bill_of_materials
from container.image.tarball import replacing, save, tarball_holds

_LOG = logging.getLogger(__name__)

CONTENT_LABEL = "edgecam.content"
"""Holds the whole hash, of which the tag shows the beginning."""

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    logging.basicConfig(level=logging.INFO, format="edgecam image: %(message)s", stream=sys.stderr)
    options = _parse(arguments)
    chosen = (options.variant, options.architecture, options.base_image)
    try:
        if options.release:
            _check_base(options.base_image)
        if options.rebuild:
            ensure_image(*chosen, options.rebuild)
        if options.released:
            made = _pulled(options)
        elif options.image:
            made = build_image(*chosen, options.tag)
        else:
            made = str(build(*chosen, options.tag, options.output))
    except BuildError as error:
        _LOG.error("%s", error)
        return 1
    except KeyboardInterrupt:
        _LOG.error("interrupted")
        return 130
    sys.stdout.write(f"{made}\n")
    return 0


def build(
    variant: str,
    architecture: str,
    base_image: str = DEFAULT_BASE_IMAGE,
    tag: str | None = None,
    output: Path | None = None,
) -> Path:
    """Make the tarball, unless it is there, and return its absolute path.

    Raises:
        BuildError: what is in the way, and what to do about it.
    """
    expected_tag = _check_tag(image_hash(variant, architecture, base_image), tag)
    name = image_name(variant, expected_tag)
    output = (
        output or PROJECT / "build" / f"edgecam-{variant}-{architecture}-{expected_tag}.tar.gz"
    ).absolute()
    bill = output.with_name(output.name.removesuffix(".tar.gz") + SUFFIX)
    with only_build(f"the tarball of {variant} for {architecture}"):
        if tarball_holds(output, name):
            _LOG.info("%s is already in %s", name, output)
            if bill.exists():
                return output
        else:
            ensure_image(variant, architecture, base_image)
            save(name, output)
        write_bill(output, bill, variant, architecture, base_image)
    return output


def build_image(
    variant: str, architecture: str, base_image: str = DEFAULT_BASE_IMAGE, tag: str | None = None
) -> str:
    """Make the image, unless Docker has it, and its bill of materials; return its name.

    Raises:
        BuildError: what is in the way, and what to do about it.
    """
    expected_tag = _check_tag(image_hash(variant, architecture, base_image), tag)
    name = ensure_image(variant, architecture, base_image)
    bill = PROJECT / "build" / f"edgecam-{variant}-{architecture}-{expected_tag}{SUFFIX}"
    if not bill.exists():
        with tempfile.TemporaryDirectory(prefix="edgecam-bill-") as folder:
            tarball = Path(folder) / "image.tar"
            docker("save", "--output", str(tarball), name)
            write_bill(tarball, bill, variant, architecture, base_image)
    return name


def write_bill(
    tarball: Path, bill: Path, variant: str, architecture: str, base_image: str = DEFAULT_BASE_IMAGE
) -> None:
    """Write what is in the image that `tarball` holds; whole, or not at all.

    Raises:
        BuildError: the image lacks the records of what is in it.
    """
    content = image_hash(variant, architecture, base_image)
    try:
        contents = read_contents(tarball)
    except ContentsError as error:
        raise BuildError(f"no bill of materials of {tarball}: {error}") from error
    text = bill_of_materials(
        contents,
        variant=variant,
        architecture=architecture,
        tag=image_tag(content),
        content_hash=content,
    )
    bill.parent.mkdir(parents=True, exist_ok=True)
    with replacing(bill) as partial:
        partial.write_text(text, encoding="utf-8")
    _LOG.info("what is in it: %s", bill)


def _pulled(options: argparse.Namespace) -> str:
    """A released image's name, or the path of its tarball."""
    wanted = (options.variant, options.architecture, options.released, options.tag)
    return pull_released(*wanted) if options.image else str(released_tarball(*wanted, options.output))


def _check_base(base_image: str) -> None:
    try:
        expect_pinned(base_image)
    except ValueError as error:
        raise BuildError(str(error)) from error


def _check_tag(content: str, tag: str | None) -> str:
    expected = image_tag(content)
    if tag not in (None, expected):
        raise BuildError(
            f"expected tag {expected}, which is what the present files make, found {tag}: they have "
            "changed since the stacks were synthesized. Synthesize again."
        )
    return expected


def ensure_image(
    variant: str, architecture: str, base_image: str = DEFAULT_BASE_IMAGE, rebuild: str = ""
) -> str:
    """Build the image, unless Docker has it, and return its name.

    Args:
        variant: One of `VARIANTS`.
        architecture: One of `ARCHITECTURES`.
        base_image: What it is built on.
        rebuild: Build it even so: `picked`, what is picked out of the installed packages, or `all` of it.

    Raises:
        BuildError: what is in the way, and what to do about it.
    """
    content = image_hash(variant, architecture, base_image)
    name = image_name(variant, image_tag(content))
    server = docker("version", "--format", "{{.Server.Arch}}")

    def is_there() -> bool:
        return not rebuild and _content_of(name) == content

    if is_there():
        _LOG.info("%s is already built", name)
        return name
    with only_build(docker("info", "--format", "{{.ID}}")) as report:
        if is_there():
            _LOG.info("%s has been built meanwhile", name)
            return name
        builder = chosen_builder(os.environ)
        if builder is None:
            report(f"{name}, the base image {base_image}")
            ensure_base_image(base_image, architecture, server)
        else:
            builder.expect(architecture)
        foreign = builder is not None or architecture != server
        _LOG.info("building %s for %s: a first build takes minutes, later ones seconds", name, architecture)
        started_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="edgecam-image-") as folder:
            context = Path(folder) / "context"
            context.mkdir()
            write_context(context, variant)
            if image_hash(variant, architecture, base_image) != content:
                raise BuildError("files of the image changed while they were being read. Start again.")
            arguments = _build_arguments(architecture if foreign else None, base_image)
            made = LayersBuild(context, variant, arguments, away=builder is not None, rebuild=rebuild)
            with made.run(f"{CONTENT_LABEL}={content}", name, report) as layers:
                check_made(layers, content, architecture, base_image)
                load(layers, name, Path(folder))
    _LOG.info("built %s in %.0f s", name, time.monotonic() - started_s)
    return name


def check_made(name: str, content: str, architecture: str, base_image: str) -> None:
    """See to it that Docker has the image, and that it is for the architecture that its name stands for.

    Raises:
        BuildError: the builder keeps it to itself, or the base image is for another architecture.
    """
    if _content_of(name) != content:
        raise BuildError(
            f"{name} was built, but Docker does not have it: the chosen builder keeps its images to itself. "
            "`docker buildx use default` chooses Docker's own."
        )
    if (made_for := docker("image", "inspect", "--format", "{{.Architecture}}", name)) != architecture:
        raise BuildError(
            f"{name}: expected an image for {architecture}, found one for {made_for}: the base image "
            f"{base_image} is for that. Give one for {architecture} (--base-image)."
        )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    here = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "amd64")
    parser = argparse.ArgumentParser(
        prog="container/build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0])
    parser.add_argument("--architecture", choices=ARCHITECTURES, default=here)
    parser.add_argument("--base-image", default=DEFAULT_BASE_IMAGE, help="default: %(default)s")
    parser.add_argument(
        "--tag", help="refuse to build unless the image gets this tag, which its content decides"
    )
    parser.add_argument(
        "--release", action="store_true", help="refuse a base image that is not named with its digest"
    )
    parser.add_argument(
        "--rebuild",
        choices=REBUILDS,
        help="build it though Docker has it: what is picked out of the installed packages, or all of it",
    )
    parser.add_argument(
        "--released",
        type=_released,
        metavar="REGISTRY/NAME@sha256:…",
        help="pull this image of a release in place of building one",
    )
    made = parser.add_mutually_exclusive_group()
    made.add_argument("--output", type=Path, help="default: build/edgecam-VARIANT-ARCHITECTURE-TAG.tar.gz")
    made.add_argument("--image", action="store_true", help="make no tarball, and print the image's name")
    options = parser.parse_args(arguments)
    if options.released and (options.rebuild or options.release or options.base_image != DEFAULT_BASE_IMAGE):
        parser.error("--released: expected it without --base-image, --release and --rebuild: it is built")
    return options


def _released(text: str) -> ReleasedImage:
    try:
        return released_image(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, found {text[:200]}") from error


def _build_arguments(platform_needed: str | None, base_image: str) -> list[str]:
    arguments = ["--build-arg", f"BASE_IMAGE={base_image}"]
    if platform_needed:
        arguments += ["--platform", f"linux/{platform_needed}"]
    for name in PROXY_VARIABLES:
        for spelling in (name, name.lower()):
            if os.environ.get(spelling):
                # By name only: docker reads the value, which may hold a password, from the environment.
                arguments += ["--build-arg", spelling]
    return arguments


def _content_of(name: str) -> str | None:
    """Return the content hash of an image that Docker has, None where it has none of that name."""
    if not docker("image", "ls", "--quiet", name):
        return None
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", name)) or {}
    found: str | None = labels.get(CONTENT_LABEL)
    return found
