"""`pytest -n`: how tests are given out, and end early. Not in `lanes`: xdist is not wherever tests run."""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import lanes
import psutil
import pytest
from execnet import RemoteError
from turns import Turns
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TEARDOWN_S = 90.0
"""What workers are given to end what their tests have started; a core waits for its container."""


class LaneScheduling(LoadScopeScheduling):
    """Gives out whole lanes, in the order in which their first tests were collected."""

    def __init__(self, config: pytest.Config, log: Producer, file: Path) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # would put the lanes with most tests first
        self._file = file
        self._lanes: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        self._lanes = self._lanes or json.loads(self._file.read_text())
        return self._lanes[nodeid]


class Distribution:
    """Hooks of the process that distributes the tests."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._workers: list[WorkerController] = []

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker where to write which test is in which lane: it is workers who collect the tests."""
        self._workers.append(node)
        node.workerinput[lanes.FILE] = str(self._file)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Producer) -> LaneScheduling:
        return LaneScheduling(config, log, self._file)

    @pytest.hookimpl(tryfirst=True)  # before xdist ends them, in the middle of what they are doing
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Let workers of an interrupted run take everything down."""
        if exitstatus != pytest.ExitCode.INTERRUPTED:
            return
        for process in psutil.Process().children():
            process.send_signal(signal.SIGINT)
        deadline_s = time.monotonic() + TEARDOWN_S
        for worker in self._workers:
            with contextlib.suppress(OSError, EOFError, RemoteError):  # OSError is also a timeout
                worker.channel.waitclose(max(0.0, deadline_s - time.monotonic()))


def distribute(config: pytest.Config) -> None:
    """Have `config`'s run distribute its tests in lanes, and end orderly on SIGTERM as on SIGINT."""
    folder = tempfile.TemporaryDirectory(prefix="edgecam-lanes-")
    config.add_cleanup(folder.cleanup)
    config.pluginmanager.register(Distribution(Path(folder.name) / "lanes.json"))
    signal.signal(signal.SIGTERM, _interrupt)


def take_part(config: pytest.Config) -> None:
    """Have a worker wait for its turns, and be interrupted once: Ctrl-C reaches it from the terminal and from
    who distributes."""
    config.pluginmanager.register(Turns())
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
