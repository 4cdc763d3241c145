"""The names of the spool's files, which hold everything that is known of a chunk.

So content and knowledge appear in one step, and starting with 100,000 chunks reads folders, not files:
`20260101T120000.000Z_10000ms,codec=h264,…,gap_before_ms=0,size=5242880,crc32c=1a2b3c4d.mp4`
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from edgecam.chunk import Chunk

KEPT = re.compile(
    r"(?P<start>\d{8}T\d{6}\.\d{3}Z)_(?P<duration>[0-9]{1,8})ms"
    r",(?P<traits>[^/]*?)(?:,gap_before_ms=(?P<gap>-?[0-9]{1,12}))?"
    r",size=(?P<size>[0-9]{1,15}),crc32c=(?P<crc>[0-9a-f]{8})(?P<suffix>\.mp4|\.ts)"
)
"""A name of `kept_name`."""
_INCOMING = re.compile(
    r"(?P<start>\d{8}T\d{6}\.\d{3}Z)_(?P<duration>[0-9]{1,8})ms,(?P<pairs>[^/]*),n=[0-9]+(?P<suffix>\.mp4|\.ts)"
)
_IN_NAME = frozenset({"start", "duration_ms"})
_APART = frozenset({"camera", "start", "duration_ms", "gap_before_ms"})


def incoming_name(chunk: Chunk, serial: int) -> str:
    """The name of a file that is being written: all that is known before its end."""
    stem = chunk.file_name.removesuffix(chunk.format.suffix)
    pairs = {key: value for key, value in chunk.metadata.items() if key not in _IN_NAME}
    return f"{stem},{_joined(pairs)},n={serial}{chunk.format.suffix}"


def incoming_chunk(name: str) -> Chunk | None:
    """The chunk of a file that was being written; None when `name` is none of `incoming_name`."""
    match = _INCOMING.fullmatch(name)
    if match is None:
        return None
    metadata = parsed(match["pairs"])
    return chunk_named(metadata.get("camera", ""), match, metadata)


def kept_name(chunk: Chunk, size_bytes: int, crc32c: str) -> str:
    """The final name of a file in the spool, in the folder of its camera."""
    gap = "" if chunk.gap_before_ms is None else f",gap_before_ms={chunk.gap_before_ms}"
    stem = chunk.file_name.removesuffix(chunk.format.suffix)
    return f"{stem},{traits_of(chunk)}{gap},size={size_bytes},crc32c={crc32c}{chunk.format.suffix}"


def is_kept_name(name: str) -> bool:
    """Whether `name` has the shape of `kept_name`."""
    return KEPT.fullmatch(name) is not None


def traits_of(chunk: Chunk) -> str:
    """The part of a name that most chunks of a camera share: codec, size of the picture, version."""
    return _joined({key: value for key, value in chunk.metadata.items() if key not in _APART})


def _joined(pairs: dict[str, str]) -> str:
    return ",".join(f"{key}={quote(value, safe='+:')}" for key, value in sorted(pairs.items()))


def parsed(text: str) -> dict[str, str]:
    """The keys and values of a part of a name."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {key: unquote(value) for key, _, value in pairs}


def chunk_named(camera_id: str, match: re.Match[str], metadata: dict[str, str]) -> Chunk | None:
    """The chunk of a name that has matched; None when its parts are not those of a chunk."""
    start = match["start"]
    day = f"{start[:4]}/{start[4:6]}/{start[6:8]}"
    name = f"{camera_id}/{day}/{start}_{match['duration']}ms{match['suffix']}"
    try:
        return Chunk.from_object(name, metadata)
    except ValueError:
        return None
