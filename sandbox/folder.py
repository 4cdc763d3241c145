"""The folder of a sandbox, which is emptied at its start."""

from __future__ import annotations

import shutil
from pathlib import Path

from sandbox.aws.environment import REPOSITORY
from sandbox.errors import StartError

DEFAULT_FOLDER = REPOSITORY / "build" / "sandbox"
MARKER = ".edgecam-sandbox"
"""A file in every other folder that a sandbox may empty."""


def empty(folder: Path) -> None:
    """Make `folder` empty, but remove nothing that no sandbox has made.

    Raises:
        StartError: it holds other files.
    """
    marker = folder / MARKER
    ours = folder == DEFAULT_FOLDER or marker.exists()
    if folder.exists() and any(folder.iterdir()) and not ours:
        raise StartError(f"{folder} holds files that are not the sandbox's: choose another folder")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    marker.touch()
