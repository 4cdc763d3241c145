"""A start without any configuration; `tests/image/test_program_in_image.py` has it whole, in a container."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edgecam.cli.first_start import FIRST_NODE, message, page_address
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate


@pytest.fixture
def interfaces(tmp_path: Path) -> Path:
    """As Linux shows a container's own network: no interface has a device."""
    folder = tmp_path / "net"
    for name in ("lo", "eth0"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    path = tmp_path / ".dockerenv"
    path.touch()
    return path


def test_page_of_a_containers_own_network_is_at_the_containers_address(interfaces: Path, mark: Path) -> None:
    address = page_address(interfaces, [mark])
    assert address != "127.0.0.1"
    with socket.create_server((address, 0)):
        pass  # it is one of this machine


def test_page_on_a_machines_network_is_for_that_machine_only(interfaces: Path, mark: Path) -> None:
    assert page_address(interfaces, [interfaces / "no mark"]) == "127.0.0.1"
    assert page_address(interfaces / "none", [mark]) == "127.0.0.1"
    (interfaces / "eth0/device").mkdir()
    assert page_address(interfaces, [mark]) == "127.0.0.1"


def test_first_line_says_where_to_look() -> None:
    assert message("127.0.0.1", 8642).endswith("on the page http://127.0.0.1:8642")
    said = message("172.17.0.2", 8642)
    assert "http://172.17.0.2:8642, or http://127.0.0.1:8642 with docker run --publish" in said


def test_first_node_is_a_valid_configuration_that_asks_for_nothing() -> None:
    (camera,) = validate(NodeConfig, FIRST_NODE).cameras
    assert camera.scheme.name == "test"
