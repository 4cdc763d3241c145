"""A disk that really is read-only, and really full: mounted where only the test's own process sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import recording_disk


def test_recording_on_a_disk_in_trouble_is_503_as_long_as_it_lasts(tmp_path: Path) -> None:
    script = recording_disk.__file__
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*apart, sys.executable, script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    health_when = json.loads(done.stdout)
    assert {when: health["status"] for when, health in health_when.items()} == {
        "before": 200,
        "read-only": 503,
        "still read-only": 503,
        "writable": 200,
        "full": 503,
        "with room": 200,
    }
    for when, word, found in (
        ("read-only", "disk", "Read-only file system"),
        ("still read-only", "disk", "Read-only file system"),
        ("full", "spool-full", "expected room for a chunk"),
    ):
        (reason,) = health_when[when]["reasons"]
        assert (reason["camera"], reason["recording"]) == ("c0", word)
        assert found in reason["message"], when
