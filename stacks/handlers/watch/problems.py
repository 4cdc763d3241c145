"""Which cameras are in trouble, and the numbers that CloudWatch is told. Values only, no AWS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .camera_states import CameraState, OddState
from .progress_store import Memory, Progress


class Trouble(StrEnum):
    """What may be wrong with a camera or a core."""

    SILENT = "silent"
    """No state came for longer than the node promised."""
    STALLED = "stalled"
    """Connected, and no picture comes."""
    AWAY = "away"
    """Disconnected, or connecting for long."""
    NOT_RECORDING = "not recording"
    """Pictures come, and no chunk is finished."""
    SPOOL_FILLING = "spool filling"
    """The core's spool holds more than it should."""
    ODD = "odd state"
    """What its core told cannot be; or the core tells of more cameras than there can be."""
    UNHEALTHY = "unhealthy"
    """A component of the core is broken."""


METRIC_OF = {
    Trouble.SILENT: "SilentCameras",
    Trouble.STALLED: "StalledCameras",
    Trouble.AWAY: "AwayCameras",
    Trouble.NOT_RECORDING: "NotRecordingCameras",
    Trouble.SPOOL_FILLING: "FillingSpools",
    Trouble.ODD: "OddStates",
    Trouble.UNHEALTHY: "UnhealthyCores",
}
"""How many there are."""


MOST_CAMERAS = 500
"""Of one core. Whoever has its certificate may tell of as many as it likes, and each is a row."""
MOST_FORGOTTEN = 1_000
"""Rows in one look: each is a request, and the next look goes on."""
SPOOL_SHARE = 0.8
"""Of its limit, from which on a spool is filling: there is time to do something yet."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When something is trouble.

    Attributes:
        late_s: So much later than promised a state may arrive.
        trouble_after_s: So long a camera may be stalled or away.
        no_chunks_after_s: So long a recording may finish no chunk.
        spool_bytes: So much a spool may hold; None: `SPOOL_SHARE` of its own limit.
        forget_after_s: A camera that was silent for so long is not there any more.
    """

    late_s: float
    trouble_after_s: float
    no_chunks_after_s: float
    spool_bytes: int | None
    forget_after_s: float


@dataclass(frozen=True)
class Found:
    """One camera or core in trouble; `for_s` is about how long, None where nobody knows."""

    name: str
    trouble: Trouble
    reason: str | None = None
    for_s: float | None = None


@dataclass
class Look:
    """What one look at all states found.

    Attributes:
        metrics: By name.
        found: Everything in trouble.
        memory: For the next look.
        forgotten: Cameras that were silent for too long, and those of a core that tells of too many.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    memory: dict[str, Progress] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


def look(states: Iterable[CameraState | OddState], memory: Memory, limits: Limits, now_s: float) -> Look:
    """Judge all cameras at `now_s` (seconds since 1970), knowing what `memory` kept of the former look."""
    seen = Look()
    fullest: dict[str, CameraState] = {}
    kept: list[CameraState] = []
    odd: list[Found] = []
    cameras_of: Counter[str] = Counter()
    for state in states:
        cameras_of[state.thing] += 1
        if state.age_s > limits.forget_after_s or cameras_of[state.thing] > MOST_CAMERAS:
            if len(seen.forgotten) < MOST_FORGOTTEN:
                seen.forgotten.append(state.name)
            continue
        if isinstance(state, OddState):
            odd.append(Found(state.name, Trouble.ODD, state.why))
            continue
        kept.append(state)
        if (progress := progress_of(state, memory.get(state.name), now_s)) is not None:
            seen.memory[state.name] = progress
        if state.spool_bytes is not None:
            fullest[state.thing] = max(fullest.get(state.thing, state), state, key=_spool_bytes)
        if (found := trouble_of(state, seen.memory.get(state.name), limits, now_s)) is not None:
            seen.found.append(found)
    seen.found += [*_filling(fullest, limits), *odd, *_crowded(cameras_of)]
    seen.metrics = {
        "Cameras": len(kept) + len(odd),
        "ConnectedCameras": sum(
            state.state == "connected" and not is_silent(state, limits) for state in kept
        ),
        "WaitingChunks": sum(state.chunks_waiting or 0 for state in kept),
        "LargestSpoolBytes": max(map(_spool_bytes, fullest.values()), default=0),
        **_grown(seen.memory, memory),
        **{metric: sum(found.trouble is trouble for found in seen.found) for trouble, metric in _OURS},
    }
    return seen


def is_silent(state: CameraState, limits: Limits) -> bool:
    """Whether a state is older than the node promised and a message may be late."""
    return state.age_s > state.every_s + limits.late_s


def trouble_of(state: CameraState, progress: Progress | None, limits: Limits, now_s: float) -> Found | None:
    """What is wrong with a camera: the first of it that explains the rest."""
    if is_silent(state, limits):
        return Found(state.name, Trouble.SILENT, None, state.age_s)
    if state.state != "connected":
        if state.in_state_s < limits.trouble_after_s:
            return None
        trouble = Trouble.STALLED if state.state == "stalled" else Trouble.AWAY
        return Found(state.name, trouble, state.reason, state.in_state_s)
    # A camera that has just come back has not had the time for a chunk.
    if progress is not None and state.in_state_s >= limits.no_chunks_after_s:
        without_s = now_s - progress.grew_s
        if without_s >= limits.no_chunks_after_s:
            return Found(state.name, Trouble.NOT_RECORDING, state.reason, without_s)
    return None


def progress_of(state: CameraState, former: Progress | None, now_s: float) -> Progress | None:
    """How far a recording is; None where nothing is recorded."""
    if state.chunks_recorded is None:
        return None
    is_same = former is not None and former.recorded == state.chunks_recorded
    grew_s = former.grew_s if former is not None and is_same else now_s
    return Progress(state.chunks_recorded, grew_s, state.chunks_lost or 0)


def _spool_bytes(state: CameraState) -> int:
    return state.spool_bytes or 0


def _filling(fullest: dict[str, CameraState], limits: Limits) -> Iterator[Found]:
    """Cores whose spool is filling, by the state that told most of it: all cameras of a core share one."""
    for thing, state in sorted(fullest.items()):
        may_hold = limits.spool_bytes
        if may_hold is None and state.spool_limit_bytes is not None:
            may_hold = int(SPOOL_SHARE * state.spool_limit_bytes)
        size = _spool_bytes(state)
        if may_hold is not None and size >= may_hold:
            yield Found(thing, Trouble.SPOOL_FILLING, f"{size} bytes, of {may_hold}")


def _crowded(cameras_of: Mapping[str, int]) -> Iterator[Found]:
    for thing, count in sorted(cameras_of.items()):
        if count > MOST_CAMERAS:
            yield Found(thing, Trouble.ODD, f"expected at most {MOST_CAMERAS} cameras, found {count}")


def _grown(memory: Memory, former: Memory) -> dict[str, float]:
    """Chunks since the former look. A node that was restarted counts from 0 again: what it has is new."""
    recorded = lost = 0
    for name, progress in memory.items():
        before = former.get(name)
        if before is None:
            continue
        restarted = progress.recorded < before.recorded
        recorded += progress.recorded - (0 if restarted else before.recorded)
        lost += max(0, progress.lost - before.lost)
    return {"RecordedChunks": recorded, "LostChunks": lost}


_OURS = [(trouble, metric) for trouble, metric in METRIC_OF.items() if trouble is not Trouble.UNHEALTHY]
