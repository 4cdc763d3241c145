"""Clocks that are wrong in every way: what a recording names its chunks by has to hold all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fuzz.clock_checks import check
from fuzz.clock_model import Event, Kind, Scenario
from fuzz.target import Subject, Target
from fuzz.text_targets import Reader

_WRAP_S = 2**32 / 90_000
"""Of RTP's time stamps: 13 hours."""
_LEAPS_S = st.one_of(
    st.sampled_from((_WRAP_S, -_WRAP_S, 3600.0, -3600.0, 9800.0, -10_400.0, -3.5, 86_400.0)),
    st.floats(-20_000, 20_000),
).filter(lambda leap_s: abs(leap_s) > 1.5)
"""Less than that is what reordering looks like."""
_VALUES: dict[Kind, SearchStrategy[float]] = {
    Kind.LEAP: _LEAPS_S,
    Kind.STRAY: _LEAPS_S,
    Kind.DOUBLED: st.just(0.0),
    Kind.PACE: st.one_of(st.sampled_from((0.8, 1.25, 1.0)), st.floats(0.8, 1.25), st.floats(0.9995, 1.0005)),
    Kind.STALL: st.floats(0.1, 8.0),
    Kind.PAUSE: st.floats(0.1, 8.0),
    Kind.RECONNECT: st.floats(0.5, 20.0),
    Kind.CORE: st.one_of(st.sampled_from((3600.0, -3600.0)), st.floats(-20, 20), st.floats(-1e6, 1e6)),
    Kind.CAMERA: st.one_of(st.sampled_from((3600.0, -3600.0, 1.5)), st.floats(-20, 20), st.floats(-1e6, 1e6)),
    Kind.SILENT: st.just(0.0),
    Kind.ECHO: st.just(0.0),
}


def scenarios(*, most: int = 6, longest_s: float = 180.0) -> SearchStrategy[Scenario]:
    """Cameras with up to `most` events."""
    event = st.sampled_from(Kind).flatmap(
        lambda kind: st.builds(Event, st.floats(0, longest_s), st.just(kind), _VALUES[kind])
    )
    return st.builds(
        Scenario,
        fps=st.sampled_from((1.0, 4.0, 10.0, 15.0)),
        keyframe_s=st.sampled_from((1.0, 2.0, 5.0)),
        chunk_s=st.sampled_from((2.0, 4.0, 10.0)),
        length_s=st.floats(20.0, longest_s),
        jitter_s=st.sampled_from((0.0, 0.02, 0.2)),
        reports=st.booleans(),
        is_unset=st.booleans(),
        seed=st.integers(0, 2**32),
        events=st.lists(event, max_size=most).map(
            lambda events: tuple(sorted(events, key=lambda each: each.at_s))
        ),
    )


@contextmanager
def _clocks(_folder: Path) -> Iterator[Subject]:
    yield Reader(lambda data: check(Scenario.of(data)))


def _written() -> SearchStrategy[bytes]:
    return scenarios().map(Scenario.to_bytes)


def _known(*events: Event, **more: Any) -> bytes:
    return Scenario(events=events, **more).to_bytes()


CLOCKS = Target(
    "clocks",
    _written,
    _clocks,
    known=lambda: (
        _known(),
        _known(*(Event(at_s, Kind.STRAY, 9800.0) for at_s in range(2, 100, 3))),
        _known(Event(30, Kind.LEAP, 3600.0)),
        _known(*(Event(at_s, Kind.LEAP, -3.5) for at_s in range(8, 120, 8))),
        _known(Event(5, Kind.PACE, 0.8)),
        _known(Event(5, Kind.PACE, 1.25), reports=False),
        _known(Event(40, Kind.STALL, 8.0), reports=False),
        _known(Event(20, Kind.CORE, 0.0), is_unset=True),
        _known(Event(1, Kind.CAMERA, 3.0), fps=1.0, chunk_s=2.0),
        _known(Event(0, Kind.PAUSE, 0.9), fps=1.0, chunk_s=2.0, jitter_s=0.2, reports=False),
        _known(Event(1, Kind.DOUBLED), Event(1, Kind.PAUSE, 6.0), fps=1.0, chunk_s=2.0),
        _known(
            *(Event(0, Kind.RECONNECT, 9.0), Event(0, Kind.RECONNECT, 20.0), Event(0, Kind.PACE, 0.8)),
            fps=1.0,
            keyframe_s=1.0,
            chunk_s=2.0,
            length_s=66.0,
            jitter_s=0.0,
            reports=False,
            seed=0,
        ),
        _known(
            *(Event(0, Kind.PACE, 1.25), Event(1, Kind.PAUSE, 6.0), Event(1, Kind.PAUSE, 6.0)),
            fps=1.0,
            chunk_s=2.0,
            reports=False,
        ),
    ),
)
