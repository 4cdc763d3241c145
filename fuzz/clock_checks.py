"""What has to hold of the names of chunks, whatever clocks do."""

from __future__ import annotations

from itertools import pairwise

from edgecam.clock import NS_PER_S
from edgecam.recording.content_time import FAR
from fuzz.clock_model import Kind, NamedChunk, Run, Scenario

NEAR_WALL_S = 2.0 + 0.5
"""What names may be off by: two seconds, and what the network adds in the model."""
BACK_WITHIN_S = 60.0
_DISTURBING = (Kind.RECONNECT, Kind.STALL, Kind.PAUSE)


def check(scenario: Scenario) -> None:
    """Play it, and hold what came of it against the truth.

    Raises:
        AssertionError: something does not hold.
    """
    run = Run(scenario)
    chunks = run.chunks
    for earlier, later in pairwise(chunks):
        assert earlier.start < later.start, f"goes back: {earlier} {later}"
        assert earlier.end <= later.start, f"overlaps: {earlier} {later}"
    for chunk in chunks:
        _check_length(chunk)
        _check_name(run, chunk)
    for earlier, later in pairwise(chunks):
        _check_gap(run, earlier, later)
    _check_pictures(run)


def _check_length(chunk: NamedChunk) -> None:
    said_s = (chunk.end - chunk.start).total_seconds()
    file_s = (chunk.ended_ns - chunk.begun_ns) / NS_PER_S
    assert abs(said_s - file_s) <= 0.002 + 0.001 * file_s, f"named {said_s} s, is {file_s} s: {chunk}"


def _faults(run: Run, kinds: tuple[Kind, ...]) -> list[float]:
    """When clocks went wrong in a way that names may show for a minute: the begins, and the ends."""
    begun = [each.at_s for each in run.scenario.events if each.kind in kinds]
    return begun + [at_s for kind, at_s in run.over if kind in kinds]


def _check_name(run: Run, chunk: NamedChunk) -> None:
    longest_s = run.scenario.chunk_s + run.scenario.keyframe_s + 2
    recent = [
        at_s
        for at_s in (
            *_faults(run, (Kind.PACE, Kind.CORE)),
            # What is measured of a pace begins again there, or is measured wrongly.
            *_faults(run, _DISTURBING if _faults(run, (Kind.PACE,)) else ()),
            *_odd_in_a_hold(run),
            *_held_at_the_beginning(run),
        )
        if at_s <= chunk.taken_s + longest_s and chunk.taken_s - at_s < BACK_WITHIN_S + longest_s
    ]
    if recent or (run.scenario.is_unset and _is_unset(run, chunk.taken_s, longest_s)):
        return
    least, most = run.walls(chunk.taken_s)
    early_s, late_s = (least - chunk.start).total_seconds(), (chunk.start - most).total_seconds()
    # A recording polls: when the only picture of a second arrived is known to a second.
    near_s = NEAR_WALL_S + min(1.0, 1 / run.scenario.fps)
    assert max(early_s, late_s) <= near_s, f"named {late_s:+.2f} s or {-early_s:+.2f} s off: {chunk}"


def _odd_in_a_hold(run: Run) -> list[float]:
    """When stamps were odd at the moment at which nothing came: two faults at once, of which neither bounds
    the other."""
    held = [each for each in run.scenario.events if each.kind in (Kind.STALL, Kind.PAUSE)]
    return [
        at_s
        for odd in run.scenario.events
        for each in held
        if odd.kind in (Kind.LEAP, Kind.STRAY) and -2 <= odd.at_s - each.at_s <= each.value + 2
        for at_s in (odd.at_s + each.value, odd.at_s + each.value + BACK_WITHIN_S)
    ]


def _held_at_the_beginning(run: Run) -> list[float]:
    """When the network holds a connection's first pictures: nobody knows yet that they are late."""
    begun = [0.0, *(each.at_s for each in run.scenario.events if each.kind is Kind.RECONNECT)]
    return [
        at_s
        for each in run.scenario.events
        for begun_s in begun
        if each.kind is Kind.STALL and begun_s - each.value - 25 <= each.at_s <= begun_s + 30
        for at_s in (each.at_s, each.at_s + each.value + 20)
    ]


def _is_unset(run: Run, taken_s: float, longest_s: float) -> bool:
    set_at = [each.at_s for each in run.scenario.events if each.kind is Kind.CORE]
    return not set_at or taken_s < set_at[0] + longest_s


def _check_gap(run: Run, earlier: NamedChunk, later: NamedChunk) -> None:
    gap_s = (later.start - earlier.end).total_seconds()
    if earlier.connection == later.connection:
        if run.outgrown:
            return  # pauses for so long that a chunk had no more room
        was_set = any(gap_s > FAR.total_seconds() - 0.002 for _ in _faults(run, (Kind.CORE,)))
        assert gap_s == 0 or was_set, f"a gap of {gap_s} s that is none: {earlier} {later}"
    else:
        assert gap_s > 0, f"no gap: {earlier} {later}"


def _check_pictures(run: Run) -> None:
    """Nothing after the first keyframe of a connection is left out."""
    lost = run.sent - sum(chunk.pictures for chunk in run.chunks) - run.skipped
    assert lost == 0, f"{lost} pictures are nowhere"
    if run.outgrown:
        return
    connections = 1 + sum(each.kind is Kind.RECONNECT for each in run.scenario.events)
    per_wait = round(run.scenario.keyframe_s * run.scenario.fps)
    assert run.skipped <= connections * per_wait, f"{run.skipped} pictures are in no chunk"
