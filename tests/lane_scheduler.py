"""xdist's part of `lanes`: in a module of its own, since tests also run where there is no xdist."""

from __future__ import annotations

import json
from pathlib import Path

import lanes
import pytest
from xdist.scheduler import LoadScopeScheduling


class Lanes(LoadScopeScheduling):
    """xdist's scheduler of whole groups, with lanes for groups, in the order of collection."""

    def __init__(self, config: pytest.Config, log: object, file: Path) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self._file = file
        self._lanes: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        self._lanes = self._lanes or json.loads(self._file.read_text())
        return self._lanes[nodeid]


class LanePlugin:
    """Registered in whoever runs pytest."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        node.workerinput[lanes.FILE] = str(self.file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> Lanes:
        return Lanes(config, log, self.file)
