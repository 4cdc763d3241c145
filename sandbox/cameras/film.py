"""The test cameras' film: one minute, coded once, looped in step with the clock on the wall.

Coding 1080p30 live would cost half a core for as long as the sandbox runs; the film costs a few seconds once.
A camera shows picture n of its film at the moment whose seconds within the minute are n / fps. So the
burnt-in clock (seconds, hundredths) is right at any time, and the block pattern (the number n) shows a
measuring program to the picture when what it sees was taken.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from edgecam.clock import NS_PER_S
from edgecam.gstreamer.gst import Gst
from sandbox.whole_file import whole_file

log = logging.getLogger(__name__)

FILM_S = 60
FILM_FOLDER = Path(__file__).resolve().parents[2] / "build" / "films"
MARK_BITS = 12
"""A minute at 60 pictures a second is 3,600 pictures."""
_MARK_COLUMNS = 40  # the blocks' side is a fortieth of the width: survives scaling and JPEG
_TILE = 211  # prime, so that its repetition meets no block size
_RECIPE = 6  # raise it to have films made again
_ENCODERS = {
    "h264": (
        "x264enc tune=zerolatency speed-preset=superfast bitrate={kbps} key-int-max={gop} bframes={bframes} "
        "b-adapt=false option-string=scenecut=0:sliced-threads=0 ! h264parse config-interval=-1 ! "
        "video/x-h264,stream-format=byte-stream,alignment=au"
    ),
    "h265": (
        "x265enc tune=zerolatency speed-preset=ultrafast bitrate={kbps} key-int-max={gop} "
        "option-string=scenecut=0:log-level=none ! h265parse config-interval=-1 ! "
        "video/x-h265,stream-format=byte-stream,alignment=au"
    ),
    "mjpeg": "jpegenc quality=75",
    "vp8": "vp8enc deadline=1 cpu-used=8 keyframe-max-dist={gop} target-bitrate={bps}",
}
_SEGMENTS = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
_SHAPES = {  # x, y, width, height in a cell of 4 by 7
    "a": (0, 0, 3, 1),
    "b": (2, 0, 1, 3),
    "c": (2, 2, 1, 3),
    "d": (0, 4, 3, 1),
    "e": (0, 2, 1, 3),
    "f": (0, 0, 1, 3),
    "g": (0, 2, 3, 1),
    ".": (0, 4, 1, 1),
}


@dataclass(frozen=True)
class Film:
    """What a test camera shows.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        fps: Pictures a second; a divisor of nothing in particular.
        codec: `h264`, `h265`, `mjpeg` or `vp8`.
        keyframe_s: Seconds between keyframes.
        kbps: Kilobits a second; 0 chooses 4,000 for 1080p30 and in proportion.
        bframes: Pictures that are sent after later ones.
    """

    width: int
    height: int
    fps: int
    codec: str = "h264"
    keyframe_s: float = 2.0
    kbps: int = 0
    bframes: int = 0

    @property
    def pictures(self) -> int:
        """Their number in the whole film."""
        return FILM_S * self.fps

    @property
    def bit_rate_kbps(self) -> int:
        """What the encoder aims at."""
        return self.kbps or max(200, 4000 * self.width * self.height * self.fps // (1920 * 1080 * 30))

    def file_name(self) -> str:
        """Differs whenever the content would."""
        content = json.dumps([_RECIPE, asdict(self)]).encode()
        digest = hashlib.sha256(content).hexdigest()[:8]
        return f"{self.codec}-{self.width}x{self.height}-{self.fps}-{digest}.film"


@dataclass(frozen=True)
class CodedPicture:
    """One picture of a film, in the order of decoding.

    Attributes:
        number: Its place in the order of showing, from 0.
        is_keyframe: Whether it can be decoded alone.
        data: The access unit.
    """

    number: int
    is_keyframe: bool
    data: bytes


def load(film: Film, folder: Path) -> list[CodedPicture]:
    """The pictures of `film` in the order of decoding, from `folder` or coded now and kept there."""
    path = folder / film.file_name()
    if not path.is_file():
        log.info("coding a minute of %dx%d at %d/s, once", film.width, film.height, film.fps)
        _write(path, list(_encode(film)))
    return _read(path)


def _write(path: Path, pictures: list[CodedPicture]) -> None:
    index = [[picture.number, picture.is_keyframe, len(picture.data)] for picture in pictures]
    with whole_file(path) as made, made.open("wb") as file:
        file.write(json.dumps(index).encode() + b"\n")
        file.writelines(picture.data for picture in pictures)


def _read(path: Path) -> list[CodedPicture]:
    with path.open("rb") as file:
        index = json.loads(file.readline())
        return [CodedPicture(number, is_keyframe, file.read(size)) for number, is_keyframe, size in index]


def _encode(film: Film) -> Iterator[CodedPicture]:
    period_ns = NS_PER_S // film.fps
    encoder = _ENCODERS[film.codec].format(
        kbps=film.bit_rate_kbps,
        bps=film.bit_rate_kbps * 1000,
        gop=round(film.keyframe_s * film.fps),
        bframes=film.bframes,
    )
    if film.bframes:
        encoder = encoder.replace("tune=zerolatency", "rc-lookahead=10")
    raw = f"video/x-raw,format=I420,width={film.width},height={film.height},framerate={film.fps}/1"
    scene = _scene(film)
    coder = Gst.parse_launch(
        f"appsrc name=in format=time block=true max-bytes=30000000 caps={raw.replace(' ', '')} ! {encoder} ! "
        "appsink name=out sync=false max-buffers=0"
    )
    feed, coded = coder.get_by_name("in"), coder.get_by_name("out")
    coder.set_state(Gst.State.PLAYING)
    for number in range(film.pictures):
        buffer = Gst.Buffer.new_wrapped(bytes(_drawn(film, number, scene)))
        buffer.pts, buffer.duration = number * period_ns, period_ns
        feed.emit("push-buffer", buffer)
    feed.emit("end-of-stream")
    first_ns: int | None = None
    while (sample := coded.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        first_ns = (
            buffer.pts if first_ns is None else first_ns
        )  # x264 begins an hour late, to have room for dts
        yield CodedPicture(
            round((buffer.pts - first_ns) / period_ns),
            not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT),
            buffer.extract_dup(0, buffer.get_size()),
        )
    coder.set_state(Gst.State.NULL)


def _scene(film: Film) -> bytes:
    """What stands still, as I420: a textured wall, for pictures without texture cost half as much to
    decode."""
    random = Random(_RECIPE)  # the same film everywhere
    stride, chroma_stride, chroma_lines = _strides(film)
    tile = [[max(-24, min(24, round(random.gauss(0, 9)))) for _ in range(_TILE)] for _ in range(_TILE)]
    rows = []
    for line in range(min(_TILE, film.height)):
        grain = tile[line]
        rows.append(
            bytes(60 + 110 * x // stride + grain[x % _TILE] // 2 + grain[x % 7] // 2 for x in range(stride))
        )
    luma = b"".join(rows[line % len(rows)] for line in range(film.height))
    planes = (
        bytes(128 + (x * 8 // chroma_stride - 4) * sign * 8 for x in range(chroma_stride)) for sign in (1, -1)
    )
    return luma + b"".join(plane * chroma_lines for plane in planes)


def _strides(film: Film) -> tuple[int, int, int]:
    """Bytes in a row of luma and of chroma, and rows of chroma: GStreamer pads I420's rows to multiples of
    four."""
    return (film.width + 3) // 4 * 4, ((film.width + 1) // 2 + 3) // 4 * 4, (film.height + 1) // 2


def _drawn(film: Film, number: int, scene: bytes) -> bytearray:
    """The scene with clock, block pattern, a moving square and some leaves in the wind."""
    picture = bytearray(scene)
    random = Random(number)
    stride, side = _strides(film)[0], film.width // _MARK_COLUMNS
    for line in range(film.height * 3 // 4, film.height - side):
        at = line * stride + film.width * 3 // 4
        picture[at : at + 4 * side] = bytes(96 + (grain >> 2) for grain in random.randbytes(4 * side))
    for bit in range(MARK_BITS):
        _fill(picture, film, (1 + bit) * side, side, side, side, 235 if number >> bit & 1 else 16)
    seconds = number / film.fps
    unit = max(1, film.width // 100)
    x, y = film.width // 10, film.height // 3
    _fill(picture, film, x - unit, y - unit, unit * 23, unit * 7, 16)
    for character in f"{seconds:05.2f}":
        for segment in "." if character == "." else _SEGMENTS[int(character)]:
            left, top, width, height = _SHAPES[segment]
            _fill(picture, film, x + left * unit, y + top * unit, width * unit, height * unit, 235)
        x += unit * (2 if character == "." else 4)
    travel = film.width - 4 * side
    _fill(
        picture,
        film,
        round(seconds * film.width / 4) % travel,
        film.height // 2 + 2 * side,
        2 * side,
        2 * side,
        235,
    )
    return picture


def _fill(picture: bytearray, film: Film, x: int, y: int, width: int, height: int, luma: int) -> None:
    stride = _strides(film)[0]
    row = bytes([luma]) * width
    for line in range(y, min(y + height, film.height)):
        picture[line * stride + x : line * stride + x + width] = row


def read_mark(luma: bytes, stride: int, width: int) -> int:
    """The number in the block pattern of a picture.

    Args:
        luma: The rows of the picture's luma plane, at least the upper ones.
        stride: Bytes from row to row.
        width: Pixels in a row; may be scaled, the pattern scales with it.
    """
    side = width / _MARK_COLUMNS
    row = round(side * 1.5) * stride
    return sum((luma[row + round(side * (1.5 + bit))] > 125) << bit for bit in range(MARK_BITS))
