"""What one connection's access units go through on their way to the picture: gate, decoder, file."""

from __future__ import annotations

import math

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.opening import connection_to
from edgecam.capture.tap import Tap
from edgecam.clock import NS_PER_S, Clock
from edgecam.codecs.video import Codec
from edgecam.config.camera import Decode
from edgecam.errors import SourceError
from edgecam.frames.decode_gate import DecodeGate
from edgecam.frames.decoder import Picture
from edgecam.frames.demand import FrameDemand
from edgecam.frames.resting_decoder import RestingDecoder
from edgecam.frames.writer import FrameWriter
from edgecam.node.watchdog import Limits, Progress, Verdict, error_of
from edgecam.sources.interface import CameraSource
from edgecam.status.reports import DecodeMode


class CameraSession:
    """Lives as long as the connection.

    Args:
        source: Where the pictures come from.
        demand: What is wanted of them; may change meanwhile.
        writer: Where they go.
        clock: Time.
        tap: Where a recording takes the same access units, or None.
    """

    def __init__(
        self, source: CameraSource, demand: FrameDemand, writer: FrameWriter, clock: Clock, tap: Tap | None
    ) -> None:
        frames = demand.frames
        self._demand = demand
        self.name = source.name
        self.source = source
        self._writer = writer
        self._gate = DecodeGate(max_fps=frames.max_fps, decode=frames.decode)
        self._decoder: RestingDecoder | None = None
        self._had_keyframe = False
        self._keyframes_only = False
        self._damaged_before = 0
        self.last_picture_s: float | None = None
        self.connection = connection_to(
            source,
            clock=clock,
            on_format=self._on_format,
            on_unit=self._on_unit if frames.enabled else None,
            on_gap=self._on_gap,
            tap=tap,
        )

    @property
    def decode_mode(self) -> DecodeMode:
        """How pictures are decoded right now."""
        codec = self.connection.codec
        decodes = self._demand.frames.enabled and codec is not None and not codec.is_intra
        return self._gate.mode if decodes else DecodeMode.NONE

    @property
    def damaged_total(self) -> int:
        """Pictures that were left out since they were damaged."""
        decoder = self._decoder
        return self._damaged_before + (0 if decoder is None else decoder.damaged)

    @property
    def has_begun(self) -> bool:
        """Whether the camera does what it is there for: a picture was written, or there is none to write."""
        if self._demand.frames.enabled:
            return self.last_picture_s is not None
        return self.connection.received_units > 0

    @property
    def progress(self) -> Progress:
        """What has come so far."""
        units, is_recorded = self.connection.received_units, self.connection.tap is not None
        decoder = self._decoder
        is_awaited = self._gate.awaits_keyframe or (decoder is not None and decoder.awaits_keyframe)
        has_keyframe = self._had_keyframe and not is_awaited
        data_bytes = self.source.received_bytes() if self.source.has_begun else 0
        return Progress(units, has_keyframe, self.last_picture_s, is_recorded, data_bytes)

    @property
    def limits(self) -> Limits:
        """What the connection has to keep now."""
        frames = self._demand.frames
        return Limits(frames.age_limit_s, self._frame_timeout_s, frames.max_fps)

    @property
    def _frame_timeout_s(self) -> float:
        """How long arriving data may yield no picture before something is wrong, seconds."""
        frames, interval_ns = self._demand.frames, self._gate.timing.keyframe_interval_ns
        if not frames.enabled:
            return math.inf
        if interval_ns is None and frames.decode is Decode.KEYFRAMES:
            return math.inf  # only this camera knows when its next keyframe comes
        return max(frames.age_limit_s, 1 / frames.max_fps, (interval_ns or 0) / NS_PER_S) * 2

    def error(self, verdict: Verdict, waited_s: float) -> SourceError:
        """The error for a verdict other than CONTINUE, after `waited_s` seconds."""
        connection = self.connection
        return error_of(
            verdict,
            name=self.name,
            waited_s=waited_s,
            units=connection.received_units,
            codec=connection.codec.name if connection.codec else None,
        )

    def close(self) -> None:
        """End connection and decoder. Both call back into this object: it lets go of the decoder, and the
        connection of it, so that pipelines and their descriptors are freed now and not by the garbage
        collector some attempts later."""
        self.connection.close()
        self.source.close()
        self._end_decoder()

    def _end_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()
            self._damaged_before += decoder.damaged

    def _on_format(self, codec: Codec) -> None:
        """On the source's streaming thread, before the first unit of `codec`."""
        frames = self._demand.frames
        if not frames.enabled:
            return
        self._end_decoder()
        decode = Decode.KEYFRAMES if codec.is_intra else frames.decode
        self._gate = DecodeGate(max_fps=frames.max_fps, decode=decode)
        self._keyframes_only = False
        self.connection.let_through(keyframes_only=False)
        source = self.source
        self._decoder = RestingDecoder(
            name=self.name,
            codec=codec,
            frames=frames,
            on_picture=self._on_picture,
            on_fault=self.connection.fail,
            orientation=lambda: source.orientation,
        )

    def _on_unit(self, unit: AccessUnit) -> None:
        """On the source's streaming thread: decides, queues, and returns."""
        self._gate.follow(self._demand.frames.max_fps)
        batch = self._gate.offer(unit, at_once=self._demand.is_snapshot_due(unit.arrived_s))
        if unit.begins_decoding:
            self._had_keyframe = True
            self._sieve()
        if batch is None or self._decoder is None:
            return
        if not self._decoder.push(batch):
            self._gate.restart()
        elif batch.shown is not None:
            self._demand.mark_submitted(unit.arrived_s)

    def _on_gap(self) -> None:
        """Before a unit that needs no other: those before it are missing."""
        self._gate.restart()

    def _sieve(self) -> None:
        """The mode changes at keyframes only; what the gate would drop anyway need not come to it."""
        keyframes_only = self._gate.mode is DecodeMode.KEYFRAMES
        if keyframes_only is not self._keyframes_only:
            self._keyframes_only = keyframes_only
            self.connection.let_through(keyframes_only=keyframes_only)

    def _on_picture(self, picture: Picture) -> None:
        """On the decoder's thread, which may wait for the disk."""
        if self._writer.write(picture):
            self._demand.mark_written(picture.captured_s)
        is_first = self.last_picture_s is None
        self.last_picture_s = picture.captured_s
        if is_first:
            self.connection.wake()
