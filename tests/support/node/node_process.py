"""`edgecam run` in a process of its own, as a nucleus starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.ports import free_port

BALL = {"id": "ball", "uri": "test://?pattern=ball&fps=10", "frames": {"max_fps": 5}}


class NodeProcess:
    """A node with one camera, whose states go to AWS IoT Core where nothing else is said.

    Args:
        folder: Where pictures and log are; the same folder is the same node, started again.
        environment: Besides the test's own, such as what a nucleus passes.
        settings: Of the node configuration, over what stands here.

    Attributes:
        command: What is started; may be changed before.
        pipes: What it gets as standard input and output.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], **settings: Any) -> None:
        self.port = free_port()
        document = {
            "cameras": [BALL],
            "data_dir": str(folder / "frames"),
            "aws_iot": {"enabled": True},
            "http": {"port": self.port},
        } | settings
        self._environment = dict(os.environ) | environment | {"EDGECAM_NODE": json.dumps(document)}
        self.command = [sys.executable, "-m", "edgecam", "run"]
        self.pipes: int | None = None
        self._log = folder / "run.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Start it, with `environment` besides what it was made with."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=self.pipes,
                stdout=self.pipes,
                stderr=log,
                env=self._environment | environment,
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after that signal."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def kill(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and document of /healthz; (0, {}) while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://localhost:{self.port}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def reasons(self) -> list[dict[str, Any]]:
        """Why it is not healthy."""
        found: list[dict[str, Any]] = self.health()[1].get("reasons", [])
        return found

    def brokers_away(self) -> list[dict[str, Any]]:
        """What /healthz says of them; empty while it is not healthy for another reason."""
        status, document = self.health()
        return document["brokers_away"] if status == 200 else []

    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()
