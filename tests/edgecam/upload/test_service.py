"""Spool, bucket and uploads together, as the node starts and stops them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecam.clock import SystemClock
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.errors import SpoolError
from edgecam.upload.service import UploadService
from sandbox.faults.harness import NoCameras
from sandbox.faults.synthetic_camera import SyntheticCamera

Eventually = Callable[..., Any]
STOP_S = 2.0


def uploading(folder: Path, bucket: str | None = None, **parts: Any) -> UploadService:
    document = {
        "cameras": [{"id": "lobby", "uri": "rtsp://127.0.0.1/", "recording": {"enabled": True}}],
        "bucket": bucket or f"file://{folder}/bucket",
        "spool": {"path": str(folder / "spool"), "keep_free_bytes": 0},
        **parts,
    }
    return UploadService(validate(NodeConfig, document, name="test"), clock=SystemClock())


def record(to: UploadService, count: int) -> None:
    camera = SyntheticCamera("lobby", sink=to.chunks, clock=SystemClock(), period_s=1, chunk_bytes=1000)
    for number in range(count):
        camera.record(number)


def waiting(it: UploadService) -> int:
    return sum(each.waiting_chunks for each in it.spool_report().cameras.values())


def test_what_is_finished_before_the_end_is_sent_before_the_end(tmp_path: Path) -> None:
    it = uploading(tmp_path)
    it.open()
    it.start(NoCameras())
    record(it, 5)
    it.stop(STOP_S)
    assert waiting(it) == 0
    assert it.upload_report().stored_chunks_total == {"lobby": 5}
    assert len(list((tmp_path / "bucket").rglob("*ms.mp4"))) == 5


def test_an_upload_under_way_goes_by_a_limit_that_is_raised(tmp_path: Path, eventually: Eventually) -> None:
    it = uploading(tmp_path, upload={"max_bytes_per_s": 4096})
    it.open()
    it.start(NoCameras())
    camera = SyntheticCamera("lobby", sink=it.chunks, clock=SystemClock(), period_s=1, chunk_bytes=4_000_000)
    camera.record(0)
    eventually(lambda: list((tmp_path / "bucket").rglob("*.part")))
    it.limit(max_requests_per_s=20, max_bytes_per_s=100_000_000)
    eventually(lambda: waiting(it) == 0)
    it.stop(STOP_S)


def test_what_an_earlier_run_has_left_is_sent_by_the_next(tmp_path: Path, eventually: Eventually) -> None:
    earlier = uploading(tmp_path)
    earlier.open()
    record(earlier, 3)
    earlier.stop(STOP_S)
    it = uploading(tmp_path)
    it.open()
    assert waiting(it) == 3
    it.start(NoCameras())
    eventually(lambda: waiting(it) == 0)
    it.stop(STOP_S)


def test_a_store_that_is_away_does_not_hold_the_end_and_the_chunks_stay(
    tmp_path: Path, eventually: Eventually
) -> None:
    it = uploading(tmp_path, bucket=f"file://{tmp_path}/not/mounted")
    it.open()
    it.start(NoCameras())
    record(it, 3)
    eventually(lambda: it.upload_report().reason == "unavailable")
    begun_s = time.monotonic()
    it.stop(STOP_S)
    assert time.monotonic() - begun_s < 2 * STOP_S
    assert waiting(it) == 3
    assert "mounted" in str(it.upload_report().message)


def test_a_second_node_on_the_same_spool_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    first, second = uploading(tmp_path), uploading(tmp_path)
    first.open()
    with pytest.raises(SpoolError, match="only node"):
        second.open()
    first.stop(STOP_S)
    second.open()
    second.stop(STOP_S)


def test_without_a_bucket_there_is_nothing_to_put_together() -> None:
    config = validate(NodeConfig, json.loads('{"cameras": [{"id": "c", "uri": "test://"}]}'), name="test")
    with pytest.raises(ValueError, match="bucket"):
        UploadService(config)
