"""The uploader: takes chunks from the spool, puts them into the bucket, and frees the spool on a receipt.

`Schedule` decides what goes next, `RetryPolicy` when to try again, `RateLimiter` how fast; here are the
threads. Memory does not grow with the backlog: each thread holds one chunk's name, never its content.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.interface import LONGEST_ASKED_DELAY_S, Bucket, ChunkUpload, Receipt, Session
from edgecam.clock import Clock
from edgecam.config import storage as config_store
from edgecam.errors import (
    ChunkDamaged,
    SessionLost,
    SpoolError,
    StoreConflict,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from edgecam.redaction import SECRETS
from edgecam.spool.spool import PendingChunk, Spool
from edgecam.status.outage import FAULT_REASON, Lines, OutageLog, OutagePolicy
from edgecam.status.reports import UploadReport
from edgecam.upload.rate_limit import RateLimiter
from edgecam.upload.refused import RefusedObjects
from edgecam.upload.retry import FIRST_DELAY_S, RetryPolicy
from edgecam.upload.scheduler import Schedule

log = logging.getLogger(__name__)

_LONGEST_SLEEP_S = 60.0
"""An idle thread is woken by `_news`; this limits the harm of a lost wake-up, which would be a mistake."""

QUIET_FAILURES = 2
"""A failure or two are normal for a network: counted and retried, not logged."""
OUTAGES = OutagePolicy(
    lines=Lines(
        "the bucket cannot be reached",
        "storing again after %(lasted_s).0f s and %(failures)d failed attempts",
        severe="the bucket refuses",
    ),
    reason_of=lambda error: error.reason if isinstance(error, StoreError) else FAULT_REASON,
    needs_person=lambda reason: reason == StoreRefused.reason,
    quiet_failures=lambda reason: 0 if reason == StoreRefused.reason else QUIET_FAILURES,
)
"""Of the bucket."""


@dataclass
class _Stored:
    chunks: Counter[str] = field(default_factory=Counter)
    size_bytes: Counter[str] = field(default_factory=Counter)


class _Session:
    """A session whose saving may fail: on a full disk nothing can be saved, and only uploads make room."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.load = session.load
        self.clear = session.clear

    def save(self, text: str) -> None:
        try:
            self._session.save(text)
        except SpoolError as error:
            log.debug("%s", error)


