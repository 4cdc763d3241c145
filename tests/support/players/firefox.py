"""A Firefox without a window, driven by its own protocol (Marionette): Playwright drives a Firefox of its own
only."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from sandbox.ports import free_port

START_TIMEOUT_S = 60
SCRIPT_TIMEOUT_MS = 60_000
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """One browser with one page.

    Args:
        folder: For its profile and its output.
    """

    def __init__(self, folder: Path) -> None:
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        assert program is not None, "expected firefox-esr or firefox, found neither: run tools/install test"
        port = free_port()
        profile = folder / "profile"
        profile.mkdir()
        set_all = {**PREFERENCES, "marionette.port": port}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in set_all.items()]
        (profile / "user.js").write_text("\n".join(lines))
        with (folder / "firefox.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "--headless", "--no-remote", "--marionette", "--profile", str(profile)],
                stdout=log,
                stderr=log,
                env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "MOZ_CRASHREPORTER_DISABLE": "1"},
            )
        self._number = 0
        self._socket = _connected(port)
        self._read = self._socket.makefile("rb")
        self._message()
        self._ask("WebDriver:NewSession", {})
        self._ask("WebDriver:SetTimeouts", {"script": SCRIPT_TIMEOUT_MS})

    def open(self, url: str) -> None:
        """Show a page."""
        self._ask("WebDriver:Navigate", {"url": url})

    def evaluate(self, function: str, argument: Any) -> Any:
        """What an asynchronous JavaScript function returns for `argument`."""
        script = (
            "const [argument, done] = arguments;"
            f"({function})(argument).then(found => done({{found}}), error => done({{error: String(error)}}));"
        )
        answer = self._ask("WebDriver:ExecuteAsyncScript", {"script": script, "args": [argument]})["value"]
        assert "error" not in answer, answer
        return answer["found"]

    def close(self) -> None:
        """End it."""
        self._read.close()
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)

    def _ask(self, command: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        content = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(content), content))
        _, number, error, result = self._message()
        assert number == self._number
        assert error is None, error
        return result

    def _message(self) -> Any:
        digits = b""
        while (byte := self._read.read(1)) != b":":
            assert byte, "Firefox has ended"
            digits += byte
        return json.loads(self._read.read(int(digits)))


def _connected(port: int) -> socket.socket:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), START_TIMEOUT_S)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline_s, "Firefox does not start"
            time.sleep(0.1)
