"""Writes a chunk as MPEG transport stream: a small pipeline from pictures to disk, with its own thread."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from edgecam.clock import NS_PER_S
from edgecam.gstreamer.diagnosis import GstError
from edgecam.gstreamer.gst import Gst, link, make
from edgecam.recording.chunk_writer import Plan, WriteFault

log = logging.getLogger(__name__)

WAITING_BYTES_LIMIT = 4_000_000
"""Bytes queued for a slow disk, besides those in the tap."""
FINISH_TIMEOUT_S = 1.5
"""Milliseconds are enough unless the disk hangs; a node that is stopped has 4 s in all."""
_NO_SPACE_CODE = int(Gst.ResourceError.NO_SPACE_LEFT)


class TsWriter:
    """See `ChunkWriter`. The pipeline's own thread writes to the disk.

    Args:
        path: The file; one that exists is replaced.
        plan: What it is to hold.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self._pipeline = Gst.Pipeline.new(None)
        self._bus = self._pipeline.get_bus()
        self._fault: WriteFault | None = None
        self._interval_ns = plan.interval_ns
        self._waiting: list[Any] = []
        self._feed = make("appsrc", format="time", max_bytes=0, block=False)
        self._feed.set_property("caps", Gst.Caps.from_string(_caps(plan)))
        chain = [self._feed, make("mpegtsmux"), make("filesink", location=str(path))]
        for element in chain:
            self._pipeline.add(element)
        link(*chain)
        self._pipeline.set_state(Gst.State.PLAYING)

    def add(
        self,
        data: bytes,
        pts_ns: int,
        dts_ns: int,
        *,
        is_keyframe: bool,
        is_damaged: bool = False,  # noqa: ARG002 - MPEG-TS has no mark for it
    ) -> None:
        """See `ChunkWriter.add`."""
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts, buffer.dts, buffer.duration = pts_ns, dts_ns, self._interval_ns
        if not is_keyframe:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        self._waiting.append(buffer)

    def flush(self) -> None:
        """See `ChunkWriter.flush`. All at once: the pipeline's thread wakes up once. Never blocks."""
        taken, self._waiting = self._waiting, []
        for buffer in taken:
            # Not as a list: appsrc (1.22 to 1.26) hands a list on to its base class, which frees one that has
            # another owner, and then reads it.
            self._feed.emit("push-buffer", buffer)

    @property
    def is_behind(self) -> bool:
        """See `ChunkWriter.is_behind`."""
        return bool(self._feed.get_property("current-level-bytes") > WAITING_BYTES_LIMIT)

    @property
    def fault(self) -> WriteFault | None:
        """See `ChunkWriter.fault`."""
        if self._fault is None:
            self._handle_message(self._bus.pop_filtered(Gst.MessageType.ERROR))
        return self._fault

    def finish(self, end_ns: int | None = None) -> bool:  # noqa: ARG002 - not said in MPEG-TS
        """See `ChunkWriter.finish`."""
        self.flush()
        if self.fault is None:
            self._feed.emit("end-of-stream")
            kinds = Gst.MessageType.ERROR | Gst.MessageType.EOS
            message = self._bus.timed_pop_filtered(round(FINISH_TIMEOUT_S * NS_PER_S), kinds)
            if message is None:
                self._fault = WriteFault("the disk does not answer", is_disk_full=False)
            else:
                self._handle_message(message)
        self._pipeline.set_state(Gst.State.NULL)
        return self._fault is None

    def _handle_message(self, message: Any) -> None:
        if message is not None and message.type == Gst.MessageType.ERROR:
            found = GstError.of(message)
            is_full = (found.domain, found.code) == ("resource", _NO_SPACE_CODE)
            self._fault = WriteFault(found.summary, is_full)


def _caps(plan: Plan) -> str:
    size = f",width={plan.width},height={plan.height}" if plan.width and plan.height else ""
    return plan.codec.unit_caps + size
