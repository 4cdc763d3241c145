"""The uploader between a real spool and a real bucket, which fails where a test wants it to."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edgecam.bucket.interface import ChunkUpload, RateLimit, Receipt, Session
from edgecam.bucket.local_folder import FileBucket
from edgecam.chunk import Chunk
from edgecam.config import storage as config_store
from edgecam.config.recording import ChunkFormat
from edgecam.config.storage import MB, Order
from edgecam.errors import (
    ChunkDamaged,
    ObjectRefused,
    SessionLost,
    SpoolError,
    StoreRefused,
    StoreUnavailable,
)
from edgecam.spool.spool import Spool
from edgecam.upload.rate_limit import RateLimiter
from edgecam.upload.refused import RefusedObjects
from edgecam.upload.uploader import Uploader
from sandbox.clocks import BEGINNING, FastClock

SPEED = 200
"""A timeout of half a second passes in a few milliseconds."""
AWAY = StoreUnavailable("expected an answer, found 503")

Eventually = Callable[..., Any]
Fails = Callable[[str], Exception | None]


class UnreliableBucket(FileBucket):
    """A folder that fails as `fails` returns, before anything is done."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"file://{folder}")
        self.folder = folder
        self.fails: Fails = lambda _: None
        self.attempts: list[str] = []
        self.most_at_once = 0
        self.saves_session = False
        self.gate = threading.Event()
        self.gate.set()
        self._at_once: Counter[str] = Counter()
        self._lock = threading.Lock()

    def put_file(self, upload: ChunkUpload, *, rate_limit: RateLimit, session: Session) -> Receipt:
        name = upload.name
        with self._lock:
            self.attempts.append(name)
            self._at_once[name] += 1
            self.most_at_once = max(self.most_at_once, self._at_once.total())
            assert self._at_once[name] == 1, "a chunk was sent twice at a time"
        try:
            self.gate.wait(10)
            if error := self.fails(name):
                raise error
            if self.saves_session:
                session.save("text")
            return super().put_file(upload, rate_limit=rate_limit, session=session)
        finally:
            with self._lock:
                self._at_once[name] -= 1

    def names(self) -> set[str]:
        """What is stored."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*.mp4"))
        return {str(path) for path in found if not path.name.startswith(".")}


class Rig:
    """A spool, a bucket and an uploader between them."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = FastClock(SPEED)
        spool = config_store.Spool(path=str(folder / "spool"), max_bytes=16 * MB, keep_free_bytes=0)
        self.spool = Spool(spool, clock=self.clock)
        self.bucket = UnreliableBucket(folder / "bucket")
        self.limiter = RateLimiter(requests_per_s=1000, bytes_per_s=10**9, clock=self.clock)
        self.uploader = self.new_uploader(**settings)
        self.spool.open()
        self._recorded: Counter[str] = Counter()

    def new_uploader(self, **settings: Any) -> Uploader:
        """One on the same spool."""
        return Uploader(
            self.spool,
            self.bucket,
            self.limiter,
            config_store.Upload(**settings),
            clock=self.clock,
            refused=RefusedObjects(self.clock),
        )

    def record(self, camera_id: str = "lobby", count: int = 1, size_bytes: int = 2000) -> list[str]:
        """The names of that many new chunks in a row."""
        return [self._record(camera_id, size_bytes) for _ in range(count)]

    def pending(self) -> int:
        return sum(len(self.spool.pending(camera_id)) for camera_id in self.spool.cameras())

    def stop(self) -> None:
        self.bucket.gate.set()
        self.uploader.stop(timeout_s=5 * SPEED)
        self.spool.close()

    def _record(self, camera_id: str, size_bytes: int) -> str:
        number = self._recorded[camera_id]
        self._recorded[camera_id] += 1
        chunk = Chunk(
            camera_id=camera_id,
            start=BEGINNING + timedelta(seconds=10 * number),
            duration_ms=10_000,
            format=ChunkFormat.MP4,
            codec="h264",
            width=640,
            height=360,
            gap_before_ms=0 if number else None,
        )
        path = self.spool.begin(chunk)
        path.write_bytes(f"{chunk.name} ".encode() * (size_bytes // len(chunk.name)))
        self.spool.finish(path, chunk)
        return chunk.name


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(**settings: Any) -> Rig:
        made.append(Rig(tmp_path, **settings))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def first_times(count: int, error: Callable[[], Exception]) -> Fails:
    """Every object fails that many times."""
    failed: defaultdict[str, int] = defaultdict(int)

    def fails(name: str) -> Exception | None:
        failed[name] += 1
        return error() if failed[name] <= count else None

    return fails


def test_every_chunk_arrives_with_its_metadata_and_leaves_the_spool(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig()
    names = it.record(count=3)
    it.uploader.start()
    names += it.record("yard", count=3)
    eventually(lambda: it.pending() == 0)
    assert it.bucket.names() == set(names)
    described = json.loads((it.bucket.folder / f"{names[0]}.json").read_text())
    assert described["content_type"] == "video/mp4"
    assert described["metadata"]["camera"] == "lobby"
    # A chunk has left the spool a moment before it is counted.
    eventually(lambda: it.uploader.report().stored_chunks_total == {"lobby": 3, "yard": 3})
    report = it.uploader.report()
    assert report.stored_bytes_total["lobby"] > 5000
    assert (report.retries_total, report.reason, report.message) == (0, None, None)


def test_a_chunk_that_the_store_does_not_like_does_not_hold_up_the_others(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig(order=Order.NEWEST)
    names = it.record(count=12)
    poisoned = names[-1]  # the newest: the first to be sent, and again after each failure
    it.bucket.fails = lambda name: StoreUnavailable("500") if name == poisoned else None
    it.uploader.start()
    eventually(lambda: it.bucket.names() == set(names) - {poisoned})
    it.bucket.fails = lambda _: None
    eventually(lambda: it.pending() == 0)


def test_a_store_that_is_down_is_asked_by_one_thread_at_a_time_and_gets_everything_when_it_is_back(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig(concurrency=8)
    it.bucket.fails = lambda _: StoreUnavailable("503")
    names = it.record(count=20)
    it.uploader.start()
    eventually(lambda: len(it.bucket.attempts) > 9)
    it.bucket.most_at_once = 0
    eventually(lambda: len(it.bucket.attempts) > 14)
    assert it.bucket.most_at_once == 1
    assert it.uploader.is_down
    assert it.uploader.report().reason == "unavailable"
    it.bucket.fails = lambda _: None
    eventually(lambda: it.bucket.names() == set(names))
    eventually(lambda: it.pending() == 0)
    assert it.uploader.report().reason is None


def test_a_store_that_fails_now_and_then_gets_everything(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig(concurrency=4)
    calls = iter(range(10**6))
    it.bucket.fails = lambda _: StoreUnavailable("503") if next(calls) % 3 == 2 else None
    it.uploader.start()
    names = it.record(count=20) + it.record("yard", count=20)
    eventually(lambda: it.pending() == 0)
    assert it.bucket.names() == set(names)
    assert it.uploader.report().retries_total > 5


def test_refusal_is_logged_once_with_what_to_do_and_recovery_too(
    rig: Callable[..., Rig], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgecam.upload.uploader")
    it = rig()
    it.bucket.fails = lambda _: StoreRefused("gs://b: expected the right to write, found 403; grant it")
    it.record(count=4)
    it.uploader.start()
    eventually(lambda: len(it.bucket.attempts) >= 3)
    assert it.uploader.report().reason == "refused"
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 1
    assert "grant it" in logged[0].getMessage()
    it.bucket.fails = lambda _: None
    eventually(lambda: it.pending() == 0)
    assert sum("storing again" in record.getMessage() for record in caplog.records) == 1


def test_a_chunk_that_is_refused_alone_stays_in_the_spool_is_named_and_keeps_nobody_waiting(
    rig: Callable[..., Rig], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgecam.upload")
    it = rig(order=Order.OLDEST, concurrency=1)
    held, *others = it.record(count=5)
    error = ObjectRefused("gs://b: found 403 (under active Temporary hold); release the hold")
    it.bucket.fails = lambda name: error if name == held else None
    it.uploader.start()
    eventually(lambda: it.bucket.names() == set(others))
    eventually(lambda: it.bucket.attempts.count(held) >= 3)
    assert it.pending() == 1
    report = it.uploader.report()
    assert (report.reason, report.refused_count) == (None, 1)
    assert [each.name for each in report.refused] == [held]
    assert "under active Temporary hold" in report.refused[0].message
    others += it.record(count=2)
    eventually(lambda: it.bucket.names() == set(others))
    severe = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(severe) == 1
    assert held in severe[0]
    it.bucket.fails = lambda _: None
    eventually(lambda: it.pending() == 0)
    eventually(lambda: it.uploader.report().refused == ())
    assert any("refuses no object any more" in record.getMessage() for record in caplog.records)


def test_a_camera_whose_chunks_are_all_refused_keeps_no_other_waiting(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig(concurrency=1)
    gate = it.record("gate", count=40)
    lobby: list[str] = it.record("lobby", count=3)
    it.bucket.fails = lambda name: StoreRefused("found 403") if name in gate else None
    it.uploader.start()
    eventually(lambda: it.bucket.names() == set(lobby))
    for _ in range(5):
        lobby.extend(it.record("lobby", count=3))
        eventually(lambda: it.bucket.names() == set(lobby))
    assert it.uploader.report().reason is None
    assert {each.name for each in it.uploader.report().refused} <= set(gate)
    assert it.uploader.report().refused_count >= 1
    assert len(it.spool.pending("gate")) == 40
    it.bucket.fails = lambda _: None
    eventually(lambda: it.pending() == 0)
    eventually(lambda: it.uploader.report().refused_count == 0)


def test_a_name_that_is_taken_by_something_else_is_quarantined_and_logged(
    rig: Callable[..., Rig], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    it = rig()
    taken, *names = it.record(count=4)
    there = it.bucket.folder / taken
    there.parent.mkdir(parents=True)
    there.write_bytes(b"something else")
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    assert there.read_bytes() == b"something else"
    assert it.bucket.names() == {taken, *names}
    assert it.spool.report().cameras["lobby"].quarantined_chunks == 1
    eventually(  # it is logged after it is done
        lambda: any(
            record.levelno == logging.ERROR and "quarantine" in record.getMessage()
            for record in caplog.records
        )
    )


def test_a_file_that_is_damaged_on_the_disk_is_quarantined(
    rig: Callable[..., Rig], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    it = rig()
    names = it.record(count=3)
    rotten = it.spool.pending("lobby")[0]
    rotten.path.write_bytes(b"x" * rotten.size_bytes)
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    assert it.bucket.names() == set(names[1:])
    assert it.spool.report().cameras["lobby"].quarantined_chunks == 1
    eventually(lambda: any("damaged on the disk" in record.getMessage() for record in caplog.records))


def test_damage_on_the_way_is_sent_again(rig: Callable[..., Rig], eventually: Eventually) -> None:
    it = rig()
    it.bucket.fails = first_times(2, lambda: ChunkDamaged("expected crc32c 0, found 1"))
    names = it.record(count=3)
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    assert it.bucket.names() == set(names)


def test_a_lost_session_is_forgotten_and_the_upload_begun_again(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig()
    it.bucket.fails = first_times(1, lambda: SessionLost("410"))
    (name,) = it.record()
    session = it.spool.session(it.spool.pending("lobby")[0])
    session.save("old")
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    assert it.bucket.attempts == [name, name]
    assert session.load() is None


def test_a_mistake_of_ours_is_reported_and_tried_again(
    rig: Callable[..., Rig], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    it = rig(concurrency=1)
    it.bucket.fails = first_times(1, lambda: ZeroDivisionError("of ours"))
    it.record(count=2)
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    assert it.uploader.report().retries_total == 2
    assert "ZeroDivisionError" in caplog.text


def test_a_chunk_that_is_evicted_while_it_is_sent_is_forgotten(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig()
    it.bucket.gate.clear()
    it.record(size_bytes=9 * MB)
    it.uploader.start()
    eventually(lambda: it.bucket.attempts)
    (name,) = it.record(size_bytes=9 * MB)  # does not fit beside the first
    assert it.spool.report().cameras["lobby"].evicted_chunks_total == 1
    it.bucket.gate.set()
    eventually(lambda: it.bucket.names() == {name})
    assert it.uploader.report().reason is None


def test_the_newest_are_sent_first_and_the_backlog_gets_its_share(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig(order=Order.NEWEST, backlog_share=0.25, concurrency=1)
    names = it.record(count=16)
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    first = it.bucket.attempts[:8]
    assert set(first) == {*names[-6:], *names[:2]}
    assert first[0] == names[-1]


def test_cameras_take_turns(rig: Callable[..., Rig], eventually: Eventually) -> None:
    it = rig(concurrency=1)
    for camera_id in ("a", "b", "c"):
        it.record(camera_id, count=10)
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    for at in range(0, 30, 3):
        assert {name[0] for name in it.bucket.attempts[at : at + 3]} == {"a", "b", "c"}


def test_a_stop_sends_what_has_just_been_finished(rig: Callable[..., Rig]) -> None:
    it = rig()
    it.uploader.start()
    names = it.record(count=8)
    assert it.uploader.finish(timeout_s=20 * SPEED)
    assert it.bucket.names() == set(names)


def test_a_stop_does_not_wait_for_a_store_that_is_down(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig()
    it.bucket.fails = lambda _: StoreUnavailable("503", retry_after_s=3600)
    it.record(count=3)
    it.uploader.start()
    eventually(lambda: it.uploader.is_down)
    begun_s = it.clock.monotonic_s()
    assert it.uploader.finish(timeout_s=30_000)
    assert it.clock.monotonic_s() - begun_s < 10_000
    assert it.pending() == 3


def test_a_stop_breaks_off_an_upload_that_waits_for_its_turn_and_keeps_the_chunk(tmp_path: Path) -> None:
    it = Rig(tmp_path)
    it.limiter = RateLimiter(requests_per_s=1000, bytes_per_s=1, clock=it.clock)
    uploader = it.new_uploader()
    it.record()
    uploader.start()
    assert not uploader.finish(timeout_s=0.3 * SPEED)
    uploader.stop(timeout_s=10 * SPEED)
    it.spool.close()
    assert it.pending() == 1
    assert it.bucket.names() == set()
    assert uploader.report().retries_total == 0


def test_a_disk_too_full_for_a_session_does_not_keep_the_upload_from_making_room(
    rig: Callable[..., Rig], eventually: Eventually
) -> None:
    it = rig()
    (name,) = it.record()
    path = it.spool.pending("lobby")[0].path
    path.with_name(f"{path.name}.session").mkdir()  # no file can be put there
    with pytest.raises(SpoolError):
        it.spool.session(it.spool.pending("lobby")[0]).save("text")
    it.bucket.saves_session = True
    it.uploader.start()
    eventually(lambda: it.pending() == 0)
    assert it.bucket.attempts == [name]
