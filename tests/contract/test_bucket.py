"""What every bucket promises, whichever it is."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest
from store_doubles import UnlimitedRate

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.interface import Bucket, ChunkUpload, Receipt
from edgecam.errors import ChunkDamaged, StoreConflict, StoreError, StoreUnavailable

MB = 1024**2
NAME = "lobby/2026/01/31/20260131T120000.000Z_10000ms.mp4"
METADATA = {"camera": "lobby", "start": "2026-01-31T12:00:00.000Z", "duration_ms": "10000", "codec": "h264"}


def chunk(folder: Path, size_bytes: int, seed: int = 7) -> Path:
    """A file of random content."""
    path = folder / f"chunk-{size_bytes}-{seed}"
    path.write_bytes(random.Random(seed).randbytes(size_bytes))
    return path


def put(
    bucket: Bucket, path: Path, rate_limit: Any, session: Any, name: str = NAME, crc32c: str | None = None
) -> Receipt:
    """Store a chunk as an upload does."""
    crc32c = crc32c or checksum.of_file(path)
    upload = ChunkUpload(name=name, path=path, content_type="video/mp4", metadata=METADATA, crc32c=crc32c)
    return bucket.put_file(upload, rate_limit=rate_limit, session=session)


@pytest.mark.parametrize("size_bytes", [1, 256 * 1024 + 1, 5 * MB, 20 * MB])
def test_what_was_stored_is_there_with_type_and_metadata(
    places: Any, bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any, size_bytes: int
) -> None:
    path = chunk(tmp_path, size_bytes)
    receipt = put(bucket, path, rate_limit, session)
    assert (receipt.name, receipt.size_bytes, receipt.existed) == (NAME, size_bytes, False)
    assert receipt.crc32c == checksum.of_file(path)
    assert receipt.generation
    found = places.place.look(NAME)
    assert found.content == path.read_bytes()
    assert found.content_type == "video/mp4"
    assert found.metadata == METADATA


def test_rate_limit_is_asked_before_requests_and_pieces(
    bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    path = chunk(tmp_path, 20 * MB)
    put(bucket, path, rate_limit, session)
    assert rate_limit.requests >= 1
    assert max(rate_limit.sent) <= 256 * 1024
    assert 20 * MB <= sum(rate_limit.sent) < 20.1 * MB


def test_storing_the_same_again_is_done_already(
    bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    path = chunk(tmp_path, MB)
    first = put(bucket, path, rate_limit, session)
    again = put(bucket, path, rate_limit, session)
    assert again.existed
    assert (again.crc32c, again.size_bytes) == (first.crc32c, first.size_bytes)


def test_storing_the_same_large_chunk_again_is_done_already(
    bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    path = chunk(tmp_path, 17 * MB)
    put(bucket, path, rate_limit, session)
    assert put(bucket, path, rate_limit, session).existed
    assert session.text is None


@pytest.mark.parametrize("size_bytes", [MB, 17 * MB])
def test_other_content_of_the_same_name_is_a_conflict_and_changes_nothing(
    places: Any, bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any, size_bytes: int
) -> None:
    put(bucket, first := chunk(tmp_path, size_bytes), rate_limit, session)
    with pytest.raises(StoreConflict, match=r"expected crc32c \w+, found") as caught:
        put(bucket, chunk(tmp_path, size_bytes, seed=8), rate_limit, session)
    assert NAME in str(caught.value)
    assert places.place.look(NAME).content == first.read_bytes()


@pytest.mark.parametrize("size_bytes", [MB, 17 * MB])
def test_damaged_file_is_not_stored(
    places: Any, bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any, size_bytes: int
) -> None:
    path = chunk(tmp_path, size_bytes)
    with pytest.raises(ChunkDamaged, match="crc32c"):
        put(bucket, path, rate_limit, session, crc32c="0badc0de")
    assert places.place.look(NAME) is None


def test_missing_file_is_damage_and_not_the_stores_fault(
    bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    with pytest.raises(ChunkDamaged, match="No such file"):
        put(bucket, tmp_path / "absent", rate_limit, session, crc32c="00000000")


def test_two_at_a_time_make_one_object(
    places: Any, bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    paths = [chunk(tmp_path, 2 * MB, seed) for seed in (1, 2)]
    outcomes: list[object] = []

    def store(path: Path) -> None:
        try:
            outcomes.append(put(bucket, path, rate_limit, type(session)()))
        except StoreError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=store, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(outcome) for outcome in outcomes} == {Receipt, StoreConflict}
    receipt = next(outcome for outcome in outcomes if isinstance(outcome, Receipt))
    assert checksum.of_bytes(places.place.look(NAME).content) == receipt.crc32c


def test_bytes_replace_what_stands_there(places: Any, bucket: Bucket, rate_limit: Any) -> None:
    for content in (b"{}", b"x" * (600 * 1024), b'{"state": "connected"}'):
        bucket.put_bytes("status/lobby.json", content, content_type="application/json", rate_limit=rate_limit)
        assert places.place.look("status/lobby.json").content == content
    assert max(rate_limit.sent) <= 256 * 1024


def test_bucket_without_prefix_stores_at_its_top(
    places: Any, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    bucket = places.open(places.place.uri.removesuffix("/site-7"))
    receipt = put(bucket, chunk(tmp_path, 10), rate_limit, session, name=f"site-7/{NAME}")
    assert receipt.name == f"site-7/{NAME}"
    assert len(places.place.look(NAME).content) == 10


class ChangingRate(UnlimitedRate):
    """The rate is changed before each piece."""

    @property
    def piece_bytes(self) -> int:
        return (1024, 256 * 1024, 100_000, 7)[len(self.sent) % 4]

    @piece_bytes.setter
    def piece_bytes(self, _value: int) -> None:
        """As the field of a `UnlimitedRate`."""


def test_content_is_whole_however_the_rate_changes_meanwhile(
    places: Any, bucket: Bucket, tmp_path: Path, session: Any
) -> None:
    path = chunk(tmp_path, 3 * MB)
    put(bucket, path, ChangingRate(), session)
    assert places.place.look(NAME).content == path.read_bytes()


class Interrupted(StoreUnavailable):
    """The node is ending."""


class EndingRate:
    """Lets a number of bytes pass, then the node ends."""

    piece_bytes = 256 * 1024

    def __init__(self, size_bytes: int) -> None:
        self.left = size_bytes

    def request(self) -> None:
        """May be made."""

    def send(self, size_bytes: int) -> None:
        self.left -= size_bytes
        if self.left < 0:
            raise Interrupted("the node is ending")


def test_what_the_rate_limit_raises_ends_the_upload_and_nothing_is_stored(
    places: Any, bucket: Bucket, tmp_path: Path, session: Any
) -> None:
    with pytest.raises(Interrupted):
        put(bucket, chunk(tmp_path, 5 * MB), EndingRate(2 * MB), session)
    assert places.place.look(NAME) is None


def test_upload_goes_on_after_a_restart(
    places: Any, bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    path = chunk(tmp_path, 20 * MB)
    with pytest.raises(Interrupted):
        put(bucket, path, EndingRate(13 * MB), session)
    assert places.place.look(NAME) is None
    put(places.open(), path, rate_limit, session)
    assert places.place.look(NAME).content == path.read_bytes()
    if session.saved:  # a folder begins again
        assert sum(rate_limit.sent) < 14 * MB
        assert len(session.saved) >= 1
        assert session.text is None


def test_session_of_another_content_is_not_continued(
    places: Any, bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    with pytest.raises(Interrupted):
        put(bucket, chunk(tmp_path, 20 * MB), EndingRate(13 * MB), session)
    other = chunk(tmp_path, 20 * MB, seed=9)
    put(bucket, other, rate_limit, session)
    assert places.place.look(NAME).content == other.read_bytes()


def test_session_that_cannot_be_read_is_forgotten(
    places: Any, bucket: Bucket, tmp_path: Path, rate_limit: Any, session: Any
) -> None:
    session.text = "\x00 half a line"
    put(bucket, path := chunk(tmp_path, 17 * MB), rate_limit, session)
    assert places.place.look(NAME).content == path.read_bytes()
