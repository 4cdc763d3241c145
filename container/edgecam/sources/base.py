"""What the sources of GStreamer have in common: a bin with one open pad a kind of media, and its faults."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from edgecam.codecs.media import MediaKind
from edgecam.codecs.stream_end import StreamEndWatch, has_overrun_end
from edgecam.codecs.video import Codec
from edgecam.config.camera import Camera
from edgecam.config.recording import ChunkFormat
from edgecam.credentials.login import Login
from edgecam.errors import SourceError, SourceUnsupported
from edgecam.gstreamer.diagnosis import GstError, explain
from edgecam.gstreamer.gst import (
    Gst,
    add_probe,
    guarded,
    link,
    make,
    structure_of,
)
from edgecam.redaction import redact
from edgecam.sources.interface import CameraSource

log = logging.getLogger(__name__)

FAULT_MESSAGE = "edgecam-fault"
"""Name of the bus message that a source posts when its `fault` is set."""


class Source(CameraSource):
    """One that GStreamer receives: a bin.

    Attributes:
        fault: What went wrong in a callback, set before `FAULT_MESSAGE` is posted.
        pads: The pads of the bin that deliver, by kind of media.
    """

    is_live = False
    """Whether pictures come at their own pace; if not, they are delivered by their timestamps."""
    is_looped = False
    """Whether the end of the stream means: begin again."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self.fault: SourceError | None = None
        self._is_recorded_as_mp4 = camera.recording.enabled and camera.recording.format is ChunkFormat.MP4
        self._bin: Any = None
        self.pads: Mapping[MediaKind, Any] = {}
        self._stream_end = StreamEndWatch()

    def build(self) -> Any:
        """The bin with its `pads`. To be called once.

        Raises:
            SourceError: the uri cannot work as it is.
        """
        self._bin = Gst.Bin.new(None)
        self.pads = {kind: Gst.GhostPad.new_no_target(kind, Gst.PadDirection.SRC) for kind in MediaKind}
        for pad in self.pads.values():
            self._bin.add_pad(pad)
        self._fill()
        return self._bin

    def check(self, now_s: float) -> None:
        """From the connection's thread, several times a second.

        Args:
            now_s: By the clock that never steps.

        Raises:
            SourceError: what comes is beyond the bounds of this kind of source, or nothing more can come.
        """
        del now_s

    def cut(self) -> None:
        """From any thread: end every read from outside, since the pipeline does not end by itself."""

    def close(self) -> None:
        """Release what the bin does not own. To be called once the pipeline around the bin has ended."""
        # The error's traceback refers to frames that refer to this source: a circle that nothing frees.
        self.fault = None

    def is_replaced(self) -> bool:
        """Of a source that is looped: whether what it reads is no longer what stands there."""
        return False

    def explain(self, error: GstError) -> SourceError:
        """What an error message from this bin means."""
        return self.fault or explain(self.name, error)

    @abstractmethod
    def _fill(self) -> None:
        """Put the elements into the bin and, now or when a pad appears, expose one of each kind."""

    def _add(self, *elements: Any) -> None:
        for element in elements:
            self._bin.add(element)

    def _expose(self, pad: Any, kind: MediaKind = MediaKind.VIDEO) -> None:
        """Make `pad` the one that delivers media of this `kind`."""
        self.pads[kind].set_target(pad)

    def _join(self, pad: Any, codec: Codec) -> None:
        """Bring what comes out of `pad` into the common form and expose it."""
        if codec.parser is None:
            self._expose(pad, codec.kind)
            return
        if self._is_recorded_as_mp4 and codec.file_caps is not None:
            # Brought into the file's form once, here, and by nobody again. Decoders read it as well.
            parser, caps = make(codec.parser), codec.file_caps
        else:
            # Parameter sets before every keyframe, so that decoding, and a chunk, may begin at any of them.
            parser, caps = make(codec.parser, config_interval=-1), codec.unit_caps
        if codec.is_checked_before_parser:
            kinds = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
            add_probe(pad, kinds, self._on_coded)
        form = make("capsfilter", caps=caps)
        self._add(parser, form)
        link(parser, form)
        self._expose(form.get_static_pad("src"), codec.kind)
        for element in (form, parser):
            element.sync_state_with_parent()
        pad.link(parser.get_static_pad("sink"))

    def _report(self, error: Exception) -> None:
        """From any thread: the connection cannot go on."""
        if not isinstance(error, SourceError):
            log.error("%s: unexpected fault", self.name, exc_info=error)
            error = SourceError(f"{self.name}: unexpected fault: {redact(str(error))}")
        self.fault = self.fault or error
        structure = Gst.Structure.new_empty(FAULT_MESSAGE)
        self._bin.post_message(Gst.Message.new_application(self._bin, structure))

    @guarded("coded pictures were looked at", _report, Gst.PadProbeReturn.DROP)
    def _on_coded(self, pad: Any, info: Any) -> Any:
        """On the source's streaming thread, before the parser sees anything."""
        if self.fault is not None:
            return Gst.PadProbeReturn.DROP
        length_bytes = _length_bytes(pad.get_current_caps())
        for buffer in _buffers_of(info):
            data = buffer.extract_dup(0, buffer.get_size())
            is_overrun = (
                has_overrun_end(data, length_bytes) if length_bytes else self._stream_end.is_overrun(data)
            )
            if is_overrun:
                raise SourceUnsupported(
                    f"{self.name}: expected nothing behind an end of the stream (NAL unit 10 or 11), "
                    "found bytes there; look for newer software of the camera, or switch such marks off"
                )
        return Gst.PadProbeReturn.OK


def _buffers_of(info: Any) -> list[Any]:
    if info.type & Gst.PadProbeType.BUFFER:
        return [info.get_buffer()]
    buffers = info.get_buffer_list()
    return [buffers.get(number) for number in range(buffers.length())]


def _length_bytes(caps: Any) -> int:
    """Of the length before each unit, by the decoder's configuration (ISO/IEC 14496-15, 5.3.3.1); 0 where
    units stand behind start codes."""
    structure = structure_of(caps)
    if structure is None or structure.get_string("stream-format") not in ("avc", "avc3"):
        return 0
    configuration = structure.get_value("codec_data")
    if configuration is None or configuration.get_size() < 5:
        return 4
    return int(configuration.extract_dup(4, 1)[0] & 3) + 1
