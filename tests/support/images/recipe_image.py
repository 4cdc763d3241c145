"""A container image for the recipes' scripts, with a stand-in for the program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAM = r"""#!/bin/sh
# Stands in for the program: the plan is what EDGECAM_NODE says, and running prints what the container got.
case $1 in
  launch-plan)
    case $EDGECAM_NODE in
      wrong) echo "cameras: expected a list, found wrong" >&2; exit 2 ;;
    esac
    printf '%s\n' "$EDGECAM_NODE" ;;
  own) exec chown "$3" "$2" ;;
  run | exec)
    echo "program=$1"
    echo "user=$(id -u):$(id -g)"
    env
    trap 'echo "got SIGTERM"; exit 0' TERM
    echo "ready"
    sleep 600 &
    wait ;;
esac
"""


def docker(*arguments: str, text: str | None = None) -> str:
    """What docker prints."""
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, input=text)
    return done.stdout.strip()


@dataclass(frozen=True)
class TestImage:
    """An image of its own variant: tests never touch a container or an image of the real one."""

    __test__ = False

    variant: str
    name: str
    archive: Path

    @property
    def container(self) -> str:
        """The name that the recipe gives the container."""
        return f"edgecam-{self.variant}"

    def another(self, tag: str, note: str) -> str:
        """Build a different image of the same variant; returns its name."""
        name = f"edgecam/{self.variant}:{tag}"
        docker("build", "--quiet", "--tag", name, "--label", f"note={note}", "-", text=f"FROM {self.name}\n")
        return name
