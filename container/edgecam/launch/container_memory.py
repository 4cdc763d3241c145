"""How much memory a node's container may take where nobody says it.

A camera that lies about its pictures, or sends without end, must not take the core's memory; a node that does
what it is there for must never reach the limit, since all its cameras end with it. So the limit is what a
node of that many cameras was measured to need at the worst, and never more than most of the core.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecam.config.camera import Camera

MIB = 1024**2

_NODE_BYTES = 256 * MIB
"""Of the program: 44 MB when it starts, 60 MB with uploads under way, whatever a chunk's size. The rest is
for what the kernel counts as the container's besides: pictures in /dev/shm, at most 16 MB in /tmp, and pages
of chunks that a slow disk has not taken yet."""

_PICTURES_BYTES = 320 * MIB
"""Of a camera with pictures. At 1080p it takes 19 to 24 MB, and 75 MB where all is decoded. At 3840x2160 a
whole node took 285 MB with one camera and 836 MB with three in H.264 (265 and 627 MB in H.265), on two cores:
280 MB a camera, and each further core that decodes takes one picture more, 12 MB."""

_RECORDED_BYTES = 32 * MIB
"""Of a camera that is recorded alone: 3.3 MB measured, and what waits for a slow disk in its tap, and in its
chunk's pipeline where that is MPEG-TS, some megabytes each (`capture/tap.py`, `recording/ts_writer.py`)."""

_MOST_OF_CORE = 0.75
"""Beyond that the kernel would end other programs of the core, a nucleus among them, before the node."""


def default_limit_bytes(cameras: Iterable[Camera], core_bytes: int) -> int:
    """The limit for a container that looks after `cameras` on a core with so much memory, in whole MiB."""
    needed = sum(_PICTURES_BYTES if each.frames.enabled else _RECORDED_BYTES for each in cameras)
    return min(_NODE_BYTES + needed, int(core_bytes * _MOST_OF_CORE)) // MIB * MIB
