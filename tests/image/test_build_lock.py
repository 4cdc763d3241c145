"""One build at a time: who waits says for what, and a build that was killed keeps nobody out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from container.image.build_lock import only_build, under_way
from container.image.docker import BuildError
from container.image.inputs import PROJECT

Eventually = Callable[..., Any]

BUILDING = """
import logging, sys, time
from container.image.build_lock import only_build
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
with only_build(sys.argv[1]) as report:
    report("edgecam/frame-grabber:1, stage 2 of 6 (python): fetching botocore")
    print("begun", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an engine that nobody else has, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return uuid.uuid4().hex


def building(engine: str, log: Path, seconds: float = 600.0) -> subprocess.Popen[str]:
    """A process that builds that long, and writes what it says to `log`."""
    with log.open("w") as said:
        line = [sys.executable, "-c", BUILDING, engine, str(seconds)]
        return subprocess.Popen(line, cwd=PROJECT, stdout=said, stderr=said, text=True)


def begun(log: Path) -> Callable[[], bool]:
    return lambda: "begun\n" in log.read_text()


def test_second_build_waits_and_says_for_what_and_a_killed_one_keeps_nobody_out(
    engine: str, tmp_path: Path, eventually: Eventually
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    holder = building(engine, first)
    eventually(begun(first))
    waiter = building(engine, second, seconds=0)
    try:
        eventually(lambda: "waiting for another build" in second.read_text())
        assert "stage 2 of 6 (python): fetching botocore" in second.read_text()
        assert not begun(second)()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        eventually(begun(second))
        assert waiter.wait(60) == 0
    finally:
        holder.kill()
        waiter.kill()


def test_builds_of_other_engines_do_not_wait(engine: str, tmp_path: Path, eventually: Eventually) -> None:
    holder = building(engine, tmp_path / "first")
    try:
        eventually(begun(tmp_path / "first"))
        with only_build(f"{engine} another"):
            pass
    finally:
        holder.kill()
        holder.wait()


def test_state_is_there_for_as_long_as_the_build_is(
    engine: str, tmp_path: Path, eventually: Eventually
) -> None:
    assert under_way(engine) == ""
    holder = building(engine, tmp_path / "log")
    eventually(begun(tmp_path / "log"))
    assert under_way(engine) == "edgecam/frame-grabber:1, stage 2 of 6 (python): fetching botocore"
    holder.kill()
    holder.wait()
    assert under_way(engine) == ""
    with only_build(engine) as report:
        report("stage 1")
        assert under_way(engine) == "stage 1"
    assert under_way(engine) == ""


@pytest.mark.parametrize("content", [b"", b"[]", b'{"pid": "x"}', b"[" * 3000, b"\xff" * 9999])
def test_state_that_is_none_is_no_state(engine: str, tmp_path: Path, content: bytes) -> None:
    with only_build(engine) as report:
        report("stage 1")
        (state,) = tmp_path.rglob("*.json")
        state.write_bytes(content)
        assert under_way(engine) == ""


def test_cache_that_cannot_be_made_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    refused = pytest.raises(BuildError, match=r"build-\w+\.lock, which keeps .* Not a directory.*XDG_CACHE")
    with refused, only_build("engine"):
        pass
