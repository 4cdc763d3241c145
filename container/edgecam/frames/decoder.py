"""From access units to JPEG: a small pipeline of its own, so that what a bad picture breaks is not the
connection."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgecam.capture.access_unit import AccessUnit
from edgecam.codecs.jpeg import orientation_of, with_orientation
from edgecam.codecs.orientation import Orientation
from edgecam.codecs.video import JPEG, RAW, Codec
from edgecam.config.camera import Frames
from edgecam.errors import InstallationError, SourceError, SourceUnsupported
from edgecam.frames.damage import DamageWatch
from edgecam.frames.decode_gate import DecodeBatch
from edgecam.frames.picture_bounds import PictureBounds
from edgecam.frames.picture_chain import PictureChain
from edgecam.gstreamer.diagnosis import GstError
from edgecam.gstreamer.gst import (
    Gst,
    add_probe,
    connect,
    guarded,
    handle_messages,
    has_element,
    link,
    make,
    structure_of,
)
from edgecam.gstreamer.memory import bytes_of
from edgecam.redaction import redact

log = logging.getLogger(__name__)

QUEUED_BYTES_LIMIT = 16_000_000
"""Twice what a gate holds: a decoder that is further behind does not catch up."""
_QUEUED_INTRA_UNITS = 2  # intra-only: one in work, one waiting; older ones are of no use
_AWAITED_LIMIT = 64
_JPEG_HEAD_BYTES = 65_536  # EXIF data are the first segment, and no longer
_FAILURES_LIMIT, _INTRA_FAILURES_LIMIT = 2, 5
"""Failures one after another, without a picture between: such a stream cannot be decoded at all. Between two
keyframes lie seconds, and waiting for a third would only delay the message."""
_END_OF_BATCH = "edgecam-end-of-batch"
_DEFAULT_QUALITY = Frames().quality


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture.

    Attributes:
        jpeg: The whole JPEG file.
        captured_at: When its access unit arrived at the core, UTC.
        captured_s: The same by the clock that never steps.
    """

    jpeg: bytes
    captured_at: datetime
    captured_s: float


