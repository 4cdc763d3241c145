"""A decoder that rests between keyframes, where pictures are made of keyframes alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgecam.codecs.orientation import Orientation
from edgecam.codecs.video import Codec
from edgecam.config.camera import Frames
from edgecam.errors import SourceError
from edgecam.frames.decode_gate import DecodeBatch
from edgecam.frames.decoder import Decoder, Picture
from edgecam.frames.turns import KEYFRAME_TURNS, TURN_TIMEOUT_S, Turns


class RestingDecoder:
    """Of one camera and codec. A keyframe alone waits for its turn, and the decoder is awake only for that;
    everything else it takes at once, and stays awake for.

    The arguments and attributes are `Decoder`'s, but for:

    Args:
        turns: Whose keyframe is decoded when.
        timeout_s: How long a turn is waited for, seconds.
    """

    def __init__(
        self,
        *,
        name: str,
        codec: Codec,
        frames: Frames,
        on_picture: Callable[[Picture], None],
        on_fault: Callable[[SourceError], None],
        orientation: Callable[[], Orientation] = lambda: Orientation.UPRIGHT,
        turns: Turns = KEYFRAME_TURNS,
        timeout_s: float = TURN_TIMEOUT_S,
    ) -> None:
        self._rests = not codec.is_intra
        self._turns = turns
        self._timeout_s = timeout_s
        self._done = threading.Event()
        self._decoder = Decoder(
            name=name,
            codec=codec,
            frames=frames,
            on_picture=on_picture,
            on_fault=on_fault,
            orientation=orientation,
            on_done=self._done.set,
        )
        self._in_use = threading.Lock()
        self._queue = threading.Lock()
        self._next: DecodeBatch | None = None
        self._is_awake = True
        self._is_late = self._is_closed = False
        self._replaced_units = 0

    @property
    def dropped_units(self) -> int:
        """Access units refused since the decoder was behind, or a newer keyframe came before their turn."""
        return self._decoder.dropped_units + self._replaced_units

    @property
    def damaged(self) -> int:
        """Pictures that were due and were left out, since they were damaged."""
        return self._decoder.damaged

    @property
    def awaits_keyframe(self) -> bool:
        """Whether the last picture was damaged, and the next keyframe is waited for."""
        return self._decoder.awaits_keyframe

    @property
    def is_resting(self) -> bool:
        """Whether it holds neither frames nor a thread."""
        return not self._is_awake

    def push(self, batch: DecodeBatch) -> bool:
        """Queue `batch` for decoding; never blocks.

        Returns:
            False when the decoder is too far behind, or a picture is out of bounds or cut short: nothing was
            queued, and what follows needs a keyframe.
        """
        is_alone = self._rests and batch.is_complete
        # A keyframe that still waits would be shown after what is newer.
        with self._queue:
            former, self._next = self._next, batch if is_alone else None
        if former is not None:
            self._replaced_units += len(former.units)
        if is_alone:
            if former is None:
                self._turns.request(self)
            return True
        if not self._in_use.acquire(blocking=False):
            self._replaced_units += len(batch.units)
            return False
        try:
            self._wake()
            return self._decoder.push(batch)
        finally:
            self._in_use.release()

    def take_turn(self) -> None:
        """On a thread of the turns'."""
        with self._in_use:
            with self._queue:
                batch, self._next = self._next, None
            if batch is None or self._is_closed:
                return
            is_hanging = self._is_late and not self._done.is_set()
            self._wake()
            self._done.clear()
            if not self._decoder.push(batch) or is_hanging:
                return
            # What hangs, a disk, keeps its frames and thread, and nobody else waiting again.
            self._is_late = not self._done.wait(self._timeout_s)
            if not self._is_late and not self._is_closed:
                self._decoder.rest()
                self._is_awake = False

    def close(self) -> None:
        """End the decoder; must not be called on its own thread."""
        self._is_closed = True
        self._done.set()
        is_free = self._in_use.acquire(timeout=self._timeout_s)
        self._decoder.close()
        if is_free:
            self._in_use.release()

    def _wake(self) -> None:
        if not self._is_awake:
            self._decoder.wake()
            self._is_awake = True
