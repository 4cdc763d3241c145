"""What is written into the bucket beside the chunks."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edgecam import __version__
from edgecam.bucket.interface import ChunkUpload, RateLimit, Receipt
from edgecam.config.storage import Latest, StatusObjects
from edgecam.errors import ObjectRefused, StoreError, StoreRefused, StoreUnavailable
from edgecam.redaction import SECRETS
from edgecam.status.reports import (
    CameraReport,
    CameraState,
    DecodeMode,
    FrameInfo,
    RecordingReport,
    SpooledReport,
    SpoolReport,
    UploadReport,
)
from edgecam.upload.publisher import Publisher
from edgecam.upload.rate_limit import RateLimiter
from edgecam.upload.refused import RefusedObjects
from sandbox.clocks import BEGINNING, ManualClock

JPEG = b"\xff\xd8 a picture \xff\xd9"


@dataclass
class Written:
    name: str
    content: bytes
    content_type: str
    at_s: float


@dataclass
class RecordingBucket:
    """Remembers what is put, and when; refuses with `error` while there is one."""

    clock: ManualClock
    uri: str = "file:///nowhere"
    puts: list[Written] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    tries: int = 0
    error: StoreError | None = None
    refused: dict[str, StoreError] = field(default_factory=dict)
    takes_s: float = 0.0

    def put_bytes(self, name: str, content: bytes, *, content_type: str, rate_limit: RateLimit) -> None:
        self.tries += 1
        rate_limit.request()
        rate_limit.send(len(content))
        self.clock.advance(self.takes_s)
        if error := self.refused.get(name, self.error):
            self.refusals.append(self.clock.monotonic_s())
            raise error
        self.puts.append(Written(name, content, content_type, self.clock.monotonic_s()))

    def put_file(self, upload: ChunkUpload, **_: Any) -> Receipt:
        raise AssertionError(f"{upload.name}: expected no chunk, found {upload.path}")

    def close(self) -> None:
        """Nothing is open."""

    def of(self, name: str) -> list[Written]:
        return [put for put in self.puts if put.name == name]


class Watched(ManualClock):
    """A clock on which a node happens: after each second `each_second` is called; ends after `ends_s`."""

    def __init__(self) -> None:
        super().__init__()
        self.ends_s = 0.0
        self.over = threading.Event()
        self.each_second: dict[int, Any] = {}

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        for second in [at for at in self.each_second if at <= self.monotonic_s() + timeout_s]:
            self.each_second.pop(second)()
        if self.monotonic_s() >= self.ends_s and not self.over.is_set():
            self.over.set()
            return event.wait(20)
        return super().wait(event, timeout_s)


@dataclass
class Node:
    """A node with one camera, and others that do the same."""

    folder: Path
    clock: Watched
    bucket: RecordingBucket
    report: CameraReport
    upload: UploadReport = field(default_factory=lambda: UploadReport({"lobby": 7}, {}, 3, None, None))
    latest: Latest = field(default_factory=lambda: Latest(every_s=5))
    status: StatusObjects = field(default_factory=lambda: StatusObjects(every_s=60))
    stop_s: float = 4.0
    asked_at: tuple[int, ...] = ()
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.refused = RefusedObjects(self.clock)

    def new_picture(self, content: bytes = JPEG) -> None:
        self.folder.joinpath("frame.jpg").write_bytes(content)
        frame = self.report.frame
        sequence = frame.sequence + 1 if frame else 1
        self.report = replace(
            self.report, frame=FrameInfo(BEGINNING, sequence, 64, 48, len(content)), frame_age_s=0.1
        )

    def reports(self) -> tuple[CameraReport, ...]:
        """As a node with 25 pictures a second would: each time there is a new one."""
        if self.report.frame is not None:
            self.report = replace(
                self.report, frame=replace(self.report.frame, sequence=self.report.frame.sequence + 1)
            )
        return (self.report, *(replace(self.report, camera_id=each) for each in self.others))

    def run(self, until_s: float) -> None:
        """Publish until then, and stop."""
        spool = SpoolReport({"lobby": SpooledReport(2, 2000, BEGINNING, 1, 1, 0)}, 3000, 10_000, 99, False)
        publisher = Publisher(
            self.bucket,
            RateLimiter(requests_per_s=1000, bytes_per_s=10**9, clock=ManualClock()),
            latest=self.latest,
            status=self.status,
            reports=self.reports,
            frame_path=lambda _: self.folder / "frame.jpg",
            spool_report=lambda: spool,
            upload_report=lambda: self.upload,
            refused=self.refused,
            clock=self.clock,
        )
        for second in self.asked_at:
            self.clock.each_second[second] = lambda: publisher.publish_now("lobby")
        self.clock.ends_s = until_s
        publisher.start()
        if self.latest.enabled or self.status.enabled:
            assert self.clock.over.wait(20)
        publisher.stop(self.stop_s)
        for thread in [thread for thread in threading.enumerate() if thread.name == "publish"]:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    clock = Watched()
    report = CameraReport(
        camera_id="lobby",
        address="rtsp://10.0.0.9/lobby",
        state=CameraState.CONNECTED,
        since=BEGINNING,
        reason=None,
        message=None,
        frame=None,
        frame_age_s=None,
        stale_after_s=5,
        decode_mode=DecodeMode.KEYFRAMES,
        frames_total=0,
        reconnects_total=0,
        received_bytes_total=0,
        recording=RecordingReport(9, 9000, 0, None),
    )
    return Node(tmp_path, clock, RecordingBucket(clock), report)  # type: ignore[return-value]


def parsed(written: Written) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(written.content)
    return content


def test_the_newest_picture_is_written_as_it_is_at_most_every_so_often(node: Node) -> None:
    node.new_picture()
    node.run(until_s=20)
    written = node.bucket.of("latest/lobby.jpg")
    assert {(each.content, each.content_type) for each in written} == {(JPEG, "image/jpeg")}
    gaps = [after.at_s - before.at_s for before, after in itertools.pairwise(written)]
    assert len(gaps) >= 3
    assert all(5 <= gap <= 5.5 for gap in gaps)


def test_a_picture_asked_for_is_written_at_once_but_no_object_more_than_once_a_second(node: Node) -> None:
    node.new_picture()
    node.latest = Latest(every_s=3600)
    node.asked_at = (20, 21, 22, 40)
    node.run(until_s=60)
    times = [each.at_s for each in node.bucket.of("latest/lobby.jpg")]
    assert times[0] == 0
    assert len(times) == 5
    assert all(after - before >= 1 for before, after in itertools.pairwise(times))
    assert all(abs(at_s - asked_s) <= 1.5 for at_s, asked_s in zip(times[1:], node.asked_at, strict=True))


def test_a_stale_picture_is_not_written_again(node: Node) -> None:
    node.new_picture()
    node.report = replace(node.report, frame_age_s=6.0)
    node.run(until_s=20)
    assert node.bucket.of("latest/lobby.jpg") == []


def test_what_is_no_picture_is_not_written(node: Node) -> None:
    node.new_picture(b"torn")
    node.run(until_s=20)
    assert node.bucket.of("latest/lobby.jpg") == []


def test_the_status_says_how_camera_recording_and_storage_are(node: Node) -> None:
    node.new_picture()
    node.run(until_s=1)
    written = node.bucket.of("status/lobby.json")[0]
    assert written.content_type == "application/json"
    status = parsed(written)
    assert status["id"] == "lobby"
    assert (status["state"], status["since"]) == ("connected", "2026-03-01T12:00:00.000Z")
    assert status["recording"]["chunks_recorded"] == 9
    assert (status["recording"]["chunks_stored"], status["recording"]["chunks_waiting"]) == (7, 2)
    assert status["recording"]["chunks_lost"] == 1
    assert status["storage"]["spool_bytes"] == 3000
    assert (status["edgecam_version"], status["every_s"]) == (__version__, 60)
    assert status["written_at"] == "2026-03-01T12:00:00.000Z"


def test_a_change_is_written_at_once_but_no_object_more_than_once_a_second(node: Node) -> None:
    node.latest = Latest(enabled=False)

    def flap() -> None:
        node.report = replace(node.report, since=node.report.since + timedelta(seconds=1))

    node.clock.each_second = dict.fromkeys((10, 30, 31, 32), flap)
    node.run(until_s=40)
    times = [each.at_s for each in node.bucket.of("status/lobby.json")]
    assert times[0] == 0
    assert 9.5 <= times[1] <= 10.5
    assert all(after - before >= 1 for before, after in itertools.pairwise(times))
    assert len(times) == 6  # the first, four changes, the last words


def test_a_status_is_renewed_when_nothing_changes(node: Node) -> None:
    node.latest = Latest(enabled=False)
    node.run(until_s=130)
    times = [each.at_s for each in node.bucket.of("status/lobby.json")]
    assert times == [0, 60, 120, 130]


def test_the_last_words_are_disconnected(node: Node) -> None:
    node.run(until_s=10)
    last = parsed(node.bucket.of("status/lobby.json")[-1])
    assert (last["state"], last["since"]) == ("disconnected", "2026-03-01T12:00:10.000Z")


def test_without_time_for_last_words_the_node_ends_all_the_same(node: Node) -> None:
    node.stop_s = 0.0
    node.bucket.error = StoreUnavailable("away")
    node.run(until_s=1)
    assert node.bucket.puts == []


def test_a_store_that_is_away_is_tried_rarely_and_logged_once(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.bucket.error = StoreUnavailable("file:///nowhere: away")
    node.run(until_s=600)
    assert 8 <= node.bucket.tries <= 20
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING]


def test_nothing_is_logged_of_a_store_that_the_uploads_complain_about(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.bucket.error = StoreRefused("file:///nowhere: forbidden")
    node.upload = replace(node.upload, reason="refused")
    node.run(until_s=600)
    assert node.bucket.tries <= 15
    assert caplog.records == []


def test_an_object_that_is_refused_waits_alone_and_is_named(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    held = "status/lobby.json"
    node.others = ("gate",)
    node.bucket.refused = {held: ObjectRefused("gs://b: found 403 (under active hold); release the hold")}
    node.status = StatusObjects(every_s=10)
    node.new_picture()
    node.clock.each_second = {590: lambda: shown.append(node.refused.report())}
    shown: list[Any] = []
    node.run(until_s=600)
    assert node.bucket.of(held) == []
    gaps = [after - before for before, after in itertools.pairwise(node.bucket.refusals)]
    assert all(gap >= 45 for gap in gaps[:-1])  # but for the last words
    for name, every_s in (("status/gate.json", 10), ("latest/gate.jpg", 5), ("latest/lobby.jpg", 5)):
        times = [put.at_s for put in node.bucket.of(name)]
        assert max(after - before for before, after in itertools.pairwise(times)) < every_s + 2, name
    (named, count), *_ = shown
    assert ([each.name for each in named], count) == ([held], 1)
    assert "under active hold" in named[0].message
    assert [entry.levelno for entry in caplog.records] == [logging.ERROR]


def test_a_store_that_refuses_everything_is_not_asked_for_one_object_after_the_other(node: Node) -> None:
    node.others = tuple(f"c{number}" for number in range(50))
    node.bucket.error = StoreRefused("no token is given")
    node.run(until_s=300)
    assert node.bucket.tries <= 20


def test_a_refused_object_keeps_no_other_from_its_last_words(node: Node) -> None:
    node.others = ("gate", "yard")
    node.bucket.refused = {"status/lobby.json": ObjectRefused("held")}
    node.run(until_s=5)
    for name in ("status/gate.json", "status/yard.json"):
        assert parsed(node.bucket.of(name)[-1])["state"] == "disconnected"


def test_an_object_that_was_refused_is_written_when_it_is_taken_again(node: Node) -> None:
    node.bucket.refused = {"status/lobby.json": ObjectRefused("held")}
    node.clock.each_second = {100: node.bucket.refused.clear}
    node.run(until_s=500)
    assert node.bucket.of("status/lobby.json")[0].at_s < 100 + 1.2 * 120
    assert node.refused.report() == ((), 0)


def test_a_store_that_asks_to_be_left_alone_is(node: Node) -> None:
    node.bucket.error = StoreUnavailable("busy", retry_after_s=290)
    node.run(until_s=580)
    assert node.bucket.tries == 4  # at 0, 290 and 580 seconds, and the last words


def test_after_an_outage_only_what_holds_now_is_written(node: Node) -> None:
    node.bucket.error = StoreUnavailable("away")

    def repair() -> None:
        node.bucket.error = None
        node.report = replace(node.report, message="back again")

    node.clock.each_second = {300: repair}
    node.run(until_s=400)
    first = node.bucket.of("status/lobby.json")[0]
    assert first.at_s >= 300
    assert parsed(first)["message"] == "back again"


def test_a_slow_link_is_left_to_the_chunks_three_quarters_of_the_time(node: Node) -> None:
    node.new_picture()
    node.latest = Latest(every_s=1)
    node.bucket.takes_s = 2.0
    node.run(until_s=200)
    assert len(node.bucket.puts) <= 200 / 8 + 2


def test_passwords_in_messages_are_hidden(node: Node) -> None:
    SECRETS.remember("hunter2-of-the-lobby")
    node.report = replace(node.report, message="refused hunter2-of-the-lobby")
    node.run(until_s=1)
    assert parsed(node.bucket.of("status/lobby.json")[0])["message"] == "refused ***"


def test_what_is_switched_off_is_not_written(node: Node) -> None:
    node.new_picture()
    node.latest, node.status = Latest(enabled=False), StatusObjects(enabled=False)
    node.run(until_s=20)
    assert node.bucket.tries == 0
