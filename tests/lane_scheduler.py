"""xdist's part of `lanes`: a module of its own, since tests also run where there is no xdist."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import lanes
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController


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


class LanePlugin:
    """Tells workers where to write which test is in which lane: it is they who collect the tests."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_configure_node(self, node: WorkerController) -> None:
        node.workerinput[lanes.FILE] = str(self._file)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Producer) -> LaneScheduling:
        return LaneScheduling(config, log, self._file)


def install(config: pytest.Config) -> None:
    """Have `config`'s run distribute its tests in lanes."""
    folder = tempfile.TemporaryDirectory(prefix="edgecam-lanes-")
    config.add_cleanup(folder.cleanup)
    config.pluginmanager.register(LanePlugin(Path(folder.name) / "lanes.json"))
