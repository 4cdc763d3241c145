"""The sandbox's fleet file: sandbox/fleet.yaml with this start's ports and the ARN of the camera's secret."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = Path(__file__).with_name("fleet.yaml")
THING = "edgecam-sandbox"
UNCHANGED_WIDTH = "null"
"""As the camera sends it."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """What is filled in; `lobby_width` is the one setting that the sandbox changes, in pixels or `null`."""

    data_dir: Path
    page_port: int
    cameras_port: int
    yard_secret: str
    lobby_width: str = UNCHANGED_WIDTH


def render(values: Values, target: Path) -> Path:
    """Write the fleet file; returns its path."""
    text = string.Template(TEMPLATE.read_text()).substitute(
        NAME="${NAME}",
        THING=THING,
        DATA_DIR=values.data_dir,
        PAGE_PORT=values.page_port,
        CAMERAS_PORT=values.cameras_port,
        YARD_SECRET=values.yard_secret,
        LOBBY_WIDTH=values.lobby_width,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target
