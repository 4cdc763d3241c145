"""The settings of a site as its component gets them: one word in four pieces, or an object named by its hash.

`edgecam/launch/settings.py` reads them on the core, and has the reasons. Nothing of AWS CDK is here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecam.launch.settings import PIECE_CHARACTERS, PIECES
from fleet.settings.site import Site

_BEST = 9


@dataclass(frozen=True)
class PackedSettings:
    """Settings, compressed.

    Attributes:
        content: The bytes: of the object, or within the word.
        json_bytes: How many they were before.
    """

    content: bytes
    json_bytes: int

    @property
    def hash(self) -> str:
        """What the object is named by, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def word(self) -> str:
        """The bytes in letters, digits, `-` and `_`."""
        return base64.urlsafe_b64encode(self.content).decode().rstrip("=")

    def pieces(self) -> tuple[str, ...] | None:
        """The word in pieces that a core takes, at the most `PIECES`; None where it is longer than these."""
        word = self.word
        starts = range(0, len(word), PIECE_CHARACTERS)
        return tuple(word[at : at + PIECE_CHARACTERS] for at in starts) if len(starts) <= PIECES else None

    def object_key(self, variant: str) -> str:
        """The object's key in the artifact bucket, where the cores of that variant may read it."""
        return f"{variant}/settings/{self.hash}"


def settings_of(site: Site, node: Mapping[str, Any]) -> dict[str, Any]:
    """What the site configures for its component, as plain values: what differs from the defaults.

    Args:
        site: The site.
        node: Its node configuration, as `fleet.devices.node_of` returns it.
    """
    settings: dict[str, Any] = {
        "data_dir": site.data_dir,
        "node": {name: value for name, value in node.items() if name != "data_dir"},
    }
    if site.docker_options:
        settings["docker"] = site.docker_options
    if site.entrypoint:
        settings["entrypoint"] = site.entrypoint
    if site.command:
        settings["command"] = list(site.command)
    return settings


def pack(settings: Mapping[str, Any]) -> PackedSettings:
    """`settings`, as `settings_of` returns them, compressed: the same bytes for the same settings."""
    text = json.dumps(settings, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return PackedSettings(zlib.compress(text, _BEST), len(text))


def configuration(pieces: Sequence[str]) -> dict[str, Any]:
    """The part of a component's configuration that the recipe hands on; what is not used is empty."""
    return {"settings": {str(index): text for index, text in enumerate((*pieces, *[""] * PIECES)[:PIECES])}}
