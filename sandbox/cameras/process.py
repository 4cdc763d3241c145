"""The sandbox's two test cameras as one process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.process import Process

_READY = '{"port"'
"""How the line begins that the process prints when the cameras can be reached."""


class CamerasProcess(Process):
    """Plays until it is stopped; the yard asks for the login in `password_file`."""

    def __init__(
        self, *, port: int, password_file: Path, log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        """Start it; the cameras can be reached when `is_ready`."""
        command = [sys.executable, "-m", "sandbox.cameras", "--port", str(port)]
        command += ["--password-file", str(password_file)]
        super().__init__("the test cameras", command, log=log, env=env, cwd=cwd)

    @property
    def is_ready(self) -> bool:
        """Whether the cameras can be reached."""
        return _READY in self.log.read_text()

    def freeze(self) -> None:
        """Leave connections open and send nothing, until `release`."""
        os.kill(self.pid, signal.SIGSTOP)

    def release(self) -> None:
        """Play on."""
        os.kill(self.pid, signal.SIGCONT)
