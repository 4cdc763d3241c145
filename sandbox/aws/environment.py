"""The embedded AWS' own environment, apart from the project's because ministack pins another botocore."""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.locked_environment import LockedEnvironment

SOURCE = Path(__file__).parent
REPOSITORY = SOURCE.parent.parent
DEFAULT_FOLDER = REPOSITORY / "build" / "embedded-aws"


def interpreter(folder: Path = DEFAULT_FOLDER) -> Path:
    """The environment's Python."""
    return _environment(folder).interpreter


def install(folder: Path = DEFAULT_FOLDER) -> Path:
    """Make the environment agree with the lock, at once when it does; returns its Python."""
    return _environment(folder).install()


def _environment(folder: Path) -> LockedEnvironment:
    return LockedEnvironment("the embedded AWS", SOURCE, folder)


if __name__ == "__main__":
    sys.stdout.write(f"{install()}\n")
