"""A container image for the recipes' scripts, with a stand-in for the program."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAM = r"""#!/bin/sh
# Stands in for the program: its plan is in EDGECAM_SETTINGS, and running prints what the container got.
settings() {
  case $EDGECAM_SETTINGS in
    s3://*) cat /run/edgecam/settings-1 ;;
    *) printf '%s' "$EDGECAM_SETTINGS" | tr '_-' '/+' | base64 -d ;;
  esac
}
case $1 in
  start-script) cat /start.sh ;;
  fetch-settings)
    echo "fetched as $(id -u) with $AWS_CONTAINER_AUTHORIZATION_TOKEN" >&2
    echo "arg=--env=FETCHED=$EDGECAM_SETTINGS" >"$2/settings-1" ;;
  launch-plan)
    case $(settings) in
      wrong) echo "cameras: expected a list, found wrong" >&2; exit 2 ;;
    esac
    settings ;;
  own) exec chown "$3" "$2" ;;
  run | exec)
    echo "program=$1"
    echo "user=$(id -u):$(id -g)"
    env
    ! [ -e /run/edgecam ] || touch /run/edgecam/mine 2>&1
    trap 'echo "got SIGTERM"; exit 0' TERM
    echo "ready"
    sleep 600 &
    wait ;;
esac
"""


def settings_word(plan: str) -> str:
    """Settings that make the stand-in print these lines as its plan, in characters that no shell minds."""
    # As real ones without padding, which base64 of the image would miss.
    return base64.urlsafe_b64encode(f"{plan}\n".encode() + b"\n" * (-(len(plan.encode()) + 1) % 3)).decode()


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

    def forget_kept(self) -> None:
        """Its components have run nothing yet."""
        for name in docker(
            "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "edgecam/kept"
        ).splitlines():
            if self.variant in name:
                docker("image", "rm", name)

    def another(self, tag: str, note: str) -> str:
        """Build a different image of the same variant; returns its name."""
        if not docker("image", "ls", "--quiet", self.name):
            docker("load", "--input", str(self.archive))  # superseded by one before
        name = f"edgecam/{self.variant}:{tag}"
        docker("build", "--quiet", "--tag", name, "--label", f"note={note}", "-", text=f"FROM {self.name}\n")
        return name
