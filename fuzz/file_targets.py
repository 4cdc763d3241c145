"""Files on the core's own disk: chunks that were cut short or damaged, and names in the spool."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from edgecam.chunk import Chunk
from edgecam.clock import SystemClock
from edgecam.codecs.jpeg import size_of
from edgecam.codecs.picture_size import TooManyUnits, sizes_in_head, sizes_in_stream
from edgecam.codecs.video import H264, H265
from edgecam.config.recording import ChunkFormat
from edgecam.config.storage import Spool as SpoolSettings
from edgecam.errors import SpoolError
from edgecam.formats.repair import repair
from edgecam.spool.names import incoming_chunk, incoming_name, kept_name
from edgecam.spool.spool import Spool
from fuzz.mutations import edited, edits, mutated
from fuzz.seeds import chunk_seeds
from fuzz.target import MB, Subject, Target
from fuzz.text_targets import Reader

CHUNK = Chunk(
    camera_id="lobby",
    start=datetime(2026, 1, 1, 12, tzinfo=UTC),
    duration_ms=10_000,
    format=ChunkFormat.MP4,
    codec="h264",
    width=1920,
    height=1080,
    gap_before_ms=0,
)
CONTENT = b"a chunk, as far as the spool is concerned"
_LONGEST_NAME = 255


@contextmanager
def _chunks(folder: Path) -> Iterator[Subject]:
    """What is saved is within the file, and saving it once more changes nothing."""
    path = folder / "chunk"

    def read(data: bytes) -> None:
        for form in ChunkFormat:
            path.write_bytes(data)
            try:
                saved = repair(path, form)
            except SpoolError:
                continue
            if saved is None:
                assert path.read_bytes() == data, "what cannot be saved is left as it was"
                continue
            assert saved.duration_ms >= 1
            assert saved.pictures >= 1
            assert saved.size_bytes == path.stat().st_size <= len(data)
            repaired = path.read_bytes()
            assert repair(path, form) == saved, "the next start finds what this one found"
            assert path.read_bytes() == repaired
        size_of(data)
        _read_pictures(data)

    yield Reader(read)


def _read_pictures(data: bytes) -> None:
    """As if a camera had sent these bytes for a picture."""
    for codec in (H264, H265):
        list(sizes_in_head(codec, data))
        for has_lengths in (False, True):
            with contextlib.suppress(TooManyUnits):
                list(sizes_in_stream(codec, data, has_lengths=has_lengths))


@contextmanager
def _names(folder: Path) -> Iterator[Subject]:
    """A file with an odd name takes nothing from a chunk that is well."""
    yield _OddNames(folder / "spool")


class _OddNames:
    def __init__(self, folder: Path) -> None:
        self.pid = os.getpid()
        self._folder = folder
        self._good = folder / "lobby" / kept_name(CHUNK, len(CONTENT), "11223344")
        for name in (".incoming", ".quarantine/lobby", "lobby"):
            (folder / name).mkdir(parents=True)

    def check(self, inputs: Sequence[bytes]) -> None:
        """Its own file lies beside the good one, in each of the spool's folders in turns."""
        for data in inputs:
            for place in ("lobby", ".incoming", ".quarantine/lobby", "."):
                self._check(data, self._folder / place)

    def _check(self, name: bytes, folder: Path) -> None:
        incoming_chunk(os.fsdecode(name))
        path = folder / os.fsdecode(name)
        if path == self._good or path.exists():
            return  # one of the spool's own
        self._good.write_bytes(CONTENT)
        path.write_bytes(CONTENT)
        settings = SpoolSettings(path=str(self._folder), max_bytes=16 * MB, keep_free_bytes=0)
        spool = Spool(settings, clock=SystemClock(), recover=lambda _path, _form: None)
        try:
            spool.open()
            report = spool.report().cameras.get("lobby")
            assert report is not None
            assert report.waiting_chunks >= 1
            assert report.evicted_chunks_total == 0
            assert self._good.exists()
        finally:
            spool.close()
            self._clear()

    def _clear(self) -> None:
        for path in self._folder.rglob("*"):
            if not path.is_dir():
                path.unlink()


def _files() -> SearchStrategy[bytes]:
    return mutated(chunk_seeds())


def _file_names() -> SearchStrategy[bytes]:
    right = [
        kept_name(CHUNK, len(CONTENT), "55667788"),
        kept_name(CHUNK, 10**14, "55667788"),
        incoming_name(CHUNK, 1),
        f"{kept_name(CHUNK, len(CONTENT), '55667788')}.session",
    ]
    shape = st.from_regex(
        r"\d{8}T\d{6}\.\d{3}Z_\d{1,15}ms,codec=h264,edgecam_version=1,height=\d{1,9},recovered=false,width=\d{1,9}"
        r"(,gap_before_ms=-?\d{1,15})?,size=\d{1,15},crc32c=[0-9a-f]{8}\.(mp4|ts)",
        fullmatch=True,
    )
    near = st.builds(edited, st.sampled_from([name.encode() for name in right]), edits(most=4))
    names = st.one_of(
        near, shape.map(str.encode), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    return names.map(_as_name).filter(lambda name: name not in (b"", b".", b".."))


def _as_name(data: bytes) -> bytes:
    """What a file may be called."""
    return data.replace(b"/", b"_").replace(b"\0", b"_")[:_LONGEST_NAME]


CHUNKS = Target("chunks", _files, _chunks)
NAMES = Target(
    "spool-names", _file_names, _names, known=lambda: (kept_name(CHUNK, 10**14, "55667788").encode(),)
)
