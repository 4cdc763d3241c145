"""A folder as bucket that others may write too, such as a network disk. The contract has the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store_doubles import MemorySession, UnlimitedRate
from stranger import UID, Stranger

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.interface import ChunkUpload
from edgecam.bucket.local_folder import FileBucket
from edgecam.errors import StoreConflict, StoreRefused

NAME = "lobby/2026/chunk.mp4"


@pytest.fixture
def chunk(tmp_path: Path) -> Path:
    path = tmp_path / "chunk"
    path.write_bytes(b"chunk" * 1000)
    return path


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bucket; other users may write there."""
    path = tmp_path / "bucket"
    (path / NAME).parent.mkdir(parents=True)
    for each in (path, path / "lobby", (path / NAME).parent):
        each.chmod(0o777)
    return path


def put(folder: Path, chunk: Path) -> None:
    bucket = FileBucket(f"file://{folder}")
    crc32c, rate_limit = checksum.of_file(chunk), UnlimitedRate()
    upload = ChunkUpload(name=NAME, path=chunk, content_type="video/mp4", metadata={}, crc32c=crc32c)
    bucket.put_file(upload, rate_limit=rate_limit, session=MemorySession())
    bucket.put_bytes("lobby/2026/latest.jpg", b"picture", content_type="image/jpeg", rate_limit=rate_limit)


def test_nothing_is_written_through_a_link_under_a_temporary_name(
    folder: Path, chunk: Path, victim: Path
) -> None:
    for name in ("chunk.mp4", "chunk.mp4.json", "latest.jpg"):
        ((folder / NAME).parent / f".{name}.part").symlink_to(victim)
    put(folder, chunk)
    assert victim.read_text() == "precious"
    assert (folder / NAME).read_bytes() == chunk.read_bytes()
    assert ((folder / NAME).parent / "latest.jpg").read_bytes() == b"picture"
    assert not [path for path in folder.rglob("*") if path.is_symlink() or path.name.endswith(".part")]


@pytest.mark.parametrize("thing", ["link", "pipe", "endless"])
def test_what_is_no_file_under_the_name_of_an_object_is_a_conflict_and_holds_nobody_up(
    folder: Path, chunk: Path, victim: Path, thing: str
) -> None:
    if thing == "pipe":
        os.mkfifo(folder / NAME)
    else:
        (folder / NAME).symlink_to(victim if thing == "link" else "/dev/zero")
    with pytest.raises(StoreConflict, match="is there, and is no regular file"):
        put(folder, chunk)
    assert victim.read_text() == "precious"


def test_folder_that_somebody_else_took_in_a_folder_of_everybodys_is_refused(
    stranger: Stranger, chunk: Path
) -> None:
    stranger.takes_the_folder("lobby")
    with pytest.raises(StoreRefused, match=f"{stranger.folder} belongs to user {UID}"):
        put(stranger.folder, chunk)
    assert list((stranger.folder / "lobby").iterdir()) == []


def test_link_of_somebody_else_in_the_bucket_is_not_followed(
    folder: Path, chunk: Path, stranger: Stranger, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    stranger.folder.mkdir()
    stranger.folder.chmod(0o777)
    stranger.links("lobby", tmp_path / "elsewhere")
    with pytest.raises(StoreRefused, match=f"is a link of user {UID}"):
        put(stranger.folder, chunk)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert folder.exists()
