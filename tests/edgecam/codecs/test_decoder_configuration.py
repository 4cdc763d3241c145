"""Our configuration records are GStreamer's, but where they say more, and describe what it describes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from coded_pictures import coded, content, h264_sps
from nal_films import SETS

from edgecam.codecs.decoder_configuration import Description, configuration_record, describe
from edgecam.codecs.sequence_set import sequence_set
from edgecam.codecs.video import H264, H265, JPEG, Codec
from sandbox.cameras.rtsp_connection import nal_units

FAST = "x264enc speed-preset=ultrafast tune=zerolatency"
FORMS = (
    (H264, "I420,width=320,height=180", f"{FAST} ! h264parse"),
    (H264, "I420,width=322,height=242", f"{FAST} ! video/x-h264,profile=baseline ! h264parse"),
    (H264, "I420,width=1920,height=1080", f"{FAST} ! video/x-h264,profile=main ! h264parse"),
    (H264, "I420,width=640,height=368", "x264enc speed-preset=veryfast ! h264parse"),
    (H264, "Y42B,width=320,height=240", f"{FAST} ! h264parse"),
    (H264, "Y444,width=326,height=246", f"{FAST} option-string=cqm=jvt ! h264parse"),
    (H265, "I420,width=320,height=180", "x265enc speed-preset=ultrafast ! h265parse"),
    (H265, "I420,width=322,height=242", "x265enc speed-preset=ultrafast ! h265parse"),
    (H265, "I420_10LE,width=642,height=362", "x265enc speed-preset=ultrafast ! h265parse"),
)


@pytest.mark.parametrize(("codec", "form", "encoder"), FORMS, ids=[each[1] for each in FORMS])
def test_a_record_is_what_gstreamer_makes_of_the_same_sets(codec: Codec, form: str, encoder: str) -> None:
    line = f"video/x-raw,format={form} ! {encoder}"
    (in_stream,) = coded(line, codec.unit_caps, 1)
    assert codec.file_caps is not None
    (in_file,) = coded(line, codec.file_caps, 1)
    structure = in_file.get_caps().get_structure(0)
    theirs = structure.get_value("codec_data")
    kinds = (7, 8) if codec is H264 else (32, 33, 34)
    sets = [
        unit
        for unit in nal_units(content(in_stream))
        if (unit[0] & 0x1F if codec is H264 else unit[0] >> 1) in kinds
    ]
    ours = configuration_record(codec, sets)
    assert bytes(theirs.extract_dup(0, theirs.get_size())) in set(_as_gstreamer(codec, ours))
    assert configuration_record(codec, list(reversed(sets))) == ours
    described = describe(codec, sets)
    assert described is not None
    assert (described.width, described.height) == (
        structure.get_int("width")[1],
        structure.get_int("height")[1],
    )
    assert described.level == structure.get_string("level")
    if described.profile is not None:
        assert described.profile == structure.get_string("profile")


def _as_gstreamer(codec: Codec, record: bytes) -> Iterator[bytes]:
    """It leaves out H.264's chroma and depth (1.22), and says of no array of H.265's that it is complete, as
    `hvc1` needs it (ISO/IEC 14496-15, 8.3.3.1.3)."""
    yield record
    if codec is H264:
        yield record[:-4]
        return
    plain = bytearray(record)
    at = 23
    for _ in range(record[22]):
        plain[at] &= 0x7F
        count, at = record[at + 2], at + 3
        for _ in range(count):
            at += 2 + int.from_bytes(record[at : at + 2])
    yield bytes(plain)


def test_without_sets_or_with_others_there_is_no_record() -> None:
    sps, pps = SETS["H264"]
    vps, h265_sps, h265_pps = SETS["H265"]
    for codec, sets in (
        (H264, []),
        (H264, [sps]),
        (H264, [pps]),
        (H264, [b"", b"\x67", pps]),
        (H264, [sps, pps, b"\x68" + bytes(70_000)]),
        (H265, [vps, h265_sps]),
        (H265, [vps, h265_pps]),
        (H265, [h265_sps, h265_pps]),
        (JPEG, [sps, pps]),
    ):
        assert configuration_record(codec, sets) == b""
    assert describe(H264, [pps]) is None
    assert describe(JPEG, [sps]) is None
    assert configuration_record(H264, [sps, pps])
    assert configuration_record(H265, [h265_pps, h265_sps, vps])


def test_a_set_that_is_cut_off_behind_its_size_has_it_as_decoders_take_it() -> None:
    sizes = ((64, height) for height in range(48, 4000, 16))
    found = {}
    for width, height in sizes:
        try:
            found[width, height] = sequence_set(H264, h264_sps(width, height)[:-1])
        except ValueError:
            continue
    assert found
    assert all((each.width, each.height) == size for size, each in found.items())
    assert describe(H264, [h264_sps(64, 48)]) == Description(64, 48, "constrained-baseline", "4")


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        ((66, 0xC0, 11), ("constrained-baseline", "1.1")),
        ((66, 0x00, 9), ("baseline", "1b")),
        ((77, 0x10, 11), ("main", "1b")),
        ((100, 0x00, 40), ("high", "4")),
        ((100, 0x0C, 41), ("constrained-high", "4.1")),
        ((100, 0x08, 52), ("progressive-high", "5.2")),
        ((122, 0x10, 41), ("high-4:2:2-intra", "4.1")),
        ((144, 0x00, 41), (None, "4.1")),
    ],
)
def test_profiles_and_levels_have_gstreamers_names(profile: tuple[int, ...], names: tuple[str, str]) -> None:
    sps = b"\x67" + bytes(profile) + h264_sps(64, 48)[4:]
    if profile[0] not in (66, 77):
        sps = b"\x67" + bytes(profile) + _with_chroma(h264_sps(64, 48)[4:])
    described = describe(H264, [sps])
    assert described is not None
    assert (described.profile, described.level) == names


def _with_chroma(rest: bytes) -> bytes:
    """Behind the id (one bit), what high profiles say: 4:2:0, eight bits, no lists."""
    bits = f"{int.from_bytes(rest):0{8 * len(rest)}b}"
    bits = bits[:1] + ("010" + "1" + "1" + "0" + "0") + bits[1:]
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)
