"""Subprocesses of the sandbox: each in its own session, output in a file, ended with all of its children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.errors import StartError

TAIL_LINES = 25
"""Enough to see a traceback or the last words of the CDK, little enough to read."""

POLL_S = 0.05


class Process:
    """A running subprocess. Its session is its own, so that a signal reaches all of its children."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        """Start `command`; standard output and error go to `log`, which starts empty."""
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            try:
                self._popen = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise StartError(f"{name} cannot be started ({command[0]}): {error}") from error

    @property
    def pid(self) -> int:
        """Process id, which is the session's id too."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, or None when it still runs after `timeout_s`."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float = 10.0) -> bool:
        """SIGTERM, then SIGKILL to the whole session; True when SIGTERM was enough."""
        gentle = True
        if self.exit_code() is None:
            self._signal_leader(signal.SIGTERM)
            gentle = self.wait(timeout_s) is not None
        self._signal_session(signal.SIGKILL)
        self._popen.wait()
        return gentle

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of its output."""
        return tail(self.log, lines)

    def _signal_leader(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _signal_session(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a text file; a remark when there are none."""
    try:
        content = path.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        content = []
    return "\n".join(content) or "(nothing was written)"
