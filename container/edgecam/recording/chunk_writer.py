"""One chunk's file: a small pipeline from access units to disk. Nothing is decoded.

MP4 plays at any moment (robust muxing): room for the index is reserved at the beginning of the file, and
about once a second the index is written there, alternating between two places, so that one of them is always
whole. A node that is killed leaves a file that plays up to then, and a browser plays a finished file with one
request.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecam.capture.access_unit import AccessUnit
from edgecam.clock import NS_PER_S
from edgecam.codecs.video import Codec
from edgecam.config.recording import ChunkFormat
from edgecam.formats import mp4_repair as mp4
from edgecam.gstreamer.diagnosis import GstError
from edgecam.gstreamer.gst import (
    Gst,
    link,
    make,
)

log = logging.getLogger(__name__)

WAITING_BYTES_LIMIT = 4_000_000
"""Bytes queued for a slow disk, besides those in the tap."""
FINISH_TIMEOUT_S = 1.5
"""Milliseconds are enough unless the disk hangs; a node that is stopped has 4 s in all."""
_INDEX_BYTES = 16
"""Per picture: its size 4, its time 8; the rest for the list of keyframes, offsets and rounding."""
_REORDERED_INDEX_BYTES = 28
"""The same with a PTS beside the DTS."""
_RESERVE_PICTURES_PER_S = 20  # at the least, for cameras that are slow in the dark and fast by day
_INDEX_PERIOD_S = 1.0
_INDEX_PERIODS = 120
"""Updates a chunk, at the most: the index of an hour has megabytes."""
_NO_SPACE_CODE = int(Gst.ResourceError.NO_SPACE_LEFT)
_WITHOUT_META = Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.TIMESTAMPS | Gst.BufferCopyFlags.MEMORY


@dataclass(frozen=True)
class Plan:
    """What a chunk's file is to hold.

    Attributes:
        format: The container.
        codec: How the pictures are coded.
        caps: The Gst.Caps of the pictures.
        span_s: How long it may become, seconds.
        interval_ns: How far pictures are apart, about, nanoseconds.
        depth: How many pictures, at most, are sent before one that is shown before them.
        usual_s: How long it probably becomes, seconds; `span_s` where that is None.
    """

    format: ChunkFormat
    codec: Codec
    caps: Any
    span_s: float
    interval_ns: int
    depth: int = 0
    usual_s: float | None = None

    @property
    def index_period_s(self) -> float:
        """How often the index is written, seconds."""
        usual_s = self.span_s if self.usual_s is None else self.usual_s
        return max(_INDEX_PERIOD_S, usual_s / _INDEX_PERIODS)


class ChunkWriter:
    """Writes one file. Used by one thread; the pipeline's own writes to the disk.

    Args:
        path: The file; one that exists is replaced.
        plan: What it is to hold.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self._path = path
        self._may_end_early = plan.depth > 0 and plan.format is ChunkFormat.MP4
        self._pipeline = Gst.Pipeline.new(None)
        self._bus = self._pipeline.get_bus()
        self._error: GstError | None = None
        self._interval_ns = plan.interval_ns
        self._added: list[Any] = []
        self._last: list[Any] = []
        self._feed = make("appsrc", format="time", max_bytes=0, block=False)
        self._feed.set_property("caps", plan.caps)
        chain = [self._feed, *_container(plan), make("filesink", location=str(path))]
        for element in chain:
            self._pipeline.add(element)
        link(*chain)
        self._pipeline.set_state(Gst.State.PLAYING)

    def add(self, unit: AccessUnit, pts_ns: int, dts_ns: int) -> None:
        """Take the next picture, in the order of decoding; handed on by `flush`.

        Args:
            unit: The picture.
            pts_ns: When it is shown, nanoseconds from the chunk's own zero.
            dts_ns: When it is decoded, in the same time.
        """
        # The buffer belongs to the connection, whose frames may need it; only its bytes are shared.
        own = unit.sample.get_buffer().copy_region(_WITHOUT_META, 0, unit.size_bytes)
        own.pts, own.dts = pts_ns, dts_ns
        own.duration = self._interval_ns  # what the stream says was before its times were corrected
        self._added.append(own)

    def flush(self) -> None:
        """Queue what was added but for the last picture, all at once: the pipeline's thread wakes up once.
        Never blocks."""
        taken, self._added = [*self._last, *self._added], []
        self._push(taken[:-1])
        self._last = taken[-1:]

    def _push(self, buffers: list[Any]) -> None:
        for buffer in buffers:
            # Not as a list: appsrc (1.22 to 1.26) hands a list on to its base class, which frees one that has
            # another owner, and then reads it.
            self._feed.emit("push-buffer", buffer)

    @property
    def is_behind(self) -> bool:
        """Whether the disk is too slow to be given more."""
        return bool(self._feed.get_property("current-level-bytes") > WAITING_BYTES_LIMIT)

    @property
    def error(self) -> GstError | None:
        """Why the file cannot be written on, or None."""
        if self._error is None:
            self._handle_message(self._bus.pop_filtered(Gst.MessageType.ERROR))
        return self._error

    @property
    def is_disk_full(self) -> bool:
        """Whether that is because the disk is full."""
        found = self.error
        return found is not None and (found.domain, found.code) == ("resource", _NO_SPACE_CODE)

    def finish(self, *, at_keyframe: bool = False, lasts_ns: int | None = None) -> bool:
        """Write what was flushed and close the file; whether it is whole.

        Args:
            at_keyframe: Whether the next picture is a keyframe: no group of pictures ends early then.
            lasts_ns: How long the last picture is shown, nanoseconds; the plan's interval where that is not
                given.
        """
        for last in self._last:
            last.duration = last.duration if lasts_ns is None else lasts_ns
        self._push(self._last)
        self._last = []
        kinds = Gst.MessageType.ERROR | Gst.MessageType.EOS
        message = None
        if self.error is None:
            self._feed.emit("end-of-stream")
            message = self._bus.timed_pop_filtered(round(FINISH_TIMEOUT_S * NS_PER_S), kinds)
            if message is None:
                self._error = GstError("resource", 0, "the disk does not answer", "")
            else:
                self._handle_message(message)
        self._pipeline.set_state(Gst.State.NULL)
        if self._error is None and self._may_end_early and not at_keyframe:
            # A disk that fails now leaves a file that plays, without its last picture.
            with contextlib.suppress(OSError), self._path.open("r+b") as file:
                mp4.complete(file)
        return self._error is None

    def _handle_message(self, message: Any) -> None:
        if message is not None and message.type == Gst.MessageType.ERROR:
            self._error = GstError.of(message)


def _container(plan: Plan) -> list[Any]:
    """The elements between the pictures and the file."""
    if plan.format is ChunkFormat.MPEGTS:
        return [make("mpegtsmux")]  # takes pictures as they come from the source
    # The muxer has pads of many kinds: without caps it may offer the one for sound.
    form = make("capsfilter", caps=plan.codec.file_caps or plan.codec.media_type)
    pictures_per_s = max(_RESERVE_PICTURES_PER_S, 1.5 * NS_PER_S / plan.interval_ns)
    index_bytes = _REORDERED_INDEX_BYTES if plan.depth else _INDEX_BYTES
    muxer = make(
        plan.codec.mp4_muxer,
        reserved_max_duration=round(plan.span_s * NS_PER_S),
        reserved_moov_update_period=round(plan.index_period_s * NS_PER_S),
        reserved_bytes_per_sec=min(10_000, round(pictures_per_s * index_bytes)),
    )
    return [form, muxer]
