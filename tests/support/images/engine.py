"""What is on the Docker engine, so that a run of the tests can be held to leave nothing of its own there."""

from __future__ import annotations

import subprocess

from container.image.inputs import (
    DEFAULT_BASE_IMAGE,
    VARIANTS,
    image_hash,
    image_name,
    image_tag,
)

KINDS = {
    "container": ("container", "ls", "--all", "--format", "{{.Names}} of {{.Image}}"),
    "image": ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "dangling=false"),
    "network": ("network", "ls", "--format", "{{.Name}}"),
    "volume": ("volume", "ls", "--format", "{{.Name}}"),
}
"""By kind, the command that lists it. Images without a name are the builder's cache."""

Contents = dict[str, set[str]]


def contents() -> Contents | None:
    """What is there by kind; None where no engine answers, which the tests that need one say themselves."""
    found: Contents = {}
    for kind, command in KINDS.items():
        try:
            done = subprocess.run(["docker", *command], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode != 0:
            return None
        found[kind] = set(done.stdout.splitlines())
    return found


def may_stay() -> set[str]:
    """The images that tests leave on purpose, since they take minutes to make: the base and this tree's."""
    asked = ["docker", "version", "--format", "{{.Server.Arch}}"]
    server = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    own = {image_name(variant, image_tag(image_hash(variant, server))) for variant in VARIANTS}
    return {DEFAULT_BASE_IMAGE, *own}


def left(before: Contents, after: Contents) -> list[str]:
    """What has come and may not stay, one line each."""
    return [
        f"{kind} {name}"
        for kind, names in after.items()
        for name in sorted(names - before[kind] - may_stay())
    ]
