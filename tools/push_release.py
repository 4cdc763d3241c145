"""Push the images of a variant to a registry: one for each architecture, and an index of them all.

    python3 -m tools.push_release REGISTRY/PATH/frame-grabber 0.2.0 edgecam-frame-grabber-*.tar.gz

The tarballs are those of container/build. On stdout stands a line `ARCHITECTURE=sha256:…` for each image, and
`digest=sha256:…` for the index, in the form of GitHub's outputs. Docker has to be logged in. Python alone is
needed, since the job that may push shall install nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from container.image.docker import BuildError, docker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="tools.push_release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", help="with its registry")
    parser.add_argument("version")
    parser.add_argument("tarballs", nargs="+", type=Path)
    parser.add_argument("--insecure", action="store_true", help="the registry speaks plain HTTP")
    options = parser.parse_args(arguments)
    try:
        pushed = push(options.tarballs, options.repository, options.version, insecure=options.insecure)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{name}={digest}\n" for name, digest in pushed.items())
    return 0


def push(
    tarballs: Sequence[Path], repository: str, version: str, *, insecure: bool = False
) -> Mapping[str, str]:
    """Push the images and their index.

    Args:
        tarballs: Of images that differ in their architecture.
        repository: With its registry.
        version: The tag of the index; those of the images have the architecture besides.
        insecure: The registry speaks plain HTTP.

    Returns:
        Digests by architecture, and that of the index as `digest`.

    Raises:
        BuildError: two images are for one architecture, or Docker cannot push.
    """
    images = dict(_loaded(tarballs))
    pushed = {each: _push(name, f"{repository}:{version}-{each}") for each, name in sorted(images.items())}
    index = f"{repository}:{version}"
    plain = ("--insecure",) if insecure else ()
    with contextlib.suppress(BuildError):  # which it is where no earlier try has left it
        docker("manifest", "rm", index)
    parts = (f"{repository}@{digest}" for digest in pushed.values())
    docker("manifest", "create", *plain, index, *parts)
    return {**pushed, "digest": docker("manifest", "push", "--purge", *plain, index).splitlines()[-1]}


def _loaded(tarballs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Each image's architecture, and its name here."""
    seen: dict[str, Path] = {}
    for tarball in tarballs:
        name = docker("load", "--quiet", "--input", str(tarball)).rpartition("Loaded image: ")[2]
        architecture = docker("image", "inspect", "--format", "{{.Architecture}}", name)
        if (first := seen.setdefault(architecture, tarball)) != tarball:
            raise BuildError(f"expected one image for {architecture}, found {first} and {tarball}")
        yield architecture, name


def _push(name: str, target: str) -> str:
    """Push an image under a name; returns the digest that it has there."""
    repository = target.rpartition(":")[0]
    docker("tag", name, target)
    try:
        docker("push", "--quiet", target)
        named = json.loads(docker("image", "inspect", "--format", "{{json .RepoDigests}}", target))
    finally:
        docker("image", "rm", "--no-prune", target)
    (digest,) = {each.partition("@")[2] for each in named if each.partition("@")[0] == repository}
    return str(digest)


if __name__ == "__main__":
    sys.exit(main())
