"""`gst://`: a pipeline in gst-launch's language."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from edgecam.codecs.video import by_media_type
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

_CAPS = re.compile(r"\"?[a-z]+/[\w.+-]+(\([^)]*\))?\s*(,.*)?")


class PipelineSource(Source):
    """A gst-launch description of the user's own, whose last element delivers coded or raw video."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._description = camera.uri.partition(":")[2].strip()

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
        if event.type != Gst.EventType.CAPS:
            return Gst.PadProbeReturn.OK
        media_type = structure_of(event.parse_caps()).get_name()
        codec = by_media_type(media_type)
        if codec is None:
            raise SourceUnsupported(
                f"{self.name}: expected the pipeline to end in H.264, H.265, JPEG or raw video, "
                f"found {media_type}"
            )
        self._join(pad, codec)
        return Gst.PadProbeReturn.REMOVE


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
    return property_.value_type == GObject.TYPE_STRING and kinds == both_ways
