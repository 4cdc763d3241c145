"""The embedded GCS as Google's own client sees it, and as tests misuse it."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from sandbox.aws.environment import REPOSITORY
from sandbox.gcs.faults import Fault, Kind
from sandbox.gcs.server import BUCKET, EmbeddedGcs

CONTENT = random.Random(3).randbytes(5 * 1024**2)


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


@pytest.mark.parametrize("way", ["multipart", "resumable"])
def test_insert_is_create_only_where_it_is_asked_to_be(gcs: EmbeddedGcs, bucket: Any, way: str) -> None:
    def upload(content: bytes, **condition: int) -> None:
        blob = bucket.blob("a/b.mp4")
        if way == "multipart":
            blob.upload_from_string(content, **condition)
        else:
            blob.upload_from_file(io.BytesIO(content), **condition)

    upload(CONTENT, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        upload(b"other", if_generation_match=0)
    assert gcs.content("a/b.mp4") == CONTENT
    upload(b"other")
    assert gcs.content("a/b.mp4") == b"other"


def test_what_came_before_a_reset_is_kept(gcs: EmbeddedGcs, bucket: Any) -> None:
    gcs.faults.inject(Fault(Kind.RESET, times=1, method="PUT"))
    bucket.blob("a", chunk_size=4 * 1024**2).upload_from_file(io.BytesIO(CONTENT), if_generation_match=0)
    assert gcs.content("a") == CONTENT


def test_every_third_request_fails_when_injected_and_none_when_healed(gcs: EmbeddedGcs, bucket: Any) -> None:
    gcs.faults.inject(Fault(Kind.STATUS, every=3, status=403))
    outcomes = []
    for number in range(6):
        try:
            bucket.blob(str(number)).upload_from_string(b"x")
            outcomes.append(True)
        except Exception:
            outcomes.append(False)
    assert outcomes == [True, True, False] * 2
    gcs.faults.heal()
    bucket.blob("healed").upload_from_string(b"x")


def test_objects_outlive_an_outage_and_a_new_start(tmp_path: Path, bucket: Any, gcs: EmbeddedGcs) -> None:
    bucket.blob("a").metadata = {"k": "v"}
    bucket.blob("a").upload_from_string(CONTENT)
    gcs.down()
    gcs.up()
    assert [blob.name for blob in bucket.list_blobs()] == ["a"]
    gcs.stop()
    with EmbeddedGcs(folder=tmp_path / "gcs") as again:
        assert again.content("a") == CONTENT


def test_traffic_is_counted_at_the_server(gcs: EmbeddedGcs, bucket: Any) -> None:
    bucket.blob("a").upload_from_string(CONTENT)
    assert gcs.traffic.total_bytes() >= len(CONTENT)
    assert gcs.traffic.most_bytes_in(3600) == gcs.traffic.total_bytes()
    assert [seen.bucket_object for seen in gcs.traffic.requests if seen.status == 200][:1]
    gcs.traffic.clear()
    assert gcs.traffic.requests == []


def test_runs_as_a_process_of_its_own(tmp_path: Path, free_port: int, eventually: Callable[..., Any]) -> None:
    command = [sys.executable, "-m", "sandbox.gcs", "--port", str(free_port), "--folder", str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{free_port}" in process.stdout.readline()
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/storage/v1/b/{BUCKET}") as answer:
                assert answer.status == 200
        finally:
            process.terminate()
        assert eventually(lambda: process.poll() is not None)
        assert process.returncode == 0
