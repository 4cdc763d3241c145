"""The index of an MP4 file: which bytes are which picture, and when it is shown (ISO/IEC 14496-12, 8)."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

from edgecam.formats.mp4_boxes import Box, BoxDamaged

_STBL = (b"mdia", b"minf", b"stbl")
_WITH_UNITS = (b"avc1", b"avc3", b"hvc1", b"hev1")
_H265 = (b"hvc1", b"hev1")


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture.

    Attributes:
        offset: Where it begins in the file.
        size: Its bytes.
        duration: Until the next one is decoded, in the track's time.
        composition_offset: From decoding to presentation (`ctts`), in the track's time.
        is_keyframe: Whether it can be decoded alone.
    """

    offset: int
    size: int
    duration: int
    composition_offset: int
    is_keyframe: bool

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.offset + self.size


@dataclass(frozen=True)
class Index:
    """A `moov` with one video track, as mp4mux writes it.

    Attributes:
        samples: The pictures, in the order of decoding.
        timescale: The track's time, units a second.
        coding: The kind of the sample entry, such as `avc1`.
    """

    moov: Box
    samples: tuple[Sample, ...]
    timescale: int
    coding: bytes

    @property
    def has_units(self) -> bool:
        """Whether pictures are NAL units, each with its length of four bytes before it."""
        return self.coding in _WITH_UNITS

    @property
    def is_h265(self) -> bool:
        """Whether the units are those of H.265."""
        return self.coding in _H265

    @property
    def shown(self) -> int:
        """From the first picture shown to the end of the last, in the track's time."""
        return _shown(self.samples, _media_start(self.moov))

    def with_samples(self, samples: Sequence[Sample]) -> Index:
        """The same index with these samples in place of its own. What is shown, and when, is theirs; the last
        are decoded later where that is needed for one length by every measure (`_with_one_length`).

        Raises:
            BoxDamaged: their times are too long for it.
        """
        moov = copy.deepcopy(self.moov)
        held = _with_one_length(samples, _media_start(moov))
        try:
            self._put(moov, held)
        except struct.error as error:
            raise BoxDamaged(f"expected times that fit their fields, found: {error}") from None
        return Index(moov, held, self.timescale, self.coding)

    def _put(self, moov: Box, samples: Sequence[Sample]) -> None:
        trak = moov.child(b"trak")
        stbl = trak.child(*_STBL)
        for kind, payload in _tables(samples):
            if payload is None:
                stbl.remove(kind)
            else:
                stbl.put(kind, payload)
        shown = _shown(samples, _media_start(moov))
        movie_scale = _duration_of(moov.child(b"mvhd"))[0]
        movie_time = -(-shown * movie_scale // self.timescale)
        whole = _set_last_edit(trak, movie_time)
        _set_duration(trak.child(b"mdia", b"mdhd"), sum(sample.duration for sample in samples))
        _set_duration(trak.child(b"tkhd"), whole)
        _set_duration(moov.child(b"mvhd"), whole)


def read_index(moov: Box) -> Index:
    """The index in `moov`.

    Raises:
        BoxDamaged: its tables do not agree with each other, or it has more than one track.
    """
    traks = [box for box in moov.children if box.kind == b"trak"]
    if len(traks) != 1:
        raise BoxDamaged(f"expected one track, found {len(traks)}")
    stbl = traks[0].child(*_STBL)
    try:
        timescale = _duration_of(traks[0].child(b"mdia", b"mdhd"))[0]
        movie_scale = _duration_of(moov.child(b"mvhd"))[0]
        _duration_of(traks[0].child(b"tkhd"))
        coding = stbl.child(b"stsd").payload[12:16]
        samples = tuple(_samples(stbl))
        _media_start(moov)
    except (struct.error, IndexError) as error:
        raise BoxDamaged(f"expected whole tables, found: {error}") from None
    if timescale == 0 or movie_scale == 0:
        raise BoxDamaged("expected a time scale, found 0")
    return Index(moov, samples, timescale, coding)


def _samples(stbl: Box) -> Iterator[Sample]:
    sizes = _sizes(stbl.child(b"stsz").payload)
    durations = _runs(stbl.child(b"stts").payload, "I", len(sizes))
    ctts = stbl.find(b"ctts")
    compositions = _runs(ctts.payload, "i", len(sizes)) if ctts else [0] * len(sizes)
    stss = stbl.find(b"stss")
    keyframes = set(_numbers(stss.payload, "I")) if stss else None
    offsets = _offsets(stbl, sizes)
    for number, (offset, size, duration, composition) in enumerate(
        zip(offsets, sizes, durations, compositions, strict=True), start=1
    ):
        yield Sample(offset, size, duration, composition, keyframes is None or number in keyframes)


def _numbers(payload: bytes, form: str) -> list[int]:
    """The table after version, flags and count."""
    (count,) = struct.unpack_from(">I", payload, 4)
    if 8 + count * struct.calcsize(f">{form}") > len(payload):
        raise BoxDamaged(f"expected {count} entries, found fewer")
    return list(struct.unpack_from(f">{count}{form}", payload, 8))


def _sizes(payload: bytes) -> list[int]:
    (same,) = struct.unpack_from(">I", payload, 4)
    if same:
        raise BoxDamaged("expected a size for each picture, found one for all")
    return _numbers(payload[4:], "I")


def _runs(payload: bytes, form: str, expected: int) -> list[int]:
    """A run-length table, spread out."""
    (count,) = struct.unpack_from(">I", payload, 4)
    entries = list(struct.iter_unpack(f">I{form}", payload[8 : 8 + 8 * count]))
    if len(entries) != count or sum(run for run, _ in entries) != expected:
        raise BoxDamaged(f"expected runs of {expected} pictures, found others")
    return [value for run, value in entries for _ in range(run)]


def _offsets(stbl: Box, sizes: Sequence[int]) -> list[int]:
    """Where each picture begins: chunks of N pictures each, one after another."""
    co64 = stbl.find(b"co64")
    chunks = _numbers(co64.payload, "Q") if co64 else _numbers(stbl.child(b"stco").payload, "I")
    stsc = stbl.child(b"stsc").payload
    (count,) = struct.unpack_from(">I", stsc, 4)
    entries = list(struct.iter_unpack(">III", stsc[8 : 8 + 12 * count]))
    if len(entries) != count or any(entry != 1 for _, _, entry in entries):
        raise BoxDamaged("expected pictures of one form, found others")
    held = {first: pictures for first, pictures, _ in entries}
    offsets: list[int] = []
    pictures = 0
    for number, chunk in enumerate(chunks, start=1):
        pictures = held.get(number, pictures)
        inside = sizes[len(offsets) : len(offsets) + pictures]
        offsets += accumulate(inside[:-1], initial=chunk) if inside else ()
    if len(offsets) != len(sizes):
        raise BoxDamaged(f"expected {len(sizes)} pictures in chunks, found {len(offsets)}")
    return offsets


def _tables(samples: Sequence[Sample]) -> Iterator[tuple[bytes, bytes | None]]:
    """Kind and payload of each table; None where there is to be none."""
    yield b"stts", _run_table("I", [sample.duration for sample in samples])
    has_offsets = any(sample.composition_offset for sample in samples)
    yield b"ctts", _run_table("i", [sample.composition_offset for sample in samples]) if has_offsets else None
    keyframes = [number for number, sample in enumerate(samples, start=1) if sample.is_keyframe]
    has_others = len(keyframes) < len(samples)
    yield b"stss", _table("I", keyframes) if has_others else None
    yield b"stsz", bytes(4) + _table("I", [sample.size for sample in samples])
    chunks = [0, *(n for n in range(1, len(samples)) if samples[n].offset != samples[n - 1].end)]
    held = [after - first for first, after in zip(chunks, [*chunks[1:], len(samples)], strict=True)]
    firsts = [n for n in range(len(held)) if n == 0 or held[n] != held[n - 1]]
    yield b"stsc", _table("I", [value for n in firsts for value in (n + 1, held[n], 1)], width=3)
    offsets = [samples[n].offset for n in chunks]
    is_long = offsets[-1] >= 1 << 32
    yield b"co64", _table("Q", offsets) if is_long else None
    yield b"stco", None if is_long else _table("I", offsets)


def _table(form: str, values: Sequence[int], *, width: int = 1) -> bytes:
    return struct.pack(f">II{len(values)}{form}", 0, len(values) // width, *values)


def _run_table(form: str, values: Sequence[int]) -> bytes:
    runs = [(len(list(group)), value) for value, group in groupby(values)]
    # Version 1 of ctts, which alone has signed offsets; there is only one of stts.
    version = 1 << 24 if any(value < 0 for _, value in runs) else 0
    return struct.pack(">II", version, len(runs)) + b"".join(struct.pack(f">I{form}", *run) for run in runs)


def _duration_of(box: Box) -> tuple[int, int]:
    """Time scale and duration; for `tkhd`, which has no scale, its track number in place of that."""
    return struct.unpack_from(*_duration_layout(box))[:2]


def _duration_layout(box: Box) -> tuple[str, bytes, int]:
    """Where scale and duration are in mvhd, mdhd and tkhd of both versions (8.2.2, 8.4.2, 8.3.2)."""
    is_long = box.payload[0] == 1
    gap = "4x" if box.kind == b"tkhd" else ""
    return f">I{gap}{'Q' if is_long else 'I'}", box.payload, 4 + (16 if is_long else 8)


def _set_duration(box: Box, duration: int) -> None:
    form, payload, at = _duration_layout(box)
    scale = _duration_of(box)[0]
    changed = bytearray(payload)
    struct.pack_into(form, changed, at, scale, duration)
    box.payload = bytes(changed)


def _media_start(moov: Box) -> int:
    """Where in the track's time showing begins: the last edit's media_time."""
    elst = moov.child(b"trak").find(b"edts", b"elst")
    if elst is None:
        return 0
    edits = _edits(elst.payload)
    return max(0, edits[-1][1]) if edits else 0


def _edits(payload: bytes) -> list[tuple[int, int, int]]:
    (count,) = struct.unpack_from(">I", payload, 4)
    return [struct.unpack_from(_edit_form(payload), payload, at) for at in _edit_places(payload, count)]


def _edit_form(payload: bytes) -> str:
    return ">QqI" if payload[0] == 1 else ">IiI"


def _edit_places(payload: bytes, count: int) -> range:
    size = struct.calcsize(_edit_form(payload))
    return range(8, 8 + min(count, len(payload)) * size, size)


def _set_last_edit(trak: Box, movie_time: int) -> int:
    """Let the last edit be `movie_time` long; how long all are together."""
    elst = trak.find(b"edts", b"elst")
    edits = _edits(elst.payload) if elst else []
    if elst is None or not edits:
        return movie_time
    changed = bytearray(elst.payload)
    _, media_time, rate = edits[-1]
    place = _edit_places(elst.payload, len(edits))[-1]
    struct.pack_into(_edit_form(elst.payload), changed, place, movie_time, media_time, rate)
    elst.payload = bytes(changed)
    return sum(length for length, _, _ in edits[:-1]) + movie_time


def _shown(samples: Sequence[Sample], start: int) -> int:
    ends = (at + it.duration for at, it in zip(_presentation_times(samples), samples, strict=True))
    return max(ends, default=start) - start


def _with_one_length(samples: Sequence[Sample], start: int) -> tuple[Sample, ...]:
    """`samples`, their durations together as long as they are shown.

    The durations are the length of the media (8.6.1.2), and the only length that some readers look at (ffmpeg
    since 7): they would end before the last picture where B-frames before it were lost, which is shown that
    much later than its turn comes. So it is decoded, with all after it, as late as their showing allows.
    """
    lacking = _shown(samples, start) - sum(sample.duration for sample in samples)
    shown_at = _presentation_times(samples)
    ahead = shown_at.index(max(shown_at)) if samples else 0
    if ahead == 0 or lacking <= 0:
        return tuple(samples)
    later = max(0, min(lacking, *(it.composition_offset for it in samples[ahead:])))
    moved = list(samples[:ahead])
    moved[-1] = replace(moved[-1], duration=moved[-1].duration + later)
    moved += (replace(it, composition_offset=it.composition_offset - later) for it in samples[ahead:])
    moved[-1] = replace(moved[-1], duration=moved[-1].duration + lacking - later)
    return tuple(moved)


def _presentation_times(samples: Sequence[Sample]) -> list[int]:
    decode_times = accumulate((it.duration for it in samples[:-1]), initial=0) if samples else iter(())
    return [at + it.composition_offset for at, it in zip(decode_times, samples, strict=True)]
