"""H.264's decoder configuration record as GStreamer's parser makes it, and what that leaves out."""

from __future__ import annotations

from edgecam.codecs.decoder_configuration import H264_PLAIN, chroma_and_depths
from edgecam.codecs.sequence_set import sequence_set
from edgecam.codecs.video import H264

_FIXED_BYTES = 5
_COUNT_MASK = 0x1F


def completed(record: bytes) -> bytes:
    """`record` (`avcC`) with the chroma format and depths of the High profiles, which h264parse leaves out,
    and of which some readers warn; as it is where they are there, or its parameter set cannot be read."""
    try:
        sequences, at = _units(record, _FIXED_BYTES, record[_FIXED_BYTES] & _COUNT_MASK)
        _, at = _units(record, at, record[at])
        if at != len(record) or record[1] in H264_PLAIN:
            return record
        return record + chroma_and_depths(sequence_set(H264, sequences[0])) + b"\0"
    except (IndexError, ValueError):
        return record


def _units(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """The parameter sets behind their count at `at`, and where they end."""
    units = []
    at += 1
    for _ in range(count):
        begin = at + 2
        at = begin + int.from_bytes(record[begin - 2 : begin])
        units.append(record[begin:at])
    return units, at
