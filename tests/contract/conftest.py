"""The buckets under contract: each behind the same handle, so that a test does not know which it has."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from store_doubles import MemorySession, UnlimitedRate

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.interface import Bucket
from edgecam.bucket.open import open_bucket
from edgecam.bucket.s3 import WHOLE_CHECKSUM
from edgecam.clock import SystemClock
from edgecam.config.storage import Google, Upload
from sandbox.aws.server import EmbeddedAws
from sandbox.gcs.server import BUCKET, EmbeddedGcs
from sandbox.ports import free_port

PART_BYTES = 8 * 1024**2
STALL_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Found:
    """An object as the store itself shows it."""

    content: bytes
    content_type: str
    metadata: dict[str, str]


class Place(Protocol):
    """One kind of bucket, and a look behind it."""

    uri: str

    def look(self, name: str) -> Found | None:
        """The object `name` below the bucket's prefix."""


class Places:
    """Opens buckets, and closes them at the end of the test."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._open: list[Bucket] = []

    def open(self, uri: str | None = None) -> Bucket:
        """A bucket as a freshly started node would have it."""
        upload = Upload(part_bytes=PART_BYTES, stall_timeout_s=STALL_TIMEOUT_S)
        bucket = open_bucket(uri or self.place.uri, Google(), upload, clock=SystemClock())
        self._open.append(bucket)
        return bucket

    def close(self) -> None:
        for bucket in self._open:
            bucket.close()


class GsPlace:
    """`gs://` against the embedded GCS."""

    def __init__(self, gcs: EmbeddedGcs) -> None:
        self.uri = f"gs://{BUCKET}/site-7"
        self._gcs = gcs

    def look(self, name: str) -> Found | None:
        for stored in self._gcs.objects(f"site-7/{name}"):
            return Found(self._gcs.content(stored.name), stored.content_type, stored.metadata)
        return None


class S3Place:
    """`s3://` against the embedded AWS."""

    def __init__(self, aws: EmbeddedAws, bucket: str) -> None:
        self.uri = f"s3://{bucket}/site-7"
        self._bucket = bucket
        self._client = aws.client("s3")
        self._client.create_bucket(Bucket=bucket)

    def look(self, name: str) -> Found | None:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=f"site-7/{name}")
        except self._client.exceptions.NoSuchKey:
            return None
        # What the bucket itself keeps there is not the chunk's.
        metadata = {name: value for name, value in answer["Metadata"].items() if name != WHOLE_CHECKSUM}
        return Found(answer["Body"].read(), answer["ContentType"], metadata)


class FilePlace:
    """`file://` on a folder."""

    def __init__(self, folder: Path) -> None:
        self.uri = f"file://{folder}/site-7"
        self._folder = folder / "site-7"

    def look(self, name: str) -> Found | None:
        path = self._folder / name
        if not path.exists():
            return None
        sidecar = path.with_name(f"{path.name}.json")
        described = json.loads(sidecar.read_text()) if sidecar.exists() else {}
        return Found(path.read_bytes(), described.get("content_type", ""), described.get("metadata", {}))


@pytest.fixture
def embedded_gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedGcs]:
    """A running embedded GCS that `gs://` is pointed to."""
    with EmbeddedGcs(folder=tmp_path / "gcs") as gcs:
        for name, value in gcs.environment().items():
            monkeypatch.setenv(name, value)
        yield gcs


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """A running embedded AWS."""
    with EmbeddedAws(port=free_port(), folder=tmp_path_factory.mktemp("embedded-aws")) as aws:
        yield aws


@pytest.fixture(params=["gs", "s3", "file"])
def places(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Places]:
    """Each kind of bucket in turn."""
    place: Place
    if request.param == "gs":
        place = GsPlace(request.getfixturevalue("embedded_gcs"))
    elif request.param == "s3":
        aws: EmbeddedAws = request.getfixturevalue("embedded_aws")
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        place = S3Place(aws, f"b{checksum.of_bytes(str(tmp_path).encode())}-{threading.get_native_id()}")
    else:
        place = FilePlace(tmp_path / "bucket")
        (tmp_path / "bucket").mkdir()
    opened = Places(place)
    yield opened
    opened.close()


@pytest.fixture
def bucket(places: Places) -> Bucket:
    """A bucket of each kind in turn."""
    return places.open()


@pytest.fixture
def rate_limit() -> UnlimitedRate:
    """See `UnlimitedRate`."""
    return UnlimitedRate()


@pytest.fixture
def session() -> MemorySession:
    """See `MemorySession`."""
    return MemorySession()
