"""How `pytest -n` spreads the tests: in lanes, each of which runs in one worker, one test after the other.

Most of a test's time is waiting, so lanes run side by side. A lane keeps together what shares an expensive
fixture of a session's or module's length. The longest begin first, so that none is left over at the end.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from inspect import isgeneratorfunction
from pathlib import Path

import pytest

FILE = "lanes_file"
"""The name under which a worker finds where to write which test is in which lane."""


@dataclass(frozen=True)
class Lane:
    """Tests that run in one worker, in the order of their folders and files."""

    name: str
    duration_s: float
    """On a machine with two cores, beside three other lanes; the lanes' order comes from it."""
    tests: tuple[str, ...] = ()
    """How their ids begin, below the folder `tests`."""
    fixtures: frozenset[str] = frozenset()
    """Or they ask for one of these, by themselves or by their fixtures."""
    folder: str = ""
    """Of those that ask: fixtures of other folders may have the same name."""

    def has(self, item: pytest.Item) -> bool:
        """Whether `item` is one of them."""
        name = item.nodeid.removeprefix("tests/")
        asks = name.startswith(self.folder) and not self.fixtures.isdisjoint(
            getattr(item, "fixturenames", ())
        )
        return asks or name.startswith(self.tests)


IN_IMAGE = "image/test_media_in_image.py::test_what_holds_with_this_machines_gstreamer_holds_with_the_images"

LANES = (
    # Each module has a system of its own: in one lane they would outlast all others.
    Lane("replacements", 480, tests=("integration/deploy/test_replacements.py",)),
    Lane("whole way", 470, tests=("integration/deploy/test_whole_way.py",)),
    Lane(
        "stacks",
        250,
        # Each process that synthesizes by itself starts Node, and the session has an embedded AWS.
        fixtures=frozenset({"synthesize", "assembly", "aws", "warnings_of"}),
        tests=(
            "edgecam/brokers/test_state_document.py::test_every_state_says_what_the_watch_selects",
            "fleet/test_bucket_parts.py",
            "fleet/test_camera_secrets.py",
            "fleet/test_core_settings.py",
            "stacks/delivery/test_ecr.py",
            "stacks/delivery/test_image_copy.py",
            "stacks/greengrass/test_cores.py",
            "stacks/greengrass/test_deployment.py",
            "stacks/rollout/test_many_",
            "stacks/test_two_fleets.py",
            "stacks/watch/test_stack.py",
        ),
    ),
    # What needs the image is too long for one lane; the longest of it begins three.
    Lane("image 1", 200, tests=(f"{IN_IMAGE}[frames]", "image/test_program_in_image.py")),
    Lane("image 2", 140, tests=(f"{IN_IMAGE}[recordings]", "image/test_uploader_image.py")),
    Lane("image 3", 210, folder="image/", fixtures=frozenset({"tarball", "image", "uploader_image"})),
    Lane("lite node", 150, tests=("sandbox/core/test_lite_node.py",)),
    # Each of its tests starts a core: beside the rest of its folder, with an embedded AWS of its own.
    Lane("lite", 100, tests=("sandbox/core/test_lite.py",)),
    Lane("sandbox", 120, folder="sandbox/", fixtures=frozenset({"embedded_aws"})),
    Lane("faults", 90, tests=("integration/faults/",)),
    Lane("recipes", 170, folder="recipes/", fixtures=frozenset({"image"})),
    Lane("fuzz", 60, tests=("fuzz/",)),
    Lane("browser", 40, folder="browser/", fixtures=frozenset({"browser"})),
    # Modules that are long without sharing anything.
    Lane("frames of failing cameras", 90, tests=("integration/test_frames_of_failing_cameras.py",)),
    Lane("frames", 125, tests=("integration/test_frames.py",)),
    Lane("frames of other sources", 45, tests=("integration/test_frames_of_other_sources.py",)),
    Lane("recordings", 150, tests=("integration/test_recorded_cameras.py",)),
    Lane("wrong clocks", 75, tests=("integration/test_wrong_clocks.py",)),
    Lane("camera mistakes", 95, tests=("integration/test_camera_mistakes.py",)),
    Lane("colours", 30, tests=("integration/test_frame_colors.py",)),
    Lane("attempts", 170, tests=("edgecam/test_attempts.py",)),
    Lane("probe", 75, tests=("integration/test_probe_cameras.py",)),
    Lane("dead daemons", 230, tests=("integration/test_dead_daemons.py",)),
    Lane("soak", 42, tests=("integration/test_soak.py",)),
    Lane("cloud iot", 40, tests=("integration/test_cloud_iot.py",)),
    Lane("fleet command", 40, tests=("fleet/test_command.py",)),
    Lane("forerunner", 55, tests=("integration/test_forerunner_steps.py",)),
    Lane("repair", 34, tests=("edgecam/formats/test_repair.py",)),
    Lane("control", 32, tests=("integration/test_control_cameras.py",)),
    Lane("synth", 30, tests=("stacks/test_synth.py",)),
    Lane("upload flow", 28, tests=("integration/test_upload_flow.py",)),
)
"""A test is in the first that has it. What is in none makes a lane of its module, which is short."""


def lane_of(item: pytest.Item) -> tuple[float, str]:
    """How long its lane takes, and the lane's name."""
    found = ((lane.duration_s, lane.name) for lane in LANES if lane.has(item))
    return next(found, (0.0, item.nodeid.partition("::")[0]))


def put_in_order(items: list[pytest.Item]) -> None:
    """The longest lane first; within a lane everything stays in its order."""
    items.sort(key=lambda item: (-lane_of(item)[0], lane_of(item)[1]))


def divided(items: list[pytest.Item]) -> list[str]:
    """Fixtures of a module's length that tests of several lanes ask for, of those that are taken down again.

    Such a fixture runs, and tests change it: each lane would have one of its own, but in one process they
    share it, in the order of the lanes.
    """
    found: dict[str, set[str]] = {}
    for item in items:
        lane = lane_of(item)[1]
        definitions = item._fixtureinfo.name2fixturedefs.items()  # type: ignore[attr-defined]
        for name, (*_, definition) in definitions:
            if definition.scope == "module" and isgeneratorfunction(definition.func):
                found.setdefault(f"{item.nodeid.partition('::')[0]}: {name}", set()).add(lane)
    return sorted(
        f"{fixture} ({', '.join(sorted(lanes))})" for fixture, lanes in found.items() if len(lanes) > 1
    )


def tell(items: list[pytest.Item], file: Path) -> None:
    """Write down which test is in which lane, in one go: each worker does, and all write the same."""
    own = file.with_name(f"{file.name}.{os.getpid()}")
    own.write_text(json.dumps({item.nodeid: lane_of(item)[1] for item in items}))
    own.replace(file)
