"""Containers that the scripts of a recipe start."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from recipe_image import docker

WAIT_S = 60.0


def run_to_end(
    script: str, environment: dict[str, str], user: int | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script in its component's work folder, by default a new one."""
    with tempfile.TemporaryDirectory() as fresh:
        return subprocess.run(
            ["sh", "-c", script],
            env=environment,
            cwd=folder or fresh,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
            **({"user": user, "group": user, "extra_groups": []} if user else {}),
        )


def is_here(image: str) -> bool:
    return bool(docker("image", "ls", "--quiet", image))
