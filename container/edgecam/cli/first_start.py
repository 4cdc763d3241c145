"""A start without any configuration: a test picture on the page, so that the first minute shows something."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgecam.web.server import ADDRESS

FIRST_NODE: dict[str, Any] = {"cameras": [{"id": "test", "uri": "test://"}]}

_INTERFACES = Path("/sys/class/net")
_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Of a container, Docker's and Podman's."""
_ANYWHERE = ("192.0.2.1", 9)  # of documentation (RFC 5737): nothing is sent there


def page_address(interfaces: Path = _INTERFACES, marks: Iterable[Path] = _MARKS) -> str:
    """Where the page of the test picture listens.

    In a container with a network of its own at the address that `docker run --publish` leads to, else for
    this machine only.
    """
    is_container = any(mark.exists() for mark in marks)
    # A device is the machine's, whose network the container then has (--network=host).
    if not is_container or not interfaces.is_dir() or any(interfaces.glob("*/device")):
        return ADDRESS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(_ANYWHERE)
        except OSError:  # no network at all
            return ADDRESS
        own: str = unsent.getsockname()[0]
        return own


def message(address: str, port: int) -> str:
    """What such a start says first, to a person."""
    shown = f"http://{address}:{port}"
    if address != ADDRESS:
        shown += f", or http://{ADDRESS}:{port} with docker run --publish={ADDRESS}:{port}:{port}"
    return (
        "no configuration in EDGECAM_NODE or --config FILE: a test picture is shown in place of a camera, "
        f"on the page {shown}"
    )
