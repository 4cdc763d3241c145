"""Which cameras have problems, and the metrics of them. Values only, no AWS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .camera_states import CameraState, OddState
from .progress_store import Memory, Progress


class ProblemKind(StrEnum):
    """What may be wrong with a camera or a core."""

    SILENT = "silent"
    """No state came for longer than the node promised."""
    STALLED = "stalled"
    """Connected, and no picture comes."""
    DISCONNECTED = "disconnected"
    """Disconnected, or connecting for long."""
    NOT_RECORDING = "not recording"
    """Pictures come, and no chunk is finished."""
    SPOOL_FILLING = "spool filling"
    """The core's spool holds more than it should."""
    ODD = "odd state"
    """A state that no edgecam sends; or more cameras than a core can have."""
    UNHEALTHY = "unhealthy"
    """A component of the core is broken."""


METRIC_OF = {
    ProblemKind.SILENT: "SilentCameras",
    ProblemKind.STALLED: "StalledCameras",
    ProblemKind.DISCONNECTED: "DisconnectedCameras",
    ProblemKind.NOT_RECORDING: "NotRecordingCameras",
    ProblemKind.SPOOL_FILLING: "FillingSpools",
    ProblemKind.ODD: "OddStates",
    ProblemKind.UNHEALTHY: "UnhealthyCores",
}
"""The metric that counts them."""

MOST_CAMERAS = 500
"""Of one core. A holder of its certificate may send states of any number of cameras, and each is a row."""
MOST_FORGOTTEN = 1_000
"""Rows in one run: each is a request, and the next run continues."""
SPOOL_SHARE = 0.8
"""Of a spool's limit, from which on it is filling: early enough to act."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When something is a problem.

    Attributes:
        late_s: How much later than promised a state may arrive.
        trouble_after_s: How long a camera may be stalled or disconnected.
        no_chunks_after_s: How long a recording may finish no chunk.
        spool_bytes: How much a spool may hold; None: `SPOOL_SHARE` of its own limit.
        forget_after_s: A camera that was silent for this long is forgotten.
    """

    late_s: float
    trouble_after_s: float
    no_chunks_after_s: float
    spool_bytes: int | None
    forget_after_s: float


@dataclass(frozen=True)
class Problem:
    """What is wrong with one camera or core.

    Attributes:
        name: `<thing>/<camera>`, or the thing of a core.
        kind: What is wrong.
        reason: One word or a few, where there is more to say.
        for_s: About how long, seconds; None where that is not known.
    """

    name: str
    kind: ProblemKind
    reason: str | None = None
    for_s: float | None = None


@dataclass
class Assessment:
    """What one run found.

    Attributes:
        metrics: By name.
        problems: Of cameras and cores.
        memory: For the next run.
        forgotten: Cameras that were silent for too long, and those of a core that has too many.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    memory: dict[str, Progress] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


def assess(
    states: Iterable[CameraState | OddState], memory: Memory, limits: Limits, now_s: float
) -> Assessment:
    """Assess all cameras at `now_s` (seconds since 1970); `memory` is the former run's."""
    assessment = Assessment()
    fullest: dict[str, CameraState] = {}
    kept: list[CameraState] = []
    odd: list[Problem] = []
    cameras_of: Counter[str] = Counter()
    for state in states:
        cameras_of[state.thing] += 1
        if state.age_s > limits.forget_after_s or cameras_of[state.thing] > MOST_CAMERAS:
            if len(assessment.forgotten) < MOST_FORGOTTEN:
                assessment.forgotten.append(state.name)
            continue
        if isinstance(state, OddState):
            odd.append(Problem(state.name, ProblemKind.ODD, state.why))
            continue
        kept.append(state)
        if (progress := progress_of(state, memory.get(state.name), now_s)) is not None:
            assessment.memory[state.name] = progress
        if state.spool_bytes is not None:
            fullest[state.thing] = max(fullest.get(state.thing, state), state, key=_spool_bytes)
        if (problem := problem_of(state, assessment.memory.get(state.name), limits, now_s)) is not None:
            assessment.problems.append(problem)
    assessment.problems += [*_filling(fullest, limits), *odd, *_crowded(cameras_of)]
    assessment.metrics = {
        "Cameras": len(kept) + len(odd),
        "ConnectedCameras": sum(
            state.state == "connected" and not is_silent(state, limits) for state in kept
        ),
        "WaitingChunks": sum(state.chunks_waiting or 0 for state in kept),
        "LargestSpoolBytes": max(map(_spool_bytes, fullest.values()), default=0),
        **_grown(assessment.memory, memory),
        **{metric: sum(each.kind is kind for each in assessment.problems) for kind, metric in _ASSESSED},
    }
    return assessment


def is_silent(state: CameraState, limits: Limits) -> bool:
    """Whether a state is older than the node promised and a message may be late."""
    return state.age_s > state.every_s + limits.late_s


def problem_of(state: CameraState, progress: Progress | None, limits: Limits, now_s: float) -> Problem | None:
    """What is wrong with a camera: the first of it that explains the rest."""
    if is_silent(state, limits):
        return Problem(state.name, ProblemKind.SILENT, None, state.age_s)
    if state.state != "connected":
        if state.in_state_s < limits.trouble_after_s:
            return None
        kind = ProblemKind.STALLED if state.state == "stalled" else ProblemKind.DISCONNECTED
        return Problem(state.name, kind, state.reason, state.in_state_s)
    # A camera that has just reconnected has had no time for a chunk.
    if progress is not None and state.in_state_s >= limits.no_chunks_after_s:
        without_s = now_s - progress.grew_s
        if without_s >= limits.no_chunks_after_s:
            return Problem(state.name, ProblemKind.NOT_RECORDING, state.reason, without_s)
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


def _filling(fullest: dict[str, CameraState], limits: Limits) -> Iterator[Problem]:
    """Cores whose spool is filling, by the state that reported most: all cameras of a core share one."""
    for thing, state in sorted(fullest.items()):
        may_hold = limits.spool_bytes
        if may_hold is None and state.spool_limit_bytes is not None:
            may_hold = int(SPOOL_SHARE * state.spool_limit_bytes)
        size = _spool_bytes(state)
        if may_hold is not None and size >= may_hold:
            yield Problem(thing, ProblemKind.SPOOL_FILLING, f"{size} bytes, of {may_hold}")


def _crowded(cameras_of: Mapping[str, int]) -> Iterator[Problem]:
    for thing, count in sorted(cameras_of.items()):
        if count > MOST_CAMERAS:
            yield Problem(thing, ProblemKind.ODD, f"expected at most {MOST_CAMERAS} cameras, found {count}")


def _grown(memory: Memory, former: Memory) -> dict[str, float]:
    """Chunks since the former run. A node that was restarted counts from 0 again: all it has is new."""
    recorded = lost = 0
    for name, progress in memory.items():
        before = former.get(name)
        if before is None:
            continue
        restarted = progress.recorded < before.recorded
        recorded += progress.recorded - (0 if restarted else before.recorded)
        lost += max(0, progress.lost - before.lost)
    return {"RecordedChunks": recorded, "LostChunks": lost}


_ASSESSED = [(kind, metric) for kind, metric in METRIC_OF.items() if kind is not ProblemKind.UNHEALTHY]
"""UNHEALTHY is Greengrass' word and no state's."""
