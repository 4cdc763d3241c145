"""The environment of Google's and ClearBlade's Cloud IoT libraries, which the embedded Cloud IoT runs in too.

It is apart from the project's because google-cloud-iot needs an older protobuf. The provisioning's functions
are packed from the same lock.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.locked_environment import LockedEnvironment

REPOSITORY = Path(__file__).resolve().parents[2]
CLOUD_IOT = LockedEnvironment(
    name="the environment of the Cloud IoT libraries",
    source=REPOSITORY / "stacks" / "gcp" / "iot",
    folder=REPOSITORY / "build" / "cloud-iot",
    groups=("sandbox",),
)


def interpreter() -> Path:
    """The environment's Python."""
    return CLOUD_IOT.interpreter


def install() -> Path:
    """Make the environment agree with the lock, at once when it does; returns its Python."""
    return CLOUD_IOT.install()


if __name__ == "__main__":
    sys.stdout.write(f"{install()}\n")
