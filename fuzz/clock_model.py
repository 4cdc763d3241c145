"""A model of everything that may be wrong about the time of a camera, and what has to hold all the same.

A scenario is a camera, a network and a core over some minutes, with events; `Run` plays it through what a
recording does with times (time line, cutter, names), picture by picture, in no time and without GStreamer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Self

from edgecam.capture.time_line import TimeLine
from edgecam.clock import NS_PER_S
from edgecam.recording.chunk_cutter import ChunkCutter, CutDecision, StreamFormat
from edgecam.recording.content_time import Arrival, ContentTime

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DELAY_S = 0.05
_FORM = StreamFormat("h264", 64, 48)
_MONOTONIC_S = 5000.0
_UNSET_S = -56 * 365 * 86_400.0
"""About 1970: a core without a battery."""


class Kind(StrEnum):
    """What may happen."""

    LEAP = "leap"
    """The stream's clock leaps by `value` seconds for good."""
    STRAY = "stray"
    """One picture is stamped `value` seconds off."""
    DOUBLED = "doubled"
    """One picture has the stamp of the one before."""
    PACE = "pace"
    """The stream is stamped at `value` times its pace from now on."""
    STALL = "stall"
    """The network holds everything back for `value` seconds, and then delivers it at once."""
    PAUSE = "pause"
    """The camera sends nothing for `value` seconds and goes on, on the same connection."""
    RECONNECT = "reconnect"
    """The connection ends; the next begins `value` seconds later, with stamps of its own."""
    CORE = "core"
    """The core's time of day is `value` seconds off from now on."""
    CAMERA = "camera"
    """The camera's clock, in its reports, is `value` seconds off from now on."""
    SILENT = "silent"
    """The camera reports no more."""
    ECHO = "echo"
    """The camera makes its reports of its stamps."""


@dataclass(frozen=True)
class Event:
    """Something happens `at_s` seconds after the beginning."""

    at_s: float
    kind: Kind
    value: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """A camera, a network and a core.

    Attributes:
        fps: Pictures a second.
        keyframe_s: Seconds between keyframes.
        chunk_s: How long chunks are to be.
        length_s: How long it goes on.
        jitter_s: What the network delays pictures by, at random.
        reports: Whether the camera sends reports at first.
        is_unset: Whether the core's clock begins in 1970.
        seed: Of the network's jitter.
        events: In order.
    """

    fps: float = 10.0
    keyframe_s: float = 1.0
    chunk_s: float = 4.0
    length_s: float = 120.0
    jitter_s: float = 0.02
    reports: bool = True
    is_unset: bool = False
    seed: int = 0
    events: tuple[Event, ...] = ()

    def to_bytes(self) -> bytes:
        """As a file keeps it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The scenario that `to_bytes` wrote."""
        values = json.loads(data)
        events = tuple(
            Event(each["at_s"], Kind(each["kind"]), each["value"]) for each in values.pop("events")
        )
        return cls(**values, events=events)


@dataclass
class NamedChunk:
    """A chunk as it is named, and as it is.

    Attributes:
        start: In its name.
        end: By its name, when it has ended.
        gap_s: Between the chunk before and this one, by their names; None for the first.
        taken_s: When its first picture was taken, in truth.
        begun_ns: On the time line, its first picture.
        ended_ns: On the time line, its end.
        connection: On which it was begun.
        pictures: How many it has.
    """

    start: datetime
    gap_s: float | None
    taken_s: float
    begun_ns: int
    connection: int
    end: datetime = NOON
    ended_ns: int = 0
    pictures: int = 0


@dataclass
class _Picture:
    taken_s: float
    arrived_s: float
    stamp_ns: int
    is_keyframe: bool
    report_s: float | None
    connection: int


