"""Which pictures are decoded: plain decisions over values, no pipeline.

A coded stream is keyframes, each readable alone, and deltas, each readable only after everything since its
keyframe. Decoding costs ten times what receiving costs, so a `DecodeGate` stands between the two. It is
offered every access unit in the order of decoding and decides which of them go to the decoder, and which one
is to become a picture.

- KEYFRAMES: only keyframes are decoded, and only those that are due.
- CATCH_UP: everything since the last keyframe is held. When a picture is due, what is held is decoded in one
  batch, and only its last picture is shown. A keyframe makes what is held useless: it is dropped undecoded.
  One picture a second from a stream with a keyframe every two seconds decodes half of the stream.
- ALL: everything is decoded. For streams that reorder their pictures, whose decoder runs some pictures late.
- REFRESH: everything is decoded, and nothing is shown before all of a picture has been renewed. For streams
  with intra refresh, which have recovery points in place of keyframes: whatever the settings say, since each
  of their pictures needs those before it.
"""

from __future__ import annotations

from typing import NamedTuple

from edgecam.capture.access_unit import AccessUnit
from edgecam.clock import NS_PER_S
from edgecam.config.camera import Decode
from edgecam.frames.pace import FramePacer, StreamTiming
from edgecam.status.reports import DecodeMode

HELD_BYTES_LIMIT = 8_000_000
"""Two keyframe intervals of a very good camera; what is held beyond is decoded early, so that memory stays
flat."""
HELD_NS_LIMIT = 10 * NS_PER_S
"""Decoding ten seconds in one go takes about a second: longer would make the picture late."""
INTERVAL_TOLERANCE = 0.05
"""Clock drift: a keyframe interval this much longer than the demanded one still satisfies it."""
_DENSE_FRAMES = 1.5
"""A demand for more than one of 1.5 pictures leaves nothing to skip: the mode is ALL."""


class DecodeBatch(NamedTuple):
    """Access units that go to the decoder together.

    Attributes:
        units: In the order of decoding, at least one.
        shown: The one of them that becomes a picture, or None.
        is_complete: Nothing later needs what was decoded: the decoder may hand out all it has.
    """

    units: tuple[AccessUnit, ...]
    shown: AccessUnit | None
    is_complete: bool