class Uploader:
    """Sends what the spool holds, from `start` to `stop`.

    Args:
        spool: Where chunks wait.
        bucket: Where they go.
        limiter: How fast.
        settings: How many at a time, and in which order.
        clock: Time.
        refused: Gets the chunks that are refused while others may be stored.
    """

    def __init__(
        self,
        spool: Spool,
        bucket: Bucket,
        limiter: RateLimiter,
        settings: config_store.Upload,
        *,
        clock: Clock,
        refused: RefusedObjects,
    ) -> None:
        self._spool = spool
        self._bucket = bucket
        self._limiter = limiter
        self._clock = clock
        self._lock = threading.Lock()  # guards all that follows, held for moments
        self._schedule = Schedule(order=settings.order, backlog_share=settings.backlog_share)
        self._retry_policy = RetryPolicy[PendingChunk](group_of=lambda pending: pending.chunk.camera_id)
        self._refused = refused
        self._refusals_total = 0  # of chunks while others were stored
        self._suspects: dict[PendingChunk, StoreError] = {}  # refused when nothing else had been stored since
        self._outages = OutageLog(OUTAGES, log, detail=self._waiting_text)
        self._stored = _Stored()
        self._under_way: set[PendingChunk] = set()
        self._news = threading.Event()
        self._finishing = threading.Event()
        self._ended = threading.Event()
        self._gone = threading.Event()  # no thread is at work
        self._gone.set()
        self._busy = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"upload-{number}", daemon=True)
            for number in range(1, settings.concurrency + 1)
        ]

    def start(self) -> None:
        """Begin, on threads of its own."""
        self._spool.subscribe(self._news.set)
        self._gone.clear()
        self._busy = len(self._threads)
        for thread in self._threads:
            thread.start()

    def finish(self, timeout_s: float) -> bool:
        """Send what can be sent now, and end; whether that took at most `timeout_s` seconds. Does not wait
        for a store that is down."""
        self._finishing.set()
        self._news.set()
        return self._clock.wait(self._gone, timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Abort the uploads under way, within `timeout_s` seconds; their chunks stay in the spool. The rate
        limiter lets nothing through any more."""
        self._finishing.set()
        self._ended.set()
        self._limiter.end()
        self._news.set()
        if not self._clock.wait(self._gone, timeout_s):
            log.info("%d uploads were broken off; the chunks stay in the spool", self._busy)

    def report(self) -> UploadReport:
        """The state of the uploads."""
        with self._lock:
            outage, lasted_s = self._outages.outage, self._outages.lasted_s(self._clock.monotonic_s())
            refused, refused_count = self._refused.report()
            return UploadReport(
                stored_chunks_total=dict(self._stored.chunks),
                stored_bytes_total=dict(self._stored.size_bytes),
                retries_total=self._outages.failures_total + self._refusals_total,
                reason=outage.reason if outage else None,
                message=outage.message if outage else None,
                since=None if lasted_s is None else self._clock.now() - timedelta(seconds=lasted_s),
                refused=refused,
                refused_count=refused_count,
            )

    @property
    def is_down(self) -> bool:
        """Whether the last attempt to reach the store failed."""
        with self._lock:
            return self._retry_policy.is_down

    def _run(self) -> None:
        """The life of a thread: no exception of an upload ends it."""
        while not self._ended.is_set():
            try:
                if not self._step():
                    break
            except Exception:
                log.exception("unexpected fault in an upload")
                self._clock.wait(self._ended, FIRST_DELAY_S)
        with self._lock:
            self._busy -= 1
            if not self._busy:
                self._gone.set()

    def _step(self) -> bool:
        """Send one chunk, or sleep until there may be one; False when there is none before the end."""
        self._news.clear()  # before reading the state, so that no later change is missed
        pending, idle_s = self._next()
        if pending is not None:
            self._news.set()  # there may be more, for another thread
            self._upload(pending)
        elif self._finishing.is_set():
            return False
        else:
            self._clock.wait(self._news, min(idle_s, _LONGEST_SLEEP_S))
        return True

    def _next(self) -> tuple[PendingChunk | None, float]:
        """The chunk to send now; or None, and the seconds until there may be one."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            idle_s = self._retry_policy.wait_s(now_s)
            if idle_s > 0:
                return None, idle_s
            pending = self._chosen(now_s)
            if pending is None:
                return None, self._retry_policy.next_due_s(now_s)
            self._under_way.add(pending)
            self._retry_policy.begin(pending, now_s)
            return pending, 0.0

    def _chosen(self, now_s: float) -> PendingChunk | None:
        skip = self._under_way | self._retry_policy.excluded(now_s)
        held, doubtful = self._retry_policy.held(now_s), self._retry_policy.doubtful
        turns = self._schedule.turns([each for each in self._spool.cameras() if each not in held])
        for turn in sorted(turns, key=lambda each: each.camera_id in doubtful):
            pending = self._spool.next_chunk(turn.camera_id, turn.order, skip=skip)
            if pending is not None:
                self._schedule.took(turn, pending.size_bytes)
                return pending
        for failed in self._retry_policy.due(now_s):
            if failed in self._under_way:
                continue
            if self._spool.claim(failed):
                return failed
            self._forget(failed)  # evicted meanwhile
        return None

    def _upload(self, pending: PendingChunk) -> None:
        try:
            self._note_stored(pending, self._put(pending))
        except Exception as error:
            self._settle(pending, error)
        finally:
            with self._lock:
                self._under_way.discard(pending)
                self._retry_policy.ended(pending)
            self._spool.unclaim(pending)
            self._news.set()

    def _put(self, pending: PendingChunk) -> Receipt:
        """Store `pending`, and acknowledge it to the spool."""
        chunk = pending.chunk
        upload = ChunkUpload(
            name=chunk.name,
            path=pending.path,
            content_type=chunk.format.content_type,
            metadata=chunk.metadata,
            crc32c=pending.crc32c,
        )
        session = _Session(self._spool.session(pending))
        receipt = self._bucket.put_file(upload, rate_limit=self._limiter, session=session)
        self._spool.acknowledge(pending, receipt)
        return receipt

    def _settle(self, pending: PendingChunk, error: Exception) -> None:
        """Retry, quarantine or forget a chunk that could not be stored."""
        if self._ended.is_set():
            return
        if not pending.path.exists():
            with self._lock:
                self._forget(pending)  # evicted, and counted by the spool
        elif isinstance(error, StoreConflict):
            with self._lock:
                self._retry_policy.succeeded(pending)  # the store has answered
            self._quarantine(pending, f"the bucket has something else of its name: {error}")
        elif isinstance(error, ChunkDamaged) and (damage := self._damage(pending)):
            self._quarantine(pending, damage)
        elif isinstance(error, SessionLost):
            self._spool.session(pending).clear()
            self._defer(pending)
        else:
            self._note_failure(pending, error)

    def _damage(self, pending: PendingChunk) -> str | None:
        """The damage of the file itself; None when it is as it was recorded, and the damage arose on the
        way."""
        try:
            found = checksum.of_file(pending.path)
        except OSError as error:
            return f"its file cannot be read: {error.strerror}"
        if found == pending.crc32c:
            return None
        return f"damaged on the disk: expected crc32c {pending.crc32c}, found {found}"

    def _quarantine(self, pending: PendingChunk, why: str) -> None:
        try:
            self._spool.quarantine(pending, SECRETS.shown(why))
        except SpoolError as error:
            log.error("%s", SECRETS.shown(str(error)), extra={"camera": pending.chunk.camera_id})
            self._defer(pending)
            return
        with self._lock:
            self._forget(pending)

    def _forget(self, pending: PendingChunk) -> None:
        """It will not be sent; the lock is held."""
        self._retry_policy.forget(pending)
        self._suspects.pop(pending, None)
        self._refused.settled(pending.chunk.name)

    def _defer(self, pending: PendingChunk) -> None:
        with self._lock:
            self._retry_policy.defer(pending, self._clock.monotonic_s())

    def _note_failure(self, pending: PendingChunk, error: Exception) -> None:
        if not isinstance(error, StoreError):
            log.error("unexpected fault", exc_info=error, extra={"camera": pending.chunk.camera_id})
        if isinstance(error, StoreUnavailable) and error.retry_after_s is not None:
            # Pictures and status objects wait too.
            self._limiter.hold(min(error.retry_after_s, LONGEST_ASKED_DELAY_S))
        with self._lock:
            now_s = self._clock.monotonic_s()
            if not self._retry_policy.failed(pending, error, now_s):
                self._refusals_total += 1
                self._refused.refused(pending.chunk.name, error)
                return
            self._outages.failed(error, now_s)
            if isinstance(error, StoreRefused):
                self._suspects[pending] = error

    def _note_stored(self, pending: PendingChunk, receipt: Receipt) -> None:
        with self._lock:
            self._retry_policy.succeeded(pending)
            self._suspects.pop(pending, None)
            self._refused.settled(pending.chunk.name)
            for suspect, error in self._suspects.items():  # it was about them, since this one is stored
                self._refused.refused(suspect.chunk.name, error)
            self._suspects.clear()
            self._stored.chunks[pending.chunk.camera_id] += 1
            self._stored.size_bytes[pending.chunk.camera_id] += receipt.size_bytes
            self._outages.recovered(self._clock.monotonic_s())

    def _waiting_text(self) -> str:
        pending = sum(len(self._spool.pending(camera_id)) for camera_id in self._spool.cameras())
        return f"; {pending} chunks wait on the core"
