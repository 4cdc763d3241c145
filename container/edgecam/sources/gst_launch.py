"""`gst://`: a pipeline in gst-launch's language."""

from __future__ import annotations

import logging
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from edgecam.clock import NS_PER_S
from edgecam.codecs.video import Codec, by_media_type
from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.errors import SourceUnsupported
from edgecam.gstreamer.gst import (
    GLib,
    GObject,
    Gst,
    add_probe,
    guarded,
    structure_of,
)
from edgecam.login_places import PASSWORD_PLACE, USERNAME_PLACE
from edgecam.redaction import SECRETS
from edgecam.sources.base import Source

log = logging.getLogger(__name__)

_UNTIMED_FPS = Fraction(5)
"""Of pictures without times whose caps have no framerate: as many as `images:` shows by default."""
_CAPS = re.compile(r"\"?[a-z]+/[\w.+-]+(\([^)]*\))?\s*(,.*)?")


class PipelineSource(Source):
    """A gst-launch description of the user's own, whose last element delivers coded or raw video."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._description = camera.uri.partition(":")[2].strip()
        self._codec: Codec | None = None
        self._fps = _UNTIMED_FPS
        self._timed = 0

    def _fill(self) -> None:
        # Caps may end a line of gst-launch's only when something follows them.
        ends_in_caps = _CAPS.fullmatch(self._description.rpartition("!")[2].strip())
        description = self._description + (" ! identity" if ends_in_caps else "")
        stand_ins: dict[str, str] = {}
        if self._login is not None:
            # Letters and digits mean the same in every property; the login itself could end its quotes.
            stand_ins = {place: f"in{secrets.token_hex(8)}" for place in (USERNAME_PLACE, PASSWORD_PLACE)}
            for place, stand_in in stand_ins.items():
                description = description.replace(place, stand_in)
        try:
            inner = Gst.parse_bin_from_description(description, False)
        except GLib.Error as error:
            mistake = SECRETS.shown(_replaced(error.message, stand_ins))
            raise SourceUnsupported(
                f"{self.name}: expected a gst-launch description, found a mistake: {mistake}"
            ) from None
        if self._login is not None:
            self._fill_in(inner, self._login, stand_ins)
        # Left to GStreamer, a parser that still waits for its demuxer would count as an end that wants data.
        end = inner.find_unlinked_pad(Gst.PadDirection.SRC)
        if end is not None:
            inner.add_pad(Gst.GhostPad.new("src", end))
        if end is None or inner.find_unlinked_pad(Gst.PadDirection.SRC) is not None:
            raise SourceUnsupported(
                f"{self.name}: expected a description with one open end that delivers video, "
                f"found {'none' if end is None else 'several'}"
            )
        self._add(inner)
        add_probe(inner.get_static_pad("src"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)

    def _fill_in(self, inner: Any, login: Login, stand_ins: Mapping[str, str]) -> None:
        """Put `login` where its stand-ins are, property by property: it is in no text that is parsed."""
        typed = Counter({place: self._description.count(place) for place in stand_ins})
        for element, name, text in _texts_of(inner):
            with_places = _replaced(text, stand_ins)
            if with_places != text:
                typed.subtract({place: with_places.count(place) for place in stand_ins})
                is_uri = "://" in with_places
                element.set_property(name, login.filled_into(with_places, is_uri=is_uri))
        if any(left > 0 for left in typed.values()):
            raise SourceUnsupported(
                f"{self.name}: expected {USERNAME_PLACE} and {PASSWORD_PLACE} in properties that are texts "
                "and that their elements take and give back, found one elsewhere"
            )

    @guarded("the pipeline's caps were read", Source._report, 1)
    def _on_event(self, pad: Any, info: Any) -> Any:
        """On the streaming thread of the user's pipeline: its caps choose the parser."""
        event = info.get_event()
        if event.type == Gst.EventType.SEGMENT and self._codec is not None:
            return self._on_segment(pad, event.parse_segment())
        if event.type != Gst.EventType.CAPS or self._codec is not None:
            return Gst.PadProbeReturn.OK
        structure = structure_of(event.parse_caps())
        media_type = structure.get_name()
        codec = by_media_type(media_type)
        if codec is None:
            raise SourceUnsupported(
                f"{self.name}: expected the pipeline to end in H.264, H.265, JPEG or raw video, "
                f"found {media_type}"
            )
        self._codec = codec
        if codec.is_intra:
            has_rate, number, seconds = structure.get_fraction("framerate")
            if has_rate and number > 0:
                self._fps = Fraction(number, seconds)
            add_probe(pad, Gst.PadProbeType.BUFFER, self._on_picture)
        self._join(pad, codec)
        return Gst.PadProbeReturn.OK if codec.is_intra else Gst.PadProbeReturn.REMOVE

    def _on_segment(self, pad: Any, segment: Any) -> Any:
        """Readers of files count bytes (multifilesrc); pictures that are to be paced need a line of time."""
        if segment.format == Gst.Format.TIME:
            return Gst.PadProbeReturn.OK
        of_time = Gst.Segment()
        of_time.init(Gst.Format.TIME)
        pad.push_event(Gst.Event.new_segment(of_time))
        return Gst.PadProbeReturn.DROP

    @guarded("a picture was timed", Source._report, Gst.PadProbeReturn.DROP)
    def _on_picture(self, _pad: Any, info: Any) -> Any:
        """On the streaming thread of the user's pipeline: pictures without times get them by their number."""
        buffer = info.get_buffer()
        if buffer.pts != Gst.CLOCK_TIME_NONE:
            return Gst.PadProbeReturn.REMOVE
        if not self._timed:
            log.info(
                "%s: its pictures have no times: they are shown %g a second", self.name, float(self._fps)
            )
        period_ns = NS_PER_S / self._fps
        buffer.pts = round(self._timed * period_ns)
        buffer.duration = round(period_ns)
        self._timed += 1
        return Gst.PadProbeReturn.OK


def _replaced(text: str, stand_ins: Mapping[str, str]) -> str:
    """`text` with places where it has stand-ins."""
    for place, stand_in in stand_ins.items():
        text = text.replace(stand_in, place)
    return text


def _texts_of(inner: Any) -> Iterator[tuple[Any, str, str]]:
    """Each text among the properties of each element in the bin `inner`: element, name, text."""
    elements = inner.iterate_recurse()
    while True:
        outcome, element = elements.next()
        if outcome != Gst.IteratorResult.OK:
            return
        for property_ in element.list_properties():
            if not _is_settable_text(property_):
                continue
            if text := element.get_property(property_.name):
                yield element, property_.name, text


def _is_settable_text(property_: Any) -> bool:
    both_ways = GObject.ParamFlags.READABLE | GObject.ParamFlags.WRITABLE
    kinds = property_.flags & (both_ways | GObject.ParamFlags.CONSTRUCT_ONLY)
    is_text: bool = property_.value_type == GObject.TYPE_STRING and kinds == both_ways
    return is_text and property_.name != "name"
