"""Whether a connection delivers what it should: values in, verdict out. No thread, no pipeline, no clock.

`FirstPicture` judges until a picture has come, `Watchdog` from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from edgecam.errors import (
    SourceError,
    SourceSilent,
    SourceUnreachable,
    SourceUnsupported,
    SourceWithoutKeyframe,
)

_POLL_S = 0.4
"""The longest poll period. A silence is noticed that much before its limit, so that it never is after it."""
_POLLS_IN_LIMIT = 5
"""The least polls within a silence limit: a short one has a shorter period."""
KEYFRAME_WITHIN_S = 600.0
"""How long a keyframe is waited for while pictures come: with H.264+ and H.265+ minutes pass between two, and
another connection would begin in the middle again."""
DECODER_WITHIN_S = 120.0
"""How much longer a picture may take of a camera that is recorded: another connection would decode no faster,
and the recording has a gap."""
_FIRST_POLL_S = 0.1
"""The poll period until the first picture: what may come instead is bounded."""


class Verdict(Enum):
    """What a connection's progress amounts to."""

    CONTINUE = auto()
    STALLED = auto()
    """Nothing comes though the connection is up."""
    NO_ANSWER = auto()
    NO_KEYFRAME = auto()
    """Data comes with which no picture can begin."""
    NO_PICTURE = auto()
    """Data comes, keyframes included, and yields no picture."""
    AWAITS_KEYFRAME = auto()
    """Pictures come that need a keyframe, which may take minutes: a state, no fault."""
    AWAITS_DECODER = auto()
    """Pictures come and are recorded, and the decoder has made none of them yet: a state, for now."""


@dataclass(frozen=True)
class Progress:
    """What one connection has brought so far.

    Attributes:
        units: Access units received.
        had_keyframe: Whether a picture could have begun, since the connection or since the decoder lost some.
        last_picture_s: When the newest picture was written, monotonic; None before the first.
        is_recorded: Whether a recording takes them as well.
        data_bytes: Received of a stream that has begun, also where no access unit can be made of them yet: a
            camera that sends its parameter sets with keyframes only.
    """

    units: int
    had_keyframe: bool = False
    last_picture_s: float | None = None
    is_recorded: bool = False
    data_bytes: int = 0

    def without_picture(self, late_s: float) -> Verdict:
        """Why there is no picture, when one is `late_s` seconds too late."""
        if not self.units and not self.data_bytes:
            return Verdict.NO_ANSWER
        if not self.had_keyframe:
            return Verdict.AWAITS_KEYFRAME if late_s < KEYFRAME_WITHIN_S else Verdict.NO_KEYFRAME
        is_awaited = self.is_recorded and late_s < DECODER_WITHIN_S
        return Verdict.AWAITS_DECODER if is_awaited else Verdict.NO_PICTURE


@dataclass(frozen=True)
class Limits:
    """What a connection has to keep.

    Attributes:
        silence_s: Longest time without an access unit.
        picture_s: Longest time in which units arrive and yield no picture; may be infinite.
        max_fps: How often pictures are wanted; when that changes, the time without a picture begins again.
    """

    silence_s: float
    picture_s: float
    max_fps: float

    @property
    def poll_s(self) -> float:
        """The poll period."""
        return min(_POLL_S, self.silence_s / _POLLS_IN_LIMIT)


class FirstPicture:
    """Until the first picture.

    Args:
        now_s: When the connection was begun, monotonic.
        timeout_s: How long a picture may take, and how long nothing may come.
    """

    def __init__(self, now_s: float, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadline_s = now_s + timeout_s
        self._came = (0, 0)
        self._came_s = now_s

    def restart(self, now_s: float) -> None:
        """The source waits for its producer: the time begins when that has come."""
        self._deadline_s = now_s + self._timeout_s

    def check(self, progress: Progress, now_s: float) -> Verdict:
        """Whether to wait on."""
        came = progress.units, progress.data_bytes
        if came != self._came:
            self._came, self._came_s = came, now_s
        if now_s < self._deadline_s:
            return Verdict.CONTINUE
        if any(came) and now_s - self._came_s >= self._timeout_s:
            return Verdict.STALLED
        return progress.without_picture(now_s - self._deadline_s)

    def poll_s(self, now_s: float) -> float:
        """Seconds until the next check."""
        left_s = self._deadline_s - now_s
        return min(left_s, _FIRST_POLL_S) if left_s > 0 else _POLL_S


class Watchdog:
    """After the first picture.

    Args:
        now_s: When it came, monotonic.
        max_fps: See `Limits`.
    """

    def __init__(self, now_s: float, max_fps: float) -> None:
        self._max_fps = max_fps
        self._units = 0
        self._unit_s = now_s
        self._resumed_s = 0.0

    def check(self, progress: Progress, limits: Limits, now_s: float) -> Verdict:
        """To be called every `limits.poll_s` seconds."""
        if limits.max_fps != self._max_fps:
            self._max_fps = limits.max_fps
            self.resume(now_s)
        if progress.units != self._units:
            self._units, self._unit_s = progress.units, now_s
        elif now_s - self._unit_s >= limits.silence_s - limits.poll_s:
            return Verdict.STALLED
        picture_s = now_s if progress.last_picture_s is None else progress.last_picture_s
        pictureless_s = now_s - max(picture_s, self._resumed_s)
        if pictureless_s < limits.picture_s:
            return Verdict.CONTINUE
        return progress.without_picture(pictureless_s - limits.picture_s)

    def resume(self, now_s: float) -> None:
        """A stall is over, or pictures come in another pace: the time without a picture begins again."""
        self._resumed_s = now_s


AWAITED = {
    Verdict.AWAITS_KEYFRAME: (
        "waits for a keyframe, or for a whole round of intra refresh: pictures come, and each needs those "
        "before it; for shorter waits switch H.264+, H.265+ (smart codec) and intra refresh off at the "
        "camera, or set a shorter keyframe interval"
    ),
    Verdict.AWAITS_DECODER: (
        "waits for the decoder: pictures come and are recorded, and none is decoded in time; lower "
        "frames.max_fps, or set frames.decode: keyframes"
    ),
}
"""What is waited for while nothing is wrong, a sentence each."""


def error_of(verdict: Verdict, *, name: str, waited_s: float, units: int, codec: str | None) -> SourceError:
    """The error for a verdict other than CONTINUE.

    Args:
        verdict: What is wrong.
        name: The source's, redacted.
        waited_s: The limit that was exceeded.
        units: Access units received.
        codec: The codec's name, or None where none is known.
    """
    match verdict:
        case Verdict.STALLED:
            return SourceSilent(
                f"{name}: expected pictures, found that nothing has come for {waited_s:g} s "
                "though the connection is up"
            )
        case Verdict.NO_ANSWER:
            return SourceUnreachable(f"{name}: expected a picture within {waited_s:g} s, found no answer")
        case Verdict.NO_KEYFRAME:
            return SourceWithoutKeyframe(
                f"{name}: expected a keyframe within {waited_s:g} s, found {units} pictures "
                "that need one; set a shorter keyframe interval at the camera"
            )
        case _:
            return SourceUnsupported(
                f"{name}: expected a picture within {waited_s:g} s, found {codec or 'known'} data that "
                "yields none"
            )
