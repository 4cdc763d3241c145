"""How `pytest -n` spreads the tests over its workers: in lanes, of which each runs in one worker, in order.

A lane keeps together what shares a fixture that is expensive to set up. Tests of no lane named here go module
by module. The longest lanes begin first, so that no worker is left with one of them at the end.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FILE = "lanes_file"
"""What a worker is told under this name: where to write which test is in which lane. Workers collect the tests,
the scheduler, which does not, reads it there."""


@dataclass(frozen=True)
class Lane:
    """Tests that run in one worker, one after the other."""

    name: str
    duration_s: float
    """On a quiet machine with two cores; only the order of lanes comes from it."""
    tests: frozenset[str] = field(default_factory=frozenset)
    """Node ids begin with one of these."""
    fixtures: frozenset[str] = field(default_factory=frozenset)


def _module(name: str, duration_s: float) -> Lane:
    return Lane(name, duration_s, frozenset({f"tests/{name}"}))


LANES: tuple[Lane, ...] = (
    _module("integration/test_deploy.py", 300),
    _module(
        "container/test_media_in_image.py::test_what_holds_with_this_machines_gstreamer_holds_with_the_images[frames]",
        200,
    ),
    _module(
        "container/test_media_in_image.py::test_what_holds_with_this_machines_gstreamer_holds_with_the_images[rec",
        199,
    ),
    _module("stacks/test_many_devices.py", 150),
    _module("container/test_same_bits.py", 120),
    _module("integration/faults", 110),
    _module("integration/test_frames.py", 105),
    _module("stacks/test_many_sites.py", 100),
    Lane("jsii", 90, fixtures=frozenset({"synthesize", "assembly"})),
    _module("integration/", 60),
    _module("sandbox/", 50),
)


def lane_of(item: pytest.Item) -> tuple[float, str]:
    """How long its lane takes, and the lane's name."""
    for lane in LANES:
        if any(item.nodeid.startswith(each) for each in lane.tests) or lane.fixtures & set(
            getattr(item, "fixturenames", ())
        ):
            return lane.duration_s, lane.name
    return 0.0, item.nodeid.partition("::")[0]


def tell(items: list[pytest.Item], file: Path) -> None:
    """Write down which test is in which lane, in one go: every worker does, and all write the same."""
    own = file.with_name(f"{file.name}.{os.getpid()}")
    own.write_text(json.dumps({item.nodeid: lane_of(item)[1] for item in items}))
    own.replace(file)
