"""What `ONCE=1` checks of the recordings: they arrive, they play, an outage of the store costs nothing."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from datetime import UTC, datetime, timedelta

from sandbox.checks import chunk_files as recordings
from sandbox.checks.chunk_files import Recorded, Unplayable
from sandbox.checks.waiting import wait_until
from sandbox.errors import CheckFailedError
from sandbox.fleet import BUCKET
from sandbox.gcs.server import EmbeddedGcs
from sandbox.system import System

PICTURES_PER_S = {"lobby": 30, "yard": 15}
SIZES = {"lobby": (1920, 1080), "yard": (1280, 720)}
KEYFRAME_S = 2.0
"""Of the test cameras: what of a recording is lost when a connection begins."""

_SPOOLED_CHUNKS = re.compile(r'^edgecam_spool_chunks\{camera="([^"]+)"\} (\S+)$', re.MULTILINE)

FIRST_CHUNKS_TIMEOUT_S = 90.0
OUTAGE_S = 20.0
CATCH_UP_TIMEOUT_S = 60.0
OBJECTS_TIMEOUT_S = 30.0
"""A status is written at least once a minute, and as soon as a camera's state changes."""


class RecordingChecks:
    """Checks of a running system, each a method that returns what it found or raises CheckFailedError."""

    def __init__(self, system: System) -> None:
        self._system = system

    def chunks(self) -> list[Recorded]:
        """What has arrived."""
        try:
            found = [recordings.of_object(each.name, each.metadata) for each in self._gcs.objects("", BUCKET)]
        except (KeyError, ValueError) as error:
            raise CheckFailedError(f"an object is not described as it should be: {error}") from error
        return [chunk for chunk in found if chunk is not None]

    def arrive(self) -> str:
        """Two chunks of each camera, of which one plays."""
        chunks = wait_until(
            self._system,
            self._two_of_each,
            f"two chunks of each camera are in {BUCKET}",
            FIRST_CHUNKS_TIMEOUT_S,
        )
        return f"{len(chunks)} objects, the first of them {self.example(chunks[0])}"

    def example(self, chunk: Recorded) -> str:
        """A chunk's name, and what ffprobe says of it."""
        try:
            return f"{chunk.name}: {recordings.play(self._gcs.content(chunk.name, BUCKET))}"
        except Unplayable as error:
            raise CheckFailedError(f"{chunk.name} does not play: {error}") from error

    def outage(self) -> str:
        """The store goes away and comes back: the node says so, keeps everything, and delivers it."""
        before = len(self.chunks())
        self._gcs.down()
        began = datetime.now(UTC)
        try:
            reason = wait_until(
                self._system, self._unavailable, "the node says that the store is away", OUTAGE_S
            )
            self._rest_of_outage(began)
            waiting = self._waiting()
        finally:
            self._gcs.up()
        ended = datetime.now(UTC)
        if not all(waiting.get(camera) for camera in SIZES):
            raise CheckFailedError(f"expected chunks of both cameras in the spool, /metrics says {waiting}")
        wait_until(
            self._system,
            lambda: self._covers(began, ended),
            "what was recorded meanwhile is stored",
            CATCH_UP_TIMEOUT_S,
        )
        after = self.chunks()
        if lacks := self.lacks(after):
            raise CheckFailedError("; ".join(lacks))
        return (
            f"away for {(ended - began).total_seconds():.0f} s (the node: {reason}), "
            f"{sum(waiting.values())} chunks waited, all arrived: {before} objects before, "
            f"{len(after)} after, none missing"
        )

    def companions(self) -> str:
        """The newest pictures and the status of both cameras."""

        def there() -> dict[str, bytes] | None:
            stored = {each.name: each for each in self._gcs.objects("", BUCKET)}
            names = [f"latest/{camera}.jpg" for camera in SIZES] + [
                f"status/{camera}.json" for camera in SIZES
            ]
            if not all(name in stored for name in names):
                return None
            return {name: self._gcs.content(name, BUCKET) for name in names}

        found = wait_until(
            self._system, there, "latest/ and status/ objects of both cameras are there", OBJECTS_TIMEOUT_S
        )
        for name, content in found.items():
            if name.endswith(".jpg") and not (content[:2] == b"\xff\xd8" and content[-2:] == b"\xff\xd9"):
                raise CheckFailedError(f"{name} is no whole JPEG")
            if name.endswith(".json"):
                json.loads(content)
        return ", ".join(found)

    def end(self) -> str:
        """After SIGTERM of the core all that was recorded is in the bucket or the spool."""
        recorder = self._system.settings.recorder
        asked = datetime.now(UTC)
        if not self._system.stop_core(recorder):
            raise CheckFailedError("the core had to be killed")
        stored, waiting = self.chunks(), recordings.in_spool(self._system.settings.spool)
        if lacks := self.lacks([*stored, *waiting]):
            raise CheckFailedError("; ".join(lacks))
        for camera in SIZES:
            last = max(chunk.end for chunk in (*stored, *waiting) if chunk.camera == camera)
            if asked - last > timedelta(seconds=KEYFRAME_S):
                raise CheckFailedError(f"the recording of {camera} ends {asked - last} before SIGTERM")
        return f"recorded up to the end; {len(stored)} chunks stored, {len(waiting)} left in the spool"

    def everything_plays(self) -> str:
        """Every chunk plays alone, from a keyframe, with every picture, as long as its name says."""
        chunks = sorted(self.chunks())
        wrong = [
            found
            for chunk, after in zip(chunks, [*chunks[1:], None], strict=True)
            if (found := self._wrong(chunk, after))
        ]
        if wrong:
            raise CheckFailedError("; ".join(wrong))
        total_s = sum(chunk.duration_ms for chunk in chunks) / 1000
        return f"{len(chunks)} chunks, {total_s:.0f} s, each from a keyframe on and with every picture"

    def lacks(self, chunks: list[Recorded]) -> list[str]:
        """What is missing on the cameras' timelines, and not named."""
        return [
            lack
            for camera in SIZES
            for lack in recordings.holes(chunk for chunk in chunks if chunk.camera == camera)
        ]

    @property
    def _gcs(self) -> EmbeddedGcs:
        assert self._system.gcs is not None
        return self._system.gcs

    def _two_of_each(self) -> list[Recorded] | None:
        chunks = self.chunks()
        counts = [sum(chunk.camera == camera for chunk in chunks) for camera in SIZES]
        return chunks if min(counts) >= 2 else None

    def _page(self, path: str) -> str:
        address = f"http://127.0.0.1:{self._system.settings.recorder.page_port}/{path}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                text: str = answer.read().decode()
        except OSError as error:
            raise CheckFailedError(f"{address} does not answer: {error}") from error
        return text

    def _waiting(self) -> dict[str, int]:
        """By camera: the chunks in the spool, as the node's metrics have it."""
        found = _SPOOLED_CHUNKS.findall(self._page("metrics"))
        return {camera: int(float(count)) for camera, count in found}

    def _unavailable(self) -> str | None:
        """What the node's page says is wrong with the store, in a word."""
        reason: str | None = json.loads(self._page("cameras"))["storage"]["reason"]
        return reason

    def _rest_of_outage(self, began: datetime) -> None:
        while datetime.now(UTC) - began < timedelta(seconds=OUTAGE_S):
            self._system.check_processes()
            time.sleep(0.2)

    def _covers(self, began: datetime, ended: datetime) -> bool | None:
        """Whether both cameras' chunks of the whole time are in the bucket."""
        stored = self.chunks()
        for camera in SIZES:
            chunks = [chunk for chunk in stored if chunk.camera == camera]
            recorded_ms = sum(
                (min(chunk.end, ended) - max(chunk.start, began)) / timedelta(milliseconds=1)
                for chunk in chunks
                if chunk.end > began and chunk.start < ended
            )
            named_ms = sum(chunk.gap_before_ms or 0 for chunk in chunks if began < chunk.start < ended)
            if recorded_ms + named_ms < (ended - began) / timedelta(milliseconds=1) - len(chunks):
                return None
        return True

    def _wrong(self, chunk: Recorded, after: Recorded | None) -> str:
        try:
            played = recordings.play(self._gcs.content(chunk.name, BUCKET))
        except Unplayable as error:
            return f"{chunk.name} does not play: {error}"
        if (played.width, played.height) != SIZES[chunk.camera] or not played.first_is_keyframe:
            return f"{chunk.name}: {played}, beginning with a keyframe: {played.first_is_keyframe}"
        lack = recordings.lacks(
            played,
            chunk.duration_ms,
            fps=PICTURES_PER_S[chunk.camera],
            keyframe_s=KEYFRAME_S,
            ends_early=after is None or after.camera != chunk.camera or after.gap_before_ms != 0,
        )
        return f"{chunk.name}: {lack}" if lack else ""
