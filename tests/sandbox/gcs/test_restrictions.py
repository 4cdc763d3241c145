"""What owners forbid, as Google's own client sees it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from sandbox.gcs.restrictions import Hold, Restrictions
from sandbox.gcs.server import BUCKET, EmbeddedGcs


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedGcs]:
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    with EmbeddedGcs(folder=tmp_path / "gcs") as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


@pytest.fixture
def bucket(gcs: EmbeddedGcs) -> Iterator[Any]:  # noqa: ARG001 - must run
    client = storage.Client(project="p", credentials=AnonymousCredentials())
    yield client.bucket(BUCKET)
    client.close()


def upload(bucket: Any, name: str, content: bytes, way: str = "multipart") -> None:
    if way == "multipart":
        bucket.blob(name).upload_from_string(content)
    else:
        bucket.blob(name).upload_from_file(io.BytesIO(content))


@pytest.mark.parametrize("way", ["multipart", "resumable"])
@pytest.mark.parametrize("kind", list(Hold))
def test_object_under_hold_is_not_replaced_and_another_is(
    gcs: EmbeddedGcs, bucket: Any, kind: Hold, way: str
) -> None:
    upload(bucket, "status/a.json", b"first")
    gcs.restrictions.hold("status/a.json", kind)
    with pytest.raises(Forbidden, match=f"under active {kind} hold"):
        upload(bucket, "status/a.json", b"second", way)
    upload(bucket, "status/b.json", b"first", way)
    assert gcs.content("status/a.json") == b"first"
    gcs.restrictions.lift()
    upload(bucket, "status/a.json", b"second", way)
    assert gcs.content("status/a.json") == b"second"


def test_retained_object_is_not_replaced_and_a_new_one_is_made(gcs: EmbeddedGcs, bucket: Any) -> None:
    upload(bucket, "a", b"first")
    gcs.restrictions.retain()
    with pytest.raises(Forbidden, match="retention policy"):
        upload(bucket, "a", b"second")
    upload(bucket, "b", b"first")


def test_names_that_nobody_may_write_are_refused(gcs: EmbeddedGcs, bucket: Any) -> None:
    gcs.restrictions.deny("gate/", "latest/")
    with pytest.raises(Forbidden, match=r"storage\.objects\.create"):
        upload(bucket, "gate/1.mp4", b"x")
    upload(bucket, "lobby/1.mp4", b"x")


@pytest.mark.parametrize(
    ("forbid", "error", "words"),
    [
        (Restrictions.requester_pays, BadRequest, "requester pays"),
        (Restrictions.disable_key, BadRequest, "is disabled"),
        (Restrictions.constrain, PreconditionFailed, "constraints/gcp"),
    ],
)
def test_what_forbids_every_write_forbids_a_new_object_too(
    gcs: EmbeddedGcs,
    bucket: Any,
    forbid: Callable[[Restrictions], None],
    error: type[GoogleAPICallError],
    words: str,
) -> None:
    forbid(gcs.restrictions)
    with pytest.raises(error, match=words):
        upload(bucket, "a", b"x")
    assert gcs.objects() == []
