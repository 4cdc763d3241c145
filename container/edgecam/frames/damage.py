"""Which decoded pictures are damaged, by what the decoder says while it decodes. Belongs to its thread."""

from __future__ import annotations

from typing import Any

from edgecam.gstreamer.damage_log import DAMAGE_LOG
from edgecam.gstreamer.gst import Gst


class DamageWatch:
    """Of one decoder: from a damaged picture on all are, since each needs those before it: up to the next
    keyframe, or until intra refresh has renewed all of a picture."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._is_damaged = False
        self._clean_from_ns = 0
        self._to_renew: int | None = None

    def begin(self, pts_ns: int, *, is_keyframe: bool, to_recovery: int = 0) -> None:
        """The decoder is about to take the access unit that is shown at `pts_ns`.

        Args:
            pts_ns: When it is shown.
            is_keyframe: Whether it needs none before it.
            to_recovery: Of a recovery point: how many pictures after it the first whole one comes.
        """
        if self._count is None:
            DAMAGE_LOG.attach()  # now that the decoder is loaded
        self._look()
        if self._to_renew is not None:
            self._to_renew -= 1
        elif to_recovery and self._is_damaged:
            self._to_renew = to_recovery
        if is_keyframe or self._to_renew == 0:
            # Pictures before it that were held back are still damaged; a time that jumps back is not.
            self._clean_from_ns = pts_ns if self._is_damaged else min(self._clean_from_ns, pts_ns)
            self._is_damaged, self._to_renew = False, None

    def concerns(self, picture: Any) -> bool:
        """Whether the decoded `picture` (a Gst.Buffer) is damaged."""
        self._look()
        is_marked = picture.has_flags(Gst.BufferFlags.CORRUPTED)
        return bool(is_marked or self._is_damaged or picture.pts < self._clean_from_ns)

    def _look(self) -> None:
        found = DAMAGE_LOG.count()
        if self._count not in (None, found):
            self._is_damaged, self._to_renew = True, None
        self._count = found