class DecodeGate:
    """Decides about one connection's access units. Not safe for threads: it belongs to the capturing one.

    Args:
        max_fps: Pictures a second at the most.
        decode: As in the settings.
        held_bytes_limit: How much may be held, bytes.
        held_ns_limit: How much of the stream's time may be held, nanoseconds.
    """

    def __init__(
        self,
        *,
        max_fps: float,
        decode: Decode,
        held_bytes_limit: int = HELD_BYTES_LIMIT,
        held_ns_limit: int = HELD_NS_LIMIT,
    ) -> None:
        self._max_fps = max_fps
        self._pacer = FramePacer(max_fps)
        self._decode = decode
        self._held_bytes_limit = held_bytes_limit
        self._held_ns_limit = held_ns_limit
        self.timing = StreamTiming()
        self.mode = DecodeMode.KEYFRAMES if decode is Decode.KEYFRAMES else DecodeMode.CATCH_UP
        self._has_begun = False
        self._began_at_recovery_point = False
        self._to_recovery = 0
        self._rounds = 0
        self._held: list[AccessUnit] = []
        self._held_bytes = 0

    def follow(self, max_fps: float) -> None:
        """How many pictures a second there are to be from now on; the mode follows at the next keyframe."""
        if max_fps != self._max_fps:
            self._max_fps, self._pacer = max_fps, self._pacer.at(max_fps)

    @property
    def awaits_keyframe(self) -> bool:
        """Whether nothing can be shown before a keyframe has come, or a round of intra refresh is whole."""
        return not self._has_begun or not self._is_whole

    def offer(self, unit: AccessUnit, *, at_once: bool = False) -> DecodeBatch | None:
        """Take the next access unit; returns what is to be decoded now, or None.

        Args:
            unit: The access unit.
            at_once: A snapshot is due: show this picture, or the next keyframe where only these are decoded.
                The pictures after it come when they would have come without.
        """
        self.timing.observe(unit)
        if unit.is_keyframe:
            self._has_begun, self._began_at_recovery_point, self._to_recovery = True, False, 0
            self._drop_held()
            self.mode = self._decide()
        elif unit.to_recovery:
            self._pass_recovery_point(unit)
        elif not self._has_begun:
            return None
        else:
            self._to_recovery = max(self._to_recovery - 1, 0)
            if self.mode is DecodeMode.CATCH_UP and self.timing.reorders:
                # What is held goes first: the decoder needs it before what follows.
                self.mode = self._decide()
        if self.mode is DecodeMode.KEYFRAMES:
            return self._keyframe_alone(unit, at_once) if unit.is_keyframe else None
        return self._with_what_it_needs(unit, at_once)

    def restart(self) -> None:
        """The decoder has lost units: nothing until the next keyframe or recovery point."""
        self._has_begun = False
        self._drop_held()

    def _pass_recovery_point(self, unit: AccessUnit) -> None:
        if self._has_begun and self.mode is not DecodeMode.KEYFRAMES:
            self._to_recovery = max(self._to_recovery - 1, 0)
            self._rounds += 1
        else:
            # Decoding begins here, or again: what lies between keyframes was not decoded.
            self._has_begun, self._began_at_recovery_point = True, True
            self._to_recovery, self._rounds = unit.to_recovery, 0
            self._drop_held()
        self.mode = DecodeMode.REFRESH

    @property
    def _is_whole(self) -> bool:
        """Whether all of the present picture has been renewed since decoding began."""
        if self._to_recovery:
            return False
        # H.264 does not count pictures that no other needs (frame_num, 7.4.3): a whole round has all of them.
        is_short = self._began_at_recovery_point and self.timing.reorders
        return not is_short or self._rounds > 0

    def _decide(self) -> DecodeMode:
        if self.mode is DecodeMode.REFRESH:
            return DecodeMode.REFRESH
        if self._decode is Decode.KEYFRAMES:
            return DecodeMode.KEYFRAMES
        if self._decode is Decode.ALL:
            return DecodeMode.ALL
        period_ns = self._pacer.period_ns
        interval_ns = self.timing.keyframe_interval_ns
        if interval_ns is not None and interval_ns <= period_ns * (1 + INTERVAL_TOLERANCE):
            return DecodeMode.KEYFRAMES
        frame_ns = self.timing.frame_interval_ns
        if self.timing.reorders or (frame_ns is not None and period_ns < _DENSE_FRAMES * frame_ns):
            return DecodeMode.ALL
        return DecodeMode.CATCH_UP

    def _keyframe_alone(self, unit: AccessUnit, at_once: bool) -> DecodeBatch | None:
        is_due = self._is_due(unit, round(self._pacer.period_ns * INTERVAL_TOLERANCE))
        return DecodeBatch((unit,), unit, is_complete=True) if is_due or at_once else None

    def _with_what_it_needs(self, unit: AccessUnit, at_once: bool) -> DecodeBatch | None:
        is_due = self._is_whole and (self._is_due(unit, (self.timing.frame_interval_ns or 0) // 2) or at_once)
        self._held.append(unit)
        self._held_bytes += unit.size_bytes
        if not is_due and self.mode is DecodeMode.CATCH_UP and not self._is_too_much_held():
            return None
        batch = DecodeBatch(tuple(self._held), unit if is_due else None, is_complete=False)
        self._drop_held()
        return batch

    def _is_due(self, unit: AccessUnit, tolerance_ns: int) -> bool:
        is_due = self._pacer.is_due(unit.pts_ns, tolerance_ns)
        if is_due:
            self._pacer.take(unit.pts_ns)
        return is_due

    def _is_too_much_held(self) -> bool:
        span_ns = self._held[-1].pts_ns - self._held[0].pts_ns
        return self._held_bytes > self._held_bytes_limit or span_ns > self._held_ns_limit

    def _drop_held(self) -> None:
        self._held = []
        self._held_bytes = 0
