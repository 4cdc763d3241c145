"""Test cameras as a process of their own, so that they can be frozen, killed and brought back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("EDGECAM_TEST_PYTHON", sys.executable)
"""With an RTSP server and encoders: the machine outside has them, where tests run in the image."""


class CameraProcess:
    """`python -m sandbox.cameras` on a port that stays the same over restarts."""

    def __init__(
        self,
        cameras: Sequence[str],
        *,
        port: int,
        password: str | None = None,
        certificate: Path | None = None,
        asks_certificate: bool = False,
    ) -> None:
        self.port = port
        self._scheme = "rtsp" if certificate is None else "rtsps"
        self._command = [PYTHON, "-m", "sandbox.cameras", "--port", str(port)]
        self._command += [argument for camera in cameras for argument in ("--camera", camera)]
        if certificate is not None:
            self._command += ["--certificate", str(certificate)]
        if asks_certificate:
            self._command.append("--ask-certificate")
        self._environment = os.environ | ({"CAMERA_PASSWORD": password} if password else {})
        self._process: subprocess.Popen[bytes] | None = None

    def uri(self, name: str) -> str:
        """Where the camera `name` is."""
        return f"{self._scheme}://127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Returns when the cameras can be reached."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise AssertionError(f"no test cameras: {self._process.stderr.read().decode()}")
        assert json.loads(line)["port"] == self.port

    def freeze(self) -> None:
        """Connections stay up, nothing comes any more."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._running().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As if the plug had been pulled; harmless when it is not running."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the test cameras are not running"
        return self._process
