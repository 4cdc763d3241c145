"""A node that grabs frames, started and stopped for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.node.node import Node

RunNode = Callable[..., Node]


@pytest.fixture
def receiver() -> str:
    """The setting of RTSP cameras; modules that have to hold with both receivers have parameters of it."""
    return "auto"


@pytest.fixture
def run_node(tmp_path: Path, receiver: str) -> Iterator[RunNode]:
    """Starts a node from camera settings without ids: `run_node({"uri": …}, …)`; they are called c0, c1, …"""
    nodes: list[Node] = []

    def start(*cameras: dict[str, Any]) -> Node:
        given = {"receiver": receiver}
        named = [{"id": f"c{number}"} | given | camera for number, camera in enumerate(cameras)]
        config = validate(NodeConfig, {"cameras": named, "data_dir": str(tmp_path / "data")})
        node = Node(config, logins=Logins(config.cameras))
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        assert node.stop(), "a camera did not end in time"
