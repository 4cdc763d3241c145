"""Flow control and fairness, measured where they count: at the server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults.harness import Harness
from sandbox.faults.synthetic_camera import SyntheticCamera
from sandbox.gcs.traffic import Seen

Eventually = Callable[..., Any]

MB = 1_000_000
ONE_PIECE = 256 * 1024


def stored(harness: Harness) -> list[Seen]:
    """The requests that stored a chunk, in order."""
    return [seen for seen in harness.gcs.traffic.requests if seen.status == 200 and seen.bucket_object]


def camera_of(seen: Seen) -> str:
    return seen.bucket_object.split("/")[1]


def recorded(harness: Harness, name: str, *, count: int, chunk_bytes: int, first: int = 0) -> None:
    """`count` chunks of a camera, at once."""
    camera = SyntheticCamera(
        name, sink=harness.sink, clock=harness.clock, period_s=1, chunk_bytes=chunk_bytes
    )
    for number in range(first, first + count):
        camera.record(number)


def all_sent(harness: Harness) -> Callable[[], bool]:
    return lambda: harness.waiting == 0


def test_requests_keep_to_their_rate_without_bursts(tmp_path: Path) -> None:
    upload = {"max_requests_per_s": 15, "concurrency": 8}
    with Harness(tmp_path, synthetic=4, period_s=0.1, chunk_bytes=2000, upload=upload) as harness:
        harness.pause(4)
        requests = harness.gcs.traffic.requests
        rate = (len(requests) - 1) / (requests[-1].at_s - requests[0].at_s)
        assert rate == pytest.approx(15, rel=0.15)
        assert harness.gcs.traffic.most_requests_in(1.0) <= 15 * 1.1 + 2
        assert harness.gcs.traffic.most_requests_in(0.25) <= 15 * 0.35 + 2
        harness.settled("requests")


def test_bytes_keep_to_their_rate_without_bursts(tmp_path: Path, eventually: Eventually) -> None:
    upload = {"max_bytes_per_s": 4 * MB, "concurrency": 4}
    with Harness(tmp_path, synthetic=0, upload=upload) as harness:
        begun_s = time.monotonic()
        for name in ("a", "b", "c"):
            recorded(harness, name, count=5, chunk_bytes=MB)
        eventually(all_sent(harness))
        took_s = time.monotonic() - begun_s
        total = harness.gcs.traffic.total_bytes()
        assert total / took_s <= 1.1 * 4 * MB
        assert total / took_s >= 0.7 * 4 * MB
        # Beyond the tenth that may be saved up: what was on its way when the second began.
        assert harness.gcs.traffic.most_bytes_in(1.0) <= 1.1 * 4 * MB + 4 * ONE_PIECE


def test_cameras_get_equal_shares_of_a_narrow_link_whatever_their_chunks_weigh(
    tmp_path: Path, eventually: Eventually
) -> None:
    with Harness(tmp_path, synthetic=0, upload={"max_bytes_per_s": 8 * MB, "concurrency": 2}) as harness:
        harness.gcs.down()
        recorded(harness, "heavy", count=10, chunk_bytes=800_000)
        for name in ("light", "slim"):
            recorded(harness, name, count=40, chunk_bytes=200_000)
        harness.gcs.up()
        eventually(all_sent(harness))
        sent: Counter[str] = Counter()
        for seen in stored(harness)[:45]:  # until then all three have something to send
            sent[camera_of(seen)] += seen.size_bytes
        assert max(sent.values()) - min(sent.values()) <= 2 * 880_000


def test_after_an_outage_what_happens_now_is_stored_before_the_backlog(
    tmp_path: Path, eventually: Eventually
) -> None:
    upload = {"max_bytes_per_s": 3 * MB, "concurrency": 1, "backlog_share": 0.25}
    with Harness(tmp_path, synthetic=0, upload=upload) as harness:
        harness.gcs.down()
        recorded(harness, "lobby", count=40, chunk_bytes=200_000)
        harness.gcs.up()
        eventually(lambda: len(stored(harness)) >= 4)
        recorded(harness, "lobby", count=4, chunk_bytes=200_000, first=1000)
        backlog = len(stored(harness))
        eventually(all_sent(harness))
        names = [seen.bucket_object for seen in stored(harness)]
        newest, oldest = sorted(names)[-4:], sorted(names)[:10]
        live = [names.index(name) for name in newest]
        assert max(live) <= backlog + 10, "live chunks waited behind the backlog"
        assert sum(name in oldest for name in names[:24]) >= 4, "the backlog had no share"


def test_oldest_first_sends_in_the_order_of_recording(tmp_path: Path, eventually: Eventually) -> None:
    upload = {"order": "oldest", "concurrency": 1, "max_requests_per_s": 10}
    with Harness(tmp_path, synthetic=0, upload=upload) as harness:
        recorded(harness, "lobby", count=20, chunk_bytes=2000)
        eventually(all_sent(harness))
        names = [seen.bucket_object for seen in stored(harness)]
        assert names == sorted(names)


def test_a_narrow_link_carries_no_more_than_its_second_either(tmp_path: Path, eventually: Eventually) -> None:
    with Harness(tmp_path, synthetic=0, upload={"max_bytes_per_s": 64_000}) as harness:
        recorded(harness, "lobby", count=1, chunk_bytes=200_000)
        eventually(all_sent(harness))
        assert harness.gcs.traffic.most_bytes_in(1.0) <= 1.1 * 64_000 + 2 * 16_000