class Decoder:
    """Decodes one codec's access units and hands out the pictures that the gate shows.

    Where a picture cannot be decoded, the pipeline is made again for the next: it costs that picture, or
    those up to the next keyframe.

    Args:
        name: The camera, for messages.
        codec: What will come.
        frames: Width, levels and quality of the pictures, and whether damaged ones are shown.
        on_picture: Called with each picture, on the decoder's own thread, which may block on a disk: the
            queue before it is bounded, and the connection never waits for it.
        on_fault: Called, on any thread, when this decoder is finished.
        orientation: Which way up the source says that its pictures are shown.
        on_done: Called, on any thread, when everything of a complete batch was decoded, or could not be.

    Attributes:
        dropped_units: Access units refused since the decoder was behind.
        damaged: Pictures that were due and were left out, since they were damaged.
        awaits_keyframe: Whether the last picture was damaged, and the next keyframe is waited for.
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
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_done = on_done
        self._name = name
        self._codec = codec
        self._frames = frames
        self._on_picture = on_picture
        self._on_fault = on_fault
        self._orientation = orientation
        self._awaited: deque[AccessUnit] = deque(maxlen=_AWAITED_LIMIT)
        self._in_work: AccessUnit | None = None
        self._group_id = 0
        self._failure: SourceError | None = None
        self._failures = 0
        self._chain: PictureChain | None = None
        self.dropped_units = 0
        self.damaged = 0
        self.awaits_keyframe = False
        self._recovery_points: dict[int, int] = {}
        self._bounds = PictureBounds(name, codec, frames.max_pixels)
        self._start()

    def push(self, batch: DecodeBatch) -> bool:
        """Queue `batch` for decoding; never blocks.

        Returns:
            False when the decoder is too far behind, or a picture is out of bounds or cut short: nothing was
            queued, and what follows needs a keyframe.
        """
        if self._failure is not None and not self._begin_again(self._failure, batch):
            return False
        if self._is_behind() or not self._are_in_bounds(batch):
            self.dropped_units += len(batch.units)
            return False
        if batch.shown is not None:
            self._awaited.append(batch.shown)
        for unit in batch.units:
            if unit.to_recovery:
                self._recovery_points[unit.pts_ns] = unit.to_recovery
            self._feed.emit("push-sample", unit.sample)
        if batch.is_complete and not self._codec.is_intra:
            # A decoder may hold a picture back until the next comes; the end of a group flushes it.
            self._group_id += 1
            self._feed.send_event(Gst.Event.new_stream_group_done(self._group_id))
            end = Gst.Structure.new_empty(_END_OF_BATCH)
            self._feed.send_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, end))
        return True

    def rest(self) -> None:
        """Give frames and thread back until `wake`; must not be called on its own thread."""
        self._pipeline.set_state(Gst.State.READY)
        self._awaited.clear()

    def wake(self) -> None:
        """Go on, with a keyframe."""
        self._damage = DamageWatch()  # what was said is counted by thread, and this is another
        self._pipeline.set_state(Gst.State.PLAYING)

    def close(self) -> None:
        """End the decoder; must not be called on its own thread."""
        self._pipeline.set_state(Gst.State.NULL)
        self._pipeline.get_bus().set_sync_handler(None)
        self._chain = None  # which refers to this object

    def _begin_again(self, failure: SourceError, batch: DecodeBatch) -> bool:
        """Another pipeline for one that has failed; whether it can begin with `batch`."""
        self._failures += 1
        self.damaged += 1
        self.close()
        if self._failures >= (_INTRA_FAILURES_LIMIT if self._codec.is_intra else _FAILURES_LIMIT):
            self._on_fault(failure)
            return False
        if self._failures == 1:
            log.warning("%s; left out", failure)
        self._failure = None
        self._awaited.clear()
        self._recovery_points.clear()
        self._start()
        return batch.units[0].begins_decoding

    def _are_in_bounds(self, batch: DecodeBatch) -> bool:
        try:
            if all(self._bounds.admits(unit.sample) for unit in batch.units):
                return True
            self.damaged += 1
            return False
        except SourceUnsupported as error:
            self._on_fault(error)
            return False

    def _is_behind(self) -> bool:
        if self._codec.is_intra:
            return bool(self._feed.get_property("current-level-buffers") >= _QUEUED_INTRA_UNITS)
        return bool(self._feed.get_property("current-level-bytes") > QUEUED_BYTES_LIMIT)

    def _start(self) -> None:
        """Make the pipeline, and let it run."""
        self._pipeline = Gst.Pipeline.new(None)
        self._feed = make("appsrc", format="time", is_live=True, max_bytes=0, block=False)
        add_probe(self._feed.get_static_pad("src"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_fed)
        self._damage = DamageWatch()
        self._chain = None
        sink = make("appsink", emit_signals=True, sync=False, max_buffers=1, enable_last_sample=False)
        connect(sink, "new-sample", self._on_jpeg, Gst.FlowReturn.OK)
        elements = [self._feed, *self._steps(), sink]
        for element in elements:
            self._pipeline.add(element)
        link(*elements)
        handle_messages(self._pipeline.get_bus(), self._on_message)
        self._pipeline.set_state(Gst.State.PLAYING)

    def _steps(self) -> list[Any]:
        """The elements between the access units and the picture."""
        is_camera_jpeg = self._frames.width is None and self._frames.quality == _DEFAULT_QUALITY
        if self._codec is JPEG and is_camera_jpeg:
            return []  # the camera's own JPEG, byte for byte
        decoding = [] if self._codec is RAW else self._decoding_elements()
        chain = self._chain = PictureChain(self._frames, self._on_callback_fault)
        return [*decoding, *chain.elements]

    def _decoding_elements(self) -> list[Any]:
        kind = next((kind for kind in self._codec.decoders if has_element(kind)), None)
        if kind is None:
            raise InstallationError(
                f"expected a decoder for {self._codec.name} "
                f"({' or '.join(self._codec.decoders)}), found none: "
                "apt install gstreamer1.0-libav"
            )
        element = make(kind)
        if element.find_property("max-threads") is not None:
            # Cores are few, and frame threads add delay and memory.
            element.set_property("max-threads", 1)
        if element.find_property("direct-rendering") is not None:
            # With it each picture is copied into fresh memory, since libav goes on reading its own;
            # without, into a pool.
            element.set_property("direct-rendering", False)
        if self._codec is JPEG:
            add_probe(element.get_static_pad("sink"), Gst.PadProbeType.BUFFER, self._on_coded_jpeg)
        elif not self._codec.is_intra:
            add_probe(element.get_static_pad("sink"), Gst.PadProbeType.BUFFER, self._on_coded)
            add_probe(element.get_static_pad("src"), Gst.PadProbeType.BUFFER, self._on_decoded)
        if self._codec.parser is None or kind.startswith("avdec_"):
            add_probe(element.get_static_pad("sink"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_coded_event)
            return [element]
        # Other decoders need start codes, and what is recorded has the form of files.
        return [make(self._codec.parser, config_interval=-1), element]

    def _on_callback_fault(self, error: Exception) -> None:
        log.error("%s: unexpected fault", self._name, exc_info=error)
        self._on_fault(SourceError(f"{self._name}: unexpected fault: {redact(str(error))}"))

    @guarded("a coded picture was looked at", _on_callback_fault, 1)
    def _on_coded_jpeg(self, _pad: Any, info: Any) -> Any:
        """On the decoder's thread: each picture of a camera may say another way up."""
        buffer = info.get_buffer()
        found = orientation_of(buffer.extract_dup(0, min(buffer.get_size(), _JPEG_HEAD_BYTES)))
        self._turn(self._orientation() if found is Orientation.UPRIGHT else found)
        return Gst.PadProbeReturn.OK

    @guarded("the form of coded pictures was read", _on_callback_fault, 1)
    def _on_coded_event(self, pad: Any, info: Any) -> Any:
        """On the decoder's thread: what the pictures themselves say of their colours counts.

        qtdemux reads a container's word, and takes full range for limited (GStreamer 1.22).
        """
        event = info.get_event()
        caps = event.parse_caps() if event.type == Gst.EventType.CAPS else None
        if caps is None or not structure_of(caps).has_field("colorimetry"):
            return Gst.PadProbeReturn.OK
        structure = structure_of(caps).copy()
        structure.remove_field("colorimetry")
        silent = Gst.Caps.new_empty()
        silent.append_structure(structure)
        pad.send_event(Gst.Event.new_caps(silent))
        return Gst.PadProbeReturn.DROP

    def _turn(self, orientation: Orientation) -> None:
        if self._chain is not None:
            self._chain.turn(orientation)

    @guarded("a coded picture was looked at", _on_callback_fault, 1)
    def _on_coded(self, _pad: Any, info: Any) -> Any:
        """On the decoder's thread."""
        buffer = info.get_buffer()
        to_recovery = self._recovery_points.pop(buffer.pts, 0)
        is_keyframe = not (to_recovery or buffer.has_flags(Gst.BufferFlags.DELTA_UNIT))
        self._damage.begin(buffer.pts, is_keyframe=is_keyframe, to_recovery=to_recovery)
        return Gst.PadProbeReturn.OK

    @guarded("a decoded picture was judged", _on_callback_fault, 0)
    def _on_decoded(self, _pad: Any, info: Any) -> Any:
        """On the decoder's thread: only the pictures that are awaited go on to the encoder."""
        buffer = info.get_buffer()
        if self._frames.only_clean and self._damage.concerns(buffer):
            # It stays awaited: the next one that is clean will do.
            self.damaged += bool(self._awaited and self._awaited[0].pts_ns <= buffer.pts)
            self.awaits_keyframe = True
            return Gst.PadProbeReturn.DROP
        self.awaits_keyframe = False
        self._in_work = self._awaited_at(buffer.pts)
        if self._in_work is None:
            return Gst.PadProbeReturn.DROP
        self._turn(self._orientation())
        return Gst.PadProbeReturn.OK

    @guarded("a batch was finished", _on_callback_fault, 0)
    def _on_fed(self, _pad: Any, info: Any) -> Any:
        """On the decoder's thread, which has done all that it was fed before this event."""
        if info.get_event().type != Gst.EventType.CUSTOM_DOWNSTREAM:
            return Gst.PadProbeReturn.OK
        self._on_done()
        return Gst.PadProbeReturn.DROP

    def _awaited_at(self, pts_ns: int) -> AccessUnit | None:
        """The unit that the picture at `pts_ns` answers, or None.

        By order rather than by equal times: a decoder may skip a broken picture, and the next one will do.
        """
        found = None
        while self._awaited and self._awaited[0].pts_ns <= pts_ns:
            self.damaged += found is not None and self._codec.is_intra
            found = self._awaited.popleft()
        return found

    @guarded("a picture was finished", _on_callback_fault, Gst.FlowReturn.OK)
    def _on_jpeg(self, sink: Any) -> Any:
        """On the decoder's thread."""
        sample = sink.emit("pull-sample")
        if sample is None:
            return Gst.FlowReturn.OK
        buffer = sample.get_buffer()
        # Decoder and encoder share a thread: the picture let through last is the one that arrives here.
        unit = self._awaited_at(buffer.pts) if self._codec.is_intra else self._in_work
        if unit is not None:
            self._failures = 0
            jpeg = self._upright(bytes_of(buffer))
            self._on_picture(Picture(jpeg, unit.captured_at, unit.arrived_s))
        return Gst.FlowReturn.OK

    def _upright(self, jpeg: bytes) -> bytes:
        """`jpeg`, the camera's own where there is no chain: how a film is turned is carried in it."""
        if self._chain is not None or self._orientation() is Orientation.UPRIGHT:
            return jpeg
        is_said = orientation_of(jpeg) is not Orientation.UPRIGHT
        return jpeg if is_said else with_orientation(jpeg, self._orientation())

    def _on_message(self, message: Any) -> None:
        """On the thread that posts the message, which is not kept."""
        if message.type == Gst.MessageType.ERROR:
            self._failure = self._failure or SourceUnsupported(
                f"{self._name}: expected {self._codec.name} pictures that can be decoded, "
                f"found: {GstError.of(message).text}"
            )
            self._on_done()
