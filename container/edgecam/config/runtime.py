"""The settings that may change while the node runs: what a `config` message holds.

    {"max_fps": 2, "chunk_s": 5, "upload": {"max_bytes_per_s": 1000000, "max_requests_per_s": 5}}

Each may be left out: what is missing, or null, is as it was deployed. The rates are the node's, not the
camera's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from pydantic import ConfigDict

from edgecam.config.camera import Camera, Frames, MaxFps
from edgecam.config.recording import ChunkS
from edgecam.config.storage import MaxBytesPerS, MaxRequestsPerS
from edgecam.config.validation import Model, found_text, validate
from edgecam.errors import ConfigurationError, Mistake

MOST_BYTES = 4096
"""All settings take about 150; what is refused is quoted in a state of limited size."""

_MOST_LEVELS = 8
"""Two are needed. How many Python's own reader bears differs from release to release."""
# A text without an end goes on to the end of all, so that nothing is looked at twice.
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[][{}]', re.DOTALL)


class UploadLimits(Model):
    """How fast chunks and pictures travel to the bucket; None is as it was deployed."""

    model_config = ConfigDict(strict=True)

    max_bytes_per_s: MaxBytesPerS | None = None
    max_requests_per_s: MaxRequestsPerS | None = None


class RuntimeConfig(Model):
    """What one device is asked to do; None is as it was deployed.

    Strict: no nucleus stands between, and a `true` or `"5"` where a number belongs is somebody's mistake.
    """

    model_config = ConfigDict(strict=True)

    max_fps: MaxFps | None = None
    chunk_s: ChunkS | None = None
    upload: UploadLimits = UploadLimits()

    def frames_of(self, camera: Camera) -> Frames:
        """The camera's pictures as they are wanted now.

        Raises:
            ConfigurationError: they cannot be had with the camera's other settings.
        """
        wanted = camera.frames.model_dump() | {"max_fps": self.max_fps_of(camera)}
        return validate(Frames, wanted, at=("frames",))

    def max_fps_of(self, camera: Camera) -> float:
        """How many pictures a second there are to be now, at the most."""
        return camera.frames.max_fps if self.max_fps is None else self.max_fps

    def chunk_s_of(self, camera: Camera) -> float:
        """How long its chunks are to be now, seconds."""
        return camera.recording.chunk_s if self.chunk_s is None else self.chunk_s


def read_runtime(document: bytes, camera: Camera, *, has_bucket: bool) -> RuntimeConfig:
    """The `config` message `document` for `camera`; an empty one asks for what was deployed.

    Args:
        document: As it came.
        camera: As it was deployed.
        has_bucket: Whether the node sends anything that could be limited.

    Raises:
        ConfigurationError: with every mistake; what makes no sense for this camera is one.
    """
    given = _parsed(document)
    senseless: list[Mistake] = []
    if isinstance(given, dict):
        senseless = list(_senseless(given, camera, has_bucket))
        given = {key: value for key, value in given.items() if key not in {each.path for each in senseless}}
    try:
        settings = validate(RuntimeConfig, given)
        settings.frames_of(camera)
    except ConfigurationError as error:
        raise ConfigurationError([*senseless, *error.mistakes]) from None
    if senseless:
        raise ConfigurationError(senseless)
    return settings


def _senseless(given: dict[str, Any], camera: Camera, has_bucket: bool) -> Iterator[Mistake]:
    reasons = {
        "max_fps": None if camera.frames.enabled else "the camera makes no pictures",
        "chunk_s": None if camera.recording.enabled else "the camera is not recorded",
        "upload": None if has_bucket else "the node has no bucket",
    }
    for key, reason in reasons.items():
        if reason is not None and key in given:
            yield Mistake(key, f"it left out, since {reason}", found_text((key,), given[key]))


def _parsed(document: bytes) -> object:
    """JSON as plain values, without what is null; nothing at all is an empty object."""
    if len(document) > MOST_BYTES:
        raise _no_json(f"at most {MOST_BYTES} bytes", "more")
    if not document.strip():
        return {}
    try:
        text = document.decode()
        if _levels(text) > _MOST_LEVELS:
            raise _beyond_measure()
        return json.loads(text, object_pairs_hook=_keys_once, parse_float=_number, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise _no_json("JSON", f"text that is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _no_json("JSON", f"something else at character {error.pos}") from None
    except ValueError:  # a number of thousands of digits
        raise _beyond_measure() from None


def _levels(text: str) -> int:
    """How many brackets are open at once, at the most."""
    steps = ({"[": 1, "{": 1, "]": -1, "}": -1}.get(part, 0) for part in _TEXT_OR_BRACKET.findall(text))
    return max(accumulate(steps, initial=0))


def _keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a key that stands twice: JSON leaves open which of them counts (RFC 8259, 4)."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _no_json("each key once", f"{found_text((), key)} again")
        found[key] = value
    return {key: value for key, value in found.items() if value is not None}


def _number(text: str) -> float | int:
    """JSON knows one kind of number: many programs write the whole number 5 as 5.0 or 5e0."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _no_number(text: str) -> float:
    raise _no_json("JSON", f"{text}, which is none")


def _no_json(expected: str, found: str) -> ConfigurationError:
    return ConfigurationError([Mistake("", expected, found)])


def _beyond_measure() -> ConfigurationError:
    return _no_json("JSON", "numbers or brackets beyond all measure")
