"""Where a node is, as its page says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """What the page's heading and links are made of.

    Attributes:
        core: The core's thing name, or None outside of Greengrass.
        site: The site's name, or None.
        bucket: Where recordings go, redacted, or None where nothing is recorded.
        recordings_url: By camera id: where a browser shows its recordings; None where no console does.
    """

    core: str | None = None
    site: str | None = None
    bucket: str | None = None
    recordings_url: Callable[[str], str | None] = lambda _: None
