"""Which decoded pictures are damaged, by what the decoder says while it decodes. Belongs to its thread."""

from __future__ import annotations

from typing import Any

from edgecam.gstreamer.damage_log import DAMAGE_LOG
from edgecam.gstreamer.gst import Gst


class DamageWatch:
    """Of one decoder: from a damaged picture on all are, up to the next keyframe, since each needs those
    before it."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._is_damaged = False
        self._clean_from_ns = 0

    def begin(self, pts_ns: int, *, is_keyframe: bool) -> None:
        """The decoder is about to take the access unit that is shown at `pts_ns`."""
        if self._count is None:
            DAMAGE_LOG.attach()  # now that the decoder is loaded
        self._look()
        if is_keyframe:
            # Pictures before it that were held back are still damaged; a time that jumps back is not.
            self._clean_from_ns = pts_ns if self._is_damaged else min(self._clean_from_ns, pts_ns)
            self._is_damaged = False

    def concerns(self, picture: Any) -> bool:
        """Whether the decoded `picture` (a Gst.Buffer) is damaged."""
        self._look()
        is_marked = picture.has_flags(Gst.BufferFlags.CORRUPTED)
        return bool(is_marked or self._is_damaged or picture.pts < self._clean_from_ns)

    def _look(self) -> None:
        found = DAMAGE_LOG.count()
        self._is_damaged = self._is_damaged or self._count not in (None, found)
        self._count = found
