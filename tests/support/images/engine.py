"""What a run of the tests leaves on the Docker engine, which other runs, sandboxes and cores use as well."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from container.image.inputs import (
    DEFAULT_BASE_IMAGE,
    VARIANTS,
    image_hash,
    image_name,
    image_tag,
)

LABEL = "edgecam.test-run"
KINDS = {
    "image": (
        *("image", "ls", "--digests", "--filter", "dangling=false"),
        *("--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}"),
    ),
    "network": ("network", "ls", "--format", "{{.Name}}"),
    "volume": ("volume", "ls", "--format", "{{.Name}}"),
}
"""By kind, the command that lists it. Images without a name are the builder's cache."""

COMMAND = """#!/bin/sh
# Docker's own command, with a note of what it was asked and a label for containers: see class Ledger.
printf '%s\\n' "$*" >>NOTES
case $1 in
  run | create)
    asked=$1
    shift
    set -- "$asked" --label=LABELLED "$@" ;;
esac
exec PROGRAM "$@"
"""


class Ledger:
    """What this process and all that it starts ask of Docker, hence everything that they could leave there.

    Containers know by a label who had them made. An image with a label of its own would be another image, but
    every program that makes or loads an image, a network or a volume names it in some command.
    """

    def __init__(self, folder: Path) -> None:
        """Put a command `docker` into the empty `folder`, which is to be the first on PATH."""
        self.label = f"{LABEL}={uuid.uuid4().hex}"
        self.folder = folder
        self._notes = folder / "notes"
        program = shutil.which("docker")
        assert program is not None, "an engine answers, so there is its command"
        # Cores run their scripts as other users, who ask Docker as well.
        temporary = Path(tempfile.gettempdir())
        for each in (folder, *itertools.takewhile(lambda parent: parent != temporary, folder.parents)):
            each.chmod(each.stat().st_mode | 0o011)
        self._notes.touch()
        self._notes.chmod(0o666)
        text = COMMAND.replace("NOTES", shlex.quote(str(self._notes))).replace("LABELLED", self.label)
        (folder / "docker").write_text(text.replace("PROGRAM", shlex.quote(program)))
        (folder / "docker").chmod(0o755)

    def rebuilds(self) -> set[str]:
        """The numbers of the rebuilds that were asked for."""
        return set(re.findall(r"\bREBUILD=(\w+)", self._notes.read_text()))

    def left(self, before: set[str]) -> list[str]:
        """What has come since `before`, is of this process and may not stay, one line each."""
        listing = ("container", "ls", "--all", "--filter", f"label={self.label}")
        containers = _lines(*listing, "--format", "container {{.Names}} of {{.Image}}")
        notes = self._notes.read_text()
        others = contents() - before - {f"image {name}" for name in may_stay()}
        asked = set(re.split(r"[\s=,]+", notes))
        # A command leaves `latest` out.
        named = (each for each in sorted(others) if each.partition(" ")[2].removesuffix(":latest") in asked)
        return [*containers, *named]


def answers() -> bool:
    """Whether there is an engine that answers."""
    try:
        return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def contents() -> set[str]:
    """What has a name and is no container, each with its kind before it."""
    return {f"{kind} {name}" for kind, command in KINDS.items() for name in map(_shortened, _lines(*command))}


def may_stay() -> set[str]:
    """The images that tests leave on purpose, since they take minutes to make: the base and this tree's."""
    (server,) = _lines("version", "--format", "{{.Server.Arch}}")
    own = {image_name(variant, image_tag(image_hash(variant, server))) for variant in VARIANTS}
    return {DEFAULT_BASE_IMAGE, *own}


def _shortened(name: str) -> str:
    """An image's name as commands have it: by its tag, and where it has none by its digest."""
    repository, _, digest = name.removesuffix("@<none>").partition(":<none>@")
    return f"{repository}@{digest}" if digest else repository.partition("@")[0]


def _lines(*arguments: str) -> list[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
