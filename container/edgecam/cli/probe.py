"""Asks a source what it delivers, and takes single pictures: `edgecam probe` and `edgecam frame`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.opening import connection_to
from edgecam.cli.probe_result import (
    INTRA_REFRESH,
    Failure,
    ProbeResult,
    audio_names,
    notes_on,
    reception_notes,
)
from edgecam.cli.probe_target import PICTURE_QUALITY, Target
from edgecam.clock import NS_PER_S, Clock, SystemClock
from edgecam.codecs.jpeg import orientation_of, size_of
from edgecam.codecs.orientation import Orientation
from edgecam.codecs.video import Codec
from edgecam.config.camera import Decode, Frames, Receiver, Tls
from edgecam.config.schemes import RTSP, RTSPS
from edgecam.errors import (
    SourceBeyondReceiver,
    SourceEnded,
    SourceError,
    SourceRefused,
    SourceSilent,
    SourceTransport,
    SourceUnreachable,
    SourceUnsupported,
    SourceWithoutKeyframe,
)
from edgecam.frames.decode_gate import DecodeGate
from edgecam.frames.decoder import Decoder, Picture
from edgecam.gstreamer.gst import structure_of
from edgecam.receiver.choice import ReceiverChoice
from edgecam.redaction import LONGEST_MESSAGE, SECRETS, holds_password, redact
from edgecam.sources.rtsp_faults import only_multicast

_WATCHED_KEYFRAMES = 3  # two intervals: one alone may be a camera's answer to our arrival
_WATCHED_S = 3.0  # of the stream, for a rate that means something
_LOOK_EVERY_S = 0.1
_JPEG_HEAD_BYTES = 65_536
_LOOK_FPS = 30.0  # the first picture that there is
_BUSY = frozenset({SourceError.reason})
"""Of a camera without room for another viewer (453), or still ending the session of the last one (503)."""
_JUST_ANSWERED = _BUSY | {SourceEnded.reason, SourceRefused.reason, SourceUnreachable.reason}
"""The same of one that has answered a moment ago: these would have been its answer then."""
_BUSY_S = 10.0  # a session that outlives its connection does so for seconds
_AGAIN_AFTER_S = 1.0
_LOGIN_IN_PATH = (
    "a password is left in the path or query, which fleet.yaml refuses: write {password} in its place, and "
    "give --username and --password-file"
)


def probe(target: Target, *, clock: Clock | None = None) -> ProbeResult:
    """What the source delivers. A failure of the source is part of it, not raised.

    A camera that is busy is asked again. One that refuses the transport it is asked for is asked for the
    other; one that refuses both sends by multicast alone. Where the other fails for another reason, that is a
    note beside the refusal.
    """
    clock = clock or SystemClock()
    result = _probed_once_free(target, clock, _BUSY)
    if result.failure is None or result.failure.reason != SourceTransport.reason:
        return result
    refused = target.camera.transport
    needed = "udp" if refused == "tcp" else "tcp"
    found = _probed_once_free(target.with_transport(needed), clock, _JUST_ANSWERED)
    if found.failure is None:
        note = f"the camera does not send over {refused}: it needs transport: {needed}"
        return replace(found, notes=(note, *found.notes))
    if found.failure.reason == SourceTransport.reason:
        return replace(result, failure=_failure_of(only_multicast(found.uri)))
    note = f"transport: {needed} was tried as well: {found.failure.reason}: {found.failure.message}"
    return replace(result, notes=(*result.notes, note))


def _probed_once_free(target: Target, clock: Clock, passing: frozenset[str]) -> ProbeResult:
    """As `_probed`; a camera that fails by one of the reasons in `passing` is asked again for a while."""
    deadline_s = clock.monotonic_s() + (_BUSY_S if target.camera.scheme in (RTSP, RTSPS) else 0.0)
    while True:
        result = _probed(target, clock)
        is_over = clock.monotonic_s() >= deadline_s
        if result.failure is None or result.failure.reason not in passing or is_over:
            return result
        clock.wait(threading.Event(), _AGAIN_AFTER_S)


def _probed(target: Target, clock: Clock) -> ProbeResult:
    watch, failure = _watched(target, clock, _Watch.has_seen_enough)
    return watch.result(failure)


def take_picture(target: Target, *, clock: Clock | None = None) -> bytes:
    """One picture, a JPEG file.

    Raises:
        SourceError: there is none, and why.
    """
    watch, failure = _watched(target, clock or SystemClock(), lambda watch: watch.picture is not None)
    if failure is not None:
        raise failure
    assert watch.picture is not None  # noqa: S101 - there is a failure without one
    return watch.picture.jpeg


def _watched(
    target: Target, clock: Clock, is_enough: Callable[[_Watch], bool]
) -> tuple[_Watch, SourceError | None]:
    """What was seen until it `is_enough`, and why not more; by the receiver that the camera needs."""
    choice = ReceiverChoice(target.camera)
    while True:
        watch = _Watch(target, clock, choice)
        try:
            watch.run(is_enough)
        except SourceBeyondReceiver as beyond:
            choice.fall_back(beyond)
        except SourceError as error:
            return watch, error
        else:
            return watch, None


class _Watch:
    """One connection, watched for a while.

    `_on_unit` and `_on_format` run on the source's streaming thread, `_on_picture` on the decoder's; what
    they leave behind is whole values, read by the thread that called `run`.
    """

    def __init__(self, target: Target, clock: Clock, receiver: ReceiverChoice) -> None:
        self._target = target
        self._clock = clock
        self._receiver = receiver
        self._source = receiver.source(target.login)
        self._connection = connection_to(
            self._source, clock=clock, on_format=self._on_format, on_unit=self._on_unit
        )
        self._gate = DecodeGate(max_fps=_LOOK_FPS, decode=Decode.KEYFRAMES)
        self._decoder: Decoder | None = None
        self._began_s = 0.0
        self._first: AccessUnit | None = None
        self._times_ns: list[int] = []
        self._unit_bytes = 0
        self._keyframes = 0
        self._has_refresh = False
        self._first_picture_s: float | None = None
        self.picture: Picture | None = None

    def run(self, is_enough: Callable[[_Watch], bool]) -> None:
        """Watch until `is_enough` or until the time is up.

        Raises:
            SourceError: the source failed, or the time is up and there is no picture.
        """
        self._began_s = self._clock.monotonic_s()
        try:
            self._connection.start()
            while not is_enough(self):
                self._connection.wait(_LOOK_EVERY_S)
                if self._clock.monotonic_s() - self._began_s >= self._target.timeout_s:
                    self._judge()
                    return
        finally:
            self._connection.close()
            self._source.close()
            if (successor := self._source.successor()) is not None:
                successor.close()
            if self._decoder is not None:
                self._decoder.close()

    def has_seen_enough(self) -> bool:
        """Whether nothing new is to be expected."""
        codec = self._connection.codec
        is_intra = codec is not None and codec.is_intra
        has_rhythm = is_intra or self._keyframes >= _WATCHED_KEYFRAMES
        return self.picture is not None and has_rhythm and self._span_s() >= _WATCHED_S

    def result(self, failure: SourceError | None) -> ProbeResult:
        """What was seen, after `run`."""
        name, codec = self._source.name, self._connection.codec
        found = ProbeResult(
            uri=name,
            audio=audio_names(self._source.offered),
            receiver=str(self._receiver.name),
            receiver_reason=self._receiver.reason,
            failure=None if failure is None else _failure_of(failure),
        )
        if codec is None or self._first is None:
            return found
        interval_ns = None if codec.is_intra else self._gate.timing.keyframe_interval_ns
        interval_s = None if interval_ns is None else round(interval_ns / NS_PER_S, 3)
        span_s, fps = self._span_s(), self._fps()
        mean_bits = 8 * self._unit_bytes / len(self._times_ns)
        found = replace(
            found,
            codec=codec.name,
            keyframe_interval_s=None if self._has_refresh else interval_s,
            refresh_interval_s=interval_s if self._has_refresh else None,
            observed_s=round(span_s, 3),
            fps=None if fps is None else round(fps, 2),
            bit_rate_bps=None if fps is None else round(mean_bits * fps),
            first_picture_s=self._first_picture_s,
            **_described(self._first.sample, self._source.orientation),
        )
        if failure is not None:
            return found
        notes = (
            (INTRA_REFRESH,) if self._has_refresh else notes_on(interval_s, span_s, is_intra=codec.is_intra)
        )
        notes = (*notes, *reception_notes(self._receiver.reason, self._source.losses))
        if holds_password(self._target.camera.uri):
            notes = (*notes, _LOGIN_IN_PATH)
        return replace(found, suggestion=self._suggestion(), notes=notes)

    def _span_s(self) -> float:
        times_ns = self._times_ns
        return (times_ns[-1] - times_ns[0]) / NS_PER_S if times_ns else 0.0

    def _fps(self) -> float | None:
        """By the median interval: a camera sends its first second in a hurry."""
        times_ns = sorted(self._times_ns)
        steps_ns = [later - earlier for earlier, later in pairwise(times_ns) if later > earlier]
        return NS_PER_S / median(steps_ns) if steps_ns else None

    def _judge(self) -> None:
        """The time is up: no picture is a failure, too short a look is not."""
        if self.picture is not None:
            return
        name, waited = self._source.name, f"{self._target.timeout_s:g} s"
        units = self._connection.received_units
        if units and not self._keyframes:
            raise SourceWithoutKeyframe(
                f"{name}: expected a keyframe within {waited}, found {units} pictures that need one; "
                "set a keyframe interval of 1 to 2 s at the camera, and switch H.264+ or H.265+ (smart "
                "codec) off"
            )
        if units:
            raise SourceUnsupported(f"{name}: expected a picture within {waited}, found data without one")
        if self._source.offered:
            raise SourceSilent(f"{name}: expected pictures within {waited}, found a camera that sends none")
        raise SourceUnreachable(f"{name}: expected an answer within {waited}, found none")

    def _suggestion(self) -> dict[str, Any]:
        camera = self._target.camera
        entry: dict[str, Any] = {"id": camera.id, "uri": redact(camera.uri)}
        if self._target.login is not None or holds_password(camera.uri):
            entry["credentials"] = {"secret": f"cameras/{camera.id}"}
        if camera.transport != "tcp":
            entry["transport"] = camera.transport
        if camera.receiver is not Receiver.AUTO:
            entry["receiver"] = str(camera.receiver)
        if camera.tls != Tls():
            entry["tls"] = camera.tls.model_dump(exclude_defaults=True)
        return entry | {"frames": {"max_fps": 1}}

    def _on_format(self, codec: Codec) -> None:
        if self._decoder is not None:
            self._decoder.close()
        source = self._source
        self._decoder = Decoder(
            name=self._source.name,
            codec=codec,
            frames=Frames(quality=PICTURE_QUALITY),
            on_picture=self._on_picture,
            on_fault=self._connection.fail,
            orientation=lambda: source.orientation,
        )

    def _on_unit(self, unit: AccessUnit) -> None:
        batch = self._gate.offer(unit, at_once=True)
        self._first = self._first or unit
        self._times_ns.append(unit.pts_ns)
        self._unit_bytes += unit.size_bytes
        self._keyframes += unit.begins_decoding
        self._has_refresh = self._has_refresh or unit.to_recovery > 0
        if batch is None or self.picture is not None or self._decoder is None:
            return
        if not self._decoder.push(batch):
            self._gate.restart()

    def _on_picture(self, picture: Picture) -> None:
        if self.picture is None:
            self._first_picture_s = round(self._clock.monotonic_s() - self._began_s, 3)
            self.picture = picture
            self._connection.wake()


def _failure_of(error: SourceError) -> Failure:
    return Failure(error.reason, SECRETS.shown(str(error), LONGEST_MESSAGE))


def _described(sample: Any, orientation: Orientation) -> dict[str, Any]:
    """Profile, and size as it is shown, as the sample's caps or a picture's own head tell them."""
    structure = structure_of(sample.get_caps())
    profile, level = structure.get_string("profile"), structure.get_string("level")
    parts = [part for part in (profile, level and f"level {level}") if part]
    buffer = sample.get_buffer()
    jpeg = buffer.extract_dup(0, min(buffer.get_size(), _JPEG_HEAD_BYTES))
    has_width, width = structure.get_int("width")
    has_height, height = structure.get_int("height")
    size = size_of(jpeg) or ((width, height) if has_width and has_height else None)
    turned = orientation_of(jpeg)
    shown = (orientation if turned is Orientation.UPRIGHT else turned).shown(*size) if size else None
    return {
        "profile": " ".join(parts) or None,
        "width": shown[0] if shown else None,
        "height": shown[1] if shown else None,
    }
