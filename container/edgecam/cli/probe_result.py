"""What probing a source has shown, for people and for programs."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

from edgecam.config.camera import Frames
from edgecam.config.document import yaml_text
from edgecam.log import hide_values
from edgecam.status.reception import BY_SETTING, Losses

_AUDIO = {
    "AC3": "AC-3",
    "G726-32": "G.726",
    "L16": "PCM",
    "MP4A-LATM": "AAC",
    "MPEG4-GENERIC": "AAC",
    "OPUS": "Opus",
    "PCMA": "G.711 A-law",
    "PCMU": "G.711 µ-law",
    "audio/mpeg": "AAC or MP3",
    "audio/x-alaw": "G.711 A-law",
    "audio/x-mulaw": "G.711 µ-law",
    "audio/x-opus": "Opus",
}
INTRA_REFRESH = (
    "intra refresh in place of keyframes: a picture begins one to two rounds after each reconnect, and every "
    "picture is decoded, whatever frames.decode says; switch it off at the camera to save that"
)
_MANY_KEYFRAMES_S = 0.5
_FEW_KEYFRAMES_S = 10.0


@dataclass(frozen=True)
class Failure:
    """Why a source does not deliver: one word, and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True)
class ProbeResult:
    """What was seen of a source; None where nothing was.

    Attributes:
        uri: Redacted.
        codec: `H.264`, `H.265`, `JPEG` or `raw video`.
        profile: Of the codec, with its level where there is one.
        width: Pixels.
        height: Pixels.
        fps: Pictures a second, observed.
        keyframe_interval_s: The longest that was seen.
        refresh_interval_s: The same between recovery points, of a stream with intra refresh and no keyframes.
        bit_rate_bps: Bits a second, observed.
        audio: The codecs of the sound that is offered (not used yet).
        receiver: Who received it: `edgecam` or `gstreamer`.
        receiver_reason: Why GStreamer receives an RTSP camera, as a phrase.
        first_picture_s: From the beginning of the connection to the first decoded picture.
        observed_s: How much of the stream was watched.
        failure: Why there is nothing, or not everything.
        suggestion: An entry for `cameras:` in `fleet.yaml`.
        notes: What is worth knowing, a sentence each.
    """

    uri: str
    codec: str | None = None
    profile: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    keyframe_interval_s: float | None = None
    refresh_interval_s: float | None = None
    bit_rate_bps: int | None = None
    audio: tuple[str, ...] = ()
    receiver: str | None = None
    receiver_reason: str | None = None
    first_picture_s: float | None = None
    observed_s: float = 0.0
    failure: Failure | None = None
    suggestion: dict[str, Any] | None = None
    notes: tuple[str, ...] = field(default=())

    def json_text(self) -> str:
        """All of it as a JSON object, in ASCII: a program reads it, whatever the terminal's encoding is."""
        return json.dumps(hide_values(asdict(self)), indent=1)

    def text(self) -> str:
        """All of it for a person."""
        lines = [f"{name + ':':<22}{value}" for name, value in self._facts() if value is not None]
        if self.failure is not None:
            lines += ["", f"{self.failure.reason}: {self.failure.message}"]
        if self.notes:
            lines += ["", *(f"note: {note}" for note in self.notes)]
        if self.suggestion is not None:
            entry = yaml_text([self.suggestion])
            lines += ["", "for fleet.yaml, under cameras:", "", textwrap.indent(entry.rstrip(), "  ")]
        return "\n".join(lines)

    @property
    def _receiver_text(self) -> str | None:
        if self.codec is None or self.receiver_reason is None:
            return None if self.codec is None else self.receiver
        return f"{self.receiver} ({self.receiver_reason})"

    def _facts(self) -> list[tuple[str, str | None]]:
        coding = self.codec and (f"{self.codec}, {self.profile}" if self.profile else self.codec)
        rate = None if self.bit_rate_bps is None else _rate_text(self.bit_rate_bps)
        return [
            ("source", self.uri),
            ("codec", coding),
            ("size", None if self.width is None else f"{self.width}x{self.height}"),
            ("frame rate", None if self.fps is None else f"{self.fps:.4g} a second"),
            ("keyframe every", _seconds(self.keyframe_interval_s)),
            ("intra refresh every", _seconds(self.refresh_interval_s)),
            ("bit rate", rate),
            ("audio", None if self.codec is None else ", ".join(self.audio) or "none"),
            ("receiver", self._receiver_text),
            ("first picture after", _seconds(self.first_picture_s)),
        ]


def audio_names(offered: list[str]) -> tuple[str, ...]:
    """The codecs of sound among what a source was offered (`audio PCMU`, `audio/mpeg`), in plain words."""
    sounds = [each for each in offered if each.startswith("audio")]
    coded = [each.removeprefix("audio ") for each in sounds]
    return tuple(_AUDIO.get(each) or _AUDIO.get(each.upper()) or each for each in coded)


def reception_notes(receiver_reason: str | None, losses: Losses) -> tuple[str, ...]:
    """What the way of the packets means for who should receive them."""
    notes = []
    if receiver_reason == BY_SETTING:
        notes.append(
            "GStreamer receives as asked: leave receiver out unless the camera works with GStreamer alone; "
            "edgecam's own takes a fraction of the CPU and puts right what cameras do wrong on the wire"
        )
    if losses.packets or losses.pictures:
        notes.append(
            f"{losses.packets} packets never came, which has cost {losses.pictures} pictures: lower the "
            "camera's bit rate or the number of its viewers, or give it a better network"
        )
    if losses.skipped_bytes:
        notes.append(
            f"{losses.skipped_bytes} bytes between the packets belong to none, a fault of the camera's: "
            "edgecam's own receiver passes them over, GStreamer's would lose the connection"
        )
    return tuple(notes)


def notes_on(keyframe_interval_s: float | None, observed_s: float, *, is_intra: bool) -> tuple[str, ...]:
    """What the keyframe interval means for the cost and the age of the pictures."""
    if is_intra:
        return ()
    if keyframe_interval_s is None:
        return (
            f"no second keyframe within {observed_s:.1f} s: switch H.264+ or H.265+ (smart codec) off at the "
            "camera and set an interval of 1 to 2 s, or it takes as long until a picture or a recording "
            "begins after each reconnect",
        )
    if keyframe_interval_s > _FEW_KEYFRAMES_S:
        return (
            f"a keyframe comes only every {keyframe_interval_s:.1f} s: switch H.264+ or H.265+ (smart codec) "
            "off at the camera and set 1 to 2 s, or it takes as long until a picture or a recording begins "
            "after each reconnect",
        )
    # The gate tolerates more than this rounding: cameras' clocks are not ours either.
    least_work_fps = round(1 / keyframe_interval_s, 2)
    if keyframe_interval_s <= _MANY_KEYFRAMES_S or least_work_fps >= Frames().max_fps:
        return (f"frames.max_fps up to {least_work_fps:g} decodes keyframes only: least work",)
    return (
        f"frames.max_fps up to {least_work_fps:g} decodes keyframes only, about a fifth of the work that "
        f"{Frames().max_fps:g} a second takes",
    )


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} s"


def _rate_text(bits: int) -> str:
    return f"{bits / 1e6:.2f} Mbit/s" if bits >= 1_000_000 else f"{bits / 1e3:.0f} kbit/s"
