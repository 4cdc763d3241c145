"""A node in a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass


@dataclass
class RunningNode:
    """A node in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str

    def health(self) -> dict[str, object]:
        """What /healthz says."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                answered: dict[str, object] = json.load(answer)
        except urllib.error.HTTPError as error:
            answered = json.load(error)
        return answered

    def pause(self) -> None:
        """Let it hang."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)