@dataclass
class Run:
    """One scenario, played.

    Attributes:
        scenario: Which.
        chunks: What is recorded.
        skipped: Pictures that are in none.
        sent: Pictures in all.
        over: What was over when: an outage delays what was to happen meanwhile.
    """

    scenario: Scenario
    chunks: list[NamedChunk] = field(default_factory=list)
    over: list[tuple[Kind, float]] = field(default_factory=list)
    skipped: int = 0
    sent: int = 0

    def __post_init__(self) -> None:
        self._time = ContentTime("model")
        self._cutter = ChunkCutter(chunk_s=self.scenario.chunk_s, max_chunk_bytes=1 << 40)
        self._line = TimeLine()
        self._open: NamedChunk | None = None
        self._newest_ns = 0
        self._interval_ns = round(NS_PER_S / self.scenario.fps)
        self._previous_end: datetime | None = None
        batch: list[_Picture] = []
        poll_s, connection = 1.0, 0
        for picture in self._pictures():
            while picture.arrived_s > poll_s or picture.connection != connection:
                self._take(batch, poll_s if picture.connection == connection else batch_end(batch, poll_s))
                batch = []
                if picture.connection != connection:
                    self._disconnect()
                    connection = picture.connection
                    poll_s = max(poll_s, picture.arrived_s)
                else:
                    poll_s += 1.0
            batch.append(picture)
        self._take(batch, poll_s)
        self._disconnect()

    @property
    def outgrown(self) -> int:
        """How often a chunk had no more room before a keyframe came."""
        return self._cutter.outgrown

    def walls(self, at_s: float) -> tuple[datetime, datetime]:
        """The core's time of day at a moment, and what it would be had it not been set back."""
        offsets_s = [0.0, *(each.value for each in self._events(Kind.CORE) if each.at_s <= at_s)]
        true = NOON + timedelta(seconds=at_s)
        return true + timedelta(seconds=offsets_s[-1]), true + timedelta(seconds=max(offsets_s))

    def _events(self, *kinds: Kind) -> list[Event]:
        return [each for each in self.scenario.events if each.kind in kinds]

    def _core_now(self, at_s: float) -> datetime:
        offset_s = _UNSET_S if self.scenario.is_unset else 0.0
        for each in self._events(Kind.CORE):
            if each.at_s <= at_s:
                offset_s = each.value
        return NOON + timedelta(seconds=at_s + offset_s)

    def _pictures(self) -> Iterator[_Picture]:
        scene = self.scenario
        random = Random(scene.seed)
        events = list(scene.events)
        count = round(scene.keyframe_s * scene.fps)
        number = connection = 0
        taken_s = media_s = 0.0
        base_ns = offset_ns = 0
        pace, camera_s, reports, echoes = 1.0, 0.0, scene.reports, False
        held_until_s = last_arrived_s = 0.0
        last_stamp_ns = 0
        while taken_s < scene.length_s:
            stray_ns, is_doubled = 0, False
            while events and events[0].at_s <= taken_s:
                event = events.pop(0)
                match event.kind:
                    case Kind.LEAP:
                        offset_ns += round(event.value * NS_PER_S)
                    case Kind.STRAY:
                        stray_ns = round(event.value * NS_PER_S)
                    case Kind.DOUBLED:
                        is_doubled = True
                    case Kind.PACE:
                        pace = event.value
                    case Kind.STALL:
                        held_until_s = taken_s + event.value
                    case Kind.PAUSE:
                        taken_s += event.value
                        media_s += event.value * pace
                    case Kind.RECONNECT:
                        connection += 1
                        taken_s = max(taken_s, last_arrived_s) + event.value
                        base_ns, media_s, offset_ns = random.randrange(10**13), 0.0, 0
                        number = 0 if random.random() < 0.5 else number
                        held_until_s = 0.0
                    case Kind.CAMERA:
                        camera_s = event.value
                    case Kind.SILENT:
                        reports = False
                    case Kind.ECHO:
                        echoes = True
                self.over.append((event.kind, max(taken_s, held_until_s)))
            stamp_ns = base_ns + round(media_s * NS_PER_S) + offset_ns + stray_ns
            if is_doubled:
                stamp_ns = last_stamp_ns
            arrived_s = max(
                taken_s + DELAY_S + random.random() * scene.jitter_s, held_until_s, last_arrived_s
            )
            report_s = (media_s if echoes else taken_s) + camera_s if reports else None
            yield _Picture(taken_s, arrived_s, stamp_ns, number % count == 0, report_s, connection)
            last_arrived_s, last_stamp_ns = arrived_s, stamp_ns
            number += 1
            taken_s += 1 / scene.fps
            media_s += pace / scene.fps

    def _take(self, batch: list[_Picture], polled_s: float) -> None:
        if not batch:
            return
        now_s = _MONOTONIC_S + polled_s
        newest = batch[-1]
        places = self._line.place(
            [each.stamp_ns for each in batch],
            arrived_s=now_s,
            within_s=1.5,
            taken_s=newest.report_s,
        )
        reported = None if newest.report_s is None else NOON + timedelta(seconds=newest.report_s)
        self._time.observe(Arrival(places[-1].line_ns, self._core_now(polled_s), now_s, reported))
        if self._open is not None and self._open is self.chunks[-1]:
            self._open.start = self._time.start
        for picture, place in zip(batch, places, strict=True):
            self.sent += 1
            if place.is_back and picture.is_keyframe:
                self._cutter.end_at_keyframe()
            self._offer(picture, place.line_ns)

    def _offer(self, picture: _Picture, line_ns: int) -> None:
        form = _FORM if picture.is_keyframe else None
        decision = self._cutter.offer(
            line_ns, is_keyframe=picture.is_keyframe, size_bytes=1, stream_format=form
        )
        if decision is CutDecision.STOP:
            self._end()
        if decision is CutDecision.BEGIN:
            end, start = self._time.boundary_at(line_ns)
            self._close(end, line_ns)
            gap_s = None if self._previous_end is None else (start - self._previous_end).total_seconds()
            self._open = NamedChunk(start, gap_s, picture.taken_s, line_ns, picture.connection)
            self.chunks.append(self._open)
            self._newest_ns = line_ns
        if decision in (CutDecision.BEGIN, CutDecision.ADD) and self._open is not None:
            self._open.pictures += 1
            self._newest_ns = max(self._newest_ns, line_ns)
        else:
            self.skipped += 1

    def _end(self) -> None:
        if self._open is not None:
            end_ns = self._newest_ns + self._interval_ns
            self._close(self._time.end_at(end_ns), end_ns)

    def _close(self, end: datetime, end_ns: int) -> None:
        if self._open is not None:
            self._open.end, self._open.ended_ns = end, end_ns
            self._previous_end = end
            self._open = None

    def _disconnect(self) -> None:
        self._end()
        self._cutter.end()
        self._time.connect()
        self._line = TimeLine()


def batch_end(batch: list[_Picture], polled_s: float) -> float:
    """When the last batch of a connection is polled: at its end, not at the next second."""
    return min(polled_s, batch[-1].arrived_s) if batch else polled_s
