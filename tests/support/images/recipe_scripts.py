"""The scripts of a recipe as a nucleus runs them, and what they leave on the engine."""

from __future__ import annotations

import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe_image import docker

WAIT_S = 60.0

SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix")}
"""What `/bin/sh` is: on Debian and Ubuntu, and elsewhere."""


def run_to_end(
    script: str,
    environment: dict[str, str],
    user: int | None = None,
    folder: Path | None = None,
    shell: Sequence[str] = ("sh",),
) -> subprocess.CompletedProcess[str]:
    """Run a script in its component's work folder, by default a new one."""
    with tempfile.TemporaryDirectory() as fresh:
        return subprocess.run(
            [*shell, "-c", script],
            env=environment,
            cwd=folder or fresh,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
            **({"user": user, "group": user, "extra_groups": []} if user else {}),
        )


class Running:
    """A script that runs in the work folder, with what it says in a file.

    Attributes:
        process: The shell.
        folder: The work folder.
    """

    def __init__(
        self,
        script: str,
        environment: dict[str, str],
        folder: Path,
        shell: Sequence[str] = ("sh",),
        **identity: Any,
    ) -> None:
        self.folder = folder
        self._log = folder / f"{uuid.uuid4().hex}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*shell, "-c", script],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                **identity,
            )

    def output(self) -> str:
        """All that it has said."""
        return self._log.read_text()

    def until_said(self, text: str, times: int = 1) -> str:
        """All that it has said, once it has said `text`, while it runs on."""
        deadline_s = time.monotonic() + WAIT_S
        while self.output().count(text) < times:
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline_s, self.output()
            time.sleep(0.05)
        return self.output()

    def until_ready(self, times: int = 1) -> list[str]:
        """The lines that were said, once the program runs (for the second time, …)."""
        return self.until_said("\nready\n", times).splitlines()

    def end(self) -> int:
        """SIGTERM for the shell alone; its exit code."""
        self.process.terminate()
        return self.process.wait(WAIT_S)


def is_here(image: str) -> bool:
    """Whether the engine has an image of this name."""
    return bool(docker("image", "ls", "--quiet", image))


def has_image(image_id: str) -> bool:
    """Whether the engine has this image, under whichever name."""
    return image_id in docker("image", "ls", "--all", "--quiet", "--no-trunc").split()


def id_of(image: str) -> str:
    """The image that has this name."""
    return docker("image", "inspect", "--format", "{{.Id}}", image)
