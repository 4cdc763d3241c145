"""A disk that is really full: 4 MB of memory, mounted where only the test's own process sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import full_disk


def on_a_small_disk(folder: Path, when_full: str) -> dict[str, Any]:
    script = full_disk.__file__
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*apart, sys.executable, script, str(folder), when_full],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_full_disk_makes_room_by_eviction_and_the_chunk_being_written_is_kept(tmp_path: Path) -> None:
    found = on_a_small_disk(tmp_path, "evict")
    assert found["made_room"] == [True]
    assert found["while_writing"] == [1, 2]
    assert found["kept"] == [1, 2, 3]
    assert (found["evicted_before"], found["evicted"]) == (1, 1)


def test_set_to_stop_a_full_disk_evicts_nothing(tmp_path: Path) -> None:
    found = on_a_small_disk(tmp_path, "stop")
    assert found["made_room"] == [False]
    assert found["kept"] == [0, 1, 2, 3]
    assert found["evicted"] == 0
